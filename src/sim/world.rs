//! The platform's state, and what calls do in it as time goes by.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use super::{
    call::{Call, Emitted, EndedBy, Status},
    clock::{self, Micros},
    courier::Delivery,
    fault::FaultKind,
    faults::Faults,
    journal::{DeliveryRecord, Journal, RequestRecord},
    limiter::Limiter,
    script::{Direction, Fate, Script},
    span::Span,
    timeline::{Step, Timeline},
    webhook::{Log, Webhook},
};

/// Everything there is. Owned by [`Shared`](super::shared::Shared), changed under its lock only.
pub(super) struct World {
    pub(super) rng: fastrand::Rng,
    pub(super) token: Option<String>,
    pub(super) faults: Faults,
    pub(super) limiter: Limiter,
    /// What calls placed through the platform's API do.
    pub(super) script: Script,
    pub(super) agents: BTreeMap<String, Agent>,
    pub(super) campaigns: BTreeMap<String, Campaign>,
    /// By order of creation.
    pub(super) calls: Vec<Call>,
    by_id: HashMap<String, usize>,
    by_sid: HashMap<String, usize>,
    pub(super) webhooks: Vec<Webhook>,
    pub(super) logs: Journal<Log>,
    pub(super) requests: Journal<RequestRecord>,
    pub(super) deliveries: Journal<DeliveryRecord>,
    pub(super) timeline: Timeline,
    /// What is to be sent, by call. A call in here has a courier.
    pub(super) outboxes: HashMap<String, VecDeque<Delivery>>,
    /// Calls whose courier is yet to set out.
    pub(super) wanting_courier: Vec<String>,
    /// Deliveries that wait for their call's end.
    pub(super) held: HashMap<String, Vec<Delivery>>,
}

#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub(super) is_published: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Campaign {
    pub(super) agent: String,
    pub(super) status: String,
}

impl World {
    pub(super) fn new(seed: Option<u64>) -> Self {
        Self {
            rng: seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
            token: None,
            faults: Faults::default(),
            limiter: Limiter::default(),
            script: Script::default(),
            agents: BTreeMap::new(),
            campaigns: BTreeMap::new(),
            calls: Vec::new(),
            by_id: HashMap::new(),
            by_sid: HashMap::new(),
            webhooks: Vec::new(),
            logs: Journal::default(),
            requests: Journal::default(),
            deliveries: Journal::default(),
            timeline: Timeline::default(),
            outboxes: HashMap::new(),
            wanting_courier: Vec::new(),
            held: HashMap::new(),
        }
    }

    pub(super) fn add_agent(&mut self, id: &str) {
        self.agents.entry(id.to_owned()).or_insert(Agent { is_published: true });
    }

    /// Places a call and plans all that its script holds. Returns its id.
    pub(super) fn place(&mut self, script: Script, now: Micros) -> String {
        self.add_agent(&script.agent);
        if let Some(campaign) = &script.campaign {
            let agent = script.agent.clone();
            let running = || Campaign { agent, status: "running".to_owned() };
            self.campaigns.entry(campaign.clone()).or_insert_with(running);
        }
        let id = self.plan(&script, now);
        self.enter(id.clone(), script, now);
        id
    }

    fn plan(&mut self, script: &Script, now: Micros) -> String {
        let drawn = self.uuid();
        let id = script.id.clone().filter(|id| !self.by_id.contains_key(id)).unwrap_or(drawn);
        let mut draw = |span: Span| clock::micros(span.draw(&mut self.rng));
        let dialled = now + draw(script.delay);
        let decided = dialled + draw(script.rings);
        let plan = |at, step| self.timeline.plan(at, step);
        Self::plan_steps(script, &id, [dialled, decided], draw, plan);
        id
    }

    fn plan_steps(
        script: &Script,
        id: &str,
        [dialled, decided]: [Micros; 2],
        mut draw: impl FnMut(Span) -> Micros,
        mut plan: impl FnMut(Micros, Step),
    ) {
        let call = || id.to_owned();
        let ends = |status| Step::End(call(), status, EndedBy::Script);
        plan(dialled, Step::Dial(call()));
        match script.fate {
            Fate::RingsOn => return,
            Fate::NoAnswer => return plan(decided, ends(Status::NoAnswer)),
            Fate::Busy => return plan(decided, ends(Status::Busy)),
            Fate::Failed => return plan(decided, ends(Status::Failed)),
            Fate::Answered => plan(decided, Step::Answer(call())),
        }
        if let Some(after) = script.voicemail_after {
            let event = "event_voicemail_detected".to_owned();
            plan(decided + draw(after), Step::Event(call(), event));
        }
        if let Some(after) = script.talks_after {
            plan(decided + draw(after), Step::Talk(call()));
        }
        for extra in &script.events {
            plan(decided + draw(extra.after), Step::Event(call(), extra.event.clone()));
        }
        if let Some(after) = script.lasts {
            plan(decided + draw(after), ends(Status::Completed));
        }
    }

