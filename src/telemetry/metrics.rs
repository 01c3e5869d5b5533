//! Every metric of spec §9: a field here, and a method for whoever has something to count.
//!
//! What happens is counted as it happens; what merely *is* (calls by state, backlog, quota, …) is
//! taken from the [`Vitals`] at a scrape. Every series stands at 0 from the start.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::prometheus_text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use self::labels::{WEBHOOK_RESULTS, known, webhook_event};
pub use self::{
    derived::Build,
    labels::{EndCallResult, ReconcileResult},
};
use super::process::Process;
use crate::model::{health::Vitals, promise::Breach, time::Wall, view::OUTCOMES};

mod derived;
mod labels;

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Seconds = Gauge<f64, AtomicU64>;

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    webhooks: Counters<2>,
    webhook_duration: Histogram,
    webhook_delay: Histogram,
    webhook_secret_uses: Counters<1>,
    webhook_path_mismatch: Counter,
    calls_ended: Counters<1>,
    calls_adopted: Counter,
    calls_reopened: Counter,
    call_overrun: Histogram,
    override_unreadable: Counter,
    end_call_requests: Counters<1>,
    stop_lateness: Histogram,
    stop_confirmation: Histogram,
    store_commit_duration: Histogram,
    reconcile: Counters<1>,
    timer_repairs: Counter,
    panics: Counter,
    invariant_violations: Counters<1>,
    config_last_reload_successful: Gauge,
    config_last_reload_success: Seconds,
    config_hash: Gauge,
    derived: derived::Gauges,
}

impl Metrics {
    /// All metrics, each at 0.
    #[must_use]
    pub fn new(build: Build) -> Self {
        let metrics = Self {
            registry: Registry::default(),
            webhooks: Family::default(),
            webhook_duration: Histogram::new(REQUEST_BUCKETS),
            webhook_delay: Histogram::new(DELAY_BUCKETS),
            webhook_secret_uses: Family::default(),
            webhook_path_mismatch: Counter::default(),
            calls_ended: Family::default(),
            calls_adopted: Counter::default(),
            calls_reopened: Counter::default(),
            call_overrun: Histogram::new(OVERRUN_BUCKETS),
            override_unreadable: Counter::default(),
            end_call_requests: Family::default(),
            stop_lateness: Histogram::new(LATENESS_BUCKETS),
            stop_confirmation: Histogram::new(CONFIRMATION_BUCKETS),
            store_commit_duration: Histogram::new(REQUEST_BUCKETS),
            reconcile: Family::default(),
            timer_repairs: Counter::default(),
            panics: Counter::default(),
            invariant_violations: Family::default(),
            config_last_reload_successful: Gauge::default(),
            config_last_reload_success: Gauge::default(),
            config_hash: Gauge::default(),
            derived: derived::Gauges::default(),
        };
        metrics.touch_every_series();
        metrics.registered(build)
    }

    /// A webhook was answered: the event as it was told (`none` where none was), the result's name
    /// (spec §4, §9), and the time from its head to its answer.
    pub fn webhook(&self, event: &str, result: &str, took: Duration) {
        let event = webhook_event(event);
        let result = known(result, &WEBHOOK_RESULTS);
        let labels = [("event", event), ("result", result)];
        self.webhooks.get_or_create(&labels).inc();
        self.webhook_duration.observe(took.as_secs_f64());
    }

    /// How long after its own time an event arrived.
    pub fn webhook_delay(&self, delay: Duration) {
        self.webhook_delay.observe(delay.as_secs_f64());
    }

    /// A webhook's signature matched the secret, or the previous one.
    pub fn secret_use(&self, previous: bool) {
        let labels = [("secret", if previous { "previous" } else { "current" })];
        self.webhook_secret_uses.get_or_create(&labels).inc();
    }

    /// A webhook's path and body named different agents or events.
    pub fn path_mismatch(&self) {
        self.webhook_path_mismatch.inc();
    }

    /// A call got its outcome, one of [`OUTCOMES`].
    pub fn call_ended(&self, outcome: &str) {
        let labels = [("outcome", known(outcome, &OUTCOMES))];
        self.calls_ended.get_or_create(&labels).inc();
    }

    /// How far past its deadline an ended call had got.
    pub fn overrun(&self, overrun: Duration) {
        self.call_overrun.observe(overrun.as_secs_f64());
    }

    /// A call was first heard of by a listing.
    pub fn call_adopted(&self) {
        self.calls_adopted.inc();
    }

    /// The platform showed a call active whose end was recorded.
    pub fn call_reopened(&self) {
        self.calls_reopened.inc();
    }

    /// A call's override could not be read.
    pub fn override_unreadable(&self) {
        self.override_unreadable.inc();
    }

    /// An end-call request was answered, or was not.
    pub fn end_call_result(&self, result: EndCallResult) {
        let labels = [("result", result.name())];
        self.end_call_requests.get_or_create(&labels).inc();
    }

    /// How long after its call's deadline an end-call request left.
    pub fn stop_lateness(&self, lateness: Duration) {
        self.stop_lateness.observe(lateness.as_secs_f64());
    }

    /// How long after the accepted request the call's end was confirmed.
    pub fn stop_confirmation(&self, took: Duration) {
        self.stop_confirmation.observe(took.as_secs_f64());
    }

    /// How long a commit took, a failed one included.
    pub fn store_commit(&self, took: Duration) {
        self.store_commit_duration.observe(took.as_secs_f64());
    }

