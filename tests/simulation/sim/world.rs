//! Time: what comes when, the loop, and the two phases. In the first anything may go wrong; in the
//! second all is well, and within five minutes every call that is past its deadline has ended.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use callwarden::model::{
    event::EventKind,
    ids::CallId,
    rule::Action,
    time::{Moment, Mono},
};
use fastrand::Rng;

use super::{
    MINUTE, Report, SECOND, Shape, Time,
    clock::Clock,
    daemon::Daemon,
    laws,
    life::{TrueCall, agent},
    logs::Logged,
    platform::{Reply, Wire},
    post::Hook,
    record::Record,
    scenario::{Fault, Scenario},
    store::Store,
    truth::Truth,
};

/// What is to come.
pub(super) enum Coming {
    Placed(usize),
    Happens(usize, EventKind),
    Ends(usize),
    Hook(Box<Hook>),
    Arrives(u64, u64, Box<Wire>),
    Answer(u64, u64, Box<Reply>),
    Committed(u64),
    Turn(u64),
    Tick(u64),
    Slice(u64),
    Starts,
    Mishap(Fault),
    Wakes,
    StoreWorks,
    SecretIsRight,
    TokenIsTold,
    Healed,
}

pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) rng: Rng,
    pub(super) time: Time,
    agenda: BTreeMap<(Time, u64), Coming>,
    expected: u64,
    pub(super) calls: Vec<TrueCall>,
    /// By id and by sid.
    pub(super) index: HashMap<CallId, usize>,
    pub(super) clock: Clock,
    pub(super) daemon: Option<Daemon>,
    lives: u64,
    /// The policy that a reload, or a start, would read.
    pub(super) policy_in_file: usize,
    pub(super) quota_in_file: usize,
    pub(super) store: Store,
    pub(super) truth: Truth,
    /// What the platform logs of its webhooks.
    pub(super) log: Vec<Logged>,
    /// The token that the platform takes, and the one in our file.
    pub(super) token: u64,
    pub(super) token_in_file: u64,
    /// Whether the platform signs webhooks with another secret than ours.
    pub(super) secret_is_wrong: bool,
    asleep_until: Time,
    pub(super) awake_since: Time,
    pub(super) record: Record,
}

impl World {
    /// After all is well: how long the world goes on.
    const CALMS_DOWN: Time = 45 * MINUTE;

    pub(super) fn new(shape: &Shape) -> Self {
        let mut rng = Rng::with_seed(shape.seed);
        let scenario = Scenario::draw(shape, &mut rng);
        let off =
            |is_off: bool, rng: &mut Rng| if is_off { rng.i64(-5 * MINUTE..5 * MINUTE) } else { 0 };
        let offset = off(scenario.has(Fault::ClockOffset), &mut rng);
        let drift = if scenario.has(Fault::ClockDrift) { rng.i64(-500..500) } else { 0 };
        let mut world = Self {
            clock: Clock::new(offset, drift),
            scenario,
            rng,
            time: 0,
            agenda: BTreeMap::new(),
            expected: 0,
            calls: Vec::new(),
            index: HashMap::new(),
            daemon: None,
            lives: 0,
            policy_in_file: 0,
            quota_in_file: 0,
            store: Store::default(),
            truth: Truth::default(),
            log: Vec::new(),
            token: 0,
            token_in_file: 0,
            secret_is_wrong: false,
            asleep_until: 0,
            awake_since: 0,
            record: Record::new(shape.tells),
        };
        world.plan();
        world
    }

    fn plan(&mut self) {
        let healed = self.scenario.healed;
        for nth in 0..self.scenario.calls {
            let last = if self.scenario.is_crowded { MINUTE / 2 } else { healed };
            let placed = self.rng.i64(0..last);
            let delay =
                if self.strikes(Fault::DelayedCall) { self.rng.i64(0..10 * MINUTE) } else { 0 };
            let mut call = TrueCall::draw(nth, placed, delay, &mut self.rng);
            if self.strikes(Fault::WrongAgent) {
                call.told_agent = agent(self.rng.usize(0..4));
            }
            self.index.insert(call.id.clone(), nth);
            self.index.insert(call.sid.clone(), nth);
            self.calls.push(call);
            self.expect_at(placed, Coming::Placed(nth));
        }
        for fault in [
            Fault::TokenRotation,
            Fault::ClockStep,
            Fault::Suspend,
            Fault::Crash,
            Fault::Reboot,
            Fault::StoreOutage,
            Fault::Reload,
            Fault::Requota,
            Fault::Operator,
            Fault::KillSwitch,
            Fault::WrongSecret,
        ] {
            let chance = usize::from(self.scenario.chance(fault));
            let times = if fault == Fault::Operator { 2 * chance } else { chance.div_ceil(12) };
            for _ in 0..times {
                let at = self.rng.i64(0..healed);
                self.expect_at(at, Coming::Mishap(fault));
            }
        }
        self.expect_at(0, Coming::Starts);
        self.expect_at(healed, Coming::Healed);
    }

