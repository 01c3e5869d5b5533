//! What is read from a config file, and what is printed of it. Mistakes are in `mistakes.rs`.

use std::{collections::BTreeMap, path::Path, time::Duration};

use proptest::prelude::*;

use crate::model::{
    decode::pointers::{Field, Pointer, Pointers},
    event::EventKind,
    ids::AgentId,
    policy::Adopt,
};

use super::{
    duration::{DAY, HOUR, MINUTE, SECOND},
    *,
};

/// The least a config file says.
const LEAST: &str = r#"
[platform]
token = { credential = "platform-token" }
[webhook]
secret = { credential = "webhook-secret" }
[limits]
total = "30m"
"#;

fn nothing() -> BTreeMap<String, String> {
    BTreeMap::new()
}

fn read(text: &str) -> Config {
    parse(Path::new("callwarden.toml"), text.to_owned(), &nothing()).unwrap()
}

/// Reads a text with every key of the specification that is read at all.
fn read_all(text: &str) -> Config {
    let path = Path::new("callwarden.toml");
    file::parse(path, text.to_owned(), &[], &nothing()).unwrap()
}

fn same(a: &Config, b: &Config) -> bool {
    let b = Config { origin: a.origin.clone(), ..b.clone() };
    *a == b
}

/// The example with all that it has switched off switched on.
fn whole_example() -> String {
    let switched_on = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with(' ') => key.to_owned(),
        _ => line.to_owned(),
    };
    let lines: Vec<_> = EXAMPLE.lines().map(switched_on).collect();
    lines.join("\n")
}

#[test]
fn the_example_is_the_defaults() {
    assert!(same(&read(EXAMPLE), &read(LEAST)));
}

#[test]
fn the_example_has_every_key() {
    let example = whole_example();
    let config = read(&example);
    assert!(config.admin.is_some());
    assert!(config.webhook.require_header.is_some());
    for line in print(&config).lines() {
        let key = line.split('=').next().unwrap();
        assert!(example.lines().any(|known| known.starts_with(key)), "{line}");
    }
}

#[test]
fn the_defaults_are_the_specifications() {
    let config = read(LEAST);
    assert_eq!(config.server.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.server.max_calls, 1_000_000);
    assert_eq!(config.server.max_connections, 1024);
    assert!(!config.server.open_metrics);
    assert_eq!(config.admin, None);
    assert_eq!(config.platform.base_url.as_str(), "https://app.talkover.ai/api/v1");
    assert_eq!(config.platform.requests, Quota { count: 100, window: MINUTE });
    assert_eq!(config.platform.timeout, 10 * SECOND);
    assert_eq!(config.webhook.max_age, 2 * HOUR);
    assert_eq!(config.store.url, StoreUrl::Plain(Database::Sqlite("callwarden.db".into())));
    assert_eq!(config.store.history, 31 * DAY);
    assert_eq!(
        config.enforcement,
        Enforcement {
            confirm_within: 30 * SECOND,
            give_up_after: HOUR,
            reconcile_every: Some(MINUTE),
            adopt: Adopt::All,
            surge_limit: 20,
        }
    );
    assert_eq!(config.limits.total, Some(30 * MINUTE));
}

#[test]
fn what_is_printed_is_read_as_the_same() {
    let odd = LEAST.replace("[webhook]", "[webhook]\nsignature_prefix = 'a\"\\='");
    for text in [EXAMPLE, LEAST, &odd, &whole_example()] {
        let config = read(text);
        assert!(same(&read(&print(&config)), &config), "{}", print(&config));
    }
    let unlimited = LEAST.replace("total = \"30m\"", "unlimited = true\nringing = \"100ms\"");
    assert!(same(&read(&print(&read(&unlimited))), &read(&unlimited)));
}

