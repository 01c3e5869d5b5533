//! A call: its facts, and the progress of its stop. [`Call::apply`] is the one place where a call
//! changes, [`Call::wakeup`] says when it next wants to be looked at (spec §5).
//!
//! ```text
//!            deadline              2xx                 over
//!   Live ──────────────▶ Stopping ─────▶ Confirming ──────────▶ Ended
//!    ▲ │                  │  │ ▲            │  ▲                  ▲
//!    │ │  deadline moves  │  │ └─ retries ──┘  └─ still active ───│── asked again
//!    │ └──────────────────┘  └─ over, 409 borne out, given up ────┤
//!    └────── over, by webhook or by a row ────────────────────────┘
//! ```
//!
//! The state is derived from what is known (facts) and what was done (stop), never stored.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    ask::{Questions, Urgency, Why},
    deadline::{self, Anchors, Deadline, Deadlines},
    event::{EventKind, Heard},
    facts::{self, Facts},
    ids::{AgentId, CallId},
    outcome::{Ended, Outcome},
    platform::{Answer, Failure, Row, Status},
    policy::{Limit, Policy},
    stop::{Chance, Next, Stop, Verdict},
    time::{Moment, Mono, Wall},
    trail::{Trail, What},
};

/// How far ahead of its deadline the intent to stop a call is put on record (spec §7).
const INTENT_AHEAD: Duration = Duration::from_secs(1);
/// How far ahead of its deadline the platform is asked what a stop needs to know (spec §4, §6).
const ASK_AHEAD: Duration = Duration::from_secs(5);
/// How long a row that says `ringing` is good for once the deadline is passed: the longest pause
/// between two requests, and the time to ask.
const RINGING_HOLDS: Duration = Duration::from_secs(35);

/// One phone call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Its id.
    pub id: CallId,
    /// Grows with each change.
    pub version: u64,
    /// What is known of it.
    pub facts: Facts,
    /// What was done to stop it.
    pub stop: Stop,
    /// Its outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// What happened to it.
    pub trail: Trail,
    /// Events' own times that are believed only once the platform shows the call active.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    doubts: Vec<(EventKind, Wall)>,
    /// Known by an old event alone: not enforced before the platform shows it active (spec §3
    /// `max_age`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unproven: bool,
    anchors: Anchors,
    /// When an error or disconnect was last heard that nothing has explained yet.
    #[serde(skip)]
    quiet_since: Option<Mono>,
    /// When a row last said that it rings.
    #[serde(skip)]
    ringing_shown: Option<Mono>,
    #[serde(skip)]
    questions: Questions,
    #[serde(skip)]
    deadlines: Deadlines,
}

/// All that can happen to a call.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A webhook's event.
    Heard(&'a Heard),
    /// Its time has come, or the policy has changed: it is looked at anew.
    Woke,
    /// Its request's turn has come: does it still want to leave?
    Sending,
    /// The answer to its request.
    Answered {
        /// What the platform said.
        answer: &'a Answer,
        /// Drawn evenly from [0, 1).
        jitter: f64,
        /// Whether the token was read anew since the request left.
        fresh_token: bool,
    },
    /// A look-up is over: the row it found, none, or why it told nothing.
    LookedUp {
        /// The call's row.
        found: Result<Option<&'a Row>, &'a Failure>,
        /// Drawn evenly from [0, 1).
        jitter: f64,
    },
    /// A look-up that was asked for will not be made now.
    LookupDropped,
    /// It was loaded from the store.
    Restored {
        /// Whether the machine has run on since it was saved, so that the boot clock holds.
        same_boot: bool,
    },
    /// What was known of it under its sid alone.
    Joined(&'a Call),
}

/// What became of a webhook (spec §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Received {
    /// The first event of its call.
    Tracked,
    /// It told something new.
    Updated,
    /// It ended its call.
    Ended,
    /// It told nothing new.
    Duplicate,
    /// Its call was over already.
    Late,
}

impl Received {
    /// Its name in the answer and the metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tracked => "tracked",
            Self::Updated => "updated",
            Self::Ended => "ended",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
        }
    }
}