    /// Lives until long after all is well, or until a law is broken.
    pub(super) fn run(mut self) -> Report {
        let end = self.scenario.healed + Self::CALMS_DOWN;
        while !self.record.is_broken() {
            let wakes = self.wakes_at();
            let coming = self.agenda.first_key_value().map(|(at, _)| at.0);
            let Some(at) = coming.into_iter().chain(wakes).min().filter(|at| *at <= end) else {
                break;
            };
            self.time = self.time.max(at);
            match self.agenda.first_entry().filter(|entry| entry.key().0 <= self.time) {
                Some(entry) => {
                    let coming = entry.remove();
                    self.count(coming.mark());
                    self.meet(coming);
                }
                None => self.wake(),
            }
            self.go_on();
            if self.is_healed() && self.is_at_rest() {
                break;
            }
        }
        if !self.record.is_broken() {
            self.nothing_is_left_open();
        }
        self.record.into_report()
    }

    /// Whether nothing is left to come: every call is over, in truth and by our books, but for those
    /// that are left alone.
    fn is_at_rest(&self) -> bool {
        let Some(daemon) = &self.daemon else { return false };
        // What the store has may tell more of an outcome.
        let has_asked = !daemon.is_failing && daemon.is_loaded;
        has_asked
            && self.agenda.len() <= 2
            && self.calls.iter().all(|call| call.is_over(self.time) || self.is_left_alone(&call.id))
            && daemon.calls.values().all(|kept| {
                let is_over = |nth: &usize| self.calls[*nth].is_over(self.time);
                let goes_on = !self.index.get(&kept.call.id).is_some_and(is_over);
                kept.call.ended.is_some() || (kept.call.action() == Action::Observe && goes_on)
            })
    }

    /// What the daemon's loops do of themselves after each event.
    fn go_on(&mut self) {
        if self.is_asleep() {
            return;
        }
        self.intent_is_durable();
        self.dispatch();
        self.write();
    }

    fn meet(&mut self, coming: Coming) {
        if coming.is_ours() && self.is_asleep() {
            return self.expect_at(self.asleep_until, coming);
        }
        match coming {
            Coming::Placed(nth) => {
                let call = self.calls[nth].clone();
                for (at, kind) in call.story(&mut self.rng) {
                    self.expect_at(at, Coming::Happens(nth, kind));
                }
                self.expect_at(call.ends, Coming::Ends(nth));
            }
            Coming::Happens(nth, kind) => {
                if !self.calls[nth].is_over(self.time) {
                    let time = self.time;
                    self.post(nth, kind, time);
                    if self.strikes(Fault::FalseEnd) {
                        self.post(nth, EventKind::Ended, time);
                    }
                }
            }
            Coming::Ends(nth) => {
                let call = &self.calls[nth];
                // It may have been ended before.
                if call.ends == self.time {
                    let at = call.ends;
                    let answered = call.answered.is_some_and(|answered| answered < at);
                    let kind = if answered { EventKind::Ended } else { EventKind::DidNotConnect };
                    self.record.tell(at, || format!("c{nth:02} is over"));
                    self.post(nth, kind, at);
                }
            }
            Coming::Hook(hook) => self.deliver(*hook),
            Coming::Arrives(life, number, wire) => self.arrives(life, number, &wire),
            Coming::Answer(life, number, reply) if self.lives_on(life) => {
                self.answered(number, *reply);
            }
            Coming::Committed(life) if self.lives_on(life) => self.committed(),
            Coming::Turn(life) if self.lives_on(life) => {
                if let Some(daemon) = &mut self.daemon {
                    daemon.turn_at = None;
                }
            }
            Coming::Tick(life) if self.lives_on(life) => self.tick(life),
            Coming::Slice(life) if self.lives_on(life) => self.reload_slice(),
            Coming::Answer(..)
            | Coming::Committed(_)
            | Coming::Turn(_)
            | Coming::Tick(_)
            | Coming::Slice(_) => {}
            Coming::Starts => self.start(),
            Coming::Mishap(fault) => self.mishap(fault),
            Coming::Wakes => self.awake_since = self.time,
            Coming::StoreWorks => self.store.works(self.time),
            Coming::SecretIsRight => self.secret_is_wrong = false,
            Coming::TokenIsTold => self.token_in_file = self.token,
            Coming::Healed => {
                self.token_in_file = self.token;
                self.secret_is_wrong = false;
            }
        }
    }

