//! What `callwarden check` advises about rules and limits is proven: it holds of every call.

use std::{collections::BTreeMap, path::Path, time::Duration};

use callwarden::{
    config::{Config, Weight, advice, parse},
    model::{
        call::Call,
        change::Event,
        event::{EventKind, Heard},
        ids::CallId,
    },
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{
    laws::cases,
    made::{self, NOW, PlainCall, PlainRule, event, heard, policy},
};

const LIMITS: [&str; 8] = [
    "total",
    "ringing",
    "connected",
    "talking",
    "voicemail",
    "no_conversation",
    "after.conversation_ended",
    "after.participant_left",
];

const EVENTS: [&str; 6] = [
    "event_phone_call_connected",
    "event_conversation_started",
    "event_conversation_ended",
    "event_voicemail_detected",
    "event_participant_joined",
    "event_participant_left",
];

/// Some limits, in seconds.
fn limits() -> impl Strategy<Value = Vec<(&'static str, Option<u64>)>> {
    vec(option::of(1..6_u64), LIMITS.len())
        .prop_map(|lengths| LIMITS.into_iter().zip(lengths).collect())
}

fn section(limits: &[(&str, Option<u64>)]) -> String {
    let set = limits.iter().filter_map(|(name, length)| Some((name, (*length)?)));
    set.map(|(name, length)| format!("{name} = \"{length}s\"\n")).collect()
}

fn config(text: &str) -> Config {
    let text = format!(
        "[platform]\ntoken = {{ env = \"T\" }}\n[webhook]\nsecret = {{ env = \"S\" }}\n{text}"
    );
    let nothing = BTreeMap::<String, String>::new();
    parse(Path::new("callwarden.toml"), text, &nothing).unwrap()
}

/// The limits below this key of which it is said that they are never reached.
fn never_reached(config: &Config, section: &str) -> Vec<String> {
    let told = advice(config, None);
    let told = told.iter().filter(|it| it.weight == Weight::Warning);
    let told = told.filter(|it| it.found.contains("is never reached before"));
    told.filter_map(|it| Some(it.key.strip_prefix(section)?.to_owned())).collect()
}

/// The call after each of these events, so many milliseconds apart. Its start comes first: without
/// it `total` counts from a later sign than others may.
fn lived(config: &Config, events: &[(&'static str, u64)]) -> Vec<Call> {
    let (mut now, policy) = (NOW, config.policy());
    let mut call = Call::new(CallId::parse("call").unwrap(), NOW);
    let after = |(kind, apart): &(&str, u64)| {
        now = now.after(Duration::from_millis(*apart));
        let kind = EventKind::from_name(kind).unwrap();
        let heard = Heard { kind, ..event(&PlainCall::of_agent("a")) };
        call = call.apply(&Event::Heard(&heard), now, &policy).next;
        call.clone()
    };
    [("event_phone_call_started", 0)].iter().chain(events).map(after).collect()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_rule_that_is_shadowed_never_decides(
        mut rules in vec(made::rule(), 1..4), more in vec(made::condition(), 0..2),
        call in made::call(),
    ) {
        // One at least is: it asks for all that an earlier one asks, and perhaps for more.
        let when = [rules[0].when.clone(), more].concat();
        rules.push(PlainRule { when, ..rules[0].clone() });
        let policy = policy(&rules, Some(900));
        let call = heard(&PlainCall { listed: false, ..call }, &policy);
        let list: Vec<_> = policy.rules.iter().collect();
        let is_shadowed = |at: usize| list[..at].iter().any(|earlier| earlier.covers(list[at]));
        prop_assert!(is_shadowed(list.len() - 1));
        for (at, rule) in list.iter().enumerate().filter(|(at, _)| is_shadowed(*at)) {
            prop_assert_ne!(call.rule(), Some(&*rule.name), "{}", at);
        }
    }

    #[test]
    fn a_limit_that_is_never_reached_is_never_the_earliest(
        general in limits(), own in limits(), is_ruled in any::<bool>(),
        events in vec((select(&EVENTS[..]), 0..4_000_u64), 1..8),
    ) {
        let mut text = format!("[limits]\n{}", section(&general));
        if general[0].1.is_none() {
            text.push_str("unlimited = true\n");
        }
        if is_ruled {
            text.push_str(&format!("[[rule]]\nname = \"r\"\n[rule.limits]\n{}", section(&own)));
        }
        let config = config(&text);
        let key = if is_ruled { "rule \"r\".limits." } else { "limits." };
        let never = never_reached(&config, key);
        for call in lived(&config, &events) {
            let limit = call.deadline().map(|due| due.limit.to_string()).unwrap_or_default();
            prop_assert!(!never.contains(&limit), "{}: {:?}", limit, text);
        }
    }
}
