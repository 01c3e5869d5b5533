//! A simulated call: who, what became of it and when. The truth, whatever the lists show.
//!
//! ```text
//! initiated | queued | scheduled → ringing → answered → completed
//!                                          ↘ no-answer | busy | failed
//! ```

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{clock::Micros, script::Direction};

/// The true state of one call and its whole history.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Call {
    /// The platform's id.
    pub id: String,
    /// The provider's id.
    pub sid: String,
    /// The owning agent's id.
    pub agent: String,
    /// The campaign's id, if it belongs to one.
    pub campaign: Option<String>,
    /// Who called whom.
    pub direction: Direction,
    /// The number called.
    pub to: String,
    /// The number calling.
    pub from: String,
    /// Echoed in webhooks.
    pub context: Map<String, Value>,
    /// A test call.
    pub is_testing: bool,
    /// The status now.
    pub status: Status,
    /// When it was created.
    pub created_at: Micros,
    /// When it was dialled.
    pub dialled_at: Option<Micros>,
    /// When it was answered.
    pub answered_at: Option<Micros>,
    /// When it was over.
    pub ended_at: Option<Micros>,
    /// Who or what ended it.
    pub ended_by: Option<EndedBy>,
    /// When the first effective end-call request was accepted.
    pub hangup_accepted_at: Option<Micros>,
    /// Every status it had, oldest first.
    pub changes: Vec<Change>,
    /// Every event it gave rise to, sent or not, oldest first.
    pub events: Vec<Emitted>,
    #[serde(skip)]
    pub(super) talking: bool,
    #[serde(skip)]
    pub(super) silent: bool,
}

/// A call's status, as the platform's pages name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the platform's own")]
pub enum Status {
    Initiated,
    Queued,
    Scheduled,
    Ringing,
    Answered,
    Completed,
    Failed,
    Busy,
    NoAnswer,
}

/// Who or what ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndedBy {
    /// Its script.
    Script,
    /// An end-call request.
    EndCall,
    /// The other side, by way of the control API.
    Caller,
}

/// A status and since when.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Change {
    /// Since when.
    pub at: Micros,
    /// The status.
    pub status: Status,
}

/// An event and its time.
#[derive(Clone, Debug, Serialize)]
pub struct Emitted {
    /// When it happened.
    pub at: Micros,
    /// Its name.
    pub event: String,
}

impl Call {
    /// Whether nobody can end it any more.
    pub fn is_over(&self) -> bool {
        self.status.is_over()
    }

    /// The status it had at an instant, and since when; none before it was created.
    pub fn status_at(&self, at: Micros) -> Option<Change> {
        self.changes.iter().rev().find(|change| change.at <= at).copied()
    }

    pub(super) fn turn(&mut self, status: Status, at: Micros) {
        self.status = status;
        self.changes.push(Change { at, status });
    }

    /// Seconds from the answer to the end, or to now.
    pub(super) fn seconds(&self, now: Micros) -> u64 {
        let until = self.ended_at.unwrap_or(now);
        self.answered_at.map_or(0, |since| until.saturating_sub(since) / 1_000_000)
    }
}

impl Status {
    /// Every status a call can have.
    pub const ALL: [Self; 9] = [
        Self::Initiated,
        Self::Queued,
        Self::Scheduled,
        Self::Ringing,
        Self::Answered,
        Self::Completed,
        Self::Failed,
        Self::Busy,
        Self::NoAnswer,
    ];

    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initiated => "initiated",
            Self::Queued => "queued",
            Self::Scheduled => "scheduled",
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
        }
    }

    /// The status of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether a call of this status has ended.
    pub fn is_over(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Busy | Self::NoAnswer => true,
            Self::Initiated | Self::Queued | Self::Scheduled | Self::Ringing | Self::Answered => {
                false
            }
        }
    }

    /// Whether end-call can end it.
    pub fn can_be_ended(self) -> bool {
        matches!(self, Self::Ringing | Self::Answered)
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
