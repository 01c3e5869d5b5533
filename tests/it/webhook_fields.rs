//! §4: where fields are looked for, times, sid aliases, contexts.

use serde_json::{Value, json};

use crate::harness::{ConfigFile, Daemon};

/// A body with `value` at a JSON Pointer of plain names.
fn put(mut body: Value, pointer: &str, value: Value) -> Value {
    let mut at = &mut body;
    for step in pointer.trim_start_matches('/').split('/') {
        at = &mut at[step];
    }
    *at = value;
    body
}

fn started(call: &str) -> Value {
    json!({"event": "event_phone_call_started", "call_id": call})
}

async fn result(daemon: &Daemon, body: &Value) -> String {
    daemon.webhook().json(body).send().await.result()
}

#[tokio::test]
async fn every_field_is_found_in_each_of_its_usual_places() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let event = json!("event_phone_call_started");
    for at in ["/event", "/event_type", "/type", "/data/event"] {
        let body = put(json!({"call_id": format!("event{at}")}), at, event.clone());
        assert_eq!(result(&daemon, &body).await, "tracked", "{at}");
    }
    for at in [
        "/call_id",
        "/call/id",
        "/data/call_id",
        "/data/call/id",
        "/data/id",
        "/call_sid",
        "/data/call_sid",
        "/sid",
    ] {
        let id = format!("id{at}").replace('/', "-");
        let body = put(json!({"event": event}), at, json!(id));
        assert_eq!(result(&daemon, &body).await, "tracked", "{at}");
        assert_eq!(daemon.call(&id).await["id"], id.as_str(), "{at}");
    }
    let rfc3339 = time_at(-60);
    let shown = [
        (
            vec!["/agent_id", "/agent/id", "/call/agent_id", "/data/agent_id", "/data/agent/id"],
            json!("a-1"),
            "agent",
            json!("a-1"),
        ),
        (
            vec![
                "/to",
                "/call/to",
                "/data/to",
                "/data/call/to",
                "/to_phone_number",
                "/call/to_phone_number",
                "/data/to_phone_number",
                "/data/call/to_phone_number",
            ],
            json!("+4915112345678"),
            "to",
            json!("**********5678"),
        ),
        (
            vec!["/direction", "/call/direction", "/data/direction", "/data/call/direction"],
            json!("inbound"),
            "direction",
            json!("inbound"),
        ),
        (
            vec![
                "/campaign_id",
                "/call/campaign_id",
                "/data/campaign_id",
                "/data/call/campaign_id",
            ],
            json!("camp-1"),
            "campaign",
            json!("camp-1"),
        ),
        (
            vec!["/timestamp", "/occurred_at", "/data/timestamp"],
            json!(rfc3339),
            "marks",
            json!({"started": rfc3339}),
        ),
    ];
    for (places, value, field, expected) in shown {
        for at in places {
            let call = format!("{field}{at}").replace('/', "-");
            let body = put(started(&call), at, value.clone());
            assert_eq!(result(&daemon, &body).await, "tracked", "{at}");
            let seen = daemon.call(&call).await;
            assert_eq!(masked(&seen[field]), masked(&expected), "{at}: {seen:#}");
        }
    }
    daemon.stop().await;
}

/// However many stars a masked number has.
fn masked(value: &Value) -> Value {
    match value.as_str() {
        Some(text) if text.starts_with('*') => json!(text.trim_start_matches('*')),
        _ => value.clone(),
    }
}

/// RFC 3339, so many seconds from now.
fn time_at(seconds: i64) -> String {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    format!("{:.3}", at.round(jiff::Unit::Second).unwrap())
}

#[tokio::test]
async fn the_first_place_that_hits_wins() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let body = json!({
        "event": "event_phone_call_started", "type": "event_phone_call_ended",
        "call_id": "first", "call": {"id": "second", "to": "+49301111"}, "data": {"id": "third"},
        "to": null, "agent_id": "", "agent": {"id": "a-2"},
    });
    assert_eq!(result(&daemon, &body).await, "tracked");
    let seen = daemon.call("first").await;
    assert_eq!(seen["agent"], "a-2", "what is empty tells nothing");
    assert!(seen["to"].as_str().unwrap().ends_with("1111"), "null tells nothing");
    assert_eq!(daemon.call("second").await, json!(null));
    daemon.stop().await;
}

