//! What a person who never saw the rule file is told.

use std::{collections::BTreeMap, path::Path};

use super::*;
use crate::{
    config::parse,
    model::time::{Moment, Wall},
};

const CONFIG: &str = r#"
[platform]
token = { env = "TOKEN" }
[webhook]
secret = { env = "SECRET" }
[limits]
total = "30m"
voicemail = "15s"
[[rule]]
name = "test calls"
when = { testing = true }
action = "observe"
[[rule]]
name = "trial accounts"
when = { direction = "outbound", to = ["+55*", "+351*"], context.plan = "trial" }
limits = { total = "10m", ringing = "45s", until = { time = "20:00", timezone = "America/Sao_Paulo" } }
override = { field = "/context/max_duration", at_most = "20m" }
[[rule]]
name = "everybody else"
"#;

const BODY: &str = r#"{
    "event": "event_phone_call_connected", "call_id": "c-1", "agent_id": "sales",
    "timestamp": "2026-05-01T12:00:00Z",
    "call": {
        "to": "+5511987654321", "direction": "outbound",
        "context": { "plan": "trial", "max_duration": "1h" }
    }
}"#;

fn told(body: &str) -> (String, String) {
    let env = BTreeMap::<String, String>::new();
    let config = parse(Path::new("callwarden.toml"), CONFIG.to_owned(), &env).unwrap();
    let now = Moment { wall: Wall(1_800_000_000_000_000), mono: Mono(90_000_000_000) };
    let value = of_body(body.as_bytes(), &config, now).unwrap();
    (text_of(&value).unwrap(), format!("{value:#}\n"))
}

#[test]
fn it_says_which_rule_and_limit_hold_and_why() {
    let (text, json) = told(BODY);
    insta::assert_snapshot!("text", text);
    insta::assert_snapshot!("json", json);
}

#[test]
fn it_says_why_no_rule_matched_and_which_override_is_ignored() {
    let (text, _) = told(&BODY.replace("trial", "paid"));
    insta::assert_snapshot!("another_plan", text);
    let (text, _) = told(&BODY.replace("\"1h\"", "\"soon\""));
    insta::assert_snapshot!("unreadable", text);
}

#[test]
fn an_event_of_no_use_is_ignored() {
    let (text, json) = told(r#"{ "event": "webhook.test" }"#);
    insta::assert_snapshot!("ignored", format!("{text}\n{json}"));
}
