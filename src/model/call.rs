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
//! Where the rule says `observe`, the deadline leads to Observing and nothing else follows. An
//! operator's release leads from anywhere before Confirming to Released, which has its outcome.
//!
//! The state is derived from what is known (facts) and what was done (stop), never stored.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    ask::{Questions, Why},
    change::{Change, Event},
    context::{Context, Known},
    deadline::{Anchors, Applied, Deadline, Deadlines},
    event::EventKind,
    facts::Facts,
    ids::CallId,
    outcome::{Ended, Outcome},
    policy::Policy,
    rule::Action,
    stop::{Next, Stop},
    time::{Moment, Mono, Wall},
    trail::Trail,
    turn::Turn,
};

/// How far ahead of its deadline the intent to stop a call is put on record (spec §7).
pub(super) const INTENT_AHEAD: Duration = Duration::from_secs(1);
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
    /// The rule that its deadline comes from, or came from when it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<Arc<str>>,
    /// Events' own times that are believed only once the platform shows the call active.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) doubts: Vec<(EventKind, Wall)>,
    /// Known by an old event alone: not enforced before the platform shows it active (spec §3
    /// `max_age`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) unproven: bool,
    /// An outcome of it fell, as the platform showed it active (spec §5).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) disputed: bool,
    pub(super) anchors: Anchors,
    /// When an error or disconnect was last heard that nothing has explained yet.
    #[serde(skip)]
    pub(super) quiet_since: Option<Mono>,
    /// When a row last said that it rings.
    #[serde(skip)]
    pub(super) ringing_shown: Option<Mono>,
    /// What listings say of it.
    #[serde(skip)]
    pub(super) listed: Listed,
    #[serde(skip)]
    pub(super) questions: Questions,
    #[serde(skip)]
    pub(super) deadlines: Deadlines,
    #[serde(skip)]
    pub(super) context: Context,
}

/// What the platform's listings say of a call: local, and found anew after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// Whether any has ever shown it.
    pub(super) shown: bool,
    /// How many complete ones in a row lacked it.
    pub(super) missed: u8,
    /// How many in a row showed it active though it is over by our books.
    pub(super) revived: u8,
    /// How often the platform was asked when it started.
    pub(super) start_asked: u8,
}

impl Listed {
    /// A call that so many listings lack is looked up (spec §8).
    pub(super) const MISSED: u8 = 2;
    /// A call that is over, and that so many listings show active, is live again (spec §5).
    pub(super) const REVIVED: u8 = 2;
    /// Active-call is asked so often when a call started.
    pub(super) const ASKED: u8 = 3;
}

/// Where a call stands (spec §10 `state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Within its limits.
    Live,
    /// Past its deadline, no request accepted yet.
    Stopping,
    /// A request was accepted; its end is waited for.
    Confirming,
    /// Past its deadline, and left alone: its rule says `observe`.
    Observing,
    /// Out of enforcement by an operator's word; its end is not known yet.
    Released,
    /// Over.
    Ended,
}

impl State {
    /// Every state, in the spec's order.
    pub const ALL: [Self; 6] = [
        Self::Live,
        Self::Stopping,
        Self::Confirming,
        Self::Observing,
        Self::Released,
        Self::Ended,
    ];

