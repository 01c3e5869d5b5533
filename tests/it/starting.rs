//! Start-up: the platform is asked for its active calls first, then what is overdue is stopped in
//! order (spec §8 *Start-up*).

use callwarden::sim::Wait;

use crate::{
    harness::{Daemon, Line, Platform},
    seen::{self, SECOND, listed, talking, unlisted},
};

/// The calls whose first request has left, in that order.
fn sent(daemon: &Daemon) -> Vec<String> {
    let is_first =
        |line: &Line| line.field("message") == "end-call request sent" && line.json["attempt"] == 1;
    let lines = daemon.log().into_iter().filter(is_first);
    lines.map(|line| line.field("call.id").to_owned()).collect()
}

#[tokio::test]
async fn active_calls_are_listed_before_overdue_ones_are_stopped_in_order() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(unlisted(&sim)).await;
    sim.deliver_to(&daemon);
    let mut calls = Vec::new();
    for _ in 0..30 {
        calls.push(sim.place_tracked(talking()).await);
    }
    sim.until(Wait::Quiet).await;
    let over = calls.swap_remove(7);
    let home = daemon.kill().await;
    // One ends while we are down: the listing lacks it, which is no proof.
    sim.set_webhook(None);
    assert!(sim.hang_up(&over));
    sim.clear_history();
    let daemon = Daemon::start_in(home, listed(&sim).set("limits.total", "2s")).await;
    sim.until(Wait::Over { count: 30 }).await;
    let requests = sim.requests();
    let first = requests.iter().position(|request| request.endpoint == "end-call").unwrap();
    assert!(first >= 4, "only {first} requests came before the first stop");
    assert!(requests[..4].iter().all(|request| request.endpoint == "lists"));
    daemon.until("all were asked to end", async || sent(&daemon).len() >= 29).await;
    let order: Vec<_> = sent(&daemon).into_iter().filter(|id| *id != over).collect();
    calls.sort_by_key(|id| sim.call(id).unwrap().dialled_at);
    assert_eq!(order, calls);
    daemon.stop().await;
}

#[tokio::test]
async fn a_platform_whose_lists_hang_holds_stops_up_for_5_s_at_most() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(unlisted(&sim)).await;
    sim.deliver_to(&daemon);
    let call = sim.place_tracked(talking()).await;
    let home = daemon.kill().await;
    sim.clear_history();
    sim.fault("hang,scope=lists");
    let config = listed(&sim).set("limits.total", "2s").set("enforcement.reconcile_every", "1h");
    let daemon = Daemon::start_in(home, config.set("platform.timeout", "20s")).await;
    sim.deliver_to(&daemon);
    sim.until(Wait::Status { call: call.clone(), status: "over".into() }).await;
    let listed = seen::requests(&sim, "lists")[0].at;
    let stopped = seen::requests(&sim, "end-call")[0].at;
    let held = stopped.saturating_sub(listed);
    assert!((4 * SECOND..9 * SECOND).contains(&held), "the stop came {held} µs after the listing");
    daemon.until_outcome(&call, "stopped").await;
    daemon.stop().await;
}
