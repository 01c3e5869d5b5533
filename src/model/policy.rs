//! The policy in force: which limits a call has, and how a stop is carried out (spec §3, §6, §7).

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{event::EventKind, ids::AgentId};

/// All that decisions about calls rest on besides the calls themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// For calls that no rule matches (spec §6).
    pub limits: Limits,
    /// How stops are confirmed and given up.
    pub enforcement: Enforcement,
    /// `webhook.max_age`: an event's own time is believed up to this age (spec §4).
    pub max_age: Duration,
}

/// The longest times a call may go on after its marks (spec §6); what is `None` does not limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// From the earliest sign of the call.
    pub total: Option<Duration>,
    /// From *started*, until it connects.
    pub ringing: Option<Duration>,
    /// From *connected*.
    pub connected: Option<Duration>,
    /// From *talking*.
    pub talking: Option<Duration>,
    /// From *voicemail*.
    pub voicemail: Option<Duration>,
    /// From *connected*, until *talking*.
    pub no_conversation: Option<Duration>,
    /// From the last time of an event, until its counterpart; each event once, in stored order.
    pub after: Vec<(EventKind, Duration)>,
}

/// `[enforcement]` (spec §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enforcement {
    /// How long to wait for the end's webhook before asking the platform.
    pub confirm_within: Duration,
    /// How long to go on with a stop that the platform answers but does not carry out.
    pub give_up_after: Duration,
}

/// Which of the calls that only the platform's list shows are taken on (`enforcement.adopt`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Adopt {
    /// Every call.
    #[default]
    All,
    /// Calls of agents in a rule, or heard of by webhook.
    Known,
    /// Calls of these agents.
    Agents(Vec<AgentId>),
}

/// Which limit a deadline comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// `total`
    Total,
    /// `ringing`
    Ringing,
    /// `connected`
    Connected,
    /// `talking`
    Talking,
    /// `voicemail`
    Voicemail,
    /// `no_conversation`
    NoConversation,
    /// `after.<event>`
    After(EventKind),
    /// An operator's word, which stands above every limit.
    Operator,
}

impl fmt::Display for Limit {
    /// The name of the config key; `operator` for an operator's deadline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total => f.write_str("total"),
            Self::Ringing => f.write_str("ringing"),
            Self::Connected => f.write_str("connected"),
            Self::Talking => f.write_str("talking"),
            Self::Voicemail => f.write_str("voicemail"),
            Self::NoConversation => f.write_str("no_conversation"),
            Self::After(kind) => write!(f, "after.{}", kind.short_name()),
            Self::Operator => f.write_str("operator"),
        }
    }
}

impl Limit {
    /// The limit of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "total" => Self::Total,
            "ringing" => Self::Ringing,
            "connected" => Self::Connected,
            "talking" => Self::Talking,
            "voicemail" => Self::Voicemail,
            "no_conversation" => Self::NoConversation,
            "operator" => Self::Operator,
            _ => Self::After(EventKind::from_short_name(name.strip_prefix("after.")?)?),
        })
    }
}

impl Serialize for Limit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("unknown limit {name:?}")))
    }
}