    fn tick(&mut self, life: u64) {
        let now = self.now().mono;
        self.expect_in(SECOND, Coming::Tick(life));
        self.heal_store();
        self.follow_wall();
        self.list();
        self.timer_turns(now);
        self.repair(now);
        if !self.has_room() {
            self.truth.full = Some(self.time);
        }
        let Some(daemon) = &mut self.daemon else { return };
        let (patient, tired) = std::mem::take(&mut daemon.waiters)
            .into_iter()
            .partition(|waiter| now < waiter.patience);
        daemon.waiters = patient;
        let tired: Vec<super::daemon::Waiter> = tired;
        for waiter in tired {
            self.answer(waiter.what, &waiter.id, false);
        }
        let Some(daemon) = &self.daemon else { return };
        let awake = self.clock.now(self.awake_since).mono;
        laws::of_the_books(daemon, now, awake, &mut self.record);
        let waits = (self.scenario.reconcile_every + self.scenario.time_for_a_pass()) * 2;
        let healed = self.scenario.nothing_holds_back();
        let healed_mono = self.clock.now(healed).mono;
        let promise = laws::Promise {
            time: self.time,
            healed,
            now,
            healed_mono,
            waits,
            clock_was_ahead: self.clock.was_ahead(),
        };
        let long = 2 * laws::micros(CONVERGES);
        let ours = self.calls.iter().enumerate().filter(|(nth, _)| self.is_ours(*nth, long));
        let ours: Vec<_> = ours.map(|(_, call)| call).collect();
        promise.is_kept(&ours, &self.scenario.policies, daemon, &mut self.record);
        self.logs_are_read();
        self.look_at_health();
    }

    fn timer_turns(&mut self, now: Mono) {
        let Some(daemon) = &mut self.daemon else { return };
        daemon.signs.age(now);
        daemon.troubles.lag = std::mem::take(&mut daemon.lag);
        daemon.signs.timer_turned(daemon.troubles.lag, now);
    }

    fn mishap(&mut self, fault: Fault) {
        self.record.tell(self.time, || format!("mishap: {fault:?}"));
        match fault {
            Fault::TokenRotation => {
                self.token += 1;
                let told = self.rng.i64(0..3 * MINUTE);
                self.expect_in(told, Coming::TokenIsTold);
            }
            Fault::ClockStep => {
                let step = self.rng.i64(-5 * MINUTE..5 * MINUTE);
                if step < 0 {
                    self.record.sometimes("the clock was set back");
                }
                self.clock.step(step);
            }
            Fault::Suspend => self.sleep(),
            Fault::Crash => self.kill(false),
            Fault::Reboot => self.kill(true),
            Fault::StoreOutage => {
                let lasts = self.rng.i64(0..MINUTE);
                self.store_outage(lasts);
            }
            Fault::WrongSecret => {
                self.secret_is_wrong = true;
                let lasts = self.rng.i64(0..12 * MINUTE);
                self.expect_in(lasts, Coming::SecretIsRight);
            }
            Fault::Reload => self.reload(),
            Fault::Requota => self.requota(),
            Fault::Operator => self.operate(),
            Fault::KillSwitch => self.pull_kill_switch(),
            _ => {}
        }
    }

    fn sleep(&mut self) {
        self.asleep_until = self.time + self.rng.i64(0..3 * MINUTE);
        self.truth.forget_passes();
        if self.daemon.is_some() && self.wakes_before(self.asleep_until) {
            self.record.sometimes("the machine slept over a deadline");
        }
        self.expect_at(self.asleep_until, Coming::Wakes);
    }

