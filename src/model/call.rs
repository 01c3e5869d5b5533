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
    ask::{Questions, Why},
    change::{Change, Event},
    deadline::{Anchors, Deadline, Deadlines},
    event::EventKind,
    facts::Facts,
    ids::CallId,
    outcome::Ended,
    policy::{Limit, Policy},
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
    /// Events' own times that are believed only once the platform shows the call active.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) doubts: Vec<(EventKind, Wall)>,
    /// Known by an old event alone: not enforced before the platform shows it active (spec §3
    /// `max_age`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) unproven: bool,
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
            listed: Listed::default(),
            questions: Questions::default(),
            deadlines: Deadlines::default(),
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
            // Fixed by the facts, and by the boot that they were taken in.
            anchors: _,
            quiet_since: _,
            ringing_shown: _,
            listed: _,
            questions: _,
            deadlines: _,
        } = other;
        *version != 0
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
    pub(super) fn arises(&self, why: Why, policy: &Policy) -> Option<Mono> {
        const AT_ONCE: Mono = Mono(0);
        let deadline = self.deadlines.earliest;
        let waits_to_leave = matches!(self.stop.next, Next::Idle | Next::Request(_));
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
