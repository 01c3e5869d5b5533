//! What the platform says, as data: the answer to an end-call request, a row of its lists, what a
//! look-up brought (the platform's pages *end-call*, *list-calls*, *get-active-call*).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    ids::{AgentId, CallId},
    time::Wall,
};

/// The answer to an end-call request (spec §7 *Answers*). No answer at all is one too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 2xx JSON without `success:false`: the hang-up is accepted, the end follows.
    Accepted,
    /// 409: not active, by the platform's books.
    NotActive,
    /// 404 whose JSON `message` contains `call not found`.
    NotFound,
    /// What did not get as far as the call.
    Failed(Failure),
}

/// Why a request told us nothing about the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 401 or 403.
    Unauthorized {
        /// The HTTP status.
        status: u16,
    },
    /// A redirect, HTML where JSON belongs, or a 404 that speaks of no call: `base_url`,
    /// environment or agent are wrong.
    Misdirected {
        /// The HTTP status.
        status: u16,
    },
    /// 429.
    RateLimited {
        /// How long to pause, as the answer says; `None` where it gives no hint.
        pause: Option<Duration>,
    },
    /// 5xx.
    ServerError {
        /// The HTTP status.
        status: u16,
    },
    /// No answer within `platform.timeout`.
    Timeout,
    /// The connection was cut after the request was sent and before an answer came.
    Cut,
    /// The platform could not be reached: the request never left.
    Network,
    /// Anything else: another status, a body that cannot be read, `success:false`.
    Other {
        /// The HTTP status.
        status: u16,
        /// The platform's own message, cut short; empty where it gave none.
        message: String,
    },
}

impl Failure {
    /// Whether it is about the token or the address: it says nothing of the call, and as long as it
    /// lasts nothing is given up (spec §7).
    #[must_use]
    pub fn is_misled(&self) -> bool {
        matches!(self, Self::Unauthorized { .. } | Self::Misdirected { .. })
    }

    /// Whether the request may have taken effect although no answer told so.
    #[must_use]
    pub fn answer_lost(&self) -> bool {
        match self {
            Self::Timeout | Self::Cut => true,
            // A gateway that gave up waiting knows no more than we do.
            Self::ServerError { status } => matches!(status, 502 | 504),
            Self::Unauthorized { .. }
            | Self::Misdirected { .. }
            | Self::RateLimited { .. }
            | Self::Network
            | Self::Other { .. } => false,
        }
    }
}

/// What the answer's headers tell besides, whatever the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// `X-RateLimit-Limit`.
    pub limit: Option<u32>,
    /// `X-RateLimit-Remaining`.
    pub remaining: Option<u32>,
    /// `X-RateLimit-Reset`, as time left from now (given in seconds left or as epoch seconds).
    pub reset: Option<Duration>,
    /// `Date`, in whole seconds.
    pub date: Option<Wall>,
}

/// A call's status in a row. What is not known to be over is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Placed, not yet dialled: it has no *started*.
    Initiated,
    /// Of a campaign: waiting for its turn.
    Queued,
    /// Of a campaign: waiting for its time.
    Scheduled,
    /// The phone rings.
    Ringing,
    /// Somebody answered.
    Answered,
    /// The same, by another page's word.
    InProgress,
    /// Over.
    Completed,
    /// Over; it never connected.
    Failed,
    /// Over; it never connected.
    Busy,
    /// Over; it never connected.
    NoAnswer,
    /// Any other word, `ready` and `external` among them.
    Other,
}

impl Status {
    /// Reads the platform's word.
    #[must_use]
    pub fn read(word: &str) -> Self {
        match word {
            "initiated" => Self::Initiated,
            "queued" => Self::Queued,
            "scheduled" => Self::Scheduled,
            "ringing" => Self::Ringing,
            "answered" => Self::Answered,
            "in-progress" => Self::InProgress,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "busy" => Self::Busy,
            "no-answer" => Self::NoAnswer,
            _ => Self::Other,
        }
    }

    /// The platform's word; `other` where we do not know it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Initiated => "initiated",
            Self::Queued => "queued",
            Self::Scheduled => "scheduled",
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Other => "other",
        }
    }

    /// Whether the call is over.
    #[must_use]
    pub fn is_over(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Busy | Self::NoAnswer => true,
            Self::Initiated
            | Self::Queued
            | Self::Scheduled
            | Self::Ringing
            | Self::Answered
            | Self::InProgress
            | Self::Other => false,
        }
    }

    /// Whether somebody answered, and the call goes on.
    #[must_use]
    pub fn is_connected(self) -> bool {
        matches!(self, Self::Answered | Self::InProgress)
    }

    /// Whether the phone has not rung yet.
    #[must_use]
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::Initiated | Self::Queued | Self::Scheduled)
    }
}