/// What is to be done for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Queue an end-call request.
    Request {
        /// The deadline that orders it.
        deadline: Mono,
        /// Whether it is the call's first.
        first: bool,
    },
    /// Send the end-call request now: the answer to [`Event::Sending`].
    Send {
        /// The agent that owns the call.
        agent: AgentId,
        /// The id to name.
        target: CallId,
    },
    /// Queue a look-up.
    Lookup {
        /// The deadline that orders it; now, where there is none.
        deadline: Mono,
        /// Its rank.
        urgency: Urgency,
    },
}

/// What is worth a log line or a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// An event was taken in; how long it took to reach us, by its own time.
    Taken {
        /// What happened.
        kind: EventKind,
        /// What became of it.
        received: Received,
        /// Arrival less own time.
        delay: Option<Duration>,
    },
    /// An event's own time is unbelievable: the time of arrival is taken.
    TimeRefused(EventKind),
    /// An event's own time would make the call overdue on the spot: the platform is asked.
    TimeDoubted(EventKind),
    /// A deadline was passed.
    StopBegan(Deadline),
    /// The deadline moved before a request was accepted.
    StopTakenBack,
    /// A request leaves.
    Sent {
        /// How long after the deadline; of the first request only.
        lateness: Option<Duration>,
        /// The how-manieth it is.
        attempt: u32,
    },
    /// Its answer.
    Answered(Answer),
    /// A look-up told nothing.
    LookupFailed(Failure),
    /// The call has an outcome, or a finer one; how long after the stop was accepted.
    Ended {
        /// The outcome.
        ended: Ended,
        /// The one it refines.
        refined: Option<Outcome>,
        /// From the first accepted request to the evidence.
        confirmed_after: Option<Duration>,
    },
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Within its limits.
    Live,
    /// Past its deadline, no request accepted yet.
    Stopping,
    /// A request was accepted; its end is waited for.
    Confirming,
    /// Over.
    Ended,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Live, Self::Stopping, Self::Confirming, Self::Ended];

    /// Its name in the API and the metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Stopping => "stopping",
            Self::Confirming => "confirming",
            Self::Ended => "ended",
        }
    }
}

/// A call after an event, and what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The call as it is now.
    pub next: Call,
    /// What is to be done.
    pub effects: Vec<Effect>,
    /// What became of a webhook.
    pub taken: Option<Received>,
    /// What is worth telling.
    pub notes: Vec<Note>,
}

impl Call {
    /// A call of which nothing is known yet.
    #[must_use]
    pub fn new(id: CallId, now: Moment) -> Self {
        Self {
            id,
            version: 0,
            facts: Facts::seen(now.wall),
            stop: Stop::default(),
            ended: None,
            trail: Trail::default(),
            doubts: Vec::new(),
            unproven: false,
            anchors: Anchors::default(),
            quiet_since: None,
            ringing_shown: None,
            questions: Questions::default(),
            deadlines: Deadlines::default(),
        }
    }

    /// The call after `event`. A value in, a value out: nothing is ever half-applied.
    #[must_use]
    pub fn apply(&self, event: &Event<'_>, now: Moment, policy: &Policy) -> Change {
        let mut turn = Turn {
            call: self.clone(),
            now,
            policy,
            effects: Vec::new(),
            taken: None,
            notes: Vec::new(),
        };
        match event {
            Event::Heard(heard) => turn.hear(heard),
            Event::Woke => {}
            Event::Sending => turn.send(),
            Event::Answered { answer, jitter, fresh_token } => {
                turn.take_answer(answer, *jitter, *fresh_token);
            }
            Event::LookedUp { found, jitter } => turn.take_lookup(*found, *jitter),
            Event::LookupDropped => turn.call.questions.dropped(),
            Event::Restored { same_boot } => turn.restore(*same_boot),
            Event::Joined(other) => turn.join(other),
        }
        turn.settle();
        let Turn { call: mut next, effects, taken, notes, .. } = turn;
        if !self.is_on_record_as(&next) {
            next.version += 1;
        }
        Change { next, effects, taken, notes }
    }

