//! Health: every trouble is visible within a second (spec §9), and nothing is told that is none. What
//! it must say follows from what happened to the daemon in this life, not from its own signs.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use callwarden::model::{
    call::{Call, State},
    health::{Health, PlatformVitals, Status, TokenSource, Vitals},
    outcome::Outcome,
    platform::Failure,
    rule::Action,
    time::{Moment, Mono},
};

use super::{
    MINUTE, SECOND, Time,
    daemon::Daemon,
    laws::{is_nameless, micros},
    life::wall,
    world::{CONVERGES, World},
};

/// What happened to the daemon in this life that health must tell of.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    /// The last commit failed, or the first read.
    pub(super) store_failed: bool,
    /// The last answer that was no 429 failed, and how bad that is.
    answer: Option<Status>,
    /// When the last 429 came.
    throttled: Option<Mono>,
    /// When a complete listing was last over.
    pub(super) listed: Option<Mono>,
    /// When webhooks that came late did so, or calls were first seen by listing.
    missed: VecDeque<Mono>,
    /// When a webhook was last taken in, and refused.
    accepted: Option<Mono>,
    pub(super) refused: Option<Mono>,
    /// How late a wake-up was since the last tick but one.
    pub(super) lag: Duration,
    /// The platform's clock less ours, at least and at most, by the last answer that told it.
    offset: Option<(Time, Time)>,
    pub(super) config_refused: bool,
}

/// What a check must show at least, and may show at most.
type Bounds = (Status, Status);

impl Troubles {
    /// An answer came; `answered`: when the platform gave it, if that came through.
    pub(super) fn answered(
        &mut self,
        failure: Option<&Failure>,
        now: Moment,
        answered: Option<Time>,
        time: Time,
    ) {
        match failure {
            None => self.answer = None,
            Some(Failure::RateLimited { .. }) => self.throttled = Some(now.mono),
            Some(Failure::Unauthorized { .. } | Failure::Misdirected { .. }) => {
                self.answer = Some(Status::Fail);
            }
            Some(_) => self.answer = Some(Status::Warn),
        }
        if let Some(answered) = answered {
            // It was on its way, and tells whole seconds.
            let seen = wall(time).0 - now.wall.0 - (time - answered);
            self.offset = Some((seen - SECOND / 2, seen + SECOND / 2));
        }
    }

    /// A webhook was answered.
    pub(super) fn took(&mut self, is_durable: bool, now: Mono) {
        self.accepted = self.accepted.max(is_durable.then_some(now));
    }

    /// What a webhook told had happened so long ago, by our clock.
    pub(super) fn heard(&mut self, delay: Duration, now: Mono) {
        if delay > Duration::from_secs(10) {
            self.missed.push_back(now);
        }
    }

    /// What the first listing shows began before us.
    pub(super) fn first_seen_by_listing(&mut self, is_first_pass: bool, now: Mono) {
        self.missed.extend((!is_first_pass).then_some(now));
    }

    fn of_platform(
        &self,
        daemon: &Daemon,
        vitals: &Vitals,
        may_leave: usize,
        awake: Mono,
    ) -> Bounds {
        let now = vitals.now.mono;
        let calls = &vitals.calls;
        let warns = |is_so: bool| if is_so { Status::Warn } else { Status::Pass };
        let answer = self.answer.unwrap_or(Status::Pass);
        let amiss = warns(calls.unconfirmed > 0 || vitals.platform.failed_stops > 0);
        let waits = |call: &&Call| {
            let is_due = call.deadline().is_some_and(|due| due.at <= now);
            is_due && call.is_queued() && daemon.desk.queue().is_queued(&call.id)
        };
        let waiting = daemon.calls.values().map(|kept| &kept.call).filter(waits).count();
        let must = answer.max(amiss).max(warns(now < daemon.forbidden || waiting > may_leave));
        // A 429 without a hint pauses for a minute at most, one with a hint for five; and asleep
        // over the probe of its pause, nobody knows what became of it.
        let minutes = |n: u64| Duration::from_secs(60 * n);
        let was_throttled = self
            .throttled
            .is_some_and(|at| now < at.after(minutes(5)) || now < awake.after(minutes(6)));
        (must, answer.max(amiss).max(warns(was_throttled || vitals.platform.backlog > 0)))
    }

