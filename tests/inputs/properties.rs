//! What holds of anything that comes from outside as text: the properties that `tests/inputs.rs` tries
//! on mangled examples, and the fuzz targets in `fuzz/` on whatever they find.

use std::{collections::BTreeMap, path::Path};

use callwarden::{
    config::{self, Config, ConfigErrors, Mistake},
    model::{
        call::Call,
        change::Event,
        decode::{Decoded, PathNames, What, decode, pointers::Pointers},
        event::{CallName, Heard},
        policy::Policy,
        time::{Moment, Mono, Wall},
        view::WhyView,
    },
};

const FILE: &str = "file.toml";
const NOW: Moment = Moment { wall: Wall(1_770_000_000_000_000), mono: Mono(1 << 50) };

/// Bodies that every accepted policy has to say something about.
const BODIES: [&str; 4] = [
    r#"{"event":"event_phone_call_started","call_id":"c","agent_id":"a","to":"+5511","from":"+49",
        "direction":"outbound","campaign_id":"spring","is_testing":true,
        "context":{"plan":"trial","account":{"tier":3},"max_duration":"12m"}}"#,
    r#"{"event":"event_phone_call_connected","call_id":"c","context":{"max_duration":1e99}}"#,
    r#"{"event":"event_participant_left","call_id":"c"}"#,
    r#"{"event":"event_phone_call_ended","call_id":"c"}"#,
];

/// A config is refused with the place of each mistake; or it is read again as it is printed, is
/// advised on, and its policy decides about calls.
pub fn policy(text: &str) {
    match parsed(text) {
        Err(errors) => have_their_places(&errors, text),
        Ok(config) => {
            let printed = config::print(&config);
            let again = parsed(&printed).expect("what is printed is a config");
            assert!(again.policy() == config.policy(), "it is read as it is printed");
            assert!(!config::amounts_to(&config).is_empty());
            assert!(config::advice(&config, Some(1_024)).iter().all(|it| !it.key.is_empty()));
            decides(&config);
        }
    }
}

/// Cases for `callwarden test` are refused with the place of each mistake; or each has its events
/// in order, whose bodies can be tried.
pub fn cases(text: &str) {
    match config::parse_cases(Path::new(FILE), text.to_owned()) {
        Err(errors) => have_their_places(&errors, text),
        Ok(cases) => {
            assert!(!cases.is_empty());
            for case in cases {
                assert!(!case.events.is_empty() && case.events.is_sorted_by_key(|(at, _)| *at));
                case.events.iter().for_each(|(_, body)| webhook(body.to_string().as_bytes()));
            }
        }
    }
}

/// A webhook's body is refused with the places that were looked at; or it is an event that a call
/// takes in once, and that the store keeps.
pub fn webhook(body: &[u8]) {
    let policy = parsed(&base("")).expect("the base is a config").policy();
    let paths = [
        PathNames::default(),
        PathNames { agent: Some("agent-1"), event: Some("event_phone_call_started") },
    ];
    for path in paths {
        match decode(body, &path, &Pointers::default()) {
            Err(error) => {
                let text = error.to_string();
                assert!(error.code() == "not_json" || text.contains("looked at /"), "{text}");
            }
            Ok(Decoded { what: What::Ignored, .. }) => {}
            Ok(Decoded { what: What::Event(heard), .. }) => {
                let call = heard_by(None, &heard, &policy);
                let twice = heard_by(Some(&call), &heard, &policy);
                assert!(twice.facts == call.facts, "an event tells nothing twice");
                is_told(&call, &policy);
            }
        }
    }
}

fn parsed(text: &str) -> Result<Config, ConfigErrors> {
    let nothing = BTreeMap::<String, String>::new();
    config::parse(Path::new(FILE), text.to_owned(), &nothing)
}

/// A config that holds nothing but what must be there, and `more`.
pub fn base(more: &str) -> String {
    format!(
        "[platform]\ntoken = {{ env = \"T\" }}\n[webhook]\nsecret = {{ env = \"S\" }}\n\
         [limits]\ntotal = \"30m\"\n{more}"
    )
}

/// Each error has a line of the file, but for what is missing in it.
fn have_their_places(errors: &ConfigErrors, text: &str) {
    assert!(errors.iter().next().is_some(), "a refusal says why");
    assert!(!errors.render(true).is_empty());
    for error in errors.iter() {
        let told = error.to_string();
        match error.line() {
            Some(line) => {
                assert!((1..=text.matches('\n').count() + 1).contains(&line), "{told}");
                assert!(told.starts_with(&format!("{FILE}:{line}:")), "{told}");
            }
            None => {
                let lacks =
                    matches!(error.mistake(), Mistake::Missing { .. } | Mistake::Conflict { .. });
                assert!(lacks && told.starts_with(FILE), "{told}");
            }
        }
    }
}

fn decides(config: &Config) {
    let policy = config.policy();
    let mut call = None;
    for body in BODIES {
        let decoded = decode(body.as_bytes(), &PathNames::default(), &config.webhook.fields);
        // Other places may be read than these bodies have.
        let Ok(Decoded { what: What::Event(heard), .. }) = decoded else { return };
        let next = heard_by(call.as_ref(), &heard, &policy);
        is_told(&next, &policy);
        call = Some(next);
    }
}

fn heard_by(call: Option<&Call>, heard: &Heard, policy: &Policy) -> Call {
    let (CallName::Id(id) | CallName::Sid(id) | CallName::Both { id, .. }) = &heard.call;
    let new = || Call::new(id.clone(), NOW);
    call.cloned().unwrap_or_else(new).apply(&Event::Heard(heard), NOW, policy).next
}

/// A call wants to be looked at by its deadline, can be explained, and outlives being stored.
fn is_told(call: &Call, policy: &Policy) {
    if let Some(due) = call.deadline().filter(|_| call.ended.is_none()) {
        let wakes = call.wakeup(policy);
        assert!(due.at <= NOW.mono || wakes.is_some_and(|at| at <= due.at), "{call:?}");
    }
    let why = WhyView::of_tracked(call, policy, NOW);
    assert_eq!(why.rules.len(), policy.rules.iter().count());
    let text = serde_json::to_string(&why).expect("it can be shown");
    assert_eq!(serde_json::from_str::<WhyView>(&text).expect("it can be read"), why);
    let stored = serde_json::to_string(call).expect("it can be stored");
    let loaded: Call = serde_json::from_str(&stored).expect("it can be loaded");
    assert!(loaded.facts == call.facts && loaded.ended == call.ended, "{stored}");
}
