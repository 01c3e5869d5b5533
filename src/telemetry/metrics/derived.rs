//! Metrics that are not counted but read off: gauges set from the vitals at a scrape, and the build.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    metrics::{family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

use super::{Labels, Seconds, epoch_seconds};
use crate::model::{
    call::State,
    health::{CallVitals, Checks, Health, Status, Vitals},
    time::Mono,
};

type Amount = Gauge<u64, AtomicU64>;

/// Which build this is, as `callwarden_build_info` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// The version's number.
    pub version: &'static str,
    /// The revision it was built from.
    pub revision: &'static str,
}

impl Build {
    /// This one.
    pub const CURRENT: Self = Self {
        version: env!("CARGO_PKG_VERSION"),
        revision: match option_env!("CALLWARDEN_REVISION") {
            Some(revision) => revision,
            None => "unknown",
        },
    };

    pub(super) fn register(self, registry: &mut Registry) {
        let Self { version, revision } = self;
        let labels = [("version", version), ("revision", revision)];
        // It is exposed with the suffix `_info`.
        registry.register("build", "The build that runs", Info::new(labels));
    }
}

/// What is, rather than what happened.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    calls: Family<Labels<1>, Amount>,
    calls_overdue: Amount,
    oldest_overdue: Seconds,
    stop_backlog: Amount,
    quota_remaining: Amount,
    clock_offset: Seconds,
    check_status: Family<Labels<1>, Amount>,
    webhook_last_received: Seconds,
    reconcile_last_success: Seconds,
    timer_lag: Seconds,
    store_bytes: Amount,
}

impl Gauges {
    #[rustfmt::skip] // a table: name, help, field
    pub(super) fn register(&self, ours: &mut Registry) {
        for state in State::ALL {
            if state != State::Ended {
                drop(self.calls.get_or_create(&[("state", state.name())]));
            }
        }
        for check in Checks::NAMES {
            drop(self.check_status.get_or_create(&[("check", check)]));
        }
        ours.register("calls", "Calls that are not over, by state", self.calls.clone());
        ours.register("calls_overdue", "Calls past their deadline whose stop is not accepted yet", self.calls_overdue.clone());
        ours.register("oldest_overdue_seconds", "How far the most overdue call is past its deadline", self.oldest_overdue.clone());
        ours.register("stop_backlog", "Overdue calls that wait for quota", self.stop_backlog.clone());
        ours.register("quota_remaining", "Requests that may leave at once", self.quota_remaining.clone());
        ours.register("clock_offset_seconds", "The platform's clock less ours; 0 while unknown", self.clock_offset.clone());
        ours.register("check_status", "Health checks: 0 pass, 1 warn, 2 fail", self.check_status.clone());
        ours.register("webhook_last_received_timestamp_seconds", "When the last webhook came; 0 if none has", self.webhook_last_received.clone());
        ours.register("reconcile_last_success_timestamp_seconds", "When the last complete pass ended; 0 if none has", self.reconcile_last_success.clone());
        ours.register("timer_lag_seconds", "How late the timer loop is", self.timer_lag.clone());
        ours.register("store_bytes", "The store's size on disk", self.store_bytes.clone());
    }

    pub(super) fn set(&self, vitals: &Vitals) {
        let epoch_seconds_of =
            |at: Option<Mono>| at.map_or(0.0, |at| epoch_seconds(vitals.now.wall_of(at)));
        let last_complete = vitals.reconcile.and_then(|pass| pass.last_complete);

        self.set_calls(&vitals.calls);
        self.oldest_overdue.set(vitals.oldest_overdue().as_secs_f64());
        self.stop_backlog.set(vitals.platform.backlog);
        self.quota_remaining.set(vitals.platform.quota_remaining);
        self.clock_offset.set(vitals.clock_offset.map_or(0.0, |offset| offset.as_secs_f64()));
        self.webhook_last_received.set(epoch_seconds_of(vitals.webhooks.last_received));
        self.reconcile_last_success.set(epoch_seconds_of(last_complete));
        self.timer_lag.set(vitals.timer_lag.as_secs_f64());
        self.store_bytes.set(vitals.store.bytes);
        for (name, check) in Health::of(vitals).checks.named() {
            let status = match check.status {
                Status::Pass => 0,
                Status::Warn => 1,
                Status::Fail => 2,
            };
            self.check_status.get_or_create(&[("check", name)]).set(status);
        }
    }

    fn set_calls(&self, calls: &CallVitals) {
        let by_state = [
            (State::Live, calls.live),
            (State::Stopping, calls.stopping),
            (State::Confirming, calls.confirming),
            (State::Observing, calls.observing),
            (State::Released, calls.released),
        ];
        for (state, n) in by_state {
            self.calls.get_or_create(&[("state", state.name())]).set(n);
        }
        self.calls_overdue.set(calls.overdue);
    }
}
