//! The values that labels may have. Labels never carry ids or numbers (spec §9).

use crate::model::{
    event::EventKind,
    platform::{Answer, Failure},
};

/// `result` of `callwarden_webhooks_total`: the six answers of spec §4, then the refusals.
pub(super) const WEBHOOK_RESULTS: [&str; 12] = [
    "tracked",
    "updated",
    "ended",
    "duplicate",
    "late",
    "ignored",
    "unauthorized",
    "not_json",
    "unprocessable",
    "too_large",
    "too_slow",
    "unavailable",
];

/// `event` of `callwarden_webhooks_total`: the platform's names, `other`, `none`.
pub(super) fn webhook_events() -> impl Iterator<Item = &'static str> {
    let known = EventKind::ALL.iter().map(|kind| kind.name());
    known.chain([OTHER, NONE])
}

/// What a value outside its list is counted under.
pub(super) const OTHER: &str = "other";
const NONE: &str = "none";

/// The label of an event's name as it was told.
pub(super) fn webhook_event(told: &str) -> &'static str {
    match EventKind::from_name(told) {
        Some(kind) => kind.name(),
        None if told == NONE || told.is_empty() => NONE,
        None => OTHER,
    }
}

/// `value` if it is one of `known`, else [`OTHER`]; outside a release build that is a fault.
pub(super) fn known(value: &str, known: &[&'static str]) -> &'static str {
    let found = known.iter().copied().find(|one| *one == value);
    debug_assert!(found.is_some(), "{value:?} is no label of the spec");
    found.unwrap_or(OTHER)
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $( $(#[$variant_doc:meta])* $variant:ident $text:literal ),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[$variant_doc])* $variant ),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The label's value.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

label! {
    /// `result` of `callwarden_end_call_requests_total`.
    EndCallResult {
        /// The platform will hang up.
        Accepted "accepted",
        /// 409.
        NotActive "not_active",
        /// 404 that speaks of the call.
        NotFound "not_found",
        /// 401 or 403.
        Unauthorized "unauthorized",
        /// 429.
        RateLimited "rate_limited",
        /// A redirect, HTML, or a 404 that speaks of no call.
        Misdirected "misdirected",
        /// 5xx.
        ServerError "server_error",
        /// No answer in time.
        Timeout "timeout",
        /// Not reached, or cut.
        Network "network",
        /// Anything else.
        Other "other",
    }
}

impl From<&Answer> for EndCallResult {
    fn from(answer: &Answer) -> Self {
        match answer {
            Answer::Accepted => Self::Accepted,
            Answer::NotActive => Self::NotActive,
            Answer::NotFound => Self::NotFound,
            Answer::Failed(failure) => match failure {
                Failure::Unauthorized { .. } => Self::Unauthorized,
                Failure::Misdirected { .. } => Self::Misdirected,
                Failure::RateLimited { .. } => Self::RateLimited,
                Failure::ServerError { .. } => Self::ServerError,
                Failure::Timeout => Self::Timeout,
                Failure::Cut | Failure::Network => Self::Network,
                Failure::Other { .. } => Self::Other,
            },
        }
    }
}

label! {
    /// `result` of `callwarden_reconcile_total`.
    ReconcileResult {
        /// Every page was read.
        Complete "complete",
        /// Some pages were not.
        Partial "partial",
        /// None was.
        Failed "failed",
    }
}
