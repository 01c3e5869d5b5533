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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{health::TokenSource, quota::Window, time::Wall};

    const EVERY: Duration = Duration::from_secs(60);

    /// So many seconds after the daemon started.
    fn at(seconds: u64) -> Moment {
        let start = Moment { wall: Wall(1_700_000_000_000_000), mono: Mono(90_000_000) };
        start.after(Duration::from_secs(seconds))
    }

    fn told(signs: &mut Signs, seconds: u64) -> Vitals {
        let now = at(seconds);
        let quota = Window::new(9, EVERY);
        let platform = PlatformVitals::of(&quota, 0, TokenSource::File, 0, now.mono);
        signs.vitals(CallVitals::default(), platform, Some(EVERY), at(0).mono, now)
    }

    #[test]
    fn the_store_is_told_of_with_its_size_and_its_trouble_until_it_works() {
        let mut signs = Signs::default();
        signs.store_has(4_096);
        signs.store_fails("disk full".into(), at(5).mono);
        let trouble = StoreTrouble { error: "disk full".into(), since: at(5).mono };
        assert_eq!(told(&mut signs, 9).store, StoreVitals { trouble: Some(trouble), bytes: 4_096 });
        signs.store_works();
        assert_eq!(told(&mut signs, 9).store, StoreVitals { trouble: None, bytes: 4_096 });
    }

    #[test]
    fn a_trouble_of_the_platform_lasts_from_its_first_failure_to_the_first_good_answer() {
        let mut signs = Signs::default();
        let mut answer = |failure: Option<Failure>, seconds| {
            signs.platform_answered(failure.as_ref(), &Meter::default(), at(seconds));
            told(&mut signs, seconds).platform.trouble
        };
        assert_eq!(answer(None, 1), None);
        let pause = Failure::RateLimited { pause: None };
        assert_eq!(answer(Some(pause.clone()), 2), None, "a pause is no trouble");
        let first = answer(Some(Failure::Timeout), 3);
        let trouble = |failure| Some(PlatformTrouble { failure, since: at(3).mono });
        assert_eq!(first, trouble(Failure::Timeout));
        assert_eq!(answer(Some(Failure::Network), 4), trouble(Failure::Network));
        assert_eq!(answer(Some(pause), 5), trouble(Failure::Network), "nor is it the end of one");
        assert_eq!(answer(None, 6), None);
    }

    #[test]
    fn the_platforms_clock_is_compared_with_ours_by_the_middle_of_its_second() {
        let mut signs = Signs::default();
        let meter = Meter { date: Some(at(7).wall), ..Meter::default() };
        signs.platform_answered(None, &meter, at(5));
        signs.platform_answered(None, &Meter::default(), at(6));
        let offset = told(&mut signs, 6).clock_offset;
        assert_eq!(offset, Some(SignedDuration::from_millis(2_500)));
    }

    #[test]
    fn the_last_webhooks_are_told_by_how_they_were_answered() {
        let mut signs = Signs::default();
        signs.webhook(Delivery::Accepted, at(1).mono);
        signs.webhook(Delivery::Refused, at(2).mono);
        signs.webhook(Delivery::Other, at(3).mono);
        let WebhookVitals { last_received, last_accepted, last_refused, .. } =
            told(&mut signs, 9).webhooks;
        let expected = [3, 1, 2].map(|seconds| Some(at(seconds).mono));
        assert_eq!([last_received, last_accepted, last_refused], expected);
    }

    #[test]
    fn late_webhooks_and_calls_first_seen_by_listing_are_told_for_ten_minutes() {
        let mut signs = Signs::default();
        assert_eq!(signs.listing_share(), Share::Tenth);
        signs.first_seen_by_listing(at(0).mono);
        signs.pass_failed(false);
        for (delay, seconds) in [(1, 1), (10, 2), (11, 3), (12, 4), (2, 5)] {
            signs.webhook_took(Duration::from_secs(delay), at(seconds).mono);
        }
        assert_eq!(signs.listing_share(), Share::Half);
        signs.first_seen_by_listing(at(6).mono);
        let webhooks = told(&mut signs, 600).webhooks;
        assert_eq!((webhooks.late, webhooks.first_seen_by_listing), (2, 1));
        assert_eq!(webhooks.delay, Some(Duration::from_secs(10)), "the median");
        let webhooks = told(&mut signs, 604).webhooks;
        assert_eq!((webhooks.late, webhooks.first_seen_by_listing), (1, 1));
        assert_eq!(webhooks.delay, Some(Duration::from_secs(12)), "of two the longer");
        assert_eq!(signs.listing_share(), Share::Half);
        let webhooks = told(&mut signs, 606).webhooks;
        assert_eq!((webhooks.late, webhooks.first_seen_by_listing), (0, 1));
        assert_eq!(signs.listing_share(), Share::Half, "a listing saw a call first");
        let webhooks = told(&mut signs, 607).webhooks;
        assert_eq!((webhooks.first_seen_by_listing, webhooks.delay), (0, None));
        assert_eq!(signs.listing_share(), Share::Tenth);
    }

    #[test]
    fn a_thousand_delays_are_kept_and_the_oldest_give_way() {
        let mut signs = Signs::default();
        let most = MOST_DELAYS as u64;
        for nth in 0..most + 9 {
            signs.webhook_took(Duration::from_secs(20 + nth), at(1).mono);
        }
        assert_eq!((signs.delays.len(), signs.late.len()), (MOST_DELAYS, MOST_DELAYS));
        let median = told(&mut signs, 2).webhooks.delay;
        assert_eq!(median, Some(Duration::from_secs(20 + 9 + most / 2)));
    }

    #[test]
    fn the_timer_is_as_late_as_it_was_or_as_long_as_it_is_silent() {
        let mut signs = Signs::default();
        assert_eq!(told(&mut signs, 9).timer_lag, Duration::ZERO, "it has yet to turn");
        signs.timer_turned(Duration::from_secs(3), at(10).mono);
        assert_eq!(told(&mut signs, 10).timer_lag, Duration::from_secs(3));
        assert_eq!(told(&mut signs, 14).timer_lag, Duration::from_secs(3));
        assert_eq!(told(&mut signs, 15).timer_lag, Duration::from_secs(4));
    }

    #[test]
    fn passes_are_told_by_their_end_and_what_they_never_showed() {
        let mut signs = Signs::default();
        let passed = |signs: &mut Signs| {
            let ReconcileVitals { every, last_complete, unlisted } =
                told(signs, 9).reconcile.unwrap();
            assert_eq!(every, EVERY);
            (signs.has_passed(), last_complete, unlisted, signs.listing_share())
        };
        assert_eq!(passed(&mut signs), (false, None, 0, Share::Tenth));
        signs.pass_failed(true);
        assert_eq!(passed(&mut signs), (true, None, 0, Share::Third));
        signs.pass_complete(at(5).mono, 2, false);
        assert_eq!(passed(&mut signs), (true, Some(at(5).mono), 2, Share::Tenth));
        signs.pass_failed(false);
        assert_eq!(passed(&mut signs), (true, Some(at(5).mono), 2, Share::Tenth));
        let mut signs = Signs::default();
        signs.pass_complete(at(5).mono, 0, true);
        assert_eq!(passed(&mut signs), (true, Some(at(5).mono), 0, Share::Third));
    }

    #[test]
    fn a_refused_reload_is_told_until_one_is_not() {
        let mut signs = Signs::default();
        signs.config(Some("a surge".into()));
        assert_eq!(told(&mut signs, 9).config_refused.as_deref(), Some("a surge"));
        signs.config(None);
        assert_eq!(told(&mut signs, 9).config_refused, None);
    }
}
