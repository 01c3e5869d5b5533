//! What is read from bodies and paths, and what is not.

use proptest::prelude::*;
use serde_json::json;

use super::{pointers::Pointer, *};
use crate::model::time::Wall;

const STARTED: &str = "event_phone_call_started";

fn read_at(body: &Value, agent: Option<&str>, event: Option<&str>) -> Result<Decoded, ReadError> {
    decode(body.to_string().as_bytes(), &PathNames { agent, event }, &Pointers::default())
}

fn read(body: &Value) -> Result<Decoded, ReadError> {
    read_at(body, None, None)
}

fn heard(body: &Value) -> Heard {
    match read(body).unwrap().what {
        What::Event(heard) => *heard,
        What::Ignored => panic!("ignored: {body}"),
    }
}

fn id(text: &str) -> CallId {
    CallId::parse(text).unwrap()
}

#[test]
fn every_default_place_is_a_pointer_and_every_field_has_its_key() {
    let pointers = Pointers::default();
    for field in Field::ALL {
        assert_eq!(Field::from_key(field.key()), Some(field));
        assert_eq!(pointers.of(field).len(), field.default_places().len());
    }
}

#[test]
fn the_platforms_logged_body_is_read_with_event_and_agent_from_the_path() {
    let body = json!({"call_id": "call-uuid", "duration": 45});
    let decoded = read_at(&body, Some("agent-1"), Some(STARTED)).unwrap();
    assert!(!decoded.path_mismatch);
    assert_eq!(decoded.label, STARTED);
    assert_eq!(decoded.places.of(Field::Agent), Place::Path);
    assert_eq!(decoded.places.of(Field::CallId), Place::Body(0));
    let What::Event(heard) = decoded.what else { panic!("ignored") };
    assert_eq!(heard.kind, EventKind::Started);
    assert_eq!(heard.call, CallName::Id(id("call-uuid")));
    assert_eq!(heard.agent, AgentId::parse("agent-1").ok());
    assert_eq!(heard.time, None);
}

#[test]
fn where_body_and_path_differ_the_body_holds_and_it_is_told() {
    let body = json!({"event": STARTED, "call_id": "c", "agent_id": "body"});
    let decoded = read_at(&body, Some("path"), Some("event_phone_call_ended")).unwrap();
    assert!(decoded.path_mismatch);
    let What::Event(heard) = decoded.what else { panic!("ignored") };
    assert_eq!(heard.kind, EventKind::Started);
    assert_eq!(heard.agent, AgentId::parse("body").ok());
}

#[test]
fn one_name_that_differs_is_told() {
    let body = json!({"event": STARTED, "call_id": "c", "agent_id": "a"});
    for (agent, event, is_told) in
        [("a", STARTED, false), ("a", "event_phone_call_ended", true), ("b", STARTED, true)]
    {
        let decoded = read_at(&body, Some(agent), Some(event)).unwrap();
        assert_eq!(decoded.path_mismatch, is_told, "{agent} {event}");
    }
}

#[test]
fn tests_and_unknown_events_are_ignored_even_without_a_call() {
    let test = json!({"event": "webhook.test", "agent_id": "9fbef0b7", "test": true});
    let decoded = read_at(&test, Some("9fbef0b7"), Some(STARTED)).unwrap();
    assert_eq!((decoded.what, decoded.label), (What::Ignored, "other"));
    assert!(!decoded.path_mismatch, "a test names no event of a call");

    let new = json!({"event": "event_of_tomorrow", "agent_id": "not valid"});
    assert_eq!(read(&new).unwrap().what, What::Ignored);
}

#[test]
fn a_body_without_event_is_told_where_it_was_looked_for() {
    let error = read(&json!({"call_id": "c", "type": {}})).unwrap_err();
    assert_eq!((error.code(), error.label()), ("no_event", "none"));
    assert_eq!(
        error.to_string(),
        "no event is named: looked at /event /event_type /type /data/event and in the path, \
         found an object at /type"
    );
}

#[test]
fn a_used_event_without_call_is_told_where_it_was_looked_for() {
    let error = read(&json!({"event": STARTED, "call_id": true})).unwrap_err();
    assert_eq!((error.code(), error.label()), ("no_call_id", STARTED));
    assert_eq!(
        error.to_string(),
        "event_phone_call_started has no call id: looked at /call_id /call/id /data/call_id \
         /data/call/id /data/id /call_sid /data/call_sid /sid, found a boolean at /call_id"
    );
    let error = read(&json!({"event": STARTED, "call_id": ""})).unwrap_err();
    assert!(error.to_string().ends_with("found an empty string at /call_id"));
    let error = read(&json!([])).unwrap_err();
    assert!(error.to_string().ends_with("found nothing"));
}

