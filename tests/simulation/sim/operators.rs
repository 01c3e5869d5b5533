//! Operators and whoever writes the policy: orders, kill switches, reloads. What `engine/operate`,
//! `kill` and `reload` do.

use std::{sync::Arc, time::Duration};

use callwarden::model::{
    call::State, change::Event, ids::CallId, operator::Order, outcome::Outcome, quota::Unwritten,
    rule::Action, time::Mono,
};

use super::{
    SECOND, Time,
    daemon::{Waiter, Waits},
    laws::micros,
    rules::Plan,
    scenario::Fault,
    world::{CONVERGES, Coming, World},
};

/// Calls that a reload looks at before others get a turn.
const SLICE: usize = 8;

impl World {
    /// An operator gives some call an order.
    pub(super) fn operate(&mut self) {
        let now = self.now();
        let Some(daemon) = self.daemon.as_ref().filter(|_| !self.is_asleep()) else { return };
        if daemon.calls.is_empty() {
            return;
        }
        let nth = self.rng.usize(0..daemon.calls.len());
        let Some(id) = daemon.calls.keys().nth(nth).cloned() else { return };
        let span = Duration::from_secs(self.rng.u64(1..150));
        let order = match self.rng.u8(0..5) {
            0 => Order::End,
            1 => Order::Release,
            2 => Order::Deadline(now.wall.after(span)),
            _ => Order::Extend(span),
        };
        self.order(&id, order);
    }

    /// An operator ends all calls of an agent.
    pub(super) fn pull_kill_switch(&mut self) {
        let Some(daemon) = self.daemon.as_ref().filter(|_| !self.is_asleep()) else { return };
        let agent = format!("agent{}", self.rng.usize(0..3));
        let calls = daemon.calls.values().map(|kept| &kept.call);
        let of_agent = calls.filter(|call| call.facts.agent().is_some_and(|a| a.as_str() == agent));
        let ids: Vec<_> = of_agent.map(|call| call.id.clone()).collect();
        for id in ids {
            self.order(&id, Order::End);
        }
    }

    fn order(&mut self, id: &CallId, order: Order) {
        let now = self.now();
        let Some(call) = self.daemon.as_ref().and_then(|daemon| daemon.call(id)) else { return };
        let Ok(act) = call.ordered(order, now.wall) else {
            return self.record.sometimes("an operator came too late");
        };
        self.alter(id, &Event::Operator(act));
        let Some(daemon) = &mut self.daemon else { return };
        let is_saved = daemon.calls.get(id).is_some_and(|kept| kept.saved >= kept.call.version);
        if is_saved {
            self.answer(Waits::Order(act), id, true);
        } else if !daemon.is_failing {
            let patience = Mono(i64::MAX);
            daemon.waiters.push(Waiter { id: id.clone(), what: Waits::Order(act), patience });
        }
    }

    /// Another policy is put in force, or refused.
    pub(super) fn reload(&mut self) {
        // One after the other.
        if self.daemon.as_ref().is_some_and(|daemon| !daemon.reloading.is_empty()) {
            return self.expect_in(SECOND / 100, Coming::Mishap(Fault::Reload));
        }
        self.policy_in_file = self.rng.usize(0..self.scenario.policies.len());
        let plan = self.scenario.policies[self.policy_in_file].clone();
        let now = self.now();
        let Some(daemon) = self.daemon.as_ref().filter(|_| !self.is_asleep()) else { return };
        let ids: Vec<_> = daemon.calls.keys().cloned().collect();
        let reads_anew = self.reads_anew(&plan);
        let (mut live, mut newly, mut by_the_spec) = (0, 0, 0);
        for id in &ids {
            let context = match self.context_if(reads_anew, id) {
                Ok(context) => context,
                Err(StoreIsDown) => {
                    self.reload_is_refused(true);
                    return self.record.sometimes("a reload was refused while the store failed");
                }
            };
            let Some(daemon) = &self.daemon else { return };
            let Some(call) = daemon.call(id).filter(|call| call.ended.is_none()) else { continue };
            live += 1;
            let surge = self.scenario.surge;
            newly += usize::from(surge.adds(call, context.as_deref(), now, &plan.policy));
            by_the_spec += usize::from(call.state() == State::Live && self.stops(id, &plan));
        }
        if self.scenario.surge.forbids(newly, live) {
            self.reload_is_refused(true);
            return self.record.sometimes("a reload was refused for its surge");
        }
        let most = live * usize::from(self.scenario.surge.percent()) / 100;
        if by_the_spec >= 20 && by_the_spec > most {
            self.record.broken("a surge is refused", || format!("{by_the_spec} of {live}"));
        }
        let Some(daemon) = &mut self.daemon else { return };
        daemon.plan = plan;
        let calls = daemon.calls.values().map(|kept| &kept.call);
        let reached = calls.filter(|call| reads_anew || call.ended.is_none());
        daemon.reloading = reached.map(|call| call.id.clone()).collect();
        daemon.reads_anew = reads_anew;
        self.reload_is_refused(false);
        self.reload_slice();
    }

