//! §10: what operators do to calls, one by one and many at once.

use callwarden::sim::{Script, Wait};
use serde_json::{Value, json};

use crate::harness::{Answer, ConfigFile, Daemon, Platform, Request};

pub(crate) async fn send(daemon: &Daemon, method: &str, target: &str, body: &str) -> Answer {
    let mut request = Request::new(method, target)
        .header("Authorization", "Bearer admin-0123456789abcdef")
        .header("Content-Type", "application/json");
    request.body = body.as_bytes().to_vec();
    request.send(daemon.admin_addr()).await
}

#[track_caller]
fn is_problem(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    problem["detail"].as_str().unwrap().to_owned()
}

fn at(call: &Value) -> jiff::Timestamp {
    call["deadline"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_end_is_accepted_and_carried_out_and_told_apart() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(ConfigFile::new().platform(&sim)).await;
    sim.deliver_to(&daemon);
    let call = sim.place_tracked(Script::default()).await;
    let answer = send(&daemon, "POST", &format!("/api/calls/{call}/end"), "").await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(answer.json()["limit"], "operator");
    sim.until(Wait::Status { call: call.clone(), status: "over".to_owned() }).await;
    let ended = daemon.until_outcome(&call, "stopped").await;
    let what: Vec<_> =
        ended["history"].as_array().unwrap().iter().map(|entry| &entry["what"]).collect();
    assert!(what.iter().any(|what| **what == "end_ordered"), "{what:?}");
    let again = send(&daemon, "POST", &format!("/api/calls/{call}/end"), "").await;
    is_problem(&again, 409);
    assert_eq!(again.json()["state"], "ended");
    daemon.stop().await;
}

#[tokio::test]
async fn a_deadline_moves_durably_and_stands_above_every_limit() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    assert_eq!(daemon.event("phone_call_started", "c").await, "tracked");
    let before = at(&daemon.call("c").await);
    let answer = send(&daemon, "PATCH", "/api/calls/c", r#"{"extend":"5m"}"#).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(at(&answer.json()).as_second(), before.as_second() + 300);
    let wanted = jiff::Timestamp::from_second(before.as_second() + 3600).unwrap();
    let body = json!({"deadline": wanted.to_string()}).to_string();
    assert_eq!(at(&send(&daemon, "PATCH", "/api/calls/c", &body).await.json()), wanted);
    // A 2xx outlives kill -9.
    let home = daemon.kill().await;
    let daemon = Daemon::start_in(home, ConfigFile::new()).await;
    assert_eq!(at(&daemon.call("c").await), wanted);
    let released = send(&daemon, "POST", "/api/calls/c/release", "{}").await;
    assert_eq!((released.status, &released.json()["state"]), (200, &json!("released")));
    is_problem(&send(&daemon, "PATCH", "/api/calls/c", r#"{"extend":"5m"}"#).await, 409);
    daemon.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_says_why() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    assert_eq!(daemon.event("phone_call_started", "c").await, "tracked");
    for body in [
        r#"{"extend":"1y"}"#,
        r#"{"extend":"5M"}"#,
        r#"{"extend":"99999999999999999999s"}"#,
        r#"{"extend":300}"#,
        r#"{"deadline":"2001-01-01T00:00:00Z"}"#,
        r#"{"deadline":"2999-01-01T00:00:00Z"}"#,
        r#"{"extend":"5m","why":"?"}"#,
        r#"{"extend":"5m","deadline":"2999-01-01T00:00:00Z"}"#,
        "{}",
        "",
        "[]",
    ] {
        is_problem(&send(&daemon, "PATCH", "/api/calls/c", body).await, 422);
    }
    is_problem(&send(&daemon, "PATCH", "/api/calls/c", "{").await, 400);
    is_problem(&send(&daemon, "PATCH", "/api/calls/c?x=1", r#"{"extend":"5m"}"#).await, 422);
    is_problem(&send(&daemon, "POST", "/api/calls/c/end", r#"{"now":true}"#).await, 422);
    for id in ["unknown", "a%2Fb", "..%2F..", "%2E%2E"] {
        is_problem(&send(&daemon, "POST", &format!("/api/calls/{id}/end"), "").await, 404);
    }
    is_problem(&send(&daemon, "POST", "/api/calls/a%00b/end", "").await, 422);
    let large = format!("{{\"extend\":\"{}\"}}", "x".repeat(1 << 20));
    is_problem(&send(&daemon, "PATCH", "/api/calls/c", &large).await, 413);
    assert_eq!(daemon.call("c").await["limit"], "total", "nothing was done");
    daemon.stop().await;
}

#[tokio::test]
async fn an_order_that_cannot_be_made_durable_is_503() {
    let home = crate::harness::Home::new();
    let config = ConfigFile::new().limitable();
    let mut daemon = Daemon::start_expecting(home, config, &["store"]).await;
    assert_eq!(daemon.event("phone_call_started", "c").await, "tracked");
    daemon.expect_error("");
    daemon.limit_files(Some(0));
    let answer = send(&daemon, "PATCH", "/api/calls/c", r#"{"extend":"5m"}"#).await;
    assert!(is_problem(&answer, 503).contains("in force"), "{}", answer.body);
    daemon.limit_files(None);
    daemon.kill().await;
}

#[tokio::test]
async fn the_kill_switch_counts_first_blocks_then_ends() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(ConfigFile::new().platform(&sim)).await;
    sim.deliver_to(&daemon);
    let mut calls = Vec::new();
    for to in ["+5511987654321", "+5521987654321", "+4915112345678"] {
        let script = Script {
            to: Some(to.to_owned()),
            campaign: Some("spring".to_owned()),
            ..Script::default()
        };
        calls.push(sim.place_tracked(script).await);
    }
    let dry = send(&daemon, "POST", "/api/end", r#"{"to":"+55*","dry_run":true}"#).await;
    assert_eq!(dry.status, 200, "{}", dry.body);
    assert_eq!(dry.json(), json!({"id": null, "matched": 2, "estimated_seconds": 0}));
    for call in &calls {
        assert_eq!(daemon.call(call).await["state"], "live");
    }
    let body = r#"{"campaign":"spring","to":"+55*","block_new":true}"#;
    let pulled = send(&daemon, "POST", "/api/end", body).await;
    assert_eq!((pulled.status, &pulled.json()["matched"]), (202, &json!(2)), "{}", pulled.body);
    for call in &calls[..2] {
        daemon.until_outcome(call, "stopped").await;
    }
    assert_eq!(daemon.call(&calls[2]).await["state"], "live");
    // What cannot be blocked is not ended either.
    let unknown =
        send(&daemon, "POST", "/api/end", r#"{"campaign":"none","block_new":true}"#).await;
    assert!(is_problem(&unknown, 503).contains("no call was told to end"));
    let all = send(&daemon, "POST", "/api/end", r#"{"all":true}"#).await;
    assert_eq!(all.json()["matched"], 1);
    daemon.until_outcome(&calls[2], "stopped").await;
    for body in
        ["", r#"{"all":true,"agent":"a"}"#, r#"{"every":1}"#, r#"{"all":true,"block_new":true}"#]
    {
        is_problem(&send(&daemon, "POST", "/api/end", body).await, 422);
    }
    daemon.stop().await;
}

#[tokio::test]
async fn the_kill_switch_reckons_with_what_waits_for_quota_once() {
    let sim = Platform::start().await;
    let config = ConfigFile::new()
        .platform(&sim)
        .set("platform.requests", "2/min")
        .set("enforcement.reconcile_every", "0s")
        .set("enforcement.confirm_within", "10m")
        .set("limits.total", "500ms");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    for _ in 0..4 {
        sim.place(Script::default());
    }
    let waiting = "callwarden_stop_backlog";
    daemon
        .until("two are over", async || {
            let figures = daemon.metrics().await;
            figures.value(waiting) == 2.0 && figures.value("callwarden_quota_remaining") == 0.0
        })
        .await;
    let dry = send(&daemon, "POST", "/api/end", r#"{"all":true,"dry_run":true}"#).await;
    let seconds = dry.json()["estimated_seconds"].as_u64().unwrap();
    assert!((1..=62).contains(&seconds), "twice two would take two minutes: {}", dry.body);
    daemon.kill().await;
}

#[tokio::test]
async fn every_path_that_the_openapi_names_is_there() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let document = daemon.api("/api/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            if path == "/api/stream" {
                continue;
            }
            let target = path.replace("{id}", "nobody");
            let answer = send(&daemon, &method.to_uppercase(), &target, "").await;
            let named = &methods[method]["responses"][answer.status.to_string()];
            assert!(named.is_object(), "{method} {path}: {} {}", answer.status, answer.body);
            assert_ne!(answer.status, 405, "{method} {path}");
        }
    }
    daemon.stop().await;
}