#[test]
fn keys_of_the_next_version_are_read_once_they_are_let_in() {
    let text = format!(
        "{LEAST}\n[enforcement]\nreconcile_every = \"0s\"\nadopt = [\"agent-1\", \"agent_2\"]"
    );
    let config = read_all(&text);
    assert_eq!(config.enforcement.reconcile_every, None);
    let agents = ["agent-1", "agent_2"].map(|id| AgentId::parse(id).unwrap());
    assert_eq!(config.enforcement.adopt, Adopt::Agents(agents.into()));
    let printed = print::print_without(&config, &[]);
    assert!(same(&read_all(&printed), &config));

    let text = format!("{LEAST}\n[enforcement]\nreconcile_every = \"90s\"\nadopt = \"known\"");
    let config = read_all(&text);
    assert_eq!(config.enforcement.reconcile_every, Some(90 * SECOND));
    assert_eq!(config.enforcement.adopt, Adopt::Known);
}

#[test]
fn the_hash_is_the_first_48_bits_of_the_files_sha_256() {
    let digest = "8bacc192a9da";
    let hash = u64::from_str_radix(digest, 16).unwrap();
    assert_eq!(read(LEAST).config_hash(), hash, "{:012x}", read(LEAST).config_hash());
}

#[test]
fn calls_may_be_named_by_either_field_alone() {
    for field in ["call_id", "sid"] {
        let config = read(&format!("{LEAST}[webhook.fields]\n{field} = []\n"));
        let fields = &config.webhook.fields;
        assert!(fields.of(Field::CallId).is_empty() != fields.of(Field::Sid).is_empty());
    }
}

#[test]
fn rules_ask_for_every_field() {
    use crate::model::rule::Subject;

    for (field, subject) in [
        ("agent", Subject::Agent),
        ("campaign", Subject::Campaign),
        ("to", Subject::To),
        ("from", Subject::From),
        ("direction", Subject::Direction),
    ] {
        let rule = format!("[[rule]]\nname = \"it\"\nwhen = {{ {field} = \"a*\" }}");
        let config = read(&format!("{LEAST}{rule}"));
        assert_eq!(config.policy().rules.iter().next().unwrap().when[0].subject, subject);
    }
}

#[test]
fn a_time_of_day_has_two_digits_a_colon_and_two_digits() {
    let text = |time: &str| {
        format!("{LEAST}until = {{ time = \"{time}\", timezone = \"Europe/Berlin\" }}\n")
    };
    let is_read = |time: &str| parse(Path::new("c"), text(time), &nothing()).is_ok();
    for time in ["00:00", "08:05", "23:59"] {
        assert!(is_read(time), "{time}");
    }
    for time in ["1:30", "08:5", "+1:30", "0800", "24:00", "23:60", "1a:30", "008:30", ""] {
        assert!(!is_read(time), "{time}");
    }
}

#[test]
fn times_of_enforcement_have_bounds() {
    let is_read = |lines: &str| {
        let text = format!("{LEAST}[enforcement]\n{lines}\n");
        parse(Path::new("c"), text, &nothing()).is_ok()
    };
    for (confirm_within, give_up_after, reads) in [
        ("100ms", "200ms", true),
        ("99ms", "200ms", false),
        ("1d", "30d", true),
        ("1d 1s", "30d", false),
        ("1d", "30d 1s", false),
        ("200ms", "200ms", false),
    ] {
        let lines =
            format!("confirm_within = \"{confirm_within}\"\ngive_up_after = \"{give_up_after}\"");
        assert_eq!(is_read(&lines), reads, "{lines}");
    }
    for (every, reads) in
        [("0s", true), ("99ms", false), ("100ms", true), ("1d", true), ("1d 1s", false)]
    {
        assert_eq!(is_read(&format!("reconcile_every = \"{every}\"")), reads, "{every}");
    }
}

#[test]
fn quotas_are_printed_as_they_are_written() {
    for quota in ["7/s", "7/min", "7/h"] {
        let config =
            read(&LEAST.replace("[webhook]", &format!("requests = \"{quota}\"\n[webhook]")));
        assert_eq!(config.platform.requests.to_string(), quota);
    }
}

#[test]
fn a_relative_store_lies_in_the_state_directory() {
    let env = BTreeMap::from([("STATE_DIRECTORY".to_owned(), "/var/lib/cw:/other".to_owned())]);
    let text = format!("{LEAST}\n[store]\nurl = \"sqlite:calls.db\"");
    let config = parse(Path::new("c"), text, &env).unwrap();
    let file = |path: &str| StoreUrl::Plain(Database::Sqlite(path.into()));
    assert_eq!(config.store.url, file("/var/lib/cw/calls.db"));

    let text = format!("{LEAST}\n[store]\nurl = \"sqlite:///srv/calls.db\"");
    let config = parse(Path::new("c"), text, &env).unwrap();
    assert_eq!(config.store.url, file("/srv/calls.db"));
}

