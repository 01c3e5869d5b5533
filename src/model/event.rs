//! What can be heard of a call by webhook: the platform's 22 events (its page *create-webhook*).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    ids::{AgentId, CallId},
    time::Wall,
};

/// One event of a call, as read from a webhook's body and path (spec §4).
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// What happened.
    pub kind: EventKind,
    /// Which call it happened to.
    pub call: CallName,
    /// The agent that owns the call.
    pub agent: Option<AgentId>,
    /// The event's own time. Whether it is believed is the call's to decide.
    pub time: Option<Wall>,
    /// What else was told.
    pub details: Details,
    /// How it came to us.
    pub via: Via,
}

/// How an event came to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// By a webhook.
    #[default]
    Webhook,
    /// From the platform's delivery log (spec §8).
    Log {
        /// When the platform first tried to deliver it.
        tried: Option<Wall>,
    },
}

impl Heard {
    /// When it arrived, or should have: one from the delivery log counts as if it had come when the
    /// platform first tried to deliver it.
    #[must_use]
    pub fn arrival(&self, now: Wall) -> Wall {
        match self.via {
            Via::Log { tried: Some(at) } => at.uncut().min(now),
            Via::Log { tried: None } | Via::Webhook => now,
        }
    }
}

/// How an event names its call: by the platform's id, the provider's sid, or both (spec §1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallName {
    /// By its id alone.
    Id(CallId),
    /// By its sid alone.
    Sid(CallId),
    /// By both.
    Both {
        /// The platform's id.
        id: CallId,
        /// The provider's sid.
        sid: CallId,
    },
}

/// What an event tells of its call besides its kind; empty strings count as untold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// The callee's number.
    pub to: Option<Box<str>>,
    /// The caller's number.
    pub from: Option<Box<str>>,
    /// `inbound` or `outbound`.
    pub direction: Option<Box<str>>,
    /// The campaign's id.
    pub campaign: Option<Box<str>>,
    /// Whether it is a test call.
    pub testing: Option<bool>,
    /// The context that the dialler gave the call.
    pub context: Option<serde_json::Value>,
    /// Why it ended, in the platform's words.
    pub ended_reason: Option<Box<str>>,
}

macro_rules! kinds {
    ($( $variant:ident $name:literal ),+ $(,)?) => {
        /// One of the platform's events about a call.
        ///
        /// The order is the stored one: variants are only ever added at the end.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind { $(
            #[doc = concat!("`event_", $name, "`")]
            $variant
        ),+ }

        impl EventKind {
            /// Every kind, in stored order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name without `event_`, as `after.<event>` in the config has it (spec §6).
            #[must_use]
            pub fn short_name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The platform's name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => concat!("event_", $name)),+ }
            }

            /// The kind of a name without `event_`.
            #[must_use]
            pub fn from_short_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
kinds! {
    Started "phone_call_started",
    Connected "phone_call_connected",
    Ended "phone_call_ended",
    DidNotConnect "phone_call_did_not_connect",
    Disconnected "phone_call_disconnected",
    Error "phone_call_error",
    VoicemailDetected "voicemail_detected",
    VoicemailMessageLeft "voicemail_message_left",
    ConversationStarted "conversation_started",
    ConversationEnded "conversation_ended",
    ParticipantJoined "participant_joined",
    ParticipantLeft "participant_left",
    UserConnected "user_connected",
    UserDisconnected "user_disconnected",
    ClientConnected "client_connected",
    ClientDisconnected "client_disconnected",
    ConnectionEstablished "connection_established",
    ConnectionClosed "connection_closed",
    ConnectionError "connection_error",
    Action "action",
    ActionFailed "action_failed",
    Recording "recording",
}

impl EventKind {
    /// The kind of the platform's name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        name.strip_prefix("event_").and_then(Self::from_short_name)
    }

    /// The event that undoes this one: it ends `after.<this>` when it comes later (spec §6).
    #[must_use]
    pub fn counterpart(self) -> Option<Self> {
        match self {
            Self::Disconnected => Some(Self::Connected),
            Self::ConversationEnded => Some(Self::ConversationStarted),
            Self::ParticipantLeft => Some(Self::ParticipantJoined),
            Self::UserDisconnected => Some(Self::UserConnected),
            Self::ClientDisconnected => Some(Self::ClientConnected),
            Self::ConnectionClosed => Some(Self::ConnectionEstablished),
            Self::Started
            | Self::Connected
            | Self::Ended
            | Self::DidNotConnect
            | Self::Error
            | Self::VoicemailDetected
            | Self::VoicemailMessageLeft
            | Self::ConversationStarted
            | Self::ParticipantJoined
            | Self::UserConnected
            | Self::ClientConnected
            | Self::ConnectionEstablished
            | Self::ConnectionError
            | Self::Action
            | Self::ActionFailed
            | Self::Recording => None,
        }
    }

    /// The event that this one undoes.
    #[must_use]
    pub fn undoes(self) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.counterpart() == Some(self))
    }

    /// Whether the call is over once this was heard (spec §4).
    #[must_use]
    pub fn ends_call(self) -> bool {
        matches!(self, Self::Ended | Self::DidNotConnect)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for EventKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.short_name())
    }
}

impl<'de> Deserialize<'de> for EventKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_short_name(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("unknown event {name:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_22_events_and_each_is_found_by_its_name() {
        assert_eq!(EventKind::ALL.len(), 22);
        for &kind in EventKind::ALL {
            assert_eq!(EventKind::from_name(kind.name()), Some(kind));
            assert_eq!(EventKind::from_short_name(kind.short_name()), Some(kind));
        }
        assert_eq!(EventKind::from_name("phone_call_ended"), None);
    }

    #[test]
    fn a_counterpart_is_undone_by_nothing() {
        for &kind in EventKind::ALL {
            if let Some(counterpart) = kind.counterpart() {
                assert_eq!(counterpart.undoes(), Some(kind));
                assert_eq!(counterpart.counterpart(), None);
            }
        }
    }

    #[test]
    fn six_events_are_undone_by_their_counterparts_and_two_end_a_call() {
        let has =
            |is: fn(&EventKind) -> bool| EventKind::ALL.iter().filter(|kind| is(kind)).count();
        assert_eq!(has(|kind| kind.counterpart().is_some()), 6);
        assert_eq!(has(|kind| kind.undoes().is_some()), 6);
        assert_eq!(has(|kind| kind.ends_call()), 2);
        assert_eq!(EventKind::Connected.undoes(), Some(EventKind::Disconnected));
        assert!(EventKind::Ended.ends_call() && EventKind::DidNotConnect.ends_call());
    }

    #[test]
    fn it_is_shown_by_its_whole_name_and_stored_by_its_short_one() {
        let kind = EventKind::Ended;
        assert_eq!(kind.to_string(), "event_phone_call_ended");
        assert_eq!(serde_json::to_string(&kind).unwrap(), r#""phone_call_ended""#);
        assert_eq!(serde_json::from_str::<EventKind>(r#""phone_call_ended""#).unwrap(), kind);
        assert!(serde_json::from_str::<EventKind>(r#""event_phone_call_ended""#).is_err());
    }
}