    fn of_webhooks(&self, daemon: &Daemon, is_full: bool, now: Mono) -> Status {
        const LONG: Duration = Duration::from_secs(300);
        let accepted = self.accepted.unwrap_or(daemon.started);
        let is_refused = self.refused.is_some_and(|at| now < at.after(LONG));
        if is_full || (is_refused && accepted.after(LONG) <= now) {
            Status::Fail
        } else if self.missed.back().is_some_and(|at| at.after(2 * LONG) >= now) {
            Status::Warn
        } else {
            Status::Pass
        }
    }

    fn of_clock(&self) -> Bounds {
        const MOST: Time = 5 * SECOND;
        let Some((least, most)) = self.offset else { return (Status::Pass, Status::Pass) };
        let warns = |is_so: bool| if is_so { Status::Warn } else { Status::Pass };
        (warns(least > MOST || most < -MOST), warns(most > MOST || least < -MOST))
    }
}

impl World {
    /// The daemon's vitals, as the engine gathers them.
    fn vitals(&mut self) -> Option<Vitals> {
        let now = self.clock.now(self.time);
        let every = self.scenario.reconcile_every;
        let most = self.scenario.max_calls as u64;
        let daemon = self.daemon.as_mut()?;
        let calls = daemon.tally.calls(&daemon.plan.policy.enforcement, most, now);
        let failed_stops = daemon.tally.failed_stops(now.wall);
        let backlog = daemon.desk.backlog(now.mono);
        let platform =
            PlatformVitals::of(&daemon.quota, backlog, TokenSource::File, failed_stops, now.mono);
        Some(daemon.signs.vitals(calls, platform, Some(every), daemon.started, now))
    }

    /// A look at health, once a second.
    pub(super) fn look_at_health(&mut self) {
        let Some(vitals) = self.vitals() else { return };
        self.calls_are_counted(&vitals);
        let health = Health::of(&vitals);
        let now = vitals.now.mono;
        let (may_leave, is_full) = (self.may_leave_soon(), !self.has_room());
        let awake = self.clock.now(self.awake_since).mono;
        let Some(daemon) = &self.daemon else { return };
        let troubles = &daemon.troubles;
        let exactly = |status| (status, status);
        let fails = |is_so: bool| exactly(if is_so { Status::Fail } else { Status::Pass });
        let warns = |is_so: bool| exactly(if is_so { Status::Warn } else { Status::Pass });
        let every = self.scenario.reconcile_every;
        let listed = troubles.listed.unwrap_or(daemon.started);
        let is_stale = now.since(listed) > 3 * every + Duration::from_secs(60);
        let is_unlisted = vitals.reconcile.is_some_and(|reconcile| reconcile.unlisted > 0);
        let expected: [(&str, Bounds); 8] = [
            ("store", fails(troubles.store_failed)),
            ("platform", troubles.of_platform(daemon, &vitals, may_leave, awake)),
            ("webhooks", exactly(troubles.of_webhooks(daemon, is_full, now))),
            ("timer", fails(troubles.lag > Duration::from_secs(5))),
            ("reconcile", warns(is_stale || is_unlisted)),
            ("clock", troubles.of_clock()),
            ("coverage", exactly(Status::Pass)),
            ("config", warns(troubles.config_refused)),
        ];
        let checks = health.checks.named();
        let told = |at: usize| format!("{expected:?}\n{:?}\n{vitals:?}", checks[at]);
        for (at, ((name, check), (expected, (least, most)))) in
            checks.iter().zip(expected).enumerate()
        {
            debug_assert_eq!(*name, expected);
            if check.status < least {
                self.record.broken("every trouble is visible within a second", || told(at));
            }
            if check.status > most {
                self.record.broken("health tells of no trouble that is none", || told(at));
            }
            let path = HEALTH.iter().find(|(of, _)| of == name && check.status > Status::Pass);
            if let Some((_, path)) = path {
                self.record.sometimes(path);
            }
        }
        let worst = checks.iter().map(|(_, check)| check.status).max();
        if worst != Some(health.status) {
            self.record.broken("health is the worst of its checks", || format!("{health:?}"));
        }
        self.all_is_well_again(&vitals, &health);
    }