#[test]
fn a_stores_url_may_be_a_secret() {
    let text = format!("{LEAST}\n[store]\nurl = {{ env = \"STORE\" }}");
    let config = parse(Path::new("c"), text, &nothing()).unwrap();
    let env = |url: &str| BTreeMap::from([("STORE".to_owned(), url.to_owned())]);
    assert_eq!(
        config.store.url.database(&env("sqlite:/srv/calls.db")).unwrap(),
        Database::Sqlite("/srv/calls.db".into())
    );
    assert!(matches!(
        config.store.url.database(&env("mysql://somewhere/else")),
        Err(StoreUrlError::NotAStore)
    ));
}

#[test]
fn limits_after_events_are_in_stored_order() {
    let text =
        format!("{LEAST}after = {{ participant_left = \"15s\", conversation_ended = \"1m 30s\" }}");
    assert_eq!(
        read(&text).policy().limits.after,
        [(EventKind::ConversationEnded, 90 * SECOND), (EventKind::ParticipantLeft, 15 * SECOND)]
    );
}

/// One rule of each kind.
const RULES: &str = r#"
[[rule]]
name = "trial \"accounts\""
when = { direction = "outbound", to = ["+55*", "+351*"], context.plan = "trial", context."a b".c = 1.5, testing = false, campaign = { absent = true } }
limits = { ringing = "45s", total = "10m", after = { conversation_ended = "20s" }, until = { time = "20:00", timezone = "America/Sao_Paulo" } }
override = { field = "/context/max/duration", at_most = "20m" }
action = "observe"
[[rule]]
name = "rest"
"#;

#[test]
fn rules_are_printed_as_they_are_read() {
    let config = read(&format!("{LEAST}{RULES}"));
    assert!(same(&read(&print(&config)), &config), "{}", print(&config));
    insta::assert_snapshot!("print_rules", print(&config).split("[limits]").nth(1).unwrap());
    insta::assert_snapshot!("amounts_to_rules", amounts_to(&config));
}

#[test]
fn advice_on_rules_is_proven() {
    let rule = |name: &str, rest: &str| format!("[[rule]]\nname = \"{name}\"\n{rest}\n");
    let rules = [
        rule(
            "brazil",
            "when = { to = \"+55*\" }\nlimits = { connected = \"10m\", talking = \"10m\" }",
        ),
        rule("brazil again", "when = { to = [\"+5511*\", \"+55\"], testing = true }"),
        rule("perhaps brazil", "when = { to = \"+5*\" }\nlimits = { ringing = \"1h\" }"),
        rule("outbond", "when = { direction = [\"outbond\", \"in*\"] }"),
        rule(
            "own",
            "override = { field = \"/context/max\", at_most = \"20m\" }\nlimits = { ringing = \"1h\" }",
        ),
        rule("never", "when = { context.x = 1 }"),
    ];
    let config = read(&format!("{LEAST}{}", rules.concat()));
    let lines: Vec<_> = advice(&config, None).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("advice_rules", lines.join("\n"));
}

#[test]
fn a_list_of_pointers_replaces_the_default() {
    let text = format!("{LEAST}\n[webhook.fields]\ncall_id = [\"/a~1b/~0\"]\nto = []");
    let fields = read(&text).webhook.fields;
    let places = |field| fields.of(field).iter().map(Pointer::as_str).collect::<Vec<_>>();
    assert_eq!(places(Field::CallId), ["/a~1b/~0"]);
    assert!(places(Field::To).is_empty());
    assert_eq!(fields.of(Field::Sid), Pointers::default().of(Field::Sid));
}

#[test]
fn names_of_headers_and_hosts_are_in_lower_case() {
    let text = whole_example().replace("warden.example.com\"]", "Warden.Example.COM\"]");
    let config = read(&text);
    assert_eq!(config.admin.unwrap().hosts, ["warden.example.com"]);
    assert_eq!(config.webhook.require_header.unwrap().name, "authorization");
}

