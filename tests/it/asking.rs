//! What is looked up before or instead of a stop (spec §4, §6, §7 by way of §3 `max_age`).

use std::time::Duration;

use callwarden::sim::{Script, Wait};
use serde_json::{Value, json};

use crate::harness::{ConfigFile, Daemon, Platform, micros_of, now_and};

fn config(sim: &Platform) -> ConfigFile {
    ConfigFile::new()
        .platform(sim)
        .set("enforcement.reconcile_every", "0s")
        .set("enforcement.confirm_within", "300ms")
        .set("limits.total", "1s")
}

/// An answered call that sends no webhooks.
async fn silent(sim: &Platform, id: &str) -> String {
    let rings = Duration::ZERO.into();
    let agent = "agent-2".to_owned();
    let script =
        Script { id: Some(id.to_owned()), agent, rings, silent: true, ..Script::default() };
    let call = sim.place(script);
    sim.until(Wait::Status { call: call.clone(), status: "answered".to_owned() }).await;
    call
}

async fn tell(daemon: &Daemon, body: Value) -> String {
    daemon.webhook().json(&body).send().await.result()
}

#[tokio::test]
async fn a_call_whose_agent_nobody_told_is_found_by_its_number() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(config(&sim)).await;
    let call = silent(&sim, "orphan").await;
    let to = sim.call(&call).unwrap().to;
    let started = json!({"event": "event_phone_call_started", "call_id": call, "to": to});
    assert_eq!(tell(&daemon, started).await, "tracked");
    daemon.until_outcome(&call, "stopped").await;
    assert_eq!(sim.end_calls(&call)[0].path, "/api/v1/agents/agent-2/end-call");
    let shown = daemon.call(&call).await;
    assert_eq!(shown["agent"], "agent-2");
    assert!(sim.end_calls(&call)[0].at + 1000 >= micros_of(&shown["deadline"]));
    daemon.stop().await;
}

#[tokio::test]
async fn a_call_whose_agent_nobody_told_is_found_by_its_id_where_that_can_be_searched() {
    let sim = Platform::with_faults(&["list-finds-ids"]).await;
    let daemon = Daemon::start(config(&sim)).await;
    let call = silent(&sim, "orphan").await;
    let started = json!({"event": "event_phone_call_started", "call_id": call});
    assert_eq!(tell(&daemon, started).await, "tracked");
    daemon.until_outcome(&call, "stopped").await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_call_known_by_its_sid_alone_is_stopped_by_the_id_that_a_listing_shows() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(config(&sim).set("enforcement.reconcile_every", "300ms")).await;
    let call = silent(&sim, "by-sid").await;
    let sid = sim.call(&call).unwrap().sid;
    let started =
        json!({"event": "event_phone_call_started", "call_sid": sid, "agent_id": "agent-2"});
    let result = tell(&daemon, started).await;
    assert!(["tracked", "updated"].contains(&result.as_str()), "{result}");
    daemon.until_outcome(&call, "stopped").await;
    assert_eq!(sim.end_calls(&call).len(), 1);
    assert_eq!(daemon.call(&sid).await["id"], call.as_str());
    daemon.stop().await;
}

#[tokio::test]
async fn a_call_known_by_its_sid_alone_is_stopped_by_it_where_the_platform_takes_sids() {
    let sim = Platform::with_faults(&["end-call-takes-sid"]).await;
    let daemon = Daemon::start(config(&sim)).await;
    let call = silent(&sim, "by-sid").await;
    let sid = sim.call(&call).unwrap().sid;
    let started =
        json!({"event": "event_phone_call_started", "call_sid": sid, "agent_id": "agent-2"});
    assert_eq!(tell(&daemon, started).await, "tracked");
    sim.until_over(&call).await;
    daemon.until_outcome(&sid, "stopped").await;
    daemon.stop().await;
}

/// An own time that alone would make the call overdue on the spot.
fn long_ago(call: &str, to: &str) -> Value {
    json!({
        "event": "event_phone_call_started", "call_id": call, "agent_id": "agent-2", "to": to,
        "timestamp": now_and(-600_000),
    })
}