    /// Whether both are the same as far as the store knows.
    fn is_on_record_as(&self, other: &Self) -> bool {
        let Self {
            id,
            version: _,
            facts,
            stop,
            ended,
            trail,
            doubts,
            unproven,
            // Fixed by the facts, and by the boot that they were taken in.
            anchors: _,
            quiet_since: _,
            ringing_shown: _,
            questions: _,
            deadlines: _,
        } = other;
        self.version != 0
            && self.stop.is_on_record_as(stop)
            && (&self.id, &self.facts, self.ended, &self.trail, &self.doubts, self.unproven)
                == (id, facts, *ended, trail, doubts, *unproven)
    }

    /// When the call next wants to be looked at; `None` if only an event can change it. A hint: an
    /// early or late look does no harm.
    #[must_use]
    pub fn wakeup(&self, policy: &Policy) -> Option<Mono> {
        if self.ended.is_some() {
            return None;
        }
        let deadline = self.deadlines.earliest.filter(|_| self.stop.begun.is_none()).map(|due| {
            if self.stop.intent == Some(due.wall) { due.at } else { due.at.before(INTENT_AHEAD) }
        });
        let gives_up = self.stop.gives_up(&policy.enforcement).map(|(at, _)| at);
        [deadline, self.leaves(), self.questions.due(), gives_up].into_iter().flatten().min()
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        if self.ended.is_some() {
            State::Ended
        } else if self.stop.accepted.is_some() {
            State::Confirming
        } else if self.stop.has_begun() {
            State::Stopping
        } else {
            State::Live
        }
    }

    /// The deadline in force.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.deadlines.earliest
    }

    /// Whether a request waits for its turn: the dispatcher must have it.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.stop.next == Next::Queued
    }

    /// Whether a look-up was asked for and has not been answered.
    #[must_use]
    pub fn is_looked_up(&self) -> bool {
        self.questions.is_under_way()
    }

    /// Whether the look-up must tell ringing calls from others.
    #[must_use]
    pub fn asks_whether_it_rings(&self, now: Mono) -> bool {
        self.questions.has_asked(Why::Ringing, now)
    }

    /// The earliest instant at which the next request may leave, by what is known now.
    fn leaves(&self) -> Option<Mono> {
        let Next::Request(at) = self.stop.next else {
            return None;
        };
        self.facts.agent()?;
        let deadline = self.deadlines.earliest?;
        let allowed = match deadline.limit {
            Limit::Ringing if !self.was_shown_ringing(deadline, at) => self.deadlines.answered?,
            _ => deadline,
        };
        Some(at.max(allowed.at))
    }

    fn was_shown_ringing(&self, deadline: Deadline, at: Mono) -> bool {
        self.ringing_shown.is_some_and(|shown| {
            deadline.at.before(ASK_AHEAD) <= shown && at <= shown.after(RINGING_HOLDS)
        })
    }

    /// From when on the platform is to be asked, and why.
    fn arises(&self, why: Why, policy: &Policy) -> Option<Mono> {
        const AT_ONCE: Mono = Mono(0);
        let deadline = self.deadlines.earliest;
        let waits_to_leave = matches!(self.stop.next, Next::Idle | Next::Request(_) | Next::Queued);
        match (why, self.stop.next) {
            (Why::Ringing, _) => {
                let due = deadline.filter(|due| due.limit == Limit::Ringing && waits_to_leave)?;
                let ahead = due.at.before(ASK_AHEAD);
                let shown = self.ringing_shown.filter(|shown| *shown >= ahead);
                Some(shown.map_or(ahead, |shown| shown.after(RINGING_HOLDS)))
            }
            (Why::Agent, _) if self.facts.agent().is_none() => Some(deadline?.at.before(ASK_AHEAD)),
            (Why::NotActive, Next::AskNotActive(at))
            | (Why::NotFound, Next::AskNotFound(at))
            | (Why::Confirm, Next::Confirm(at)) => Some(at),
            (Why::OwnTime, _) => (!self.doubts.is_empty()).then_some(AT_ONCE),
            (Why::Shown, _) => self.unproven.then_some(AT_ONCE),
            (Why::Silence, _) => Some(self.quiet_since?.after(policy.enforcement.confirm_within)),
            (Why::Agent | Why::NotActive | Why::NotFound | Why::Confirm, _) => None,
        }
    }
}