#[test]
fn a_hash_tells_files_apart() {
    let hash = read(LEAST).config_hash();
    assert_eq!(hash, read(LEAST).config_hash());
    assert_ne!(hash, read(EXAMPLE).config_hash());
    assert!(hash < 1 << 48);
}

#[test]
fn what_a_config_amounts_to() {
    insta::assert_snapshot!("amounts_to_least", amounts_to(&read(LEAST)));
    insta::assert_snapshot!("amounts_to_whole", amounts_to(&read(&whole_example())));
    insta::assert_snapshot!("print_whole", print(&read(&whole_example())));
}

#[test]
fn advice_names_the_key_and_the_mend() {
    let text = r#"
[server]
listen = "127.0.0.1:0"
[admin]
listen = "0.0.0.0:8081"
token = { env = "ADMIN" }
[platform]
token = { env = "TOKEN" }
[webhook]
allow_unsigned = true
signature_header = "X-Signature"
[limits]
total = "90m"
ringing = "90m"
connected = "80m"
talking = "85m"
voicemail = "500ms"
after = { phone_call_ended = "20s", participant_left = "2h" }
"#;
    let text = text.to_owned();
    let odd = parse(Path::new("c"), text, &nothing()).unwrap();
    let unlimited = read(&LEAST.replace("total = \"30m\"", "unlimited = true"));
    let said = |config: &Config| {
        let all = advice(config, Some(1024));
        let lines: Vec<_> = all.iter().map(ToString::to_string).collect();
        lines.join("\n")
    };
    insta::assert_snapshot!("advice_odd", said(&odd));
    insta::assert_snapshot!("advice_unlimited", said(&unlimited));
    insta::assert_snapshot!("advice_least", said(&read(LEAST)));
}

#[test]
fn a_back_stop_is_the_smallest_cap_that_cuts_no_call_early() {
    let mend = |total: &str| {
        let config = read(&LEAST.replace("30m", total));
        let all = advice(&config, None);
        all.into_iter()
            .find(|advice| advice.key == "limits.total" && advice.weight == Weight::Hint)
            .map(|advice| advice.mend)
    };
    assert!(mend("1500ms").unwrap().contains(" 2,"));
    assert!(mend("1h").unwrap().contains(" 3600,"));
    assert_eq!(mend("1h 1s"), None);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,400}") {
        shown_or_read(text);
    }

    #[test]
    fn no_mangled_example_makes_the_reader_panic(
        from in 0..EXAMPLE.len(),
        length in 0_usize..60,
        with in r#"["'\[\]{}=.#\n\\,a-z0-9é-]{0,12}"#,
    ) {
        let start = EXAMPLE.floor_char_boundary(from);
        let end = EXAMPLE.floor_char_boundary((start + length).min(EXAMPLE.len()));
        let mut text = EXAMPLE.to_owned();
        text.replace_range(start..end, &with);
        shown_or_read(text);
    }

    #[test]
    fn no_duration_makes_the_reader_panic(text in "([0-9]{1,22}(ns|us|ms|s|m|M|h|d|y|\\.[0-9]{1,9}s) ?){1,4}") {
        let text = LEAST.replace("30m", &text);
        shown_or_read(text);
    }

    #[test]
    fn whatever_limits_are_read_are_printed_the_same(total in 100_u64..2_592_000_000) {
        let text = LEAST.replace("30m", &format!("{total}ms"));
        let config = read(&text);
        prop_assert_eq!(config.limits.total, Some(Duration::from_millis(total)));
        prop_assert!(same(&read(&print(&config)), &config));
    }
}

fn shown_or_read(text: String) {
    match parse(Path::new("callwarden.toml"), text, &nothing()) {
        Ok(config) => {
            assert!(!print(&config).is_empty());
            assert!(!amounts_to(&config).is_empty());
        }
        Err(errors) => {
            assert!(!errors.render(true).is_empty());
            for error in errors.iter() {
                assert!(!error.to_string().is_empty());
            }
        }
    }
}