/// One row of the platform's lists, or of active-call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The call's id.
    pub id: CallId,
    /// The provider's `sid`.
    pub sid: Option<CallId>,
    /// The agent that owns the call (from the row, or from the address that was asked).
    pub agent: Option<AgentId>,
    /// The callee.
    pub to: Option<Box<str>>,
    /// The caller.
    pub from: Option<Box<str>>,
    /// `inbound` or `outbound`.
    pub direction: Option<Box<str>>,
    /// Whether it is a test call.
    pub testing: Option<bool>,
    /// Its status when the row was made.
    pub status: Status,
    /// When it began to ring (active-call only).
    pub started_at: Option<Wall>,
    /// When it was placed, which may be long before it rings.
    pub created_at: Option<Wall>,
    /// When the row last changed.
    pub updated_at: Option<Wall>,
}

impl Row {
    /// Whether it names this call, by its id or by its sid.
    #[must_use]
    pub fn names(&self, call: &CallId) -> bool {
        self.id == *call || self.sid.as_ref() == Some(call)
    }
}

/// One page of what was delivered to a webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryPage {
    /// Its deliveries.
    pub deliveries: Vec<Delivered>,
    /// The last page there is.
    pub last_page: u32,
}

/// What the platform's log says of one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The log's id.
    pub id: String,
    /// The event's name.
    pub event: Option<String>,
    /// Whether we took it.
    pub succeeded: bool,
    /// When it was first tried.
    pub at: Option<Wall>,
    /// The body that was sent, as JSON text.
    pub body: String,
}

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Its rows.
    pub rows: Vec<Row>,
    /// The last page there is.
    pub last_page: u32,
    /// Rows that could not be read (no valid id), for the log.
    pub unreadable: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::scene::row;

    /// Each word: whether the call is over, answered, has not rung.
    const WORDS: [(&str, Status, bool, bool, bool); 11] = [
        ("initiated", Status::Initiated, false, false, true),
        ("queued", Status::Queued, false, false, true),
        ("scheduled", Status::Scheduled, false, false, true),
        ("ringing", Status::Ringing, false, false, false),
        ("answered", Status::Answered, false, true, false),
        ("in-progress", Status::InProgress, false, true, false),
        ("completed", Status::Completed, true, false, false),
        ("failed", Status::Failed, true, false, false),
        ("busy", Status::Busy, true, false, false),
        ("no-answer", Status::NoAnswer, true, false, false),
        ("other", Status::Other, false, false, false),
    ];

    #[test]
    fn what_is_not_known_to_be_over_is_active() {
        for (word, status, is_over, is_connected, is_waiting) in WORDS {
            assert_eq!((Status::read(word), status.name()), (status, word));
            let says = (status.is_over(), status.is_connected(), status.is_waiting());
            assert_eq!(says, (is_over, is_connected, is_waiting), "{word}");
        }
        assert_eq!(Status::read("ready"), Status::Other);
    }

    #[test]
    fn a_failure_says_whether_the_request_may_have_taken_effect_and_whether_it_got_there() {
        let other = Failure::Other { status: 400, message: String::new() };
        for (failure, is_lost, is_misled) in [
            (Failure::Timeout, true, false),
            (Failure::Cut, true, false),
            (Failure::ServerError { status: 502 }, true, false),
            (Failure::ServerError { status: 504 }, true, false),
            (Failure::ServerError { status: 500 }, false, false),
            (Failure::Network, false, false),
            (Failure::RateLimited { pause: None }, false, false),
            (other, false, false),
            (Failure::Unauthorized { status: 403 }, false, true),
            (Failure::Misdirected { status: 302 }, false, true),
        ] {
            let says = (failure.answer_lost(), failure.is_misled());
            assert_eq!(says, (is_lost, is_misled), "{failure}");
        }
    }

    #[test]
    fn a_row_names_a_call_by_its_id_or_its_sid() {
        let id = |text| CallId::parse(text).unwrap();
        let row = Row { sid: Some(id("CA1")), ..row("a", Status::Ringing) };
        assert!(row.names(&id("a")) && row.names(&id("CA1")) && !row.names(&id("b")));
    }
}
