//! The platform's delivery logs: lost events come back by them (spec §8).

use callwarden::sim::{Script, Wait};
use serde_json::{Value, json};

use crate::{
    harness::{Daemon, Platform},
    seen::{listed, requests, set_up_webhook, talking, unlisted},
};

fn url(daemon: &Daemon) -> String {
    format!("http://{}/webhooks/talkover/{{agent_id}}/{{event}}", daemon.addr())
}

fn of_campaign() -> Script {
    let context = json!({"plan": "trial"}).as_object().unwrap().clone();
    Script { campaign: Some("camp-1".to_owned()), context, ..talking() }
}

/// Waits until a call's campaign is known; returns the call.
async fn until_filled_in(daemon: &Daemon, call: &str) -> Value {
    let mut shown = Value::Null;
    daemon
        .until("its campaign is known", async || {
            shown = daemon.call(call).await;
            shown["campaign"] == "camp-1"
        })
        .await;
    shown
}

#[tokio::test]
async fn an_adopted_call_gets_what_its_lost_webhooks_told() {
    let sim = Platform::with_faults(&["webhooks-lost"]).await;
    let daemon = Daemon::start(listed(&sim)).await;
    set_up_webhook(&sim, "agent-1", &url(&daemon)).await;
    let call = sim.place(Script { talks_after: Some("0s".parse().unwrap()), ..of_campaign() });
    let shown = until_filled_in(&daemon, &call).await;
    assert!(shown["history"].to_string().contains("adopted"), "{shown:#}");
    daemon
        .until("its marks are filled in", async || {
            let marks = daemon.call(&call).await["marks"].clone();
            ["started", "connected", "talking"].iter().all(|mark| marks[mark].is_string())
        })
        .await;
    assert_eq!(sim.deliveries().len(), 0, "nothing was ever delivered");
    daemon.stop().await;
}

#[tokio::test]
async fn a_call_whose_webhooks_an_earlier_life_took_gets_them_all() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(unlisted(&sim)).await;
    set_up_webhook(&sim, "agent-1", &url(&daemon)).await;
    let call = sim.place(Script { talks_after: Some("0s".parse().unwrap()), ..of_campaign() });
    sim.until(Wait::Delivered { call: Some(call.clone()), event: None, count: 3 }).await;
    daemon.stop().await;
    // Another store, that knows nothing of it.
    let daemon = Daemon::start(listed(&sim)).await;
    until_filled_in(&daemon, &call).await;
    daemon
        .until("its marks are filled in", async || {
            let marks = daemon.call(&call).await["marks"].clone();
            ["started", "connected", "talking"].iter().all(|mark| marks[mark].is_string())
        })
        .await;
    // They came in time, though not to us: how late they are read tells nothing of webhooks.
    assert!(daemon.health().await["checks"]["webhooks"]["delay_seconds"].is_null());
    daemon.stop().await;
}

#[tokio::test]
async fn an_end_that_was_lost_is_found_in_the_logs_of_a_restart() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(unlisted(&sim)).await;
    set_up_webhook(&sim, "agent-1", &url(&daemon)).await;
    let call = sim.place_tracked(of_campaign()).await;
    sim.until(Wait::Quiet).await;
    let home = daemon.stop().await;
    sim.fault("webhooks-lost");
    assert!(sim.hang_up(&call));
    let config = listed(&sim).set("enforcement.reconcile_every", "1h");
    let daemon = Daemon::start_in(home, config).await;
    let ended = daemon.until_outcome(&call, "completed").await;
    assert!(ended["marks"]["phone_call_ended"].is_string(), "{ended:#}");
    daemon.stop().await;
}

#[tokio::test]
async fn logs_are_read_for_adopted_calls_alone_once_we_are_up() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(listed(&sim)).await;
    sim.deliver_to(&daemon);
    sim.until(Wait::Requests { endpoint: Some("lists".into()), count: 4 }).await;
    sim.place_tracked(talking()).await;
    sim.until(Wait::Requests { endpoint: Some("lists".into()), count: 16 }).await;
    assert!(requests(&sim, "webhooks").is_empty());
    daemon.stop().await;
}

#[tokio::test]
async fn as_long_as_deliveries_fail_the_log_tells_what_they_would_have() {
    let sim = Platform::with_faults(&["webhooks-lost"]).await;
    let daemon = Daemon::start(listed(&sim)).await;
    set_up_webhook(&sim, "agent-1", &url(&daemon)).await;
    let call = sim.place(Script { talks_after: Some("4s".parse().unwrap()), ..of_campaign() });
    until_filled_in(&daemon, &call).await;
    // It has been heard of by now, and nobody is asked about it.
    daemon
        .until("what happened since is known", async || {
            daemon.call(&call).await["marks"]["talking"].is_string()
        })
        .await;
    daemon.stop().await;
}

#[tokio::test]
async fn logs_that_could_not_be_read_are_read_after_the_next_pass() {
    let sim = Platform::with_faults(&["webhooks-lost,event=event_conversation_started"]).await;
    let daemon = Daemon::start(unlisted(&sim)).await;
    set_up_webhook(&sim, "agent-1", &url(&daemon)).await;
    let script = Script { talks_after: Some("0s".parse().unwrap()), ..talking() };
    let call = sim.place_tracked(script).await;
    sim.until(Wait::Quiet).await;
    assert!(daemon.call(&call).await["marks"]["talking"].is_null());
    let home = daemon.stop().await;
    sim.fault("server-error,scope=webhooks,count=3");
    let daemon = Daemon::start_in(home, listed(&sim)).await;
    daemon
        .until("its mark is filled in", async || {
            daemon.call(&call).await["marks"]["talking"].is_string()
        })
        .await;
    daemon.stop().await;
}

#[tokio::test]
async fn the_logs_of_many_webhooks_hold_no_listing_up() {
    let sim = Platform::start().await;
    // Forty requests a minute for listings and logs, 200 while calls are first seen by listing.
    let config =
        listed(&sim).set("platform.requests", "400/min").set("enforcement.reconcile_every", "1s");
    for _ in 0..300 {
        set_up_webhook(&sim, "agent-1", "http://127.0.0.1:9/nobody").await;
    }
    let daemon = Daemon::start(config).await;
    let silent = Script { silent: true, ..talking() };
    let first = sim.place(silent.clone());
    daemon.until("the first is adopted", async || daemon.call(&first).await.is_object()).await;
    let logs = || requests(&sim, "webhooks").iter().filter(|it| it.method == "GET").count();
    daemon.until("its agent's logs are being read", async || logs() > 0).await;
    let second = sim.place(silent);
    daemon.until("the second is adopted", async || daemon.call(&second).await.is_object()).await;
    assert!(logs() < 300, "the logs had not all been read");
    daemon.stop().await;
}
