//! Deployments whose webhooks come late or not at all (spec §8): the platform's list is all there
//! is, every limit is kept, and the quota too.

use std::time::Duration;

use callwarden::sim::{Control, Script, Wait};

use crate::{
    harness::{Daemon, Platform},
    seen::{SECOND, listed, most_in_a_window, silent, talking},
};

/// Calls that begin one after the other.
fn place(sim: &Control, count: u64, script: &Script) {
    for nth in 0..count {
        let delay = Duration::from_millis(nth * 100).into();
        sim.place(Script { delay, ..script.clone() });
    }
}

fn judge(sim: &Control, quota: usize) {
    let at = sim.requests().iter().map(|request| request.at).collect();
    let most = most_in_a_window(at, SECOND);
    assert!(most <= quota, "{most} requests within a second");
    for call in sim.calls() {
        let deadline = call.dialled_at.unwrap() + 3 * SECOND;
        let stopped = call.hangup_accepted_at.unwrap_or_else(|| panic!("{} lives", call.id));
        assert!(stopped >= deadline, "{} was cut {} µs early", call.id, deadline - stopped);
    }
}

#[tokio::test]
async fn without_any_webhook_every_limit_is_kept_within_the_quota() {
    let sim = Platform::start().await;
    place(&sim, 60, &silent());
    let config = listed(&sim).set("limits.total", "3s").set("platform.requests", "20/s");
    let daemon = Daemon::start(config).await;
    sim.until(Wait::Over { count: 60 }).await;
    judge(&sim, 20);
    let check = daemon.health().await["checks"]["webhooks"].clone();
    assert_eq!(check["status"], "warn", "{check}");
    let message = check["message"].as_str().unwrap();
    assert!(message.contains("became known by listing before any webhook"), "{message}");
    daemon.stop().await;
}

#[tokio::test]
async fn with_webhooks_that_come_after_the_call_every_limit_is_kept_too() {
    let sim = Platform::with_faults(&["webhooks-after-end"]).await;
    let config = listed(&sim).set("limits.total", "3s").set("platform.requests", "20/s");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    place(&sim, 60, &talking());
    sim.until(Wait::Over { count: 60 }).await;
    judge(&sim, 20);
    for call in sim.calls() {
        daemon.until_outcome(&call.id, "stopped").await;
    }
    daemon.stop().await;
}

#[tokio::test]
async fn webhooks_that_come_10_s_late_are_told_of() {
    let sim = Platform::with_faults(&["webhooks-late=11s"]).await;
    let daemon = Daemon::start(listed(&sim).set("limits.total", "30m")).await;
    sim.deliver_to(&daemon);
    sim.place_tracked(talking()).await;
    let check = daemon.health().await["checks"]["webhooks"].clone();
    assert_eq!(check["status"], "warn", "{check}");
    assert!(check["message"].as_str().unwrap().contains("more than 10 s late"), "{check}");
    assert!(check["delay_seconds"].as_f64().unwrap() >= 10.0, "{check}");
    daemon.stop().await;
}
