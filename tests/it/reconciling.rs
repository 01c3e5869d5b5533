//! The platform's list of active calls against ours (spec §8 *Reconciliation*).

use callwarden::sim::Wait;

use crate::{
    harness::{Daemon, Platform},
    seen::{self, count_with, listed, requests, silent, talking},
};

const COMPLETE: &str = "callwarden_reconcile_total{result=\"complete\"}";
const ADOPTED: &str = "callwarden_calls_adopted_total";

/// How many passes over the list are complete.
pub(crate) async fn passes(daemon: &Daemon) -> f64 {
    daemon.metrics().await.value(COMPLETE)
}

/// Waits until so many complete passes more were made.
async fn until_passes(daemon: &Daemon, more: f64) {
    let before = passes(daemon).await;
    daemon.until("more passes", async || passes(daemon).await >= before + more).await;
}

#[tokio::test]
async fn the_statuses_are_listed_in_the_order_in_which_calls_move_on() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(listed(&sim)).await;
    until_passes(&daemon, 1.0).await;
    let queries: Vec<_> =
        requests(&sim, "lists").into_iter().filter_map(|request| request.query).collect();
    let order = ["initiated", "ringing", "answered", "in-progress"];
    for (query, status) in queries.iter().zip(order) {
        assert!(query.contains(&format!("status={status}")), "{queries:?}");
    }
    // The sim refuses the last one, which spoils nothing.
    let refused = requests(&sim, "lists").into_iter().find(|r| r.status == Some(422)).unwrap();
    assert!(refused.query.unwrap().contains("in-progress"));
    let health = daemon.health().await;
    assert_eq!(health["checks"]["reconcile"]["status"], "pass", "{health:#}");
    assert!(health["checks"]["reconcile"]["last_complete_seconds_ago"].is_u64());
    assert_eq!(health["checks"]["platform"]["status"], "pass", "{health:#}");
    daemon.stop().await;
}

#[tokio::test]
async fn every_page_counts_whether_meta_or_pagination_tells_of_it() {
    for faults in [&["list-meta"][..], &["list-oldest-first", "list-shifts=3"], &["in-progress"]] {
        let sim = Platform::with_faults(faults).await;
        (0..230).for_each(|_| drop(sim.place(silent())));
        sim.until(Wait::Status { call: sim.calls()[229].id.clone(), status: "answered".into() })
            .await;
        let daemon = Daemon::start(listed(&sim)).await;
        daemon
            .until("all are known", async || daemon.metrics().await.value(ADOPTED) == 230.0)
            .await;
        assert_eq!(daemon.health().await["calls"]["live"], 230);
        daemon.stop().await;
    }
}

#[tokio::test]
async fn what_pages_leave_out_the_next_pass_finds() {
    let sim = Platform::with_faults(&["list-shifts=-5", "list-omits=0.2"]).await;
    (0..150).for_each(|_| drop(sim.place(silent())));
    let daemon = Daemon::start(listed(&sim)).await;
    daemon.until("all are known", async || daemon.metrics().await.value(ADOPTED) == 150.0).await;
    daemon.stop().await;
}

#[tokio::test]
async fn what_a_listing_lacks_proves_nothing_and_a_row_does() {
    let sim = Platform::with_faults(&["list-omits"]).await;
    let daemon = Daemon::start(listed(&sim)).await;
    sim.deliver_to(&daemon);
    let call = sim.place_tracked(talking()).await;
    sim.until(Wait::Quiet).await;
    // Two listings lack it: it is asked for, and active-call shows it.
    sim.until(Wait::Requests { endpoint: Some("active-call".into()), count: 1 }).await;
    until_passes(&daemon, 3.0).await;
    assert_eq!(daemon.call(&call).await["state"], "live");
    // Now it is over, and no webhook says so; nor does any row.
    sim.set_webhook(None);
    assert!(sim.hang_up(&call));
    let asked = requests(&sim, "active-call").len();
    daemon.until("it is asked for", async || requests(&sim, "active-call").len() > asked).await;
    until_passes(&daemon, 1.0).await;
    assert_eq!(daemon.call(&call).await["state"], "live", "absence is no proof");
    sim.clear_fault("list-omits");
    let ended = daemon.until_outcome(&call, "completed").await;
    assert!(ended["history"].to_string().contains("completed"), "{ended:#}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_platform_that_refuses_every_status_was_not_listed() {
    let sim = Platform::with_faults(&["payment-required,scope=lists"]).await;
    let daemon = Daemon::start(listed(&sim)).await;
    let failed = "callwarden_reconcile_total{result=\"failed\"}";
    daemon.until("a pass failed", async || daemon.metrics().await.value(failed) >= 1.0).await;
    assert_eq!(passes(&daemon).await, 0.0);
    let health = daemon.health().await;
    assert!(health["checks"]["reconcile"]["last_complete_seconds_ago"].is_null(), "{health:#}");
    daemon.stop().await;
}

#[tokio::test]
async fn listing_uses_its_tenth_of_the_quota() {
    let sim = Platform::start().await;
    let config =
        listed(&sim).set("platform.requests", "40/s").set("enforcement.reconcile_every", "100ms");
    let daemon = Daemon::start(config).await;
    until_passes(&daemon, 5.0).await;
    let at = requests(&sim, "lists").iter().map(|request| request.at).collect();
    let most = seen::most_in_a_window(at, seen::SECOND);
    // At the start the first pass leaves at once, whatever its part.
    assert!(most <= 8, "{most} requests listed calls within a second");
    daemon.stop().await;
}

#[tokio::test]
async fn the_platforms_clock_is_compared_with_ours() {
    for (fault, what) in [("date-offset=20s", "behind"), ("date-offset=-20s", "ahead of")] {
        let sim = Platform::with_faults(&[fault]).await;
        let daemon = Daemon::start(listed(&sim)).await;
        until_passes(&daemon, 1.0).await;
        let check = daemon.health().await["checks"]["clock"].clone();
        assert_eq!(check["status"], "warn", "{check}");
        let message = check["message"].as_str().unwrap();
        assert!(message.contains(&format!("s {what} the platform's")), "{message}");
        let offset = check["offset_seconds"].as_f64().unwrap();
        assert!((18.0..=22.0).contains(&offset.abs()), "{offset}");
        let shown = daemon.metrics().await.value("callwarden_clock_offset_seconds");
        assert!((18.0..=22.0).contains(&shown.abs()), "{shown}");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn reconciliation_switched_off_asks_nothing_and_says_so() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(seen::unlisted(&sim).set("limits.total", "500ms")).await;
    sim.deliver_to(&daemon);
    let call = sim.place(talking());
    daemon.until_outcome(&call, "stopped").await;
    assert_eq!(count_with(&sim, "lists", "status="), 0);
    let check = daemon.health().await["checks"]["reconcile"].clone();
    assert_eq!((&check["status"], &check["off"]), (&"pass".into(), &true.into()), "{check}");
    daemon.stop().await;
}