    /// The file has another quota, and is read anew.
    pub(super) fn requota(&mut self) {
        self.quota_in_file = self.rng.usize(0..self.scenario.quotas.len());
        let now = self.now().mono;
        let Some(daemon) = &mut self.daemon else { return };
        let (known, quota) = (daemon.tuning, self.scenario.quotas[self.quota_in_file]);
        let (most, span) = quota;
        daemon.tuning = quota;
        daemon.quota.reconfigure(most, span, now);
        let unwritten = Unwritten::most(most);
        daemon.unwritten.allow(unwritten);
        daemon.allows_unwritten = Some(unwritten);
        self.truth.quota_is(quota, self.time);
        for (path, is_so) in [
            ("a reload lengthened the quota's window", span > known.1),
            ("a reload shortened the quota's window", span < known.1),
            ("a reload allowed fewer requests", span == known.1 && most < known.0),
        ] {
            if is_so {
                self.record.sometimes(path);
            }
        }
    }

    fn reload_is_refused(&mut self, is_refused: bool) {
        let Some(daemon) = &mut self.daemon else { return };
        daemon.signs.config(is_refused.then(|| "it is refused".to_owned()));
        daemon.troubles.config_refused = is_refused;
    }

    /// Whether, by the sentences of the spec, a policy puts this call past its deadline now.
    fn stops(&self, id: &CallId, plan: &Plan) -> bool {
        let Some(kept) = self.daemon.as_ref().and_then(|daemon| daemon.calls.get(id)) else {
            return false;
        };
        let books = &kept.books;
        let holds = plan.holds(&books.told, &books.fields, self.now());
        let is_due = holds.deadline.is_some_and(|at| at <= self.now().mono.0);
        is_due && !holds.observes && !books.lost_track && self.clock.is_steady
    }

    /// The policy in force reaches some more calls.
    pub(super) fn reload_slice(&mut self) {
        let Some(daemon) = &mut self.daemon else { return };
        let reads_anew = daemon.reads_anew;
        for _ in 0..SLICE {
            let Some(daemon) = &mut self.daemon else { return };
            let Some(id) = daemon.reloading.pop_first() else { return };
            let unread = self.context_if(reads_anew, &id);
            if unread.is_err()
                && let Some(kept) = self.daemon.as_mut().and_then(|d| d.calls.get_mut(&id))
            {
                kept.books.lost_track = true;
            }
            let before = self.daemon.as_ref().and_then(|d| d.call(&id)).map(|call| call.action());
            let context = unread.unwrap_or_default();
            self.alter(&id, &Event::PolicyChanged { context: context.as_deref() });
            let after = self.daemon.as_ref().and_then(|d| d.call(&id)).map(|call| call.action());
            match (before, after) {
                (Some(Action::End), Some(Action::Observe)) => {
                    self.record.sometimes("a reload made a call one that is only observed");
                }
                (Some(Action::Observe), Some(Action::End)) => {
                    self.record.sometimes("a reload made an observed call one to be ended");
                }
                _ => {}
            }
        }
        let Some(life) = self.daemon.as_ref().map(|daemon| daemon.life) else { return };
        let pause: Time = self.rng.i64(0..SECOND / 100);
        self.expect_in(pause, Coming::Slice(life));
    }

    fn reads_anew(&self, plan: &Plan) -> bool {
        let Some(daemon) = &self.daemon else { return false };
        let running = daemon.plan.policy.places();
        plan.policy.places().iter().any(|place| !running.contains(place))
    }

    /// What is kept of a call's context, if the new policy reads anything new in it.
    fn context_if(&self, wanted: bool, id: &CallId) -> Result<Option<Arc<str>>, StoreIsDown> {
        if !wanted {
            return Ok(None);
        }
        let unsaved = self.daemon.as_ref().and_then(|daemon| daemon.calls.get(id)?.context.clone());
        match unsaved {
            Some(context) => Ok(Some(context)),
            None if self.store.is_down => Err(StoreIsDown),
            None => Ok(self.store.context(id)),
        }
    }

    /// The wall clock has stepped: calls with a limit that is its own are looked at anew.
    pub(super) fn follow_wall(&mut self) {
        const STEP: Duration = Duration::from_millis(100);
        let now = self.now();
        let Some(daemon) = &mut self.daemon else { return };
        let expected = daemon.followed.wall_of(now.mono);
        if expected.since(now.wall).max(now.wall.since(expected)) <= STEP {
            return;
        }
        daemon.followed = now;
        let calls = daemon.calls.values().map(|kept| &kept.call);
        let follows: Vec<_> =
            calls.filter(|call| call.follows_wall()).map(|call| call.id.clone()).collect();
        for id in follows {
            self.record.sometimes("a limit followed the wall clock");
            self.alter(&id, &Event::Woke);
        }
    }

    /// Whether our books have taken the call out of enforcement, only observe it, or know nothing of it by choice.
    pub(super) fn is_left_alone(&self, id: &CallId) -> bool {
        let Some(call) = self.daemon.as_ref().and_then(|daemon| daemon.call(id)) else {
            let nth = self.index.get(id);
            return nth.is_some_and(|nth| !self.is_ours(*nth, 2 * micros(CONVERGES)));
        };
        call.action() == Action::Observe
            || call.ended.is_some_and(|ended| ended.outcome == Outcome::Released)
    }
}

struct StoreIsDown;