    fn enter(&mut self, id: String, script: Script, now: Micros) {
        let drawn = self.sid();
        let sid = script.sid.filter(|sid| !self.by_sid.contains_key(sid)).unwrap_or(drawn);
        let (ours, theirs) = (self.number("+1555"), self.number("+1444"));
        let (to, from) = match script.direction {
            Direction::Outbound => (theirs, ours),
            Direction::Inbound => (ours, theirs),
        };
        let status = match (&script.campaign, script.delay == Span::default()) {
            (None, _) => Status::Initiated,
            (Some(_), true) => Status::Queued,
            (Some(_), false) => Status::Scheduled,
        };
        let mut call = Call {
            id,
            sid,
            agent: script.agent,
            campaign: script.campaign,
            direction: script.direction,
            to: script.to.unwrap_or(to),
            from: script.from.unwrap_or(from),
            context: script.context,
            is_testing: script.is_testing,
            status,
            created_at: now,
            dialled_at: None,
            answered_at: None,
            ended_at: None,
            ended_by: None,
            hangup_accepted_at: None,
            changes: Vec::new(),
            events: Vec::new(),
            talking: false,
            silent: script.silent,
        };
        call.turn(status, now);
        self.by_id.insert(call.id.clone(), self.calls.len());
        self.by_sid.insert(call.sid.clone(), self.calls.len());
        self.calls.push(call);
    }

    pub(super) fn call(&self, id: &str) -> Option<&Call> {
        self.by_id.get(id).and_then(|index| self.calls.get(*index))
    }

    pub(super) fn call_by_sid(&self, sid: &str) -> Option<&Call> {
        self.by_sid.get(sid).and_then(|index| self.calls.get(*index))
    }

    fn running(&mut self, id: &str) -> Option<&mut Call> {
        let index = *self.by_id.get(id)?;
        self.calls.get_mut(index).filter(|call| !call.is_over())
    }

    /// Takes every step that is due; returns when the next one is.
    pub(super) fn advance(&mut self, now: Micros) -> Option<Micros> {
        while let Some(step) = self.timeline.pop(now) {
            // Should we be late, so is the step: the history tells what could be seen from outside.
            self.take(step, now);
        }
        self.timeline.next()
    }

    fn take(&mut self, step: Step, at: Micros) {
        match step {
            Step::Dial(id) => self.dial(&id, at),
            Step::Answer(id) => self.answer(&id, at),
            Step::Talk(id) => self.talk(&id, at),
            Step::Event(id, event) => {
                self.happen(&id, &event, at);
            }
            Step::End(id, status, by) => {
                self.end(&id, status, by, at);
            }
            Step::Post(delivery) => self.post(delivery),
        }
    }

    fn dial(&mut self, id: &str, at: Micros) {
        let Some(call) = self.running(id) else { return };
        call.dialled_at = Some(at);
        call.turn(Status::Ringing, at);
        self.emit(id, "event_phone_call_started", at);
    }

    fn answer(&mut self, id: &str, at: Micros) {
        let Some(call) = self.running(id) else { return };
        call.answered_at = Some(at);
        call.turn(Status::Answered, at);
        self.emit(id, "event_phone_call_connected", at);
    }

    fn talk(&mut self, id: &str, at: Micros) {
        let Some(call) = self.running(id) else { return };
        call.talking = true;
        self.emit(id, "event_conversation_started", at);
    }

    /// Has an event happen in a call, unless it is over; says whether it did.
    pub(super) fn happen(&mut self, id: &str, event: &str, at: Micros) -> bool {
        let is_running = self.running(id).is_some();
        if is_running {
            self.emit(id, event, at);
        }
        is_running
    }

    /// Ends a call, unless it is over; says whether it did.
    pub(super) fn end(&mut self, id: &str, status: Status, by: EndedBy, at: Micros) -> bool {
        let Some(call) = self.running(id) else {
            return false;
        };
        call.ended_at = Some(at);
        call.ended_by = Some(by);
        call.turn(status, at);
        let was_talking = call.talking;
        if was_talking {
            self.emit(id, "event_conversation_ended", at);
        }
        let event = match status {
            Status::NoAnswer | Status::Busy | Status::Failed => "event_phone_call_did_not_connect",
            _ => "event_phone_call_ended",
        };
        self.emit(id, event, at);
        self.release_held(id);
        true
    }

    /// An end-call request was accepted: the call ends a little later, as the platform does it.
    pub(super) fn hang_up(&mut self, id: &str, now: Micros) {
        let latency = self.faults.habit(|kind| match kind {
            FaultKind::HangupLatency(span) => Some(*span),
            _ => None,
        });
        let latency = latency.unwrap_or_else(|| Duration::from_millis(150).into());
        let due = now + clock::micros(latency.draw(&mut self.rng));
        let Some(call) = self.running(id) else { return };
        if call.hangup_accepted_at.is_none() {
            call.hangup_accepted_at = Some(now);
            let step = Step::End(id.to_owned(), Status::Completed, EndedBy::EndCall);
            self.timeline.plan(due, step);
        }
    }

    fn emit(&mut self, id: &str, event: &str, at: Micros) {
        let Some(call) = self.by_id.get(id).and_then(|index| self.calls.get_mut(*index)) else {
            return;
        };
        call.events.push(Emitted { at, event: event.to_owned() });
        if !call.silent {
            self.notify(id, event, at);
        }
    }

    /// An id as the platform makes them.
    pub(super) fn uuid(&mut self) -> String {
        let bits = format!("{:032x}", self.rng.u128(..));
        let part = |from, to| bits.get(from..to).unwrap_or_default();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }

    fn sid(&mut self) -> String {
        format!("CA{:032x}", self.rng.u128(..))
    }

    fn number(&mut self, prefix: &str) -> String {
        format!("{prefix}{:07}", self.rng.u32(..10_000_000))
    }
}