#[tokio::test]
async fn a_list_in_webhook_fields_replaces_the_default() {
    let places = |list: &[&str]| toml::Value::from(list.to_vec());
    let config = ConfigFile::new()
        .set("webhook.fields.event", places(&["/what/a~1b"]))
        .set("webhook.fields.call_id", places(&["/list/1/id", "/other"]))
        .set("webhook.fields.agent", places(&[]));
    let daemon = Daemon::start(config).await;
    let body = json!({
        "what": {"a/b": "event_phone_call_started"}, "list": [{"id": "no"}, {"id": "c1"}],
        "agent_id": "..",
    });
    assert_eq!(result(&daemon, &body).await, "tracked");
    assert_eq!(daemon.call("c1").await["agent"], json!(null));
    let usual = daemon.webhook().json(&started("c2")).send().await;
    assert_eq!((usual.status, usual.code().as_str()), (422, "no_event"));
    let idless = json!({"what": {"a/b": "event_phone_call_started"}, "call_id": "c2"});
    let idless = daemon.webhook().json(&idless).send().await;
    insta::assert_snapshot!(idless.body);
    daemon.stop().await;
}

#[tokio::test]
async fn an_events_own_time_is_used_where_it_can_be_believed() {
    let config = ConfigFile::new().set("webhook.max_age", "1h");
    let daemon = Daemon::start(config).await;
    let now = jiff::Timestamp::now().as_second();
    let minute_ago = now - 60;
    let believed = [
        json!(minute_ago),
        json!(minute_ago * 1000),
        json!(minute_ago.to_string()),
        json!(minute_ago as f64 + 0.25),
        json!(time_at(-60)),
        json!(time_at(-60).replace('Z', "+00:00")),
    ];
    for (i, time) in believed.iter().enumerate() {
        let call = format!("believed-{i}");
        let body = put(started(&call), "/timestamp", time.clone());
        assert_eq!(result(&daemon, &body).await, "tracked", "{time}");
        let age = now - started_at(&daemon, &call).await;
        assert!((58..=62).contains(&age), "{time}: {age} s");
    }
    let doubted = [
        json!(time_at(-60).replace('Z', "")),
        json!("2025-09-03 23:19:51"),
        json!("9999-12-31T23:59:59Z"),
        json!("0000-00-00T00:00:00Z"),
        json!(1e30),
        json!(-1e30),
        json!(-1),
        json!(0),
        json!("1e30"),
        json!(253402300799000_i64),
        json!(now + 300),
        json!(now - 7200),
        json!({"at": now}),
        json!("x".repeat(5000)),
    ];
    for (i, time) in doubted.iter().enumerate() {
        let call = format!("doubted-{i}");
        let body = put(started(&call), "/timestamp", time.clone());
        assert_eq!(result(&daemon, &body).await, "tracked", "{time}");
        let age = started_at(&daemon, &call).await - now;
        assert!((-1..=20).contains(&age), "{time}: {age} s from now");
    }
    daemon.stop().await;
}

async fn started_at(daemon: &Daemon, call: &str) -> i64 {
    let seen = daemon.call(call).await;
    let at = seen["marks"]["started"].as_str().unwrap_or_else(|| panic!("{seen:#}"));
    at.parse::<jiff::Timestamp>().unwrap().as_second()
}