#[test]
fn a_bad_id_is_shown_escaped_and_cut() {
    let bad = format!("a\n{}", "x".repeat(300));
    let error = read(&json!({"event": STARTED, "call_id": bad})).unwrap_err();
    assert_eq!(error.code(), "invalid_id");
    let text = error.to_string();
    assert!(text.contains("found \"a\\nxx"), "{text}");
    assert!(text.contains("at /call_id, it is 302 bytes long"), "{text}");
    assert!(text.len() < 400, "{text}");
}

#[test]
fn an_agent_must_be_valid_in_the_body_and_in_the_path() {
    let error = read(&json!({"event": STARTED, "call_id": "c", "agent_id": "a/b"})).unwrap_err();
    assert!(error.to_string().contains("\"a/b\" at /agent_id"), "{error}");
    let looked = "no valid agent id: looked at /agent_id /agent/id";
    assert!(error.to_string().contains(looked), "{error}");
    let good = json!({"event": STARTED, "call_id": "c", "agent_id": "a"});
    let error = read_at(&good, Some(".."), None).unwrap_err();
    assert!(error.to_string().contains("\"..\" in the path"), "{error}");
}

#[test]
fn a_call_is_named_by_id_by_sid_or_by_both() {
    let name = |mut body: Value| {
        body["event"] = json!(STARTED);
        heard(&body).call
    };
    assert_eq!(name(json!({"data": {"id": "d"}})), CallName::Id(id("d")));
    assert_eq!(name(json!({"data": {"id": "d"}, "call": {"id": "c"}})), CallName::Id(id("c")));
    assert_eq!(name(json!({"sid": "CA1"})), CallName::Sid(id("CA1")));
    assert_eq!(
        name(json!({"call_id": "c", "call_sid": "CA1"})),
        CallName::Both { id: id("c"), sid: id("CA1") }
    );
    assert_eq!(name(json!({"call_id": "c", "call_sid": "c"})), CallName::Id(id("c")));
    assert_eq!(name(json!({"call_id": "c", "sid": "bad\u{0}"})), CallName::Id(id("c")));
    assert_eq!(
        name(json!({"call_id": 18_446_744_073_709_551_615_u64})),
        CallName::Id(id("18446744073709551615"))
    );
}

#[test]
fn details_are_found_in_all_their_places_and_in_other_clothes() {
    let heard = heard(&json!({
        "event": STARTED, "call_id": "c", "to": "",
        "call": {"to": 4_915_112_345_678_u64, "from": "+1", "is_testing": "1"},
        "data": {"direction": "outbound", "campaign_id": 7, "call": {"ended_reason": "x"}},
        "context": {"plan": "trial"},
    }));
    let details = heard.details;
    assert_eq!(details.to.as_deref(), Some("4915112345678"));
    assert_eq!(details.from.as_deref(), Some("+1"));
    assert_eq!(details.direction.as_deref(), Some("outbound"));
    assert_eq!(details.campaign.as_deref(), Some("7"));
    assert_eq!(details.testing, Some(true));
    assert_eq!(details.context, Some(json!({"plan": "trial"})));
    assert_eq!(details.ended_reason.as_deref(), Some("x"));
}

#[test]
fn a_time_is_read_in_three_forms_and_never_an_error() {
    let time =
        |time: Value| heard(&json!({"event": STARTED, "call_id": "c", "timestamp": time})).time;
    let at = |micros| Some(Wall(micros));
    assert_eq!(time(json!("2025-09-03T23:19:51.000Z")), at(1_756_941_591_000_000));
    assert_eq!(time(json!("2025-09-04T01:19:51+02:00")), at(1_756_941_591_000_000));
    assert_eq!(time(json!(1_756_941_591)), at(1_756_941_591_000_000));
    assert_eq!(time(json!(1_756_941_591.25)), at(1_756_941_591_250_000));
    assert_eq!(time(json!("1756941591")), at(1_756_941_591_000_000));
    assert_eq!(time(json!(1_756_941_591_123_u64)), at(1_756_941_591_123_000));
    assert_eq!(time(json!("1756941591123")), at(1_756_941_591_123_000));
    for unused in [
        json!("2025-09-03T23:19:51"),
        json!("2025-09-03 23:19"),
        json!("20250903"),
        json!("9999-12-31T23:59:59Z"),
        json!("9999-06-01T00:00:00Z"),
        json!("0001-01-01T00:00:00Z"),
        json!("NaN"),
        json!("inf"),
        json!("yesterday"),
        json!(1e30),
        json!(-1),
        json!(-1_756_941_591),
        json!(0),
        json!(u64::MAX),
        json!(50_000_000_000_u64),
        json!({"seconds": 1}),
        json!("1".repeat(4000)),
    ] {
        assert_eq!(time(unused.clone()), None, "{unused}");
    }
}

