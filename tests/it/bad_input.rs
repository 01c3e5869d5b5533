//! Every body ever invented gets one answer of §4's table, and never a 5xx while the store is well.

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::harness::{Answer, ConfigFile, Daemon};

/// So many bodies are invented.
const BODIES: usize = 800;

#[tokio::test]
async fn every_invented_body_gets_one_answer_of_the_table() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    // The same bodies at each run: what fails here fails again.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let bodies = body();
    for _ in 0..BODIES {
        let (path, body) = bodies.new_tree(&mut runner).unwrap().current();
        let answer = daemon.webhook().path(path).body(body.clone()).send().await;
        is_of_the_table(&answer, &String::from_utf8_lossy(&body));
    }
    let counted = daemon.metrics().await.sum("callwarden_webhooks_total", &[]);
    assert_eq!(counted, BODIES as f64, "each is counted once");
    is_well(&daemon).await;
    daemon.stop().await;
}

/// Paths and bodies: half of them close to what the platform sends, with something odd in it.
fn body() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let path = prop::sample::select(vec!["", "/", "/agent-1", "/agent-1/event_recording", "/.."]);
    let close =
        (event(), prop::collection::btree_map(prop::sample::select(FIELDS.to_vec()), odd(), 0..8));
    let close = close.prop_map(|(event, fields)| {
        let mut body = json!({"event": event, "call_id": "c1", "agent_id": "agent-1"});
        for (at, value) in fields {
            plant(&mut body, at, value);
        }
        body.to_string().into_bytes()
    });
    let body = prop_oneof![
        4 => close,
        2 => odd().prop_map(|value| value.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => "\\PC{0,200}".prop_map(String::into_bytes),
        1 => (1..3000_usize).prop_map(|depth| "[{\"a\":".repeat(depth).into_bytes()),
    ];
    (path, body)
}

/// Puts a value at a JSON Pointer, whatever stands in the way.
fn plant(body: &mut Value, at: &str, value: Value) {
    let mut place = body;
    for step in at.trim_start_matches('/').split('/') {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[step];
    }
    *place = value;
}

const FIELDS: &[&str] = &[
    "/event",
    "/event_type",
    "/type",
    "/data",
    "/data/event",
    "/call_id",
    "/call",
    "/call/id",
    "/data/id",
    "/call_sid",
    "/sid",
    "/agent_id",
    "/agent/id",
    "/timestamp",
    "/occurred_at",
    "/to",
    "/from",
    "/direction",
    "/campaign_id",
    "/context",
    "/is_testing",
    "/ended_reason",
    "/call/to",
];

fn event() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "event_phone_call_started", "event_phone_call_connected", "event_phone_call_ended",
            "event_phone_call_error", "event_voicemail_detected", "event_recording",
        ]).prop_map(str::to_owned),
        1 => "[a-z_.]{0,40}",
        1 => any::<String>(),
    ]
}

/// Values that stand where others belong.
fn odd() -> impl Strategy<Value = Value> {
    let known = prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1e30),
        json!(-1e300),
        json!(5e-324),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("c1"),
        json!("c2"),
        json!("agent-1"),
        json!(".."),
        json!("../../etc/passwd"),
        json!("\u{0}"),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!("\u{feff}"),
        json!("\u{202e}"),
        json!("\u{1f4de}"),
        json!("x".repeat(200)),
        json!("x".repeat(201)),
        json!("x".repeat(300)),
        json!("\u{1f4de}".repeat(60)),
        json!("9999-12-31T23:59:59Z"),
        json!("2025-09-03T23:19:51"),
        json!("2025-02-30T00:00:00Z"),
        json!("-009999-01-02T01:59:59Z"),
        json!("1756941591"),
        json!(1756941591),
        json!(1756941591000_i64),
        json!(9999999999999_i64),
        json!("NaN"),
        json!("inf"),
        json!("1e400"),
        json!("+4915112345678"),
        json!("inbound"),
        json!([]),
        json!({}),
        json!({"": ""}),
        json!([[[[[[]]]]]]),
        json!({"id": "c3"}),
        json!({"plan": "trial"}),
        json!("'; DROP TABLE calls; --"),
        json!("%s%n{}{{}}\\"),
        json!("x".repeat(20_000)),
    ]);
    let simple = prop_oneof![
        6 => known,
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => any::<i64>().prop_map(|number| json!(number)),
        1 => any::<String>().prop_map(Value::from),
    ];
    simple.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".{0,12}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[track_caller]