    fn kill(&mut self, reboots: bool) {
        if self.daemon.is_none() {
            return;
        }
        self.cut_commit();
        self.truth.forget_passes();
        if reboots {
            self.clock.reboot(self.time);
        }
        let down = self.rng.i64(SECOND..40 * SECOND);
        self.expect_in(down, Coming::Starts);
    }

    fn start(&mut self) {
        if self.is_asleep() {
            return self.expect_at(self.asleep_until, Coming::Starts);
        }
        self.lives += 1;
        let now = self.now();
        let plan = self.scenario.policies[self.policy_in_file].clone();
        let quota = self.scenario.quotas[self.quota_in_file];
        self.truth.quota_is(quota, self.time);
        let mut daemon = Daemon::new(self.lives, now, plan, quota);
        if self.store.is_down || std::mem::take(&mut self.clock.was_set) {
            // What cannot be read cannot be counted; and what is recorded by another time may be
            // taken for older than it is.
            self.truth.forget_all_requests();
        }
        daemon.token = self.token_in_file;
        self.daemon = Some(daemon);
        self.awake_since = self.time;
        if self.store.is_down {
            self.store_fails();
        } else {
            self.load();
        }
        let life = self.lives;
        self.list();
        self.expect_in(SECOND, Coming::Tick(life));
    }

    /// Whether a fault strikes now.
    pub(super) fn strikes(&mut self, fault: Fault) -> bool {
        let chance = self.scenario.chance(fault);
        chance > 0 && !self.is_healed() && self.rng.u8(0..100) < chance
    }

    pub(super) fn is_healed(&self) -> bool {
        self.time >= self.scenario.healed
    }

    pub(super) fn is_asleep(&self) -> bool {
        self.time < self.asleep_until
    }

    pub(super) fn now(&self) -> Moment {
        self.clock.now(self.time)
    }

    pub(super) fn count(&mut self, mark: u64) {
        self.record.event(self.time, mark);
    }

    pub(super) fn expect_in(&mut self, span: Time, coming: Coming) {
        self.expect_at(self.time + span, coming);
    }

    pub(super) fn expect_at(&mut self, at: Time, coming: Coming) {
        self.expected += 1;
        self.agenda.insert((at, self.expected), coming);
    }

    pub(super) fn lives_on(&self, life: u64) -> bool {
        self.daemon.as_ref().is_some_and(|daemon| daemon.life == life)
    }

    fn wakes_at(&self) -> Option<Time> {
        let (at, _) = self.daemon.as_ref()?.timers.first()?;
        Some(self.clock.time_of(*at).max(self.asleep_until).max(self.time))
    }

    fn wakes_before(&self, time: Time) -> bool {
        let first = self.daemon.as_ref().and_then(|daemon| daemon.timers.first());
        first.is_some_and(|(at, _)| self.clock.time_of(*at) < time)
    }
}

impl Coming {
    /// Whether the daemon does it, and not while the machine sleeps.
    fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::Answer(..)
                | Self::Committed(_)
                | Self::Turn(_)
                | Self::Tick(_)
                | Self::Slice(_)
                | Self::Mishap(Fault::Reload | Fault::Requota | Fault::Crash | Fault::Reboot)
        )
    }

    /// What stands for it in the trace's hash.
    fn mark(&self) -> u64 {
        match self {
            Self::Placed(nth) => 100 + *nth as u64,
            Self::Happens(nth, kind) => 1_000 * (*nth as u64 + 1) + *kind as u64,
            Self::Ends(nth) => 200 + *nth as u64,
            Self::Hook(hook) => 300 + hook.call as u64,
            Self::Arrives(life, number, _) => 4_000_000 + life * 100_000 + number,
            Self::Answer(life, number, _) => 5_000_000 + life * 100_000 + number,
            Self::Committed(life) => 2 + life,
            Self::Turn(life) => 400 + life,
            Self::Tick(life) => 500 + life,
            Self::Slice(life) => 700 + life,
            Self::Starts => 3,
            Self::Mishap(fault) => 600 + *fault as u64,
            Self::Wakes => 4,
            Self::StoreWorks => 5,
            Self::SecretIsRight => 8,
            Self::TokenIsTold => 6,
            Self::Healed => 7,
        }
    }
}

/// How long after all is well every call past its deadline has ended.
pub(super) const CONVERGES: Duration = Duration::from_secs(300);