#[test]
fn what_is_not_json_or_too_deep_is_refused() {
    let read = |body: &[u8]| decode(body, &PathNames::default(), &Pointers::default());
    for body in [&b""[..], b"{", b"\xff", b"event=x", &[b'['; 1 << 20]] {
        assert!(matches!(read(body), Err(ReadError::NotJson(_))));
    }
}

#[test]
fn of_duplicate_keys_the_last_counts() {
    let body = br#"{"event":"x","event":"event_phone_call_ended","call_id":"a","call_id":"b"}"#;
    let decoded = decode(body, &PathNames::default(), &Pointers::default()).unwrap();
    let What::Event(heard) = decoded.what else { panic!("ignored") };
    assert_eq!((heard.kind, heard.call), (EventKind::Ended, CallName::Id(id("b"))));
}

#[test]
fn pointers_of_the_config_replace_the_defaults() {
    let mut pointers = Pointers::default();
    let places = ["/calls/1/a~1b~0c", "/x"].map(|text| Pointer::parse(text).unwrap());
    pointers.replace(Field::CallId, places.into());
    let body = json!({"event": STARTED, "call_id": "no", "calls": [0, {"a/b~c": "yes"}]});
    let decoded = decode(body.to_string().as_bytes(), &PathNames::default(), &pointers).unwrap();
    let What::Event(heard) = decoded.what else { panic!("ignored") };
    assert_eq!(heard.call, CallName::Id(id("yes")));

    assert_eq!(
        Pointer::parse("to").unwrap_err().to_string(),
        "\"to\" is no JSON Pointer: it must begin with /"
    );
    assert!(Pointer::parse("/a~2").is_err());
    assert!(Pointer::parse("/a~").is_err());
    assert!(["", "/", "/a//b"].iter().all(|text| Pointer::parse(text).is_ok()));
}

/// Any JSON value, its keys being the ones that are looked for.
#[test]
fn a_pointer_leads_below_its_first_name_alone() {
    let pointer = Pointer::parse("/call/a~1b").unwrap();
    assert_eq!(pointer.below("call").map(|below| below.as_str().to_owned()), Some("/a~1b".into()));
    assert_eq!(pointer.below("data"), None);
}

#[test]
fn an_item_of_a_list_is_named_by_its_index() {
    let root = json!({"list": ["a", "b"]});
    let find = |text: &str| Pointer::parse(text).unwrap().find(&root).cloned();
    assert_eq!((find("/list/0"), find("/list/1")), (Some("a".into()), Some("b".into())));
    for none in ["/list/2", "/list/00", "/list/01", "/list/+1", "/list/-", "/list/", "/list/x"] {
        assert_eq!(find(none), None, "{none}");
    }
}

fn anything() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just(STARTED.to_owned()),
        Just("webhook.test".to_owned()),
        "\\PC{0,8}",
        "[0-9.eE+-]{0,14}",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(Z|[+-][0-9:]{5})?",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let key = proptest::sample::select(vec![
        "event",
        "type",
        "call",
        "data",
        "id",
        "call_id",
        "sid",
        "agent_id",
        "timestamp",
        "to",
        "context",
        "is_testing",
    ]);
    leaf.prop_recursive(4, 32, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_json_body_has_one_outcome(
        body in anything(),
        agent in proptest::option::of("\\PC{0,6}"),
        event in proptest::option::of(Just(STARTED)),
    ) {
        match read_at(&body, agent.as_deref(), event) {
            Ok(Decoded { what: What::Event(heard), label, .. }) => {
                prop_assert_eq!(label, heard.kind.name());
                prop_assert!(heard.details.to.is_none_or(|to| !to.is_empty()));
            }
            Ok(Decoded { what: What::Ignored, label, .. }) => prop_assert_eq!(label, "other"),
            Err(error) => {
                prop_assert_ne!(error.code(), "not_json");
                prop_assert!(error.to_string().len() < 1024);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let told = decode(&body, &PathNames::default(), &Pointers::default());
        let is_json = serde_json::from_slice::<Value>(&body).is_ok();
        prop_assert_eq!(is_json, !matches!(told, Err(ReadError::NotJson(_))));
    }
}
