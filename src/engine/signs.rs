//! Signs of how things go that no call tells: written where they show, read by health (spec §9).

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::SignedDuration;

use crate::model::{
    health::{PlatformTrouble, StoreTrouble, WebhookVitals},
    platform::{Failure, Meter},
    queue::Share,
    time::{Moment, Mono},
};

/// How far back webhooks are judged.
const RECENT: Duration = Duration::from_secs(600);
/// A webhook that took longer is late.
const LATE: Duration = Duration::from_secs(10);
/// Delays kept for their median.
const MOST_DELAYS: usize = 1_024;

/// What was seen last.
#[derive(Default)]
pub(super) struct Signs(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    store: Option<StoreTrouble>,
    store_bytes: u64,
    platform: Option<PlatformTrouble>,
    last_received: Option<Mono>,
    last_accepted: Option<Mono>,
    last_refused: Option<Mono>,
    delays: VecDeque<(Mono, Duration)>,
    late: VecDeque<Mono>,
    timer_lag: Duration,
    timer_turned: Option<Mono>,
    last_pass: Option<Mono>,
    has_passed: bool,
    unlisted: u64,
    passes_are_long: bool,
    first_by_listing: VecDeque<Mono>,
    clock_offset: Option<SignedDuration>,
    config_refused: Option<String>,
}

/// How a webhook was answered, as far as health cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// 2xx.
    Accepted,
    /// 401.
    Refused,
    /// Anything else.
    Other,
}

impl Seen {
    fn forget_old(&mut self, recent: Mono) {
        self.delays.retain(|(at, _)| *at >= recent);
        self.late.retain(|at| *at >= recent);
        self.first_by_listing.retain(|at| *at >= recent);
    }
}

impl Signs {
    pub(super) fn store_fails(&self, error: String, since: Mono) {
        self.seen().store = Some(StoreTrouble { error, since });
    }

    pub(super) fn store_works(&self) {
        self.seen().store = None;
    }

    pub(super) fn store_has(&self, bytes: u64) {
        self.seen().store_bytes = bytes;
    }

    pub(super) fn platform_answered(&self, failure: Option<&Failure>, meter: &Meter, now: Moment) {
        let mut seen = self.seen();
        seen.platform = match (failure, seen.platform.take()) {
            (None, _) => None,
            // A pause is shown as such, and tells nothing else.
            (Some(Failure::RateLimited { .. }), known) => known,
            (Some(failure), known) => {
                let since = known.map_or(now.mono, |known| known.since);
                Some(PlatformTrouble { failure: failure.clone(), since })
            }
        };
        if let Some(date) = meter.date {
            // `Date` is in whole seconds, so the middle of its second is the best guess.
            let micros = date.0.saturating_sub(now.wall.0).saturating_add(500_000);
            seen.clock_offset = Some(SignedDuration::from_micros(micros));
        }
    }

    pub(super) fn webhook(&self, delivery: Delivery, now: Mono) {
        let mut seen = self.seen();
        seen.last_received = Some(now);
        match delivery {
            Delivery::Accepted => seen.last_accepted = Some(now),
            Delivery::Refused => seen.last_refused = Some(now),
            Delivery::Other => {}
        }
    }

    pub(super) fn webhook_took(&self, delay: Duration, now: Mono) {
        let mut seen = self.seen();
        if seen.delays.len() == MOST_DELAYS {
            seen.delays.pop_front();
        }
        seen.delays.push_back((now, delay));
        if delay > LATE {
            if seen.late.len() == MOST_DELAYS {
                seen.late.pop_front();
            }
            seen.late.push_back(now);
        }
    }

    /// The timer turned at `now`, and since the turn before was late by `lag` at most.
    pub(super) fn timer_turned(&self, lag: Duration, now: Mono) {
        let mut seen = self.seen();
        seen.timer_lag = lag;
        seen.timer_turned = Some(now);
    }

    /// A complete pass over the platform's active calls is over.
    pub(super) fn pass_complete(&self, now: Mono, unlisted: u64, is_long: bool) {
        let mut seen = self.seen();
        seen.has_passed = true;
        seen.last_pass = Some(now);
        seen.unlisted = unlisted;
        seen.passes_are_long = is_long;
    }

    /// A pass could not be completed.
    pub(super) fn pass_failed(&self, is_long: bool) {
        let mut seen = self.seen();
        seen.has_passed = true;
        seen.passes_are_long = is_long;
    }

    /// Whether a first pass is over, complete or not.
    pub(super) fn has_passed(&self) -> bool {
        self.seen().has_passed
    }

    /// The last complete pass, and the calls that no listing shows.
    pub(super) fn passes(&self) -> (Option<Mono>, u64) {
        let seen = self.seen();
        (seen.last_pass, seen.unlisted)
    }

    /// A call was first seen by listing. What the first pass shows began before us, and says
    /// nothing of webhooks.
    pub(super) fn first_seen_by_listing(&self, now: Mono) {
        let mut seen = self.seen();
        if !seen.has_passed {
            return;
        }
        if seen.first_by_listing.len() == MOST_DELAYS {
            seen.first_by_listing.pop_front();
        }
        seen.first_by_listing.push_back(now);
    }

    /// What part of the quota listings may use while no stop waits (spec §8).
    pub(super) fn listing_share(&self) -> Share {
        let seen = self.seen();
        let webhooks_fail = !seen.late.is_empty() || !seen.first_by_listing.is_empty();
        Share::called_for(webhooks_fail, seen.passes_are_long)
    }

    pub(super) fn store(&self) -> (Option<StoreTrouble>, u64) {
        let seen = self.seen();
        (seen.store.clone(), seen.store_bytes)
    }

    pub(super) fn platform(&self) -> Option<PlatformTrouble> {
        self.seen().platform.clone()
    }

    /// How late the timer was of late, or is if it should have turned every `tick`.
    pub(super) fn timer_lag(&self, tick: Duration, now: Mono) -> Duration {
        let seen = self.seen();
        let silent = seen.timer_turned.map_or(Duration::ZERO, |at| now.since(at));
        seen.timer_lag.max(silent.saturating_sub(tick))
    }

    pub(super) fn clock_offset(&self) -> Option<SignedDuration> {
        self.seen().clock_offset
    }

    pub(super) fn webhooks(&self, now: Mono) -> WebhookVitals {
        let mut seen = self.seen();
        let recent = now.before(RECENT);
        seen.forget_old(recent);
        let mut delays: Vec<_> = seen.delays.iter().map(|(_, delay)| *delay).collect();
        delays.sort_unstable();
        WebhookVitals {
            last_received: seen.last_received,
            last_accepted: seen.last_accepted,
            last_refused: seen.last_refused,
            delay: delays.get(delays.len() / 2).copied(),
            late: seen.late.len() as u64,
            first_seen_by_listing: seen.first_by_listing.len() as u64,
        }
    }

    /// The last reload was refused, for this reason; or it was not.
    pub(super) fn config(&self, refused: Option<String>) {
        self.seen().config_refused = refused;
    }

    pub(super) fn config_refused(&self) -> Option<String> {
        self.seen().config_refused.clone()
    }

    /// Forgets what is too old to judge by.
    pub(super) fn age(&self, now: Mono) {
        self.seen().forget_old(now.before(RECENT));
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
