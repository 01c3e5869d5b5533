//! §10: `GET /api/calls`, `/api/calls/{id}`, `/api/history`.

use callwarden::sim::{Script, Wait};
use serde_json::{Value, json};

use crate::{
    harness::{ConfigFile, Daemon, Platform},
    operating::send,
};

/// An event of a call with a time of its own, so many seconds ago.
async fn event_ago(daemon: &Daemon, kind: &str, call: &str, agent: &str, seconds: i64) {
    let at = jiff::Timestamp::now().as_second() - seconds;
    let event = format!("event_{kind}");
    let body = json!({"event": event, "call_id": call, "agent_id": agent, "timestamp": at});
    assert_eq!(daemon.webhook().json(&body).send().await.status, 200);
}

fn ids(page: &Value) -> Vec<&str> {
    let calls = page["calls"].as_array().unwrap().iter();
    calls.map(|call| call["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_list_holds_calls_without_outcome_by_deadline_and_id() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    for (call, agent, seconds) in
        [("c", "one", 10), ("a", "two", 30), ("d", "one", 20), ("b", "two", 10), ("e", "one", 5)]
    {
        event_ago(&daemon, "phone_call_started", call, agent, seconds).await;
    }
    assert_eq!(daemon.event("phone_call_ended", "e").await, "ended");
    let page = daemon.api("/api/calls").await.json();
    let second = |id: &str| page["calls"].as_array().unwrap().iter().find(|c| c["id"] == id);
    // Two that began in one second of the clock stand by id, others by their deadline.
    let same = second("b").unwrap()["deadline"] == second("c").unwrap()["deadline"];
    let expected = if same { ["a", "d", "b", "c"] } else { ["a", "d", "c", "b"] };
    assert_eq!(ids(&page), expected);
    assert_eq!(page["next"], Value::Null);
    assert_eq!(ids(&daemon.api("/api/calls?agent=two&state=live").await.json()), ["a", "b"]);
    assert_eq!(ids(&daemon.api("/api/calls?state=stopping").await.json()), [""; 0]);
    assert_eq!(ids(&daemon.api("/api/calls?state=ended").await.json()), ["e"]);
    assert_eq!(ids(&daemon.api("/api/calls?state=ended&agent=two").await.json()), [""; 0]);
    daemon.stop().await;
}

#[tokio::test]
async fn a_released_call_is_listed_as_such_until_it_is_over() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    for (call, agent) in [("a", "one"), ("b", "two"), ("c", "two")] {
        event_ago(&daemon, "phone_call_started", call, agent, 5).await;
    }
    for call in ["a", "b"] {
        let path = format!("/api/calls/{call}/release");
        assert_eq!(send(&daemon, "POST", &path, "{}").await.status, 200);
    }
    let check = async |daemon: &Daemon, released: &[&str], ended: &[&str]| {
        let mut listed = walk(daemon, "/api/calls?state=released&limit=7").await;
        listed.sort();
        assert_eq!(listed, released);
        assert_eq!(walk(daemon, "/api/calls?state=ended&limit=7").await, ended);
        assert_eq!(ids(&daemon.api("/api/calls").await.json()), ["c"]);
    };
    check(&daemon, &["a", "b"], &[]).await;
    assert_eq!(ids(&daemon.api("/api/calls?state=released&agent=two").await.json()), ["b"]);
    // They lie in the store alone after a restart.
    let daemon = Daemon::start_in(daemon.stop().await, ConfigFile::new()).await;
    check(&daemon, &["a", "b"], &[]).await;
    assert_eq!(daemon.event("phone_call_ended", "a").await, "ended");
    check(&daemon, &["b"], &["a"]).await;
    daemon.stop().await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    for i in 0..25 {
        event_ago(&daemon, "phone_call_started", &format!("c{i:02}"), "one", 60 - i).await;
    }
    let live = walk(&daemon, "/api/calls?limit=7").await;
    let expected: Vec<_> = (0..25).map(|i| format!("c{i:02}")).collect();
    assert_eq!(live, expected);
    assert_eq!(ids(&daemon.api("/api/calls?limit=25").await.json()).len(), 25);
    for i in 0..25 {
        assert_eq!(daemon.event("phone_call_ended", &format!("c{i:02}")).await, "ended");
    }
    for list in ["/api/history?limit=7", "/api/calls?state=ended&limit=7"] {
        let mut ended = walk(&daemon, list).await;
        assert_eq!(ended.first().map(String::as_str), Some("c24"), "newest first: {list}");
        ended.sort();
        assert_eq!(ended, expected, "{list}");
    }
    daemon.stop().await;
}

/// The ids of all pages of a list.
async fn walk(daemon: &Daemon, list: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut page = daemon.api(list).await.json();
    loop {
        all.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { return all };
        assert_eq!(ids(&page).len(), 7, "only the last page may be short");
        page = daemon.api(&format!("{list}&after={next}")).await.json();
    }
}

#[tokio::test]
async fn a_stopped_call_is_shown_with_its_history() {
    let sim = Platform::start().await;
    let config = ConfigFile::new().platform(&sim).set("limits.total", "500ms");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    let call = sim.place(Script {
        id: Some("call-1".to_owned()),
        sid: Some("CA-1".to_owned()),
        to: Some("+4915112345678".to_owned()),
        from: Some("+49301234567".to_owned()),
        campaign: Some("camp-1".to_owned()),
        ..Script::default()
    });
    assert_eq!(call, "call-1");
    sim.until(Wait::Status { call: call.clone(), status: "over".to_owned() }).await;
    let mut seen = daemon.until_outcome(&call, "stopped").await;
    assert_eq!(daemon.call("CA-1").await, seen, "the sid finds it too");
    timeless(&mut seen);
    insta::assert_snapshot!("call", serde_json::to_string_pretty(&seen).unwrap());

    // History is written behind: what was just recorded may take a moment.
    let mut page = Value::Null;
    daemon
        .until("it is in the history", async || {
            page = daemon.api("/api/history").await.json();
            ids(&page) == ["call-1"]
        })
        .await;
    let mut ended = page["calls"][0].clone();
    timeless(&mut ended);
    insta::assert_snapshot!("ended", serde_json::to_string_pretty(&ended).unwrap());
    daemon.stop().await;
}

/// Times are not the same twice.
fn timeless(value: &mut Value) {
    match value {
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => *value = json!("TIME"),
        Value::Object(fields) => {
            fields.values_mut().for_each(timeless);
            // How the two ways of an end overtake each other is chance.
            if let Some(Value::Array(history)) = fields.get_mut("history") {
                history.sort_by_key(|entry| entry["what"].to_string());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(timeless),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn history_is_found_by_outcome_and_by_time() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    assert_eq!(daemon.event("phone_call_started", "first").await, "tracked");
    assert_eq!(daemon.event("phone_call_ended", "first").await, "ended");
    let between = jiff::Timestamp::now();
    assert_eq!(daemon.event("phone_call_started", "second").await, "tracked");
    assert_eq!(daemon.event("phone_call_ended", "second").await, "ended");
    assert_eq!(daemon.event("phone_call_did_not_connect", "never").await, "ended");
    assert_eq!(daemon.event("phone_call_started", "live").await, "tracked");
    let asked = async |query: &str| {
        let page = daemon.api(&format!("/api/history{query}")).await.json();
        let mut found: Vec<_> = ids(&page).into_iter().map(str::to_owned).collect();
        found.sort();
        found
    };
    assert_eq!(asked("").await, ["first", "never", "second"]);
    assert_eq!(asked("?outcome=not_connected").await, ["never"]);
    assert_eq!(asked("?outcome=completed").await, ["first", "second"]);
    assert_eq!(asked("?outcome=completed&since=10m").await, ["first", "second"]);
    assert_eq!(asked(&format!("?since={between}&outcome=completed")).await, ["second"]);
    assert_eq!(asked("?outcome=failed").await, [""; 0]);
    // It outlives a restart.
    let home = daemon.kill().await;
    let daemon = Daemon::start_in(home, ConfigFile::new()).await;
    let page = daemon.api("/api/history?limit=1000").await.json();
    assert_eq!(ids(&page), ["never", "second", "first"], "newest first");
    assert_eq!(daemon.call("second").await["outcome"], "completed");
    daemon.stop().await;
}
