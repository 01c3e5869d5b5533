//! Signs of how things go that no call tells, and what of them health is told (spec §9). Who holds
//! them writes them where they show.

use std::{collections::VecDeque, time::Duration};

use jiff::SignedDuration;

use super::{
    CallVitals, PlatformTrouble, PlatformVitals, ReconcileVitals, StoreTrouble, StoreVitals,
    Vitals, WebhookVitals,
};
use crate::model::{
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
/// How often the timer turns at least.
pub const TICK: Duration = Duration::from_secs(1);

/// What was seen last.
#[derive(Clone, Debug, Default)]
pub struct Signs {
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

impl Signs {
    /// The store has failed with `error` since then.
    pub fn store_fails(&mut self, error: String, since: Mono) {
        self.store = Some(StoreTrouble { error, since });
    }

    /// It works.
    pub fn store_works(&mut self) {
        self.store = None;
    }

    /// It takes so many bytes.
    pub fn store_has(&mut self, bytes: u64) {
        self.store_bytes = bytes;
    }

    /// The platform answered a request, or did not.
    pub fn platform_answered(&mut self, failure: Option<&Failure>, meter: &Meter, now: Moment) {
        self.platform = match (failure, self.platform.take()) {
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
            self.clock_offset = Some(SignedDuration::from_micros(micros));
        }
    }

    /// A webhook was answered.
    pub fn webhook(&mut self, delivery: Delivery, now: Mono) {
        self.last_received = Some(now);
        match delivery {
            Delivery::Accepted => self.last_accepted = Some(now),
            Delivery::Refused => self.last_refused = Some(now),
            Delivery::Other => {}
        }
    }

    /// An event that tells its own time was taken in `delay` after that.
    pub fn webhook_took(&mut self, delay: Duration, now: Mono) {
        push(&mut self.delays, (now, delay));
        if delay > LATE {
            push(&mut self.late, now);
        }
    }

    /// The timer turned at `now`, and since the turn before was late by `lag` at most.
    pub fn timer_turned(&mut self, lag: Duration, now: Mono) {
        self.timer_lag = lag;
        self.timer_turned = Some(now);
    }

    /// A complete pass over the platform's active calls is over; `unlisted` calls were
    /// [never shown](crate::model::listing::Pass::has_long_lacked).
    pub fn pass_complete(&mut self, now: Mono, unlisted: u64, is_long: bool) {
        self.has_passed = true;
        self.last_pass = Some(now);
        self.unlisted = unlisted;
        self.passes_are_long = is_long;
    }

    /// A pass could not be completed.
    pub fn pass_failed(&mut self, is_long: bool) {
        self.has_passed = true;
        self.passes_are_long = is_long;
    }

    /// Whether a first pass is over, complete or not.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.has_passed
    }

    /// A call was first seen by listing. What the first pass shows began before us, and says
    /// nothing of webhooks.
    pub fn first_seen_by_listing(&mut self, now: Mono) {
        if self.has_passed {
            push(&mut self.first_by_listing, now);
        }
    }

    /// The last reload was refused, for this reason; or it was not.
    pub fn config(&mut self, refused: Option<String>) {
        self.config_refused = refused;
    }

    /// What part of the quota listings may use while no stop waits (spec §8).
    #[must_use]
    pub fn listing_share(&self) -> Share {
        let webhooks_fail = !self.late.is_empty() || !self.first_by_listing.is_empty();
        Share::called_for(webhooks_fail, self.passes_are_long)
    }

    /// Forgets what is too old to judge by.
    pub fn age(&mut self, now: Mono) {
        let recent = now.before(RECENT);
        self.delays.retain(|(at, _)| *at >= recent);
        self.late.retain(|at| *at >= recent);
        self.first_by_listing.retain(|at| *at >= recent);
    }

    /// All that health rests on: these signs, the calls, and what the quota says of the platform.
    /// `reconcile_every` is `None` where the listing is switched off.
    pub fn vitals(
        &mut self,
        calls: CallVitals,
        platform: PlatformVitals,
        reconcile_every: Option<Duration>,
        started: Mono,
        now: Moment,
    ) -> Vitals {
        Vitals {
            now,
            started,
            calls,
            store: StoreVitals { trouble: self.store.clone(), bytes: self.store_bytes },
            platform: PlatformVitals { trouble: self.platform.clone(), ..platform },
            webhooks: self.webhooks(now.mono),
            timer_lag: self.timer_lag(now.mono),
            reconcile: reconcile_every.map(|every| ReconcileVitals {
                every,
                last_complete: self.last_pass,
                unlisted: self.unlisted,
            }),
            config_refused: self.config_refused.clone(),
            clock_offset: self.clock_offset,
        }
    }

    fn webhooks(&mut self, now: Mono) -> WebhookVitals {
        self.age(now);
        let mut delays: Vec<_> = self.delays.iter().map(|(_, delay)| *delay).collect();
        delays.sort_unstable();
        WebhookVitals {
            last_received: self.last_received,
            last_accepted: self.last_accepted,
            last_refused: self.last_refused,
            delay: delays.get(delays.len() / 2).copied(),
            late: self.late.len() as u64,
            first_seen_by_listing: self.first_by_listing.len() as u64,
        }
    }

    /// How late the timer was of late, or is if it should have turned every [`TICK`].
    fn timer_lag(&self, now: Mono) -> Duration {
        let silent = self.timer_turned.map_or(Duration::ZERO, |at| now.since(at));
        self.timer_lag.max(silent.saturating_sub(TICK))
    }
}

/// The oldest gives way where there are too many.
fn push<T>(line: &mut VecDeque<T>, item: T) {
    if line.len() == MOST_DELAYS {
        line.pop_front();
    }
    line.push_back(item);
}