/// One change in the making.
struct Turn<'a> {
    call: Call,
    now: Moment,
    policy: &'a Policy,
    effects: Vec<Effect>,
    taken: Option<Received>,
    notes: Vec<Note>,
}

impl Turn<'_> {
    fn hear(&mut self, heard: &Heard) {
        let Self { now, policy, .. } = *self;
        let call = &self.call;
        let is_new = call.version == 0;
        let was_over = call.ended.is_some();
        let believable = |at: &Wall| facts::is_believable(*at, now.wall, policy.max_age);
        let own = heard.time.filter(believable);
        let doubted = own.filter(|at| !was_over && self.makes_overdue(heard, *at));
        let timeless = own.is_none() || doubted.is_some();

        let at = own.filter(|_| doubted.is_none()).unwrap_or(now.wall);
        let told = if timeless && call.facts.repeats(heard.kind) {
            Facts::of_details(heard, at, now.wall)
        } else {
            Facts::of_event(heard, at, now.wall)
        };
        let known = if is_new { told } else { call.facts.clone().join(told) };
        let is_news = known != call.facts;
        let ends = heard.kind.ends_call();
        let received = match () {
            () if was_over => Received::Late,
            () if ends => Received::Ended,
            () if is_new => Received::Tracked,
            () if is_news => Received::Updated,
            () => Received::Duplicate,
        };

        self.call.facts = known;
        if is_news || is_new {
            self.call.trail.push(now.wall, What::Heard(heard.kind));
        }
        if let Some(at) = doubted.filter(|at| !self.call.doubts.contains(&(heard.kind, *at))) {
            self.call.doubts.push((heard.kind, at));
            self.call.trail.push(now.wall, What::TimeDoubted(heard.kind));
            self.notes.push(Note::TimeDoubted(heard.kind));
        }
        if own.is_none() && heard.time.is_some() {
            self.notes.push(Note::TimeRefused(heard.kind));
        }
        let too_old = heard.time.is_some_and(|at| at < now.wall.before(policy.max_age));
        if is_new {
            self.call.unproven = too_old;
        } else if own.is_some() {
            self.call.unproven = false;
        }
        self.listen_for_the_end(heard.kind, is_news);
        self.taken = Some(received);
        let delay = heard.time.map(|at| now.wall.since(at));
        self.notes.push(Note::Taken { kind: heard.kind, received, delay });
    }

    /// Whether an event's own time alone makes the call overdue.
    fn makes_overdue(&self, heard: &Heard, own: Wall) -> bool {
        let overdue_with = |at| {
            let told = Facts::of_event(heard, at, self.now.wall);
            let facts = match self.call.version {
                0 => told,
                _ => self.call.facts.clone().join(told),
            };
            let anchors = self.call.anchors.fixed(&facts, self.now);
            deadline::deadlines(&facts, &anchors, &self.policy.limits)
                .earliest
                .is_some_and(|deadline| deadline.at <= self.now.mono)
        };
        !heard.kind.ends_call() && overdue_with(own) && !overdue_with(self.now.wall)
    }

    /// An error or a disconnect ends nothing; but if no end follows, the platform is asked.
    fn listen_for_the_end(&mut self, kind: EventKind, is_news: bool) {
        match kind {
            EventKind::Error | EventKind::Disconnected if is_news => {
                self.call.quiet_since = Some(self.now.mono);
            }
            EventKind::Connected if is_news => self.call.quiet_since = None,
            _ => {}
        }
    }

    fn send(&mut self) {
        if self.call.stop.next != Next::Queued {
            return;
        }
        self.call.stop.next = Next::Request(self.now.mono);
        let Some(agent) = self.call.facts.agent().cloned() else {
            return;
        };
        let Some(deadline) = self.call.deadlines.earliest else {
            return;
        };
        if self.call.ended.is_some() || self.call.leaves().is_none_or(|at| at > self.now.mono) {
            return;
        }
        let sid = self.call.facts.sid().filter(|_| self.call.stop.tries_sid());
        let target = sid.or(self.call.stop.target.as_ref()).unwrap_or(&self.call.id).clone();
        self.call.stop.leave(self.now);
        let attempt = self.call.stop.attempts;
        let lateness = (attempt == 1).then(|| self.now.mono.since(deadline.at));
        self.call.trail.push(self.now.wall, What::Requested(attempt));
        self.notes.push(Note::Sent { lateness, attempt });
        self.effects.push(Effect::Send { agent, target });
    }

    fn take_answer(&mut self, answer: &Answer, jitter: f64, fresh_token: bool) {
        let rings = self.call.facts.answered().is_none();
        let chance = Chance { jitter, fresh_token, rings };
        let verdict = self.call.stop.take(answer, chance, self.now, &self.policy.enforcement);
        self.call.trail.push(self.now.wall, What::answered(answer));
        self.notes.push(Note::Answered(answer.clone()));
        if verdict == Verdict::BorneOut && self.call.ended.is_none() {
            self.end(Ended::borne_out(self.call.deadlines.earliest, self.now), None);
        }
    }

    fn take_lookup(&mut self, found: Result<Option<&Row>, &Failure>, jitter: f64) {
        let now = self.now.mono;
        if self.call.ended.is_some() {
            return;
        }
        match found {
            Ok(Some(row)) => {
                self.call.trail.push(self.now.wall, What::Shown(row.status));
                self.show(row);
            }
            Ok(None) => {
                self.call.trail.push(self.now.wall, What::NotShown);
                self.call.stop.goes_on(false, false, now);
                self.call.questions.answered(now);
            }
            Err(failure) => {
                self.notes.push(Note::LookupFailed(failure.clone()));
                self.call.questions.failed(now, jitter);
            }
        }
    }

    /// A row showed the call.
    fn show(&mut self, row: &Row) {
        let now = self.now;
        let agent_before = self.call.facts.agent().cloned();
        self.call.facts = self.call.facts.clone().join(Facts::of_row(row, now.wall));
        self.call.quiet_since = None;
        if !row.status.is_over() {
            self.call.unproven = false;
            for (kind, at) in std::mem::take(&mut self.call.doubts) {
                self.call.facts = self.call.facts.clone().join(Facts::of_time(kind, at, now.wall));
            }
            if row.status == Status::Ringing {
                self.call.ringing_shown = Some(now.mono);
            }
            let is_sid = self.call.facts.sid().is_some_and(|sid| *sid == row.id);
            let target = Some(&row.id).filter(|id| **id != self.call.id && !is_sid);
            let elsewhere = target != self.call.stop.target.as_ref()
                || agent_before.as_ref() != self.call.facts.agent();
            self.call.stop.target = target.cloned();
            self.call.stop.goes_on(elsewhere, true, now.mono);
        }
        self.call.questions.answered(now.mono);
    }

    fn restore(&mut self, same_boot: bool) {
        let now = self.now;
        if !same_boot {
            self.call.anchors = Anchors::default();
        }
        self.anchor();
        let passed = self.call.deadlines.earliest.is_some_and(|due| due.at <= now.mono);
        self.call.stop.restored(now, passed);
        let heard = |kind| self.call.facts.times(kind).is_some();
        if heard(EventKind::Error) || heard(EventKind::Disconnected) {
            self.call.quiet_since = Some(now.mono);
        }
    }

    fn join(&mut self, other: &Call) {
        let facts = other.facts.clone();
        let is_new = self.call.version == 0;
        self.call.facts = if is_new { facts } else { self.call.facts.clone().join(facts) };
        self.call.trail.merge(other.trail.clone());
        self.call.trail.push(self.now.wall, What::Named);
        if is_new || other.stop.attempts > self.call.stop.attempts {
            self.call.stop = other.stop.clone();
            self.call.stop.adopted(self.now);
        }
        if self.call.ended.is_none() {
            self.call.ended = other.ended;
        }
        self.call.unproven = other.unproven && (is_new || self.call.unproven);
        self.call.doubts.extend(other.doubts.iter().copied());
        self.call.quiet_since = self.call.quiet_since.max(other.quiet_since);
        self.call.ringing_shown = self.call.ringing_shown.max(other.ringing_shown);
        self.taken = Some(Received::Updated);
    }

    /// Brings the call in line with its facts, the policy and the clock, and says what follows.
    fn settle(&mut self) {
        self.anchor();
        self.judge();
        if self.call.ended.is_some() {
            self.call.stop.rest();
            self.call.questions = Questions::default();
            self.call.doubts.clear();
            self.call.unproven = false;
            return;
        }
        self.keep_deadline();
        self.ask();
        self.request();
    }

    fn anchor(&mut self) {
        let call = &mut self.call;
        call.anchors = call.anchors.fixed(&call.facts, self.now);
        call.deadlines = if call.unproven {
            Deadlines::default()
        } else {
            deadline::deadlines(&call.facts, &call.anchors, &self.policy.limits)
        };
    }

    fn judge(&mut self) {
        let call = &self.call;
        let deadline = call.deadlines.earliest;
        let ended = Ended::judge(call.ended, &call.facts, &call.stop, deadline, self.now);
        if let Some(ended) = ended.filter(|ended| call.ended != Some(*ended)) {
            return self.end(ended, call.ended.map(|ended| ended.outcome));
        }
        let gives_up = call.stop.gives_up(&self.policy.enforcement);
        if let Some((at, reason)) = gives_up
            && at <= self.now.mono
            && call.ended.is_none()
        {
            self.end(Ended::given_up(reason, deadline, self.now), None);
        }
    }

    fn end(&mut self, ended: Ended, refined: Option<Outcome>) {
        let accepted = self.call.stop.accepted.filter(|_| ended.outcome == Outcome::Stopped);
        let confirmed_after = accepted.map(|at| self.now.wall.since(at));
        self.call.ended = Some(ended);
        self.call.trail.push(self.now.wall, What::Ended(ended.outcome));
        self.notes.push(Note::Ended { ended, refined, confirmed_after });
    }

    fn keep_deadline(&mut self) {
        let Self { now, .. } = *self;
        let stop = &mut self.call.stop;
        let deadline = self.call.deadlines.earliest;
        let is_passed = deadline.is_some_and(|due| due.at <= now.mono);
        if let Some(due) = deadline.filter(|due| deadline::is_near(*due, now.mono, INTENT_AHEAD)) {
            stop.intent = Some(due.wall);
        } else if stop.accepted.is_none() {
            stop.intent = None;
        }
        match (is_passed, stop.begun.is_some(), stop.accepted.is_some()) {
            (true, false, _) => {
                stop.begin(now);
                if let Some(due) = deadline {
                    self.call.trail.push(now.wall, What::stop_began(due.limit));
                    self.notes.push(Note::StopBegan(due));
                }
            }
            (false, true, false) => {
                stop.take_back();
                self.call.trail.push(now.wall, What::StopTakenBack);
                self.notes.push(Note::StopTakenBack);
            }
            (false, false, false) if !stop.is_under_way() => stop.next = Next::Idle,
            (true, true, _) | (false, _, true) | (false, false, false) => {}
        }
    }

    fn ask(&mut self) {
        let mut questions = std::mem::take(&mut self.call.questions);
        questions.settle(|why| self.call.arises(why, self.policy));
        if let Some(urgency) = questions.start(self.now.mono) {
            let deadline = self.call.deadlines.earliest.map_or(self.now.mono, |due| due.at);
            self.effects.push(Effect::Lookup { deadline, urgency });
        }
        self.call.questions = questions;
    }

    fn request(&mut self) {
        let Some(deadline) = self.call.deadlines.earliest else {
            return;
        };
        if self.call.leaves().is_some_and(|at| at <= self.now.mono) {
            self.call.stop.next = Next::Queued;
            let first = self.call.stop.is_first();
            self.effects.push(Effect::Request { deadline: deadline.at, first });
        }
    }
}
