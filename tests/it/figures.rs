//! The figures of the platform's side and of the operator's, measured and printed, not judged:
//!
//! ```text
//! cargo build --release
//! CALLWARDEN_FIGURES=1 CALLWARDEN_BINARY=target/release/callwarden \
//!     cargo test --test it figures -- --nocapture --test-threads 1
//! ```

mod operating;

use std::time::Duration;

use callwarden::sim::{Call, Control, Micros, Script, Wait};

use crate::{
    harness::{Daemon, Platform},
    seen::{SECOND, accepted, listed, most_in_a_window, requests, silent, talking, unlisted},
};

/// Whether anybody wants them: they take minutes.
fn is_wanted() -> bool {
    std::env::var_os("CALLWARDEN_FIGURES").is_some()
}

#[expect(clippy::print_stderr, reason = "that is what it is for")]
fn tell(figure: &str, value: impl std::fmt::Display) {
    eprintln!("{figure}: {value}");
}

fn deadline(call: &Call, limit: Micros) -> Micros {
    call.dialled_at.unwrap() + limit
}

fn refused(sim: &Control) -> usize {
    sim.requests().iter().filter(|request| request.status == Some(429)).count()
}

/// 220 stops due at once through 60 requests in 6 s, the platform counting fixed windows.
#[tokio::test]
async fn figures_of_a_burst() {
    if !is_wanted() {
        return;
    }
    let sim = Platform::with_faults(&["rate-limit=60/6s", "latency=5ms..50ms"]).await;
    // N/s, N/min and N/h are what can be written; 10/s is the same rate in shorter windows.
    let config = unlisted(&sim).set("platform.requests", "10/s").set("limits.total", "4s");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    (0..220).for_each(|_| drop(sim.place(talking())));
    assert!(sim.wait(&Wait::Over { count: 220 }, Duration::from_secs(120)).await);
    tell("burst of 220: refused by 429", refused(&sim));
    let due = sim.calls().iter().map(|call| deadline(call, 4 * SECOND)).min().unwrap();
    let last = accepted(&sim).iter().map(|request| request.at).max().unwrap();
    // A perfect scheduler sends ten at once, then ten each second.
    let took = (last - due) as f64 / 1e6;
    tell("burst of 220: the last stop left after, in s", took);
    tell("burst of 220: against a perfect scheduler's 21 s", took / 21.0);
    daemon.stop().await;
}

/// 300 live calls and no webhook, 100 requests a minute; a tenth of that time, and of the limits.
#[tokio::test]
async fn figures_without_webhooks() {
    if !is_wanted() {
        return;
    }
    let sim = Platform::start().await;
    // Time runs ten times as fast: 1,000 requests a minute, limits of 1 min, passes every 6 s.
    for nth in 0..300 {
        let delay = Duration::from_millis(nth * 200).into();
        sim.place(Script { delay, ..silent() });
    }
    let config = listed(&sim)
        .set("platform.requests", "1000/min")
        .set("enforcement.reconcile_every", "6s")
        .set("enforcement.confirm_within", "3s")
        .set("limits.total", "60s");
    let daemon = Daemon::start(config).await;
    assert!(sim.wait(&Wait::Over { count: 300 }, Duration::from_secs(300)).await);
    let overruns = sim.calls().into_iter().map(|call| {
        call.hangup_accepted_at.unwrap_or(Micros::MAX).saturating_sub(deadline(&call, 60 * SECOND))
    });
    let worst = overruns.max().unwrap() as f64 / 1e6;
    tell("no webhooks: worst overrun, in s (limit 60 s, tenfold speed)", worst);
    let looks = requests(&sim, "active-call").len() + requests(&sim, "lists").len();
    tell("no webhooks: requests besides stops, per stop", looks as f64 / 300.0);
    let at = sim.requests().iter().map(|request| request.at).collect();
    tell("no webhooks: most requests in a minute", most_in_a_window(at, 60 * SECOND));
    daemon.stop().await;
}

/// What a stop costs besides itself: with webhooks nothing, without their end one page for many.
#[tokio::test]
async fn figures_of_look_ups_per_stop() {
    if !is_wanted() {
        return;
    }
    for (name, fault) in [
        ("all webhooks", "precise-times"),
        ("ends lost", "webhooks-vanished,event=event_phone_call_ended"),
    ] {
        let sim = Platform::with_faults(&[fault]).await;
        let config = unlisted(&sim)
            .set("platform.requests", "20/s")
            .set("limits.total", "2s")
            .set("enforcement.confirm_within", "2s");
        let daemon = Daemon::start(config).await;
        sim.deliver_to(&daemon);
        (0..200).for_each(|_| drop(sim.place(talking())));
        let ended = "callwarden_calls_ended_total{outcome=\"stopped\"}";
        daemon
            .until("all are confirmed", async || daemon.metrics().await.value(ended) == 200.0)
            .await;
        let looks = requests(&sim, "active-call").len() + requests(&sim, "lists").len();
        tell(&format!("look-ups per stop, {name}"), looks as f64 / 200.0);
        daemon.stop().await;
    }
}
