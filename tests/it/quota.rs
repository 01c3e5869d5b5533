//! How many requests leave, and which (spec §7 *Quota*).

use std::time::Duration;

use callwarden::sim::{RequestRecord, Wait};
use serde_json::json;

use crate::{
    harness::{Daemon, Platform, micros, now_and},
    seen::{
        SECOND, most_in_a_window, silent_calls, tell_last_first, unlisted, were_stopped_in_order,
    },
};

/// Deadlines come in another order than their webhooks, all at once, under a narrow quota.
#[tokio::test]
async fn what_is_due_goes_out_by_deadline_then_id_and_within_the_window() {
    let sim = Platform::start().await;
    let daemon =
        Daemon::start(unlisted(&sim).set("platform.requests", "5/s").set("limits.total", "2s"))
            .await;
    let calls = silent_calls(&sim, 20).await;
    // Two calls a deadline, told latest first.
    let earliest = 300;
    let at: Vec<_> = (0..calls.len()).map(|n| now_and(earliest + 20 * (n as i64 / 2))).collect();
    tell_last_first(&daemon, &calls, &at).await;
    sim.until(Wait::EndCalls { call: None, count: calls.len() }).await;
    were_stopped_in_order(&sim, &calls, 5);
    let most = most_in_a_window(sim.requests().iter().map(|one| one.at).collect(), SECOND);
    assert!(most <= 5, "{most} requests within a second");
    daemon.stop().await;
}

/// How a daemon comes down.
#[derive(Clone, Copy)]
enum Down {
    Told,
    Killed,
}

/// Comes down over and over under a backlog, as soon as the platform has seen a request: none is
/// forgotten by the next life.
async fn requests_of_an_earlier_life_count(down: Down, seen: &[usize]) {
    let sim = Platform::start().await;
    let config = || unlisted(&sim).set("platform.requests", "4/s").set("limits.total", "500ms");
    let mut daemon = Daemon::start(config()).await;
    let calls = silent_calls(&sim, 16).await;
    for call in &calls {
        assert_eq!(daemon.event("phone_call_started", call).await, "tracked");
    }
    for &count in seen {
        sim.until(Wait::EndCalls { call: None, count }).await;
        let home = match down {
            Down::Told => daemon.stop().await,
            Down::Killed => daemon.kill().await,
        };
        daemon = Daemon::start_in(home, config()).await;
    }
    sim.until(Wait::Over { count: calls.len() }).await;
    let most = most_in_a_window(sim.requests().iter().map(|one| one.at).collect(), SECOND);
    assert!(most <= 4, "{most} requests within a second");
    daemon.stop().await;
}

#[tokio::test]
async fn requests_of_an_earlier_life_count_after_a_restart() {
    requests_of_an_earlier_life_count(Down::Told, &[2, 6, 10]).await;
}

#[tokio::test]
async fn requests_of_an_earlier_life_count_after_a_kill() {
    requests_of_an_earlier_life_count(Down::Killed, &[1, 2, 6, 9, 10]).await;
}

#[tokio::test]
async fn at_most_64_requests_are_under_way_and_one_of_a_call() {
    let sim = Platform::with_faults(&["latency=400ms,scope=end-call"]).await;
    let daemon = Daemon::start(unlisted(&sim).set("limits.total", "2s")).await;
    let calls = silent_calls(&sim, 150).await;
    let at = now_and(0);
    for call in &calls {
        let event = json!({
            "event": "event_phone_call_started", "call_id": call, "agent_id": "agent-1",
            "timestamp": at,
        });
        daemon.webhook().json(&event).send().await.result();
    }
    sim.until(Wait::Accepted { call: None, count: calls.len() }).await;
    let requests = sim.requests_to("end-call");
    let under_way = |at| {
        let is_under_way =
            |one: &&RequestRecord| one.at <= at && one.answered_at.is_none_or(|end| at < end);
        requests.iter().filter(is_under_way).count()
    };
    let most = requests.iter().map(|one| under_way(one.at)).max().unwrap();
    assert!((32..=64).contains(&most), "{most} at once");
    for call in &calls {
        assert_eq!(sim.end_calls(call).len(), 1, "{call}");
    }
    daemon.stop().await;
}

/// After a 429 nothing leaves until the pause is over, then one request alone, then the rest.
async fn paused_by(shape: &str, pause: Duration) {
    let sim = Platform::with_faults(&[&format!("rate-limit=3/2s,{shape}")]).await;
    let daemon = Daemon::start(unlisted(&sim).set("limits.total", "1s")).await;
    let calls = silent_calls(&sim, 9).await;
    let at = now_and(0);
    for call in &calls {
        let event = json!({
            "event": "event_phone_call_started", "call_id": call, "agent_id": "agent-1",
            "timestamp": at,
        });
        daemon.webhook().json(&event).send().await.result();
    }
    daemon.until_check("platform", "warn").await;
    sim.until(Wait::Accepted { call: None, count: calls.len() }).await;
    let requests = sim.requests_to("end-call");
    let refused = requests.iter().find(|one| one.status == Some(429)).unwrap().answered_at.unwrap();
    // What left before the refusal was there is still on its way, on a busy machine for a while.
    let travelling = pause.mul_f64(0.6).max(Duration::from_millis(150));
    let later = |one: &&RequestRecord| one.at > refused + micros(travelling);
    let after: Vec<_> = requests.iter().filter(later).collect();
    let waited = Duration::from_micros(after[0].at - refused);
    assert!(waited + Duration::from_millis(50) >= pause, "{shape}: only {waited:?}");
    // Of a reset in whole epoch seconds next to nothing may be left: no telling the probe apart.
    let is_told_apart = pause > Duration::ZERO;
    assert!(
        !is_told_apart || after[1].at >= after[0].answered_at.unwrap(),
        "{shape}: no single probe"
    );
    daemon.stop().await;
}

#[tokio::test]
async fn a_429_pauses_for_retry_after_in_the_body() {
    paused_by("hint=body", Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_429_pauses_for_the_retry_after_header() {
    paused_by("hint=headers,reset=none", Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_429_pauses_until_a_reset_in_epoch_seconds() {
    paused_by("hint=none,reset=epoch", Duration::ZERO).await;
}

#[tokio::test]
async fn a_429_pauses_for_a_reset_in_seconds() {
    paused_by("hint=none,reset=seconds", Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_429_without_a_hint_pauses_for_5_s() {
    paused_by("hint=none,reset=none", Duration::from_secs(5)).await;
}
