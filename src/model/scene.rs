//! A scene for unit tests: one call, both clocks, and the engine's part played by hand.

use std::time::Duration;

use super::{
    call::Call,
    change::{Effect, Event, Received},
    event::{CallName, Details, EventKind, Heard, Via},
    ids::{AgentId, CallId},
    outcome::Outcome,
    platform::{Answer, Failure, Row, Status},
    policy::{Enforcement, Limits, Policy, Rules},
    time::{Moment, Mono, Wall},
};

pub(super) struct Scene {
    pub(super) call: Call,
    pub(super) now: Moment,
    pub(super) policy: Policy,
    /// What the last event led to.
    pub(super) effects: Vec<Effect>,
    pub(super) taken: Option<Received>,
    /// What webhooks and rows name.
    pub(super) agent: Option<AgentId>,
    pub(super) shown_as: CallId,
}

impl Scene {
    pub(super) fn new(limits: Limits) -> Self {
        let now = Moment { wall: Wall(1_700_000_000_000_000), mono: Mono(90_000_000_000) };
        let id = CallId::parse("call").unwrap();
        Self {
            call: Call::new(id.clone(), now),
            now,
            policy: Policy {
                limits,
                rules: Rules::default(),
                enforcement: Enforcement {
                    confirm_within: seconds(30),
                    give_up_after: seconds(3_600),
                },
                max_age: seconds(7_200),
            },
            effects: Vec::new(),
            taken: None,
            agent: AgentId::parse("agent").ok(),
            shown_as: id,
        }
    }

    /// A call of that name that may take a minute.
    pub(super) fn called(id: &str) -> Self {
        let mut scene = Self::new(Limits { total: Some(seconds(60)), ..Limits::default() });
        scene.call = Call::new(CallId::parse(id).unwrap(), scene.now);
        scene
    }

    /// A call whose first request has just left, a minute after it connected.
    pub(super) fn stopping() -> Self {
        let mut scene = Self::called("call");
        scene.hear(EventKind::Connected);
        scene.wake();
        scene.wake();
        assert!(scene.send(), "the deadline is passed");
        scene
    }

    pub(super) fn apply(&mut self, event: &Event<'_>) {
        let change = self.call.apply(event, self.now, &self.policy);
        (self.call, self.effects, self.taken) = (change.next, change.effects, change.taken);
    }

    pub(super) fn heard(&self, kind: EventKind, time: Option<Wall>) -> Heard {
        let (call, agent) = (CallName::Id(self.call.id.clone()), self.agent.clone());
        Heard { kind, call, agent, time, details: Details::default(), via: Via::Webhook }
    }

    pub(super) fn hear(&mut self, kind: EventKind) {
        self.apply(&Event::Heard(&self.heard(kind, None)));
    }

    /// An event that happened so long ago.
    pub(super) fn hear_late(&mut self, kind: EventKind, ago: Duration) {
        let time = Some(self.now.wall.before(ago));
        self.apply(&Event::Heard(&self.heard(kind, time)));
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.now = self.now.after(span);
    }

    /// How long until the call wants to be looked at.
    pub(super) fn wakes_in(&self) -> Option<Duration> {
        Some(self.call.wakeup(&self.policy)?.since(self.now.mono))
    }

    /// Looks at the call when it wants to be; says how long that took.
    pub(super) fn wake(&mut self) -> Duration {
        let span = self.wakes_in().expect("something is to come");
        self.pass(span);
        self.apply(&Event::Woke);
        span
    }

    /// The request's turn: whether it leaves.
    pub(super) fn send(&mut self) -> bool {
        self.apply(&Event::Sending);
        self.sent_to().is_some()
    }

    /// Whom the request that has just left names.
    pub(super) fn sent_to(&self) -> Option<(&str, &str)> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Send { agent, target } => Some((agent.as_str(), target.as_str())),
            Effect::Request { .. } | Effect::Lookup { .. } => None,
        })
    }

    pub(super) fn answer(&mut self, answer: Answer) {
        let answer = &answer;
        self.apply(&Event::Answered { answer, jitter: 1.0, fresh_token: false });
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        self.answer(Answer::Failed(failure));
    }

    pub(super) fn show(&mut self, status: Status) {
        let row = self.row(status);
        self.apply(&Event::LookedUp { found: Ok(Some(&row)), jitter: 1.0 });
    }

    pub(super) fn shown_by_listing(&mut self, status: Status) {
        let row = self.row(status);
        self.apply(&Event::Shown { row: &row, listing: true });
    }

    pub(super) fn row(&self, status: Status) -> Row {
        Row { agent: self.agent.clone(), ..row(self.shown_as.as_str(), status) }
    }

    pub(super) fn show_nothing(&mut self) {
        self.apply(&Event::LookedUp { found: Ok(None), jitter: 1.0 });
    }

    pub(super) fn fail_lookup(&mut self, failure: &Failure) {
        self.apply(&Event::LookedUp { found: Err(failure), jitter: 1.0 });
    }

    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.call.ended.map(|ended| ended.outcome)
    }

    /// How far ahead the deadline lies.
    pub(super) fn deadline_in(&self) -> Option<Duration> {
        Some(self.call.deadline()?.at.since(self.now.mono))
    }
}

/// A row that tells no more than which call it is, and how it stands.
pub(super) fn row(id: &str, status: Status) -> Row {
    Row {
        id: CallId::parse(id).unwrap(),
        sid: None,
        agent: None,
        to: None,
        from: None,
        direction: None,
        testing: None,
        status,
        started_at: None,
        created_at: None,
        updated_at: None,
    }
}

pub(super) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
