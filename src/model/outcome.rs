//! How a call left us (spec §5): exactly one outcome a call, resting on evidence.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    deadline::{Deadline, Deadlines},
    facts::{End, Facts},
    operator::Word,
    policy::Limit,
    rule::Action,
    stop::Stop,
    time::{Moment, Wall},
};

/// How a call left us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ended by itself.
    Completed,
    /// It never connected.
    NotConnected,
    /// We stopped it.
    Stopped,
    /// A stop had begun, and it ended by itself before a request was accepted.
    Raced,
    /// It went past its deadline, and its rule says to do no more than note it.
    Observed,
    /// An operator took it out of enforcement.
    Released,
    /// The platform answered for it, but did not carry out the stop in `give_up_after`.
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 7] = [
        Self::Completed,
        Self::NotConnected,
        Self::Stopped,
        Self::Raced,
        Self::Observed,
        Self::Released,
        Self::Failed,
    ];

    /// Whether later facts may make `other` of it (spec §4): they tell that it never connected, or that
    /// we stopped what seemed to have ended by itself. The latter is said of a request whose answer
    /// came after the end, and of a call that proves to be the one that we knew, and stopped, by its
    /// sid alone.
    #[must_use]
    pub fn is_refined_by(self, other: Self) -> bool {
        match other {
            Self::NotConnected => self == Self::Completed,
            Self::Stopped => {
                matches!(self, Self::Completed | Self::NotConnected | Self::Raced | Self::Observed)
            }
            Self::Completed | Self::Raced | Self::Observed | Self::Released | Self::Failed => false,
        }
    }

    /// Its name in the API, the store and the metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::NotConnected => "not_connected",
            Self::Stopped => "stopped",
            Self::Raced => "raced",
            Self::Observed => "observed",
            Self::Released => "released",
            Self::Failed => "failed",
        }
    }
}

/// What told us that a stop was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfirmedBy {
    /// The end's webhook.
    Webhook,
    /// The platform, asked.
    Lookup,
}

impl ConfirmedBy {
    /// Its name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Lookup => "lookup",
        }
    }
}

/// Who ended the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// We did.
    Callwarden,
    /// An operator, through us.
    Operator,
    /// The platform, by a limit of its own.
    Platform,
    /// One of the two who spoke.
    Caller,
    /// Nobody told.
    Unknown,
}

impl EndedBy {
    /// Its name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Callwarden => "callwarden",
            Self::Operator => "operator",
            Self::Platform => "platform",
            Self::Caller => "caller",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a stop failed: what the platform last answered for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// It said "not active" of a call that was.
    NotAccepted,
    /// It accepted, and no end ever came.
    NotConfirmed,
    /// It did not know the call.
    NotFound,
}

impl FailReason {
    /// Its name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAccepted => "not_accepted",
            Self::NotConfirmed => "not_confirmed",
            Self::NotFound => "not_found",
        }
    }
}

/// A call's outcome and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The outcome.
    pub outcome: Outcome,
    /// When the call ended, as far as known.
    pub at: Wall,
    /// When the outcome was recorded.
    pub recorded: Wall,
    /// What confirmed a stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<ConfirmedBy>,
    /// Why the stop failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<FailReason>,
    /// The deadline that was in force, and its limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<(Wall, Limit)>,
    /// How far past its deadline it got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrun: Option<Duration>,
}

impl Ended {
    /// How far past its deadline it got, in seconds: zero where it kept it, `None` where it had
    /// none.
    #[must_use]
    pub fn overrun_seconds(&self) -> Option<u64> {
        self.deadline.map(|_| self.overrun.unwrap_or_default().as_secs())
    }

