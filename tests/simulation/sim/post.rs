//! Webhooks on their way to us.

use callwarden::model::{
    event::{CallName, Details, EventKind, Heard, Via},
    health::Delivery,
    time::Wall,
};

use super::{
    MINUTE, SECOND, Time,
    life::wall,
    scenario::Fault,
    world::{Coming, World},
};

/// A webhook.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    pub(super) heard: Heard,
    /// Whose it is.
    pub(super) call: usize,
    /// Its place in the platform's log.
    pub(super) logged: usize,
    /// How often it was delivered.
    tries: u32,
}

impl World {
    /// Something happened in a call: its webhook is sent.
    pub(super) fn post(&mut self, nth: usize, kind: EventKind, at: Time) {
        let call = self.calls[nth].clone();
        let (id, sid, agent) = (call.id, call.sid, call.told_agent);
        let name = match self.rng.u8(0..3) {
            _ if self.strikes(Fault::SidAlone) => CallName::Sid(sid),
            0 => CallName::Both { id, sid },
            _ => CallName::Id(id),
        };
        let time = if self.strikes(Fault::TimelessHook) {
            None
        } else if self.strikes(Fault::OldTime) {
            Some(Wall(wall(at).0 - self.rng.i64(0..200 * MINUTE)))
        } else {
            Some(wall(at))
        };
        let agent = (!self.strikes(Fault::HookWithoutAgent)).then_some(agent);
        let mut tells = || !self.strikes(Fault::SparseHook);
        let details = Details {
            to: tells().then_some(call.to),
            from: call.from.filter(|_| tells()),
            direction: tells().then(|| call.direction.into()),
            campaign: call.campaign.filter(|_| tells()).map(Into::into),
            testing: call.testing.filter(|_| tells()),
            context: call.context.filter(|_| tells()),
            ended_reason: None,
        };
        if agent.as_ref().is_some_and(|told| *told != call.agent) {
            self.record.sometimes("a webhook named another agent");
        }
        let heard = Heard { kind, call: name, agent, time, details, via: Via::Webhook };
        if self.strikes(Fault::LostHook) {
            self.record.tell(self.time, || format!("lost: {}", Self::describe(&heard)));
            if self.rng.bool() {
                self.log(&heard, nth);
            }
            return;
        }
        let logged = self.log(&heard, nth);
        let hook = Hook { heard, call: nth, logged, tries: 0 };
        let copies = if self.strikes(Fault::DoubledHook) { 2 } else { 1 };
        for _ in 0..copies {
            let late = self.strikes(Fault::LateHook);
            let takes =
                if late { self.rng.i64(0..6 * MINUTE) } else { self.rng.i64(20_000..800_000) };
            self.expect_in(takes, Coming::Hook(Box::new(hook.clone())));
        }
    }

    /// A webhook is delivered.
    pub(super) fn deliver(&mut self, hook: Hook) {
        if self.daemon.is_none() || self.is_asleep() {
            return self.repeat_hook(hook);
        }
        if self.secret_is_wrong {
            let now = self.now().mono;
            if let Some(daemon) = &mut self.daemon {
                daemon.signs.webhook(Delivery::Refused, now);
                daemon.troubles.refused = Some(now);
            }
            return self.repeat_hook(hook);
        }
        self.may_lie(&hook.heard, hook.call);
        self.ingest(hook);
    }

    /// What is about to be taken in may tell of an end that is none.
    pub(super) fn may_lie(&mut self, heard: &Heard, nth: usize) {
        let call = &self.calls[nth];
        let told = match heard.via {
            Via::Webhook => heard.time,
            Via::Log { tried } => heard.time.or(tried),
        };
        // It may come so late that the call is over by then.
        let is_before_the_end = told.is_some_and(|told| told < wall(call.ends));
        if heard.kind.ends_call() && (!call.is_over(self.time) || is_before_the_end) {
            self.truth.lies_about(nth);
        }
    }

    /// It was not taken: the platform tries three times more.
    pub(super) fn repeat_hook(&mut self, hook: Hook) {
        let wait = match hook.tries {
            0 => 10 * SECOND,
            1 => 30 * SECOND,
            2 => 90 * SECOND,
            _ => return,
        };
        let hook = Hook { tries: hook.tries + 1, ..hook };
        self.expect_in(wait, Coming::Hook(Box::new(hook)));
    }
}