fn is_of_the_table(answer: &Answer, shown: &str) {
    let json = answer.json();
    match answer.status {
        200 => {
            let results = ["tracked", "updated", "ended", "duplicate", "late", "ignored"];
            assert!(results.contains(&answer.result().as_str()), "{shown}: {json}");
        }
        400 => assert_eq!(answer.code(), "not_json", "{shown}: {json}"),
        422 => {
            let codes = ["no_event", "no_call_id", "invalid_id", "invalid_path"];
            assert!(codes.contains(&answer.code().as_str()), "{shown}: {json}");
        }
        status => panic!("{status} {json} to {shown}"),
    }
    assert!(answer.body.len() < 2048, "{shown}: {json}");
}

/// It takes in what it should, and nothing panicked.
async fn is_well(daemon: &Daemon) {
    assert_eq!(daemon.event("phone_call_started", "after all that").await, "tracked");
    let metrics = daemon.metrics().await;
    assert_eq!(metrics.value("callwarden_panics_total"), 0.0);
    assert_eq!(metrics.sum("callwarden_invariant_violations_total", &[]), 0.0);
    assert_eq!(metrics.value(r#"callwarden_check_status{check="store"}"#), 0.0);
    assert_eq!(daemon.get("/livez").await.body, "ok\n");
}

#[tokio::test]
async fn ids_at_their_bounds_are_taken_and_found_again() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let ids = [
        "x".repeat(200),
        "\u{1f4de}".repeat(50),
        "a/b?c#d%e&f g".to_owned(),
        "..".to_owned(),
        ".".to_owned(),
        "'; DROP TABLE calls; --".to_owned(),
        "\u{feff}\u{202e}id".to_owned(),
        " ".to_owned(),
    ];
    for id in &ids {
        assert_eq!(daemon.event("phone_call_started", id).await, "tracked", "{id:?}");
        let seen = daemon.call(&percent(id)).await;
        assert_eq!(seen["id"], id.as_str(), "{id:?}: {seen}");
    }
    // A number where a string belongs is read as it is written.
    let body = json!({"event": "event_phone_call_started", "call_id": 12345, "agent_id": 7});
    assert_eq!(daemon.webhook().json(&body).send().await.result(), "tracked");
    assert_eq!(daemon.call("12345").await["agent"], "7");
    let longest = json!({
        "event": "event_phone_call_started", "call_id": "c", "agent_id": "a".repeat(128),
    });
    assert_eq!(daemon.webhook().json(&longest).send().await.result(), "tracked");

    let home = daemon.kill().await;
    let daemon = Daemon::start_in(home, ConfigFile::new()).await;
    for id in &ids {
        assert_eq!(daemon.call(&percent(id)).await["state"], "live", "{id:?}");
    }
    daemon.stop().await;
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn a_body_nested_to_the_parsers_bound_does_no_harm() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    for (depth, status) in [(100, 200), (127, 400), (100_000, 400)] {
        let context = nested(depth);
        let body = format!(
            r#"{{"event":"event_phone_call_started","call_id":"c{depth}","context":{context}}}"#
        );
        let answer = daemon.webhook().body(body).send().await;
        assert_eq!(answer.status, status, "{depth}: {}", answer.body);
    }
    is_well(&daemon).await;
    daemon.stop().await;
}
