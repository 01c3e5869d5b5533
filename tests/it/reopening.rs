//! What the platform alone may do: bring a call back that is over by our books (spec §5).

use callwarden::sim::Wait;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    harness::{Daemon, Platform},
    reconciling::passes,
    seen::{self, accepted, listed, requests, silent, talking, unlisted},
};

const REOPENED: &str = "callwarden_calls_reopened_total";

/// Posts an event of `agent-1` that happened so long ago.
async fn tell(daemon: &Daemon, event: &str, call: &str, ago: i64) -> String {
    let at = Timestamp::now() - SignedDuration::from_secs(ago);
    let body = json!({
        "event": format!("event_{event}"), "call_id": call, "agent_id": "agent-1",
        "timestamp": at.to_string(),
    });
    daemon.webhook().json(&body).send().await.result()
}

#[tokio::test]
async fn two_listings_bring_a_call_back_with_its_old_marks() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(listed(&sim).set("limits.total", "6s")).await;
    sim.deliver_to(&daemon);
    let call = sim.place_tracked(talking()).await;
    sim.until(Wait::Quiet).await;
    let before = daemon.call(&call).await;
    assert_eq!(daemon.event("phone_call_ended", &call).await, "ended");
    daemon.until("it is live again", async || daemon.metrics().await.value(REOPENED) == 1.0).await;
    let again = daemon.call(&call).await;
    assert_eq!(again["marks"]["started"], before["marks"]["started"]);
    assert_eq!(again["outcome"], json!(null));
    assert!(again["history"].as_array().unwrap().iter().any(|entry| entry["what"] == "reopened"));
    sim.until(Wait::Status { call: call.clone(), status: "over".into() }).await;
    let told = sim.call(&call).unwrap();
    let deadline = told.dialled_at.unwrap() + 6 * seen::SECOND;
    assert!(told.hangup_accepted_at.unwrap() >= deadline - 1_000, "its old deadline holds");
    daemon.until_outcome(&call, "stopped").await;
    assert_eq!(daemon.ended(&call).await["platform_disagrees"], true);
    daemon.stop().await;
}

#[tokio::test]
async fn a_call_brought_back_counts_among_the_live_ones() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(listed(&sim).set("server.max_calls", 2)).await;
    let call = sim.place(silent());
    daemon.until_state(&call, "live").await;
    assert_eq!(daemon.event("phone_call_ended", &call).await, "ended");
    daemon.until("it is live again", async || daemon.metrics().await.value(REOPENED) == 1.0).await;
    assert_eq!(daemon.event("phone_call_started", "another").await, "tracked");
    let third = daemon.webhook().json(&json!({
        "event": "event_phone_call_started", "call_id": "a third", "agent_id": "agent-1",
    }));
    assert_eq!(third.send().await.status, 503);
    assert!(sim.hang_up(&call));
    daemon
        .until("both are off the books", async || {
            daemon.event("phone_call_ended", &call).await;
            daemon.event("phone_call_ended", "another").await;
            daemon.health().await["calls"]["live"] == 0
        })
        .await;
    assert_eq!(daemon.event("phone_call_started", "a third").await, "tracked");
    daemon.stop().await;
}

#[tokio::test]
async fn a_row_that_changed_30_s_after_the_end_brings_a_call_back_at_once() {
    for (ended_ago, comes_back) in [(40, true), (0, false)] {
        let sim = Platform::start().await;
        let daemon = Daemon::start(unlisted(&sim)).await;
        let call = sim.place(silent());
        tell(&daemon, "phone_call_started", &call, ended_ago + 5).await;
        assert_eq!(tell(&daemon, "phone_call_ended", &call, ended_ago).await, "ended");
        let home = daemon.stop().await;
        // One pass at the start, and no second one.
        let once = listed(&sim).set("enforcement.reconcile_every", "1h");
        let daemon = Daemon::start_in(home, once).await;
        daemon.until("it listed", async || passes(&daemon).await == 1.0).await;
        let reopened = daemon.metrics().await.value(REOPENED);
        assert_eq!(reopened, f64::from(u8::from(comes_back)), "ended {ended_ago} s ago");
        assert_eq!(daemon.call(&call).await["outcome"].is_null(), comes_back);
        daemon.stop().await;
    }
}

#[tokio::test]
async fn a_call_that_the_platform_shows_under_another_agent_is_stopped_there() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(listed(&sim).set("limits.total", "1s")).await;
    let mut script = silent();
    script.agent = "agent-2".to_owned();
    let call = sim.place(script);
    // A webhook names another agent, and nothing of ours contradicts it.
    daemon.event("phone_call_started", &call).await;
    sim.until(Wait::Status { call: call.clone(), status: "over".into() }).await;
    daemon.until_outcome(&call, "stopped").await;
    assert_eq!(daemon.call(&call).await["agent"], "agent-2");
    let paths = requests(&sim, "end-call");
    assert!(paths.last().unwrap().path.contains("/agents/agent-2/"), "{paths:?}");
    assert_eq!(accepted(&sim).len(), 1);
    daemon.stop().await;
}
