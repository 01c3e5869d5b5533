//! A virtual world around one call, driven like quinn's `Pair`: it owns the time and jumps to the
//! next instant at which anything happens. The engine's part is played as plainly as can be.

use std::collections::BTreeMap;

use callwarden::model::{
    call::Call,
    change::{Change, Effect, Event},
    event::{CallName, Details, EventKind, Heard, Via},
    platform::{Answer, Failure, Row},
    policy::Policy,
    time::{Moment, Mono, Wall},
};

use super::{
    checks::Witness,
    plan::{Delivery, Mishap, Plan, SearchFault},
    platform::{Platform, agent_id, call_id, sid},
    reference::Told,
};

const SECOND: i64 = 1_000_000;
/// The wall clock when the call begins.
const EPOCH: i64 = 1_700_000_000 * SECOND;
/// How long after the last trouble every call past its deadline has an outcome (spec §7).
const HEALS_WITHIN: i64 = 300 * SECOND;

pub(crate) struct World<'p> {
    pub plan: &'p Plan,
    pub(crate) policy: Policy,
    /// Microseconds since the call began.
    pub time: i64,
    booted: i64,
    wall_is_off: i64,
    call: Option<Call>,
    pub told: Told,
    pub witness: Witness,
    /// What the store has.
    saved: Option<(Call, Told, Witness)>,
    platform: Platform,
    /// By instant, then first come, first served.
    agenda: BTreeMap<(i64, u64), Coming>,
    expected: u64,
    drawn: usize,
    requests: usize,
    lookups: usize,
    /// The last instant at which anything in the plan goes wrong.
    troubled_until: i64,
}

#[derive(Clone, Debug)]
enum Coming {
    Webhook(Heard),
    Adoption,
    Turn,
    Answer(Answer, bool),
    LookupTurn,
    Found(Result<Option<Row>, Failure>),
    Look,
    Mishap(Mishap),
}