#[tokio::test]
async fn an_own_time_that_makes_overdue_holds_once_a_look_shows_the_call_active() {
    let sim = Platform::start().await;
    // By the time of arrival it would be stopped in five minutes.
    let daemon = Daemon::start(config(&sim).set("limits.total", "5m")).await;
    let call = silent(&sim, "old").await;
    let to = sim.call(&call).unwrap().to;
    assert_eq!(tell(&daemon, long_ago(&call, &to)).await, "tracked");
    daemon.until_outcome(&call, "stopped").await;
    let left = sim.end_calls(&call)[0].at;
    let looks = sim.requests().into_iter().filter(|one| one.endpoint != "end-call");
    assert!(looks.into_iter().any(|look| look.at < left), "it was not looked up before");
    daemon.stop().await;
}

#[tokio::test]
async fn an_own_time_that_makes_overdue_stops_nothing_that_a_look_shows_over() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(config(&sim).set("limits.total", "5m")).await;
    let call = silent(&sim, "old").await;
    sim.hang_up(&call);
    let to = sim.call(&call).unwrap().to;
    assert_eq!(tell(&daemon, long_ago(&call, &to)).await, "tracked");
    daemon.until_outcome(&call, "completed").await;
    assert!(sim.end_calls(&call).is_empty());
    daemon.stop().await;
}

#[tokio::test]
async fn an_own_time_that_makes_overdue_yields_to_the_arrival_while_nobody_shows_the_call() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(config(&sim).set("limits.total", "2s")).await;
    let before = micros_of(&json!(now_and(0)));
    assert_eq!(tell(&daemon, long_ago("nowhere", "+15550000")).await, "tracked");
    let deadline = micros_of(&daemon.call("nowhere").await["deadline"]);
    assert!(deadline >= before + 2_000_000, "the own time holds");
    sim.until_end_calls("nowhere", 1).await;
    assert!(sim.end_calls("nowhere")[0].at >= before + 2_000_000);
    daemon.stop().await;
}

/// Older than `max_age`: taken in, and enforced once the platform shows the call.
#[tokio::test]
async fn an_event_older_than_max_age_is_enforced_only_once_the_platform_shows_the_call() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(config(&sim).set("webhook.max_age", "1m")).await;
    for id in ["active", "gone"] {
        silent(&sim, id).await;
    }
    sim.hang_up("gone");
    for id in ["active", "gone"] {
        let to = sim.call(id).unwrap().to;
        assert_eq!(tell(&daemon, long_ago(id, &to)).await, "tracked");
    }
    assert_eq!(tell(&daemon, long_ago("nowhere", "+15550000")).await, "tracked");
    daemon.until_outcome("active", "stopped").await;
    daemon.until_outcome("gone", "completed").await;
    let unproven = daemon.call("nowhere").await;
    assert_eq!(unproven["state"], "live", "{unproven:#}");
    assert_eq!(unproven["deadline"], Value::Null, "{unproven:#}");
    assert!(sim.end_calls("gone").is_empty() && sim.end_calls("nowhere").is_empty());
    daemon.stop().await;
}

#[tokio::test]
async fn after_an_error_or_a_disconnect_without_an_end_the_platform_is_asked() {
    let sim = Platform::with_faults(&["webhooks-vanished,event=event_phone_call_ended"]).await;
    let daemon = Daemon::start(config(&sim).set("limits.total", "30m")).await;
    sim.deliver_to(&daemon);
    for event in ["event_phone_call_error", "event_phone_call_disconnected"] {
        let call = sim.place_tracked(Script::default()).await;
        sim.until(Wait::Status { call: call.clone(), status: "answered".to_owned() }).await;
        sim.happen(&call, event);
        sim.hang_up(&call);
        daemon.until_outcome(&call, "completed").await;
        assert!(sim.end_calls(&call).is_empty());
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_disconnect_ends_nothing_by_itself() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(config(&sim).set("limits.total", "2s")).await;
    sim.deliver_to(&daemon);
    let call = sim.place_tracked(Script::default()).await;
    sim.happen(&call, "event_phone_call_disconnected");
    let stopped = daemon.until_outcome(&call, "stopped").await;
    assert_eq!(stopped["limit"], "total");
    daemon.stop().await;
}