    /// The figures are those of the calls, however they came about.
    fn calls_are_counted(&mut self, vitals: &Vitals) {
        let Some(daemon) = &self.daemon else { return };
        let Vitals { now, calls, platform, .. } = vitals;
        let all = || daemon.calls.values().map(|kept| &kept.call);
        let count = |state: State| all().filter(|call| call.state() == state).count() as u64;
        let patience = daemon.plan.policy.enforcement.confirm_within * 2;
        let is_unconfirmed = |call: &&Call| {
            call.state() == State::Confirming
                && call.action() == Action::End
                && call.stop.accepted_at().is_some_and(|at| at.after(patience) < now.mono)
        };
        let is_given_up = |call: &&Call| {
            let hour = Duration::from_secs(3_600);
            let ended = call.ended.filter(|ended| ended.outcome == Outcome::Failed);
            let is_recent = ended.is_some_and(|ended| ended.recorded >= now.wall.before(hour));
            is_recent && call.facts.end().is_none()
        };
        // What the store has may be one of memory under another name, or be about to be written; and
        // what could not be read cannot be told.
        let given_up: BTreeSet<_> = all().filter(is_given_up).map(|call| &call.id).collect();
        let stored = self.store.calls().filter(is_given_up).map(|call| &call.id);
        let most = given_up.iter().copied().chain(stored).collect::<BTreeSet<_>>().len() as u64;
        let given_up = platform.failed_stops.clamp(given_up.len() as u64, most);
        let expected = [
            (count(State::Live), calls.live),
            (count(State::Stopping), calls.stopping),
            (count(State::Stopping), calls.overdue),
            (count(State::Confirming), calls.confirming),
            (count(State::Observing), calls.observing),
            (count(State::Released), calls.released),
            (all().filter(is_unconfirmed).count() as u64, calls.unconfirmed),
            (given_up, platform.failed_stops),
        ];
        if expected.iter().any(|(by_the_calls, told)| by_the_calls != told) {
            self.record.broken("health counts the calls as they are", || {
                format!("{expected:?}\n{vitals:?}")
            });
        }
    }

    /// At most so many requests can leave within the next half minute, by what arrived.
    fn may_leave_soon(&self) -> usize {
        const SOON: Time = 30 * SECOND;
        let (most, span) = self.truth.quota();
        let (most, span) = (most as usize, micros(span));
        if span < SOON {
            return most * usize::try_from(SOON / span + 1).unwrap();
        }
        most.saturating_sub(self.truth.arrived_since(self.time + SOON - span))
    }

    /// Long after all is well, health says so, but for what only somebody else can mend.
    fn all_is_well_again(&mut self, vitals: &Vitals, health: &Health) {
        const FORGETS: Time = 10 * MINUTE;
        let waits = micros(CONVERGES) + FORGETS;
        let healed = self.scenario.nothing_holds_back();
        if self.time <= healed + waits {
            return;
        }
        // A listing may show a call that has just rung before its webhook comes; and webhooks of
        // before are under way for minutes, with all their tries.
        let lately = self.time - waits - FORGETS;
        // So are calls for which there was no room until then.
        let is_told_late = healed > lately
            || self.calls.iter().any(|call| call.rings > lately)
            || self.truth.full.is_some_and(|full| full > lately);
        // A quota may be too small for listings as frequent as that, which is the trouble told.
        let every = self.scenario.reconcile_every;
        let takes_long = self.scenario.time_for_a_pass() > 2 * every + Duration::from_secs(60);
        // Nothing but its end's webhook may tell the end of a call known by an id alone, until its
        // stop is given up.
        let Some(daemon) = &self.daemon else { return };
        let unseen = |call: &Call| call.facts.end().is_none() && is_nameless(call);
        let is_nameless = daemon.calls.values().any(|kept| unseen(&kept.call));
        let excused = |name: &str| match name {
            "clock" | "config" => true,
            "platform" => vitals.platform.failed_stops > 0 || is_nameless,
            "webhooks" => is_told_late,
            "reconcile" => takes_long || is_nameless,
            _ => false,
        };
        let checks = health.checks.named();
        match checks.iter().find(|(name, check)| check.status > Status::Pass && !excused(name)) {
            Some(amiss) => {
                self.record.broken("once all is well, health is", || format!("{amiss:?}"))
            }
            None => self.record.sometimes("health was well again"),
        }
    }
}

/// The rare paths of each check.
const HEALTH: [(&str, &str); 7] = [
    ("store", "health told of a failing store"),
    ("platform", "health told of the platform"),
    ("webhooks", "health told of webhooks"),
    ("timer", "health told of a late timer"),
    ("reconcile", "health told of listings"),
    ("clock", "health told of the clock"),
    ("config", "health told of a refused reload"),
];
