//! Where webhooks go: those set up through the platform's API, and the sim's own target.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::clock::Micros;

/// The events that a webhook of an agent's can ask for.
pub(super) const EVENTS: [&str; 22] = [
    "event_phone_call_started",
    "event_phone_call_connected",
    "event_phone_call_ended",
    "event_phone_call_did_not_connect",
    "event_phone_call_disconnected",
    "event_phone_call_error",
    "event_voicemail_detected",
    "event_voicemail_message_left",
    "event_conversation_started",
    "event_conversation_ended",
    "event_participant_joined",
    "event_participant_left",
    "event_user_connected",
    "event_user_disconnected",
    "event_client_connected",
    "event_client_disconnected",
    "event_connection_established",
    "event_connection_closed",
    "event_connection_error",
    "event_action",
    "event_action_failed",
    "event_recording",
];

/// The id of the sim's own target.
pub(super) const DEFAULT: &str = "default";

/// Where deliveries go and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookTarget {
    /// An `http://` URL; `{agent_id}`, `{event}` and `{call_id}` are filled in.
    pub url: String,
    /// Deliveries are signed with it.
    pub secret: Option<String>,
    /// `POST`, `PUT` or `PATCH`.
    pub method: String,
    /// Sent with each delivery.
    pub headers: Vec<Header>,
    /// The events wanted; none named: all.
    pub events: Vec<String>,
    /// How long to wait for an answer.
    pub timeout_seconds: u64,
    /// How often to try again.
    pub max_retries: u32,
    /// Per event, a body to be filled in instead of the usual one.
    pub templates: Map<String, Value>,
}

/// One custom header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// A webhook of one agent, or of all.
#[derive(Clone, Debug)]
pub(super) struct Webhook {
    pub(super) id: String,
    /// None: every agent's, and not to be seen through the platform's API.
    pub(super) agent: Option<String>,
    pub(super) name: String,
    pub(super) is_enabled: bool,
    pub(super) scheme: String,
    pub(super) created_at: Micros,
    pub(super) updated_at: Micros,
    pub(super) target: WebhookTarget,
}

/// One delivery in the platform's own log.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) seq: u64,
    pub(super) webhook: String,
    pub(super) event: String,
    pub(super) call: String,
    pub(super) agent: String,
    pub(super) status: LogStatus,
    pub(super) attempt: u32,
    pub(super) http_status: Option<u16>,
    pub(super) duration_ms: Option<u64>,
    pub(super) body: String,
    pub(super) created_at: Micros,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogStatus {
    Pending,
    Success,
    Failed,
    Retrying,
}

impl Default for WebhookTarget {
    fn default() -> Self {
        Self {
            url: String::new(),
            secret: None,
            method: "POST".to_owned(),
            headers: Vec::new(),
            events: Vec::new(),
            timeout_seconds: 30,
            max_retries: 3,
            templates: Map::new(),
        }
    }
}

impl WebhookTarget {
    /// A target that wants all events, signed if there is a secret.
    pub fn new(url: impl Into<String>, secret: Option<&str>) -> Self {
        Self { url: url.into(), secret: secret.map(str::to_owned), ..Self::default() }
    }

    pub(super) fn url_for(&self, agent: &str, event: &str, call: &str) -> String {
        self.url.replace("{agent_id}", agent).replace("{event}", event).replace("{call_id}", call)
    }
}

impl Webhook {
    /// The sim's own target, as a webhook of every agent.
    pub(super) fn of_all(target: WebhookTarget, now: Micros) -> Self {
        Self {
            id: DEFAULT.to_owned(),
            agent: None,
            name: "the sim's own target".to_owned(),
            is_enabled: true,
            scheme: "none".to_owned(),
            created_at: now,
            updated_at: now,
            target,
        }
    }

    pub(super) fn wants(&self, agent: &str, event: &str) -> bool {
        let events = &self.target.events;
        self.is_enabled
            && self.agent.as_deref().is_none_or(|only| only == agent)
            && (events.is_empty() || events.iter().any(|wanted| wanted == event))
    }
}

impl Log {
    pub(super) fn id(&self) -> String {
        format!("log-{}", self.seq)
    }
}

impl LogStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Retrying => "retrying",
        }
    }
}
