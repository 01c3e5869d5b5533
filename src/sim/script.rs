//! What a simulated call will do, fixed when it is placed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::span::Span;

/// The script of one call. All of it has defaults: an empty script is an outbound call of
/// `agent-1` that rings for 100 ms, is answered, talks at once and goes on until somebody ends it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// The agent that owns the call; made up if there is no such agent yet.
    pub agent: String,
    /// The campaign it belongs to; made up likewise.
    pub campaign: Option<String>,
    /// Who called whom.
    pub direction: Direction,
    /// The number called; drawn if absent.
    pub to: Option<String>,
    /// The number calling; drawn if absent.
    pub from: Option<String>,
    /// Echoed in every webhook.
    pub context: Map<String, Value>,
    /// A test call.
    pub is_testing: bool,
    /// The call's id; drawn if absent or taken.
    pub id: Option<String>,
    /// The provider's id; drawn if absent or taken.
    pub sid: Option<String>,
    /// From creation to dialling.
    pub delay: Span,
    /// From dialling to the answer, or to giving up.
    pub rings: Span,
    /// What becomes of the ringing.
    pub fate: Fate,
    /// From the answer to the conversation; absent: nobody ever talks.
    pub talks_after: Option<Span>,
    /// From the answer to the voicemail detection; absent: no voicemail.
    pub voicemail_after: Option<Span>,
    /// From the answer to the end; absent: until somebody ends it.
    pub lasts: Option<Span>,
    /// Further events, timed from the answer.
    pub events: Vec<Extra>,
    /// Sends no webhook at all, and leaves no trace in the delivery logs.
    pub silent: bool,
}

/// Who called whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The agent calls.
    #[default]
    Outbound,
    /// The agent is called.
    Inbound,
}

/// What becomes of the ringing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Somebody, or a voicemail, answers.
    #[default]
    Answered,
    /// Nobody answers: `no-answer`.
    NoAnswer,
    /// The line is busy.
    Busy,
    /// The call fails.
    Failed,
    /// It rings until somebody ends it.
    RingsOn,
}

/// One further event of a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    /// From the answer.
    pub after: Span,
    /// The event's name, such as `event_participant_left`.
    pub event: String,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            agent: "agent-1".to_owned(),
            campaign: None,
            direction: Direction::Outbound,
            to: None,
            from: None,
            context: Map::new(),
            is_testing: false,
            id: None,
            sid: None,
            delay: Span::default(),
            rings: Duration::from_millis(100).into(),
            fate: Fate::Answered,
            talks_after: Some(Span::default()),
            voicemail_after: None,
            lasts: None,
            events: Vec::new(),
            silent: false,
        }
    }
}

impl Direction {
    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_short_to_write() {
        let script: Script = serde_json::from_str(
            r#"{"rings":"1s..3s","voicemail_after":"2s","lasts":"1m","context":{"plan":"trial"}}"#,
        )
        .unwrap();
        assert_eq!(script.rings.to_string(), "1s..3s");
        assert_eq!(script.agent, "agent-1");
        assert!(serde_json::from_str::<Script>(r#"{"ring":"1s"}"#).is_err());
    }
}