impl<'p> World<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        let micros = |at: Option<i64>| at.map(|ms| ms * 1_000);
        let mishaps = plan.mishaps.iter().map(|(at, _)| *at);
        let mut world = Self {
            plan,
            policy: plan.policy.clone(),
            time: 0,
            booted: -1_000 * SECOND,
            wall_is_off: 0,
            call: None,
            told: Told::default(),
            witness: Witness::default(),
            saved: None,
            platform: Platform {
                answered: micros(plan.answered),
                ends: micros(plan.ends),
                tells_start: plan.rows_tell_start,
            },
            agenda: BTreeMap::new(),
            expected: 0,
            drawn: 0,
            requests: 0,
            lookups: 0,
            troubled_until: mishaps.chain([plan.healed]).max().unwrap_or_default() * 1_000,
        };
        for hook in &plan.webhooks {
            let agent = hook.tells_agent.then(agent_id);
            let name = match hook.tells_sid {
                true => CallName::Both { id: call_id(), sid: sid() },
                false => CallName::Id(call_id()),
            };
            world.post(hook.kind, hook.at * 1_000, agent, name, &hook.delivery);
        }
        if let Some(at) = plan.ends {
            world.post_end(at * 1_000);
        }
        if let Some(at) = plan.adopted {
            world.expect_at(at * 1_000, Coming::Adoption);
        }
        for (at, mishap) in &plan.mishaps {
            world.expect_at(at * 1_000, Coming::Mishap(mishap.clone()));
        }
        world
    }

    /// Lives on until nothing more can happen, or the platform has long been healed.
    pub(crate) fn run(&mut self) {
        const MOST_STEPS: usize = 5_000;
        for _ in 0..MOST_STEPS {
            let next = self.agenda.keys().next().map(|(at, _)| *at);
            let wakes = self.call.as_ref().and_then(|call| call.wakeup(&self.policy));
            let wakes = wakes.map(|at| (at.0 + self.booted).max(self.time));
            let Some(at) = next.into_iter().chain(wakes).min() else { return };
            if at > self.troubled_until + 2 * HEALS_WITHIN {
                return;
            }
            self.check_that_it_ended_in_time(at);
            self.time = at;
            match self.agenda.first_entry().filter(|entry| entry.key().0 <= at) {
                Some(entry) => {
                    let coming = entry.remove();
                    self.meet(coming);
                }
                None => drop(self.apply(&Event::Woke)),
            }
        }
        panic!("the world runs hot: {:#?}", self.call);
    }

    pub(crate) fn now(&self) -> Moment {
        Moment {
            wall: Wall(EPOCH + self.time + self.wall_is_off),
            mono: Mono(self.time - self.booted),
        }
    }

    fn meet(&mut self, coming: Coming) {
        match coming {
            Coming::Webhook(heard) => {
                self.apply(&Event::Heard(&heard));
            }
            Coming::Adoption => {
                let row = self.platform.row(self.time, Wall(EPOCH));
                if !row.status.is_over() || self.call.is_some() {
                    self.apply(&Event::LookedUp { found: Ok(Some(&row)), jitter: 0.5 });
                }
            }
            Coming::Turn => self.take_turn(),
            Coming::Answer(answer, fresh_token) => {
                let jitter = self.draw();
                self.apply(&Event::Answered { answer: &answer, jitter, fresh_token });
            }
            Coming::LookupTurn => self.look_up(),
            Coming::Found(found) => {
                let jitter = self.draw();
                let found = found.as_ref().map(Option::as_ref);
                self.apply(&Event::LookedUp { found, jitter });
            }
            Coming::Look => {
                if self.call.is_some() {
                    self.apply(&Event::Woke);
                }
            }
            Coming::Mishap(Mishap::Reload { limits, looked_at_after }) => {
                self.policy.limits = limits;
                self.expect_in(looked_at_after, Coming::Look);
            }
            Coming::Mishap(Mishap::Step { minutes }) => {
                self.wall_is_off += minutes * 60 * SECOND;
                self.expect_in(0, Coming::Look);
            }
            Coming::Mishap(Mishap::Crash { same_boot, forgets }) => self.crash(same_boot, forgets),
        }
    }

    fn apply(&mut self, event: &Event<'_>) -> Vec<Effect> {
        let (now, policy) = (self.now(), &self.policy.clone());
        let before = self.call.clone().unwrap_or_else(|| Call::new(call_id(), now));
        if !matches!(event, Event::Restored { .. } | Event::Heard(_)) {
            self.saved = self.call.clone().map(|call| (call, self.told.clone(), self.witness));
        }
        match event {
            Event::Heard(heard) => {
                let deadline = |told: &Told| told.deadline(&policy.limits);
                let is_overdue = |told: &Told| deadline(told).is_some_and(|at| at <= now.mono.0);
                self.told.hear(heard, now, policy.max_age, is_overdue);
            }
            Event::LookedUp { found: Ok(Some(row)), .. } => self.told.show(row, now),
            _ => {}
        }
        let change = before.apply(event, now, policy);
        self.witness.see(event, &before, &change, self.time);
        self.check(&before, event, &change);
        let Change { next, effects, .. } = change;
        self.call = Some(next);
        if matches!(event, Event::Heard(_)) {
            self.saved = None;
        }
        for effect in effects.iter().cloned() {
            self.act(effect);
        }
        effects
    }

    fn act(&mut self, effect: Effect) {
        match effect {
            Effect::Request { .. } => {
                let queued = if self.is_healed() { 10 } else { self.attempt().queued };
                self.expect_in(queued, Coming::Turn);
            }
            Effect::Send { .. } => {}
            Effect::Lookup { .. } => self.expect_in(self.search().queued, Coming::LookupTurn),
        }
    }

    fn take_turn(&mut self) {
        let effects = self.apply(&Event::Sending);
        if effects.iter().any(|effect| matches!(effect, Effect::Send { .. })) {
            self.send();
        }
    }

    fn send(&mut self) {
        let attempt = self.attempt().clone();
        self.requests += 1;
        let is_healed = self.is_healed();
        let is_over = self.platform.is_over(self.time);
        let truth = if is_over { Answer::NotActive } else { Answer::Accepted };
        let answer = attempt.answer.filter(|_| !is_healed);
        let works = is_healed || answer.is_none() || attempt.works;
        if works && let Some(at) = self.platform.hang_up(self.time + SECOND) {
            self.post_end(at);
        }
        let takes = if is_healed { 100 } else { attempt.takes };
        self.expect_in(takes, Coming::Answer(answer.unwrap_or(truth), attempt.fresh_token));
    }

    fn look_up(&mut self) {
        let search = self.search().clone();
        self.lookups += 1;
        let is_healed = self.is_healed();
        let mut row = self.platform.row(self.time, Wall(EPOCH));
        let found = match search.fault.filter(|_| !is_healed) {
            None => Ok(Some(row)),
            Some(SearchFault::NoRow) => Ok(None),
            Some(SearchFault::NamesNoAgent) => {
                row.agent = None;
                Ok(Some(row))
            }
            Some(SearchFault::Failure(failure)) => Err(failure),
        };
        let takes = if is_healed { 100 } else { search.takes };
        self.expect_in(takes, Coming::Found(found));
    }

    /// Killed; what was queued or under way is forgotten; started again 3 s later.
    fn crash(&mut self, same_boot: bool, forgets: bool) {
        let Some(call) = self.call.take() else { return };
        let saved = self.saved.take().filter(|_| forgets);
        let (call, told, witness) =
            saved.unwrap_or_else(|| (call, self.told.clone(), self.witness));
        let keeps = |coming: &Coming| {
            matches!(
                coming,
                Coming::Webhook(_) | Coming::Mishap(_) | Coming::Adoption | Coming::Look
            )
        };
        self.agenda.retain(|_, coming| keeps(coming));
        (self.told, self.witness) = (told, witness);
        self.witness.crashed(&call);
        self.time += 3 * SECOND;
        let comes_later = self.agenda.extract_if(..=(self.time, u64::MAX), |_, _| true);
        let missed: Vec<_> = comes_later.map(|(_, coming)| coming).collect();
        if !same_boot {
            self.booted = self.time - 40 * SECOND;
            self.told.reboot(self.now());
        }
        let row = serde_json::to_string(&call).unwrap();
        self.call = Some(serde_json::from_str(&row).unwrap());
        self.apply(&Event::Restored { same_boot, context: None });
        for coming in missed {
            self.expect_in(1, coming);
        }
    }

    fn check_that_it_ended_in_time(&self, at: i64) {
        let Some(call) = self.call.as_ref().filter(|call| call.ended.is_none()) else { return };
        let Some(deadline) = self.told.deadline(&self.policy.limits) else { return };
        let confirm = self.policy.enforcement.confirm_within;
        let waits = HEALS_WITHIN + i64::try_from(confirm.as_micros()).unwrap();
        let since = self.troubled_until.max(deadline + self.booted);
        assert!(
            at <= since + waits.max(0),
            "the platform is healed, and a call past its deadline has no outcome: {call:#?}"
        );
    }

    fn post_end(&mut self, at: i64) {
        // An earlier end takes the place of the one that was to come.
        let ends = |coming: &Coming| match coming {
            Coming::Webhook(heard) => heard.kind.ends_call(),
            _ => false,
        };
        self.agenda.retain(|_, coming| !ends(coming));
        let answered = self.platform.answered.is_some_and(|answered| answered <= at);
        let kind = if answered { EventKind::Ended } else { EventKind::DidNotConnect };
        let delivery = self.plan.end_hook.clone();
        self.post(kind, at, None, CallName::Id(call_id()), &delivery);
    }

    fn post(
        &mut self,
        kind: EventKind,
        at: i64,
        agent: Option<callwarden::model::ids::AgentId>,
        call: CallName,
        delivery: &Delivery,
    ) {
        let time = delivery.has_time.then_some(Wall(EPOCH + at));
        let heard =
            Heard { kind, call, agent, time, details: Details::default(), via: Via::Webhook };
        for delay in &delivery.delays {
            self.expect_at(at + delay * 1_000, Coming::Webhook(heard.clone()));
        }
    }

    fn expect_in(&mut self, millis: i64, coming: Coming) {
        self.expect_at(self.time + millis * 1_000, coming);
    }

    fn expect_at(&mut self, at: i64, coming: Coming) {
        self.expected += 1;
        self.agenda.insert((at, self.expected), coming);
    }

    fn is_healed(&self) -> bool {
        self.time >= self.plan.healed * 1_000
    }

    fn attempt(&self) -> &'p super::plan::Attempt {
        &self.plan.requests[self.requests % self.plan.requests.len()]
    }

    fn search(&self) -> &'p super::plan::Search {
        &self.plan.lookups[self.lookups % self.plan.lookups.len()]
    }

    fn draw(&mut self) -> f64 {
        self.drawn += 1;
        f64::from(self.plan.jitter[self.drawn % self.plan.jitter.len()]) / 100.0
    }
}
