//! What can go wrong, as data: one fault, when it strikes and whom.

use std::fmt;

use super::{answer::Shape, call::Status, limiter::RateLimit, span::Span};

/// One fault or habit of the platform's. Written as `NAME[=VALUE][,KEY=VALUE…]`, see
/// [`KNOWN`](super::fault_table::KNOWN) for the names; the keys are `chance`, `count`, `scope`,
/// `call` and `event`.
#[derive(Clone, Debug)]
pub struct Fault {
    pub(super) kind: FaultKind,
    /// From 0 to 1: how likely it strikes where it could.
    pub(super) chance: f64,
    /// How often it strikes before it is spent.
    pub(super) count: Option<u32>,
    /// Which requests it strikes.
    pub(super) scope: Scope,
    /// Strikes only this call's requests and webhooks.
    pub(super) call: Option<String>,
    /// Strikes only this event's webhooks.
    pub(super) event: Option<String>,
    /// As it was written.
    pub(super) text: String,
}

/// What a fault does. Every variant but the first two is a habit: it holds as long as it is set.
#[derive(Clone, Debug)]
pub(super) enum FaultKind {
    Latency(Span),
    Interfere(Interference),
    Webhook(WebhookFault),
    RateLimit(RateLimit),
    HangupLatency(Span),
    EndCallTakesSid,
    ErrorShape(Option<Shape>),
    DateOffset(i64),
    ListLag(Span),
    ListOmits,
    ListShifts(i64),
    ListOldestFirst,
    ListMeta,
    ListFindsIds,
    StatusAs(Status, String),
    PreciseTimes,
    RetrySpacing(Span),
    SignatureHeader(String),
    SignatureEncoding(Encoding),
    SignaturePrefix(String),
    SignatureMissing,
    SignatureWrong,
    EventInPath,
    MeagreBody,
}

/// What happens to one request instead of, or after, its proper handling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interference {
    /// No effect, no answer.
    Hang,
    /// No effect, the connection is cut.
    Cut,
    /// No effect, refused.
    Refuse(Refused),
    /// No effect, 200 with an HTML page.
    Html,
    /// No effect, a foreign 404 page.
    HtmlNotFound,
    /// No effect, 302 to the login page.
    Redirect,
    /// No effect, 200 with `success: false`.
    SuccessFalse,
    /// The proper answer, but a call asked to end goes on.
    Ineffective,
    /// The effect, no answer.
    LoseAnswer,
    /// The effect, then the connection is cut.
    LoseAnswerCut,
    /// The effect, then the connection is cut within the body.
    CutBody,
}

/// With what a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Unauthorized,
    TokenExpired,
    PaymentRequired,
    Forbidden,
    UnknownRoute,
    UnknownAgent,
    UnknownCall,
    NotActive,
    Unprocessable,
    RateLimited,
    ServerError,
    Status(u16),
}

/// What happens to one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WebhookFault {
    /// Never sent; the log says failed.
    Lost,
    /// Never sent, and not logged.
    Vanished,
    /// Sent so much later.
    Late(Span),
    /// Sent twice.
    Doubled,
    /// Held until the call is over.
    AfterEnd,
}

/// How a signature is spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Hex,
    UpperHex,
    Base64,
}

/// A family of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All but `health`.
    All,
    EndCall,
    Lists,
    ActiveCall,
    /// Placing calls.
    Place,
    /// Agents and campaigns.
    Agents,
    /// Webhooks and their logs.
    Webhooks,
    Health,
    /// No route of the platform's.
    Unknown,
}

impl Fault {
    /// Its name, without value and keys.
    pub fn name(&self) -> &str {
        self.text.split(['=', ',']).next().unwrap_or_default()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Scope {
    pub(super) const ALL: [Self; 9] = [
        Self::All,
        Self::EndCall,
        Self::Lists,
        Self::ActiveCall,
        Self::Place,
        Self::Agents,
        Self::Webhooks,
        Self::Health,
        Self::Unknown,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::EndCall => "end-call",
            Self::Lists => "lists",
            Self::ActiveCall => "active-call",
            Self::Place => "place",
            Self::Agents => "agents",
            Self::Webhooks => "webhooks",
            Self::Health => "health",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a fault of this scope strikes requests of that family.
    pub(super) fn covers(self, endpoint: Self) -> bool {
        self == endpoint || (self == Self::All && endpoint != Self::Health)
    }
}
