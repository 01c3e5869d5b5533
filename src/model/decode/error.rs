//! Why a webhook cannot be read, in words that say where each field was looked for (spec §4).

use thiserror::Error;

use crate::model::{event::EventKind, ids::IdError};

/// Why a body cannot be taken in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The body is not JSON, or nested too deeply; with what the parser says of it.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// Neither body nor path names an event.
    #[error("no event is named: looked at {looked} and in the path, {found}")]
    NoEvent {
        /// The places in the body.
        looked: String,
        /// What was there instead.
        found: String,
    },
    /// A used event without any call id.
    #[error("{event} has no call id: looked at {looked}, {found}")]
    NoCall {
        /// The event.
        event: EventKind,
        /// The places in the body.
        looked: String,
        /// What was there instead.
        found: String,
    },
    /// A used event with an id that no call or agent can have.
    #[error(
        "{event} has no valid {what} id: looked at {looked}, found {found} {place}, it {problem}"
    )]
    BadId {
        /// The event.
        event: EventKind,
        /// Whose id: `call` or `agent`.
        what: &'static str,
        /// The places in the body.
        looked: String,
        /// `at` a pointer, or `in the path`.
        place: String,
        /// The id, escaped and cut.
        found: String,
        /// What is wrong with it.
        problem: IdError,
    },
}

impl ReadError {
    /// The `code` of the answer.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "not_json",
            Self::NoEvent { .. } => "no_event",
            Self::NoCall { .. } => "no_call_id",
            Self::BadId { .. } => "invalid_id",
        }
    }

    /// The event's name as a metrics label; `none` where none is known (spec §9).
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::NotJson(_) | Self::NoEvent { .. } => "none",
            Self::NoCall { event, .. } | Self::BadId { event, .. } => event.name(),
        }
    }
}