    /// Its name in the API and the metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Stopping => "stopping",
            Self::Confirming => "confirming",
            Self::Observing => "observing",
            Self::Released => "released",
            Self::Ended => "ended",
        }
    }

    /// The state of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
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
            rule: None,
            doubts: Vec::new(),
            unproven: false,
            disputed: false,
            anchors: Anchors::default(),
            quiet_since: None,
            ringing_shown: None,
            listed: Listed::default(),
            questions: Questions::default(),
            deadlines: Deadlines::default(),
            context: Context::default(),
        }
    }

    /// The call after `event`. A value in, a value out: nothing is ever half-applied.
    #[must_use]
    pub fn apply(&self, event: &Event<'_>, now: Moment, policy: &Policy) -> Change {
        Turn::take(self, event, now, policy)
    }

    /// Whether both are the same as far as the store knows.
    pub(super) fn is_on_record_as(&self, other: &Self) -> bool {
        let Self {
            id,
            version,
            facts,
            stop,
            ended,
            trail,
            doubts,
            unproven,
            disputed,
            // Follows from the policy, and is written with whatever else is.
            rule: _,
            // Fixed by the facts, and by the boot that they were taken in.
            anchors: _,
            quiet_since: _,
            ringing_shown: _,
            listed: _,
            questions: _,
            deadlines: _,
            context: _,
        } = other;
        *version != 0
            && self.stop.is_on_record_as(stop)
            && (self.unproven, self.disputed) == (*unproven, *disputed)
            && (&self.id, &self.facts, self.ended, &self.trail, &self.doubts)
                == (id, facts, *ended, trail, doubts)
    }

    /// When the call next wants to be looked at; `None` if only an event can change it. A hint: an
    /// early or late look does no harm.
    #[must_use]
    pub fn wakeup(&self, policy: &Policy) -> Option<Mono> {
        if self.ended.is_some() {
            return None;
        }
        let deadline = self.deadlines.earliest.filter(|_| self.stop.begun.is_none()).map(|due| {
            let is_prepared = self.stop.intent == Some(due.wall) || self.is_observed();
            if is_prepared { due.at } else { due.at.before(INTENT_AHEAD) }
        });
        let gives_up = self.stop.gives_up(&policy.enforcement).map(|(at, _)| at);
        [deadline, self.leaves(), self.questions.due(), gives_up].into_iter().flatten().min()
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        if let Some(ended) = self.ended {
            let is_over = ended.outcome != Outcome::Released || self.facts.end().is_some();
            if is_over { State::Ended } else { State::Released }
        } else if self.stop.accepted.is_some() {
            State::Confirming
        } else if self.stop.has_begun() {
            if self.is_observed() { State::Observing } else { State::Stopping }
        } else {
            State::Live
        }
    }

    /// The deadline in force.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.deadlines.earliest
    }

    /// Whether that holds only as long as it rings: then it is asked about before it is stopped.
    #[must_use]
    pub fn hinges_on_ringing(&self) -> bool {
        self.deadlines.hinges_on_ringing()
    }

    /// What becomes of it at its deadline.
    #[must_use]
    pub fn action(&self) -> Action {
        self.deadlines.action
    }

    /// Whether what is not known yet may still move its deadline (spec §6).
    #[must_use]
    pub fn is_provisional(&self) -> bool {
        self.ended.is_none() && self.deadlines.provisional
    }

    /// Whether a limit of it is the wall clock's: it is looked at anew when that steps.
    #[must_use]
    pub fn follows_wall(&self) -> bool {
        self.ended.is_none() && self.deadlines.follows_wall
    }

    /// The rule that its deadline comes from, or came from when it ended.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }

    /// When a limit of it is passed.
    #[must_use]
    pub fn deadline_of(&self, limit: &Applied<'_>, now: Moment) -> Option<Deadline> {
        limit.deadline(&self.anchors, now)
    }

    /// What rules can ask of it.
    #[must_use]
    pub fn known(&self) -> Known<'_> {
        Known { facts: &self.facts, context: &self.context }
    }

    /// Whether it has a context, and what is at hand of it was read for another policy.
    #[must_use]
    pub fn lacks_context(&self, policy: &Policy) -> bool {
        self.facts.context().is_some() && !self.context.is_read_for(policy.places())
    }

    /// Whether no request is to leave for it.
    pub(super) fn is_observed(&self) -> bool {
        self.deadlines.action == Action::Observe
    }

    /// Whether its stop leads to nothing. What was accepted is waited for, whatever a reload has made
    /// of the call since.
    pub(super) fn is_left_alone(&self) -> bool {
        self.is_observed() && self.stop.accepted.is_none()
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

    /// Whether a listing has ever shown it.
    #[must_use]
    pub fn was_listed(&self) -> bool {
        self.listed.shown
    }

    /// Whether the look-up must tell ringing calls from others.
    #[must_use]
    pub fn asks_whether_it_rings(&self, now: Mono) -> bool {
        self.questions.has_asked(Why::Ringing, now)
    }

    /// The earliest instant at which the next request may leave, by what is known now.
    pub(super) fn leaves(&self) -> Option<Mono> {
        let Next::Request(at) = self.stop.next else {
            return None;
        };
        if self.is_observed() {
            return None;
        }
        self.facts.agent()?;
        let deadline = self.deadlines.earliest?;
        let is_in_doubt = self.deadlines.hinges_on_ringing();
        let allowed = if is_in_doubt && !self.was_shown_ringing(deadline, at) {
            self.deadlines.answered?
        } else {
            deadline
        };
        Some(at.max(allowed.at))
    }

    fn was_shown_ringing(&self, deadline: Deadline, at: Mono) -> bool {
        self.ringing_shown.is_some_and(|shown| {
            deadline.at.before(ASK_AHEAD) <= shown && at <= shown.after(RINGING_HOLDS)
        })
    }

    /// From when on the platform is to be asked, and why.
    pub(super) fn arises(&self, why: Why, policy: &Policy) -> Option<Mono> {
        const AT_ONCE: Mono = Mono(0);
        let deadline = self.deadlines.earliest.filter(|_| !self.is_observed());
        let waits_to_leave = matches!(self.stop.next, Next::Idle | Next::Request(_));
        match (why, self.stop.next) {
            (Why::Ringing, _) => {
                let in_doubt = self.deadlines.hinges_on_ringing();
                let due = deadline.filter(|_| in_doubt && waits_to_leave)?;
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
            (Why::Unlisted, _) => (self.listed.missed >= Listed::MISSED).then_some(AT_ONCE),
            (Why::Start, _) => {
                let can_tell = self.facts.agent().is_some() && self.facts.to().is_some();
                let wanted = can_tell && !self.facts.has_start();
                (wanted && self.listed.start_asked < Listed::ASKED).then_some(AT_ONCE)
            }
            (Why::Agent | Why::NotActive | Why::NotFound | Why::Confirm, _) => None,
        }
    }
}

#[cfg(test)]
mod tests;