    /// A pass over the platform's active calls ended.
    pub fn reconciled(&self, result: ReconcileResult) {
        let labels = [("result", result.name())];
        self.reconcile.get_or_create(&labels).inc();
    }

    /// A live call was found without the timer it should have had.
    pub fn timer_repaired(&self) {
        self.timer_repairs.inc();
    }

    /// Something panicked and was caught.
    pub fn panic(&self) {
        self.panics.inc();
    }

    /// Something happened that the promise rules out.
    pub fn invariant_violated(&self, breach: Breach) {
        let labels = [("name", breach.name())];
        self.invariant_violations.get_or_create(&labels).inc();
    }

    /// A config is in force, at start or by reload. Its hash is shown to 48 bits, which is what a
    /// float can hold.
    pub fn config_loaded(&self, at: Wall, hash: u64) {
        self.config_last_reload_successful.set(1);
        self.config_last_reload_success.set(epoch_seconds(at));
        self.config_hash.set((hash & 0xffff_ffff_ffff) as i64);
    }

    /// A reload was refused; the config in force stays.
    pub fn config_refused(&self) {
        self.config_last_reload_successful.set(0);
    }

    /// All metrics in Prometheus' text format ([`CONTENT_TYPE`]), the gauges as `vitals` have them.
    #[must_use]
    pub fn encode(&self, vitals: &Vitals) -> String {
        self.derived.set(vitals);
        let mut text = String::with_capacity(64 * 1024);
        prometheus_text::encode(&mut text, &self.registry)
            .expect("writing to a String never fails");
        text
    }

    fn touch_every_series(&self) {
        for event in labels::webhook_events() {
            for result in WEBHOOK_RESULTS {
                touch(&self.webhooks, [("event", event), ("result", result)]);
            }
        }
        for secret in ["current", "previous"] {
            touch(&self.webhook_secret_uses, [("secret", secret)]);
        }
        for outcome in OUTCOMES {
            touch(&self.calls_ended, [("outcome", outcome)]);
        }
        for result in EndCallResult::ALL {
            touch(&self.end_call_requests, [("result", result.name())]);
        }
        for result in ReconcileResult::ALL {
            touch(&self.reconcile, [("result", result.name())]);
        }
        for breach in Breach::ALL {
            touch(&self.invariant_violations, [("name", breach.name())]);
        }
    }

    #[rustfmt::skip] // a table: name, help, field
    fn registered(mut self, build: Build) -> Self {
        self.registry.register_collector(Box::new(Process));
        let ours = self.registry.sub_registry_with_prefix("callwarden");
        ours.register("webhooks", "Webhooks answered", self.webhooks.clone());
        ours.register("webhook_duration_seconds", "Time from a webhook's head to its answer", self.webhook_duration.clone());
        ours.register("webhook_delay_seconds", "Arrival of an event less its own time", self.webhook_delay.clone());
        ours.register("webhook_secret_uses", "Signatures that matched, by which secret", self.webhook_secret_uses.clone());
        ours.register("webhook_path_mismatch", "Webhooks whose path and body differed", self.webhook_path_mismatch.clone());
        ours.register("calls_ended", "Outcomes recorded", self.calls_ended.clone());
        ours.register("calls_adopted", "Calls first heard of by a listing", self.calls_adopted.clone());
        ours.register("calls_reopened", "Ended calls that the platform showed active", self.calls_reopened.clone());
        ours.register("call_overrun_seconds", "How far past its deadline a call got", self.call_overrun.clone());
        ours.register("override_unreadable", "Overrides that could not be read", self.override_unreadable.clone());
        ours.register("end_call_requests", "End-call requests, by what became of them", self.end_call_requests.clone());
        ours.register("stop_lateness_seconds", "End-call request sent less the deadline", self.stop_lateness.clone());
        ours.register("stop_confirmation_seconds", "Time from an accepted request to the confirmed end", self.stop_confirmation.clone());
        ours.register("store_commit_duration_seconds", "Time of one commit", self.store_commit_duration.clone());
        ours.register("reconcile", "Passes over the platform's active calls", self.reconcile.clone());
        ours.register("timer_repairs", "Live calls found without their timer", self.timer_repairs.clone());
        ours.register("panics", "Panics caught", self.panics.clone());
        ours.register("invariant_violations", "Things seen that must never be", self.invariant_violations.clone());
        ours.register("config_last_reload_successful", "Whether the last config read is in force", self.config_last_reload_successful.clone());
        ours.register("config_last_reload_success_timestamp_seconds", "When the config in force was read", self.config_last_reload_success.clone());
        ours.register("config_hash", "Hash of the config in force", self.config_hash.clone());
        self.derived.register(ours);
        build.register(ours);
        self
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(Build::CURRENT)
    }
}

fn touch<const N: usize>(family: &Counters<N>, labels: Labels<N>) {
    debug_assert!(labels.iter().all(|(_, value)| !value.is_empty()));
    drop(family.get_or_create(&labels));
}

fn epoch_seconds(at: Wall) -> f64 {
    at.0 as f64 / 1e6
}

// Upper bounds in seconds.
const LATENESS_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
const REQUEST_BUCKETS: [f64; 13] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];
const DELAY_BUCKETS: [f64; 11] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0, 7200.0];
const CONFIRMATION_BUCKETS: [f64; 12] =
    [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0, 3600.0];
const OVERRUN_BUCKETS: [f64; 12] =
    [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0];

#[cfg(test)]
mod tests;
