//! What can happen to a call, and what follows: the input and output of [`Call::apply`].

use std::{sync::Arc, time::Duration};

use super::{
    ask::Urgency,
    call::Call,
    deadline::Deadline,
    event::{EventKind, Heard},
    ids::{AgentId, CallId},
    operator::Act,
    outcome::{Ended, Outcome},
    platform::{Answer, Failure, Row},
    time::Mono,
};

/// All that can happen to a call.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A webhook's event.
    Heard(&'a Heard),
    /// Its time has come, or the wall clock has stepped: it is looked at anew.
    Woke,
    /// The policy has changed.
    PolicyChanged {
        /// What the store has of its context, where the new policy names other places in it.
        context: Option<&'a str>,
    },
    /// An operator's word, which [`Call::ordered`] has let through.
    Operator(Act),
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
    /// A page of the platform's lists showed it, unasked.
    Shown {
        /// Its row.
        row: &'a Row,
        /// Whether the page is one of a listing of active calls.
        listing: bool,
    },
    /// A complete listing lacks it.
    Unlisted,
    /// It was loaded from the store.
    Restored {
        /// Whether the machine has run on since it was saved, so that the boot clock holds.
        same_boot: bool,
        /// What the store has of its context ([`kept`](super::context::kept)).
        context: Option<&'a str>,
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
    /// An event was taken in; how long its webhook took to reach us, by the event's own time.
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
    /// A deadline was passed, and the call's rule says to do no more than note it.
    ObservingBegan(Deadline),
    /// The deadline moved before a request was accepted.
    StopTakenBack,
    /// The call has a limit of its own that cannot be read; the rule whose `override` it is.
    OverrideUnreadable(Arc<str>),
    /// An operator's word was taken.
    Ordered(Act),
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
    /// A listing showed a call that we did not know.
    Adopted,
    /// The platform shows a call active that was over by our books.
    Reopened {
        /// The outcome that fell.
        fell: Outcome,
    },
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
