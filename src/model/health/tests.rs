//! A row for every way a check can be off, its sentence in the snapshot.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::model::{platform::Failure, time::Mono};

const SECOND: i64 = 1_000_000;

fn ago(seconds: i64) -> Mono {
    Mono((10_000 - seconds) * SECOND)
}

fn with(change: impl FnOnce(&mut Vitals)) -> Health {
    let mut vitals = Vitals::well();
    change(&mut vitals);
    Health::of(&vitals)
}

fn failing(failure: Failure) -> Health {
    with(|v| v.platform.trouble = Some(PlatformTrouble { failure, since: ago(125) }))
}

fn unauthorized(token: TokenSource) -> Health {
    with(|v| {
        v.platform.token = token;
        let failure = Failure::Unauthorized { status: 401 };
        v.platform.trouble = Some(PlatformTrouble { failure, since: ago(7) });
    })
}

#[test]
fn a_healthy_daemon_shows_every_check_and_figure() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&Health::of(&Vitals::well())).unwrap());
}

#[test]
fn each_check_that_does_not_pass_says_what_is_wrong_and_the_mend() {
    let rows = [
        with(|v| {
            v.store.trouble =
                Some(StoreTrouble { error: "database or disk is full".to_owned(), since: ago(12) });
        }),
        unauthorized(TokenSource::File),
        unauthorized(TokenSource::Env),
        unauthorized(TokenSource::Credential),
        failing(Failure::Misdirected { status: 302 }),
        failing(Failure::RateLimited { pause: None }),
        failing(Failure::ServerError { status: 503 }),
        failing(Failure::Timeout),
        failing(Failure::Cut),
        failing(Failure::Network),
        failing(Failure::Other { status: 418, message: "teapot".to_owned() }),
        with(|v| {
            v.calls.unconfirmed = 1;
            v.calls.oldest_unconfirmed = Some(ago(21));
        }),
        with(|v| {
            v.calls.unconfirmed = 2;
            v.calls.oldest_unconfirmed = Some(ago(3_000));
        }),
        with(|v| v.platform.failed_stops = 1),
        with(|v| v.platform.failed_stops = 2),
        with(|v| v.platform.paused_until = Some(ago(-20))),
        with(|v| {
            v.platform.backlog = 340;
            v.platform.backlog_clears_in = Duration::from_secs(204);
        }),
        with(|v| {
            v.webhooks.last_refused = Some(ago(2));
            v.webhooks.last_accepted = Some(ago(300));
        }),
        with(|v| v.calls.most = 3),
        with(|v| v.webhooks.late = 1),
        with(|v| v.webhooks.first_seen_by_listing = 4),
        with(|v| v.timer_lag = Duration::from_millis(5_001)),
        with(|v| v.reconcile.as_mut().unwrap().last_complete = Some(ago(241))),
        with(|v| v.reconcile.as_mut().unwrap().unlisted = 2),
        with(|v| v.clock_offset = Some(SignedDuration::from_millis(5_100))),
        with(|v| v.clock_offset = Some(SignedDuration::from_secs(-9))),
    ];
    insta::assert_snapshot!(rows.iter().map(sentence).collect::<Vec<_>>().join("\n"));
}

/// The one check of `health` that does not pass, on a line.
fn sentence(health: &Health) -> String {
    let mut off =
        health.checks.named().into_iter().filter(|(_, check)| check.status != Status::Pass);
    let (name, check) = off.next().expect("one check is off");
    assert!(off.next().is_none(), "only one check is off");
    assert_eq!(health.status, check.status, "the whole is as bad as its worst");
    let message = check.message.as_deref().expect("it says why");
    format!("{} {name}: {message}", check.status.name())
}

#[test]
fn thresholds_hold_to_the_second() {
    let passes = [
        with(|v| v.platform.backlog_clears_in = Duration::from_secs(30)),
        with(|v| v.platform.paused_until = Some(v.now.mono)),
        with(|v| v.timer_lag = Duration::from_secs(5)),
        with(|v| v.clock_offset = Some(SignedDuration::from_secs(5))),
        with(|v| v.reconcile.as_mut().unwrap().last_complete = Some(ago(240))),
        with(|v| {
            v.webhooks.last_refused = Some(ago(2));
            v.webhooks.last_accepted = Some(ago(299));
        }),
        // Refusals that stopped are somebody's past mistake.
        with(|v| {
            v.webhooks.last_refused = Some(ago(300));
            v.webhooks.last_accepted = Some(ago(900));
        }),
        // A daemon just started has had no chance to accept anything.
        with(|v| {
            v.started = ago(299);
            v.webhooks.last_refused = Some(ago(2));
            v.webhooks.last_accepted = None;
        }),
    ];
    for health in passes {
        assert_eq!(health.status, Status::Pass, "{health:?}");
    }
}

#[test]
fn what_is_found_hides_nothing_else_that_is() {
    let health = with(|v| {
        let failure = Failure::Unauthorized { status: 403 };
        v.platform.trouble = Some(PlatformTrouble { failure, since: ago(1) });
        v.platform.failed_stops = 1;
        v.webhooks.late = 1;
    });
    assert_eq!(health.status, Status::Fail);
    assert_eq!(health.checks.webhooks.status, Status::Warn);
    let platform = &health.checks.platform;
    assert_eq!(platform.status, Status::Fail);
    let message = platform.message.as_deref().unwrap();
    assert!(message.contains("answered 403"), "{message}");
    assert!(message.contains("; besides, 1 call could not be stopped"), "{message}");
}

#[test]
fn what_is_switched_off_passes_and_says_so() {
    let health = with(|v| v.reconcile = None);
    let shown: Value = serde_json::to_value(&health).unwrap();
    assert_eq!(shown["checks"]["reconcile"], json!({"status": "pass", "off": true}));
    assert_eq!(shown["checks"]["coverage"], json!({"status": "pass", "off": true}));
}

#[test]
fn a_line_says_how_things_stand() {
    assert_eq!(with(|_| {}).in_a_line(), "3 calls, 0 stops under way; all is well");
    let confirming = with(|v| v.calls.confirming = 2).in_a_line();
    assert!(confirming.starts_with("5 calls, 2 stops under way"), "{confirming}");
    let health = with(|v| {
        v.calls.live = 0;
        v.calls.stopping = 1;
        v.calls.overdue = 1;
        v.calls.oldest_overdue = Some(ago(90));
        v.webhooks.late = 1;
        v.timer_lag = Duration::from_secs(6);
    });
    assert_eq!(
        health.in_a_line(),
        "1 call, 1 stop under way, 1 overdue for up to 90 s; fail timer: the timer runs 6s late, \
         and so do stops: give the daemon more CPU, or find what starves it"
    );
}

#[test]
fn every_call_without_outcome_counts_towards_the_most() {
    let (live, stopping, confirming, observing) = (1, 20, 300, 4_000);
    let calls = CallVitals { live, stopping, confirming, observing, ..CallVitals::default() };
    assert_eq!(calls.without_outcome(), 4_321);
}

#[test]
fn overdue_calls_are_told_with_their_age() {
    let health = with(|v| {
        v.calls.stopping = 2;
        v.calls.overdue = 2;
        v.calls.oldest_overdue = Some(ago(90));
    });
    let shown = serde_json::to_value(&health).unwrap();
    assert_eq!(shown["calls"]["oldest_overdue_seconds"], 90);
}
