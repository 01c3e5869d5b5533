//! Every kind of mistake a file of cases can hold, as the user sees it: the snapshots are to be read
//! for the place, what was found, what was expected, and the mend.

use serde_json::json;

use super::*;
use crate::config::parse_cases;

fn read(text: &str) -> Result<Vec<Case>, ConfigErrors> {
    parse_cases(Path::new("cases.toml"), text.to_owned())
}

fn mistakes(text: &str) -> String {
    read(text).expect_err("there is a mistake").to_string()
}

/// A case of these lines.
fn case(lines: &str) -> String {
    format!("[[case]]\nname = \"it\"\n{lines}\n")
}

/// A case with an event, of which this is expected.
fn expecting(expect: &str) -> String {
    case(&format!(
        "event = {{ event = \"event_phone_call_started\", call_id = \"c\" }}\nexpect = {expect}"
    ))
}

#[test]
fn no_deadline_may_be_expected() {
    let expected = |deadline: &str| {
        let cases = read(&expecting(&format!("{{ deadline = \"{deadline}\" }}"))).unwrap();
        cases[0].expect.deadline.clone()
    };
    assert_eq!(expected("").as_deref(), Some(""));
    assert_eq!(expected("90s").as_deref(), Some("1m 30s"));
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let text = r#"[[case]]
name = "voicemail"
event = { event = "event_voicemail_detected", call_id = "c" }
expect = { deadlin = "15s", limit = "voicemale", outcome = "ended" }

[[case]]
events = [
    { at = "10s", event = "event_phone_call_started", call_id = "c" },
    { at = "5s", event = "event_phone_call_connected", call_id = "c" },
    { at = 5, event = '{"event": ' },
]
expects = { rule = "" }

[[cases]]
name = "nothing"
"#;
    insta::assert_snapshot!(mistakes(text));
}

#[test]
fn each_mistake_says_what_was_found_what_is_expected_and_the_mend() {
    let none = "expect = { rule = \"\" }";
    let texts = [
        String::new(),
        "[case]\nname = \"one bracket\"\n".to_owned(),
        "[[case]]\n".to_owned(),
        case(none),
        case(&format!("event = 5\n{none}")),
        case(&format!("event = \"{{\"\n{none}")),
        case(&format!("event = {{ n = 99999999999999999999 }}\n{none}")),
        case(&format!("event = {{ n = inf }}\n{none}")),
        case(&format!("events = {{}}\n{none}")),
        case(&format!("events = []\n{none}")),
        case(&format!("events = [5]\n{none}")),
        case(&format!("events = [{{ at = 5 }}]\n{none}")),
        case(&format!("events = [{{ at = \"400d\" }}]\n{none}")),
        case(&format!("events = [{{ event = {{}}, x = 1 }}]\n{none}")),
        case(&format!("event = {{}}\nevents = [{{}}]\n{none}")),
        expecting("{}"),
        expecting("5"),
        expecting("{ rule = 5 }"),
        expecting("{ deadline = \"soon\" }"),
        expecting("{ deadline = 30 }"),
        expecting("{ limit = \"totl\" }"),
        expecting("{ limit = \"after.conversation_end\" }"),
        expecting("{ action = \"stop\" }"),
        expecting("{ outcome = \"complete\" }"),
        "[[case]]\nname = \"cut\n".to_owned(),
    ];
    let told: Vec<_> = texts.iter().map(|text| mistakes(text)).collect();
    insta::assert_snapshot!(told.join("\n\n=====\n\n"));
}

#[test]
fn cases_are_read_with_their_times_and_bodies() {
    let text = r#"
[[case]]
name = "several"
events = [
    { event = "event_phone_call_started", call_id = "c" },
    { at = "1m 30s", event = { event = "webhook.test", n = 0x10, f = 1.5, list = [true] } },
    { at = "90s", event = '{"event": "x"}' },
]
expect = { deadline = "90s", limit = "", outcome = "completed" }
"#;
    let cases = read(text).unwrap();
    let minute = Duration::from_secs(90);
    let events = [
        (Duration::ZERO, json!({"event": "event_phone_call_started", "call_id": "c"})),
        (minute, json!({"event": "webhook.test", "n": 16, "f": 1.5, "list": [true]})),
        (minute, json!({"event": "x"})),
    ];
    assert_eq!(cases[0].events, events);
    let Expect { rule, deadline, limit, action, outcome } = &cases[0].expect;
    assert_eq!((rule, action), (&None, &None));
    let text = |text: &str| Some(text.to_owned());
    assert_eq!((deadline, limit), (&text("1m 30s"), &text("")));
    assert_eq!(outcome, &text("completed"));
}
