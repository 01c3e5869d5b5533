//! Where a webhook's body keeps its fields: JSON Pointers (RFC 6901), of which the first that hits
//! wins (spec §4; `[webhook.fields]`, §3).

use serde_json::Value;
use thiserror::Error;

/// The four places where any other field may stand.
macro_rules! usual_places {
    ($($name:literal),+) => {
        &[$(
            concat!("/", $name),
            concat!("/call/", $name),
            concat!("/data/", $name),
            concat!("/data/call/", $name),
        )+]
    };
}
/// A field that is looked for in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The event's name.
    Event,
    /// The platform's id of the call.
    CallId,
    /// The provider's sid of the call.
    Sid,
    /// The agent's id.
    Agent,
    /// When it happened.
    Time,
    /// The callee's number.
    To,
    /// The caller's number.
    From,
    /// `inbound` or `outbound`.
    Direction,
    /// The campaign's id.
    Campaign,
    /// The context that the dialler gave the call.
    Context,
    /// Whether it is a test call.
    Testing,
    /// Why the call ended.
    EndedReason,
}

impl Field {
    /// Every field, in the order of the spec.
    pub const ALL: [Self; 12] = [
        Self::Event,
        Self::CallId,
        Self::Sid,
        Self::Agent,
        Self::Time,
        Self::To,
        Self::From,
        Self::Direction,
        Self::Campaign,
        Self::Context,
        Self::Testing,
        Self::EndedReason,
    ];

    /// Its key in `[webhook.fields]`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::CallId => "call_id",
            Self::Sid => "sid",
            Self::Agent => "agent",
            Self::Time => "time",
            Self::To => "to",
            Self::From => "from",
            Self::Direction => "direction",
            Self::Campaign => "campaign",
            Self::Context => "context",
            Self::Testing => "testing",
            Self::EndedReason => "ended_reason",
        }
    }

    /// The field of a key in `[webhook.fields]`.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.key() == key)
    }

    /// Where it is looked for unless the config says otherwise (spec §4).
    #[must_use]
    pub fn default_places(self) -> &'static [&'static str] {
        match self {
            Self::Event => &["/event", "/event_type", "/type", "/data/event"],
            Self::CallId => &["/call_id", "/call/id", "/data/call_id", "/data/call/id", "/data/id"],
            Self::Sid => &["/call_sid", "/data/call_sid", "/sid"],
            Self::Agent => {
                &["/agent_id", "/agent/id", "/call/agent_id", "/data/agent_id", "/data/agent/id"]
            }
            Self::Time => &["/timestamp", "/occurred_at", "/data/timestamp"],
            Self::To => usual_places!("to", "to_phone_number"),
            Self::From => usual_places!("from"),
            Self::Direction => usual_places!("direction"),
            Self::Campaign => usual_places!("campaign_id"),
            Self::Context => usual_places!("context"),
            Self::Testing => usual_places!("is_testing"),
            Self::EndedReason => usual_places!("ended_reason"),
        }
    }
}

/// Where each field is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointers([Box<[Pointer]>; Field::ALL.len()]);

impl Pointers {
    /// Looks for `field` at `places` alone, in this order; at none of them if the list is empty.
    pub fn replace(&mut self, field: Field, places: Vec<Pointer>) {
        self.0[field as usize] = places.into();
    }

    /// Where `field` is looked for, in order.
    #[must_use]
    pub fn of(&self, field: Field) -> &[Pointer] {
        &self.0[field as usize]
    }
}

impl Default for Pointers {
    /// The places of spec §4.
    fn default() -> Self {
        Self(Field::ALL.map(|field| {
            field
                .default_places()
                .iter()
                .map(|text| Pointer::parse(text).expect("a test parses every default"))
                .collect()
        }))
    }
}

/// A JSON Pointer (RFC 6901), taken apart once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    text: Box<str>,
    tokens: Box<[Box<str>]>,
}

impl Pointer {
    /// Reads a pointer.
    ///
    /// # Errors
    ///
    /// [`PointerError`] where `text` is none by RFC 6901.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        let tokens = match text.strip_prefix('/') {
            Some(rest) => rest
                .split('/')
                .map(|token| unescaped(token).ok_or_else(|| PointerError::Escape(text.to_owned())))
                .collect::<Result<_, _>>()?,
            None if text.is_empty() => Box::default(),
            None => return Err(PointerError::NoSlash(text.to_owned())),
        };
        Ok(Self { text: text.into(), tokens })
    }

    /// The pointer as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The value that it points to.
    #[must_use]
    pub fn find<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        self.tokens.iter().try_fold(root, |value, token| match value {
            Value::Object(members) => members.get(&**token),
            Value::Array(items) => items.get(index(token)?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })
    }
}

/// A reference token with `~1` and `~0` read; `None` where a `~` stands for nothing.
fn unescaped(token: &str) -> Option<Box<str>> {
    let mut parts = token.split('~');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (c, rest) = match part.strip_prefix('0') {
            Some(rest) => ('~', rest),
            None => ('/', part.strip_prefix('1')?),
        };
        text.push(c);
        text.push_str(rest);
    }
    Some(text.into())
}

/// A list's index: decimal digits without a leading zero.
fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || !token.starts_with(['0', '+']);
    plain.then(|| token.parse().ok()).flatten()
}

/// Text that is no JSON Pointer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PointerError {
    /// It begins with something else than a slash.
    #[error("{0:?} is no JSON Pointer: it must begin with /")]
    NoSlash(String),
    /// A `~` that is followed by neither 0 nor 1.
    #[error("{0:?} is no JSON Pointer: write ~0 for ~ and ~1 for /")]
    Escape(String),
}