#[tokio::test]
async fn an_event_that_carries_sid_or_id_finds_the_same_call() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let event = |kind: &str| json!({"event": format!("event_{kind}")});
    let of = |kind: &str, names: Value| {
        let mut body = event(kind);
        body.as_object_mut().unwrap().extend(names.as_object().unwrap().clone());
        body
    };
    // First by its sid alone, then by both: one call, of that id, with all its facts.
    let sid = json!({"call_sid": "CA1"});
    let both = json!({"call_id": "uuid-1", "call_sid": "CA1"});
    assert_eq!(result(&daemon, &of("phone_call_started", sid.clone())).await, "tracked");
    assert_eq!(daemon.call("CA1").await["state"], "live");
    assert_eq!(result(&daemon, &of("phone_call_started", both)).await, "updated");
    let seen = daemon.call("uuid-1").await;
    assert_eq!(seen["state"], "live");
    assert!(seen["marks"]["started"].is_string());
    assert_eq!(result(&daemon, &of("phone_call_connected", sid.clone())).await, "updated");
    assert!(daemon.call("uuid-1").await["marks"]["connected"].is_string());
    assert_eq!(calls(&daemon).await, ["uuid-1"]);
    assert_eq!(daemon.metrics().await.value(r#"callwarden_calls{state="live"}"#), 1.0);

    // The alias outlives a kill.
    let home = daemon.kill().await;
    let daemon = Daemon::start_in(home, ConfigFile::new()).await;
    assert_eq!(result(&daemon, &of("phone_call_ended", sid.clone())).await, "ended");
    assert_eq!(daemon.call("uuid-1").await["outcome"], "completed");
    assert_eq!(result(&daemon, &of("conversation_started", sid)).await, "late");
    assert_eq!(calls(&daemon).await, [""; 0]);
    daemon.stop().await;
}

#[tokio::test]
async fn a_call_known_by_id_and_apart_by_sid_becomes_one() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let body = |kind: &str, names: Value| {
        let mut body = json!({"event": format!("event_{kind}")});
        body.as_object_mut().unwrap().extend(names.as_object().unwrap().clone());
        body
    };
    let by_id = body("phone_call_started", json!({"call_id": "uuid-1"}));
    let by_sid = body("phone_call_connected", json!({"sid": "CA1"}));
    let by_both = body("conversation_started", json!({"call_id": "uuid-1", "sid": "CA1"}));
    assert_eq!(result(&daemon, &by_id).await, "tracked");
    assert_eq!(result(&daemon, &by_sid).await, "tracked");
    assert_eq!(calls(&daemon).await.len(), 2);
    assert_eq!(result(&daemon, &by_both).await, "updated");
    assert_eq!(calls(&daemon).await, ["uuid-1"]);
    let seen = daemon.call("uuid-1").await;
    for mark in ["started", "connected", "talking"] {
        assert!(seen["marks"][mark].is_string(), "{mark}: {seen:#}");
    }
    daemon.stop().await;
}

/// The ids of the calls without outcome.
async fn calls(daemon: &Daemon) -> Vec<String> {
    let page = daemon.api("/api/calls").await.json();
    let calls = page["calls"].as_array().unwrap().iter();
    calls.map(|call| call["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn up_to_16_kib_of_context_are_kept_in_the_store() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let kept = json!({"plan": "trial", "pad": "x".repeat(16_000)});
    let beyond = json!({"plan": "trial", "pad": "x".repeat(17_000)});
    let body = |call: &str, context: &Value| put(started(call), "/context", context.clone());
    assert_eq!(result(&daemon, &body("kept", &kept)).await, "tracked");
    assert_eq!(result(&daemon, &body("beyond", &beyond)).await, "tracked");
    assert_eq!(result(&daemon, &body("odd", &json!([1, "two"]))).await, "tracked");
    let home = daemon.stop().await;
    let store = rusqlite::Connection::open(home.store()).unwrap();
    let context = |call: &str| {
        let query = "SELECT context FROM calls WHERE id = ?1";
        let text: Option<String> = store.query_row(query, [call], |row| row.get(0)).unwrap();
        text.map(|text| serde_json::from_str::<Value>(&text).unwrap())
    };
    assert_eq!(context("kept"), Some(kept));
    assert_eq!(context("beyond"), None);
}