    /// The outcome that the facts, and what we sent, bear out now; `None` while nothing does.
    ///
    /// An outcome once recorded stays. Later facts may only [refine](Outcome::is_refined_by) it, or
    /// tell when a released call ended.
    #[must_use]
    pub(super) fn judge(
        recorded: Option<Self>,
        facts: &Facts,
        stop: &Stop,
        deadlines: &Deadlines,
        now: Moment,
    ) -> Option<Self> {
        let end = facts.end();
        let found = end.map(|end| Self::of_end(end, stop, deadlines, now));
        let Some(known) = recorded else {
            let released = facts.released().filter(|at| end.is_none_or(|end| *at <= end.at));
            return released.map(|at| Self::released(at, now)).or(found);
        };
        if known.outcome == Outcome::Released {
            return Some(Self { at: found.map_or(known.at, |found| found.at), ..known });
        }
        let refined = found.filter(|found| known.outcome.is_refined_by(found.outcome));
        Some(refined.map_or(known, |found| Self { recorded: known.recorded, ..found }))
    }

    fn of_end(end: End, stop: &Stop, deadlines: &Deadlines, now: Moment) -> Self {
        let deadline = deadlines.earliest;
        let is_observed = deadlines.action == Action::Observe;
        let outcome = if stop.ended_call(end.at) {
            Outcome::Stopped
        } else if is_observed && deadline.is_some_and(|deadline| end.at > deadline.wall) {
            Outcome::Observed
        } else if (stop.has_begun() && !is_observed) || stop.is_under_way() {
            // Taken back or not, a request under way may yet prove to have been accepted.
            Outcome::Raced
        } else if end.connected {
            Outcome::Completed
        } else {
            Outcome::NotConnected
        };
        let confirmed_by = (outcome == Outcome::Stopped).then_some(if end.by_webhook {
            ConfirmedBy::Webhook
        } else {
            ConfirmedBy::Lookup
        });
        let at = end.at.min(now.wall);
        Self {
            outcome,
            at,
            recorded: now.wall,
            confirmed_by,
            reason: None,
            deadline: shown(deadline),
            overrun: overrun(deadline, at),
        }
    }

    /// A stop borne out by a 409 that followed a request whose answer was lost (spec §7).
    pub(super) fn borne_out(deadline: Option<Deadline>, now: Moment) -> Self {
        Self {
            outcome: Outcome::Stopped,
            at: now.wall,
            recorded: now.wall,
            confirmed_by: Some(ConfirmedBy::Lookup),
            reason: None,
            deadline: shown(deadline),
            overrun: overrun(deadline, now.wall),
        }
    }

    /// Taken out of enforcement.
    fn released(at: Wall, now: Moment) -> Self {
        Self {
            outcome: Outcome::Released,
            at,
            recorded: now.wall,
            confirmed_by: None,
            reason: None,
            deadline: None,
            overrun: None,
        }
    }

    /// A stop given up.
    pub(super) fn given_up(reason: FailReason, deadline: Option<Deadline>, now: Moment) -> Self {
        Self {
            outcome: Outcome::Failed,
            at: now.wall,
            recorded: now.wall,
            confirmed_by: None,
            reason: Some(reason),
            deadline: shown(deadline),
            overrun: overrun(deadline, now.wall),
        }
    }

    /// Who ended the call, by the outcome and the platform's words.
    #[must_use]
    pub fn by(&self, facts: &Facts) -> EndedBy {
        if self.outcome == Outcome::Stopped {
            let word = facts.operator().map(|act| act.word);
            let by_order = word == Some(Word::End);
            return if by_order { EndedBy::Operator } else { EndedBy::Callwarden };
        }
        let reason = facts.ended_reason().unwrap_or_default().to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
        if says(&["max_duration", "max duration", "max_call", "timeout", "idle", "inactiv"]) {
            EndedBy::Platform
        } else if says(&["caller", "callee", "user", "customer", "participant", "remote"]) {
            EndedBy::Caller
        } else {
            EndedBy::Unknown
        }
    }
}

fn shown(deadline: Option<Deadline>) -> Option<(Wall, Limit)> {
    deadline.map(|deadline| (deadline.wall, deadline.limit))
}

fn overrun(deadline: Option<Deadline>, at: Wall) -> Option<Duration> {
    deadline.map(|deadline| at.since(deadline.wall)).filter(|overrun| !overrun.is_zero())
}

#[cfg(test)]
mod tests;
