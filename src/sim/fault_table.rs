//! The faults' language: `NAME[=VALUE][,KEY=VALUE…]`, the table of names and what each means.

use std::str::FromStr;

use super::{
    call::Status,
    fault::{Fault, FaultKind, Interference, Refused, Scope, WebhookFault},
    fault_words::Words,
    span::SpanError,
};

/// Every fault: how it is written and what it does.
pub const KNOWN: &[(&str, &str)] = &[
    ("latency=SPAN", "answers take so much longer (a span is 200ms or 100ms..2s)"),
    ("hang", "no effect and no answer, the connection stays open"),
    ("cut", "the connection is cut before any effect"),
    ("cut-body", "the request takes effect, the answer breaks off within its body"),
    ("lost-answer", "the request takes effect, no answer comes"),
    ("lost-answer-cut", "the request takes effect, then the connection is cut"),
    ("ineffective", "end-call says 200, the call goes on"),
    ("success-false", "no effect, 200 with success:false"),
    ("html", "no effect, 200 with an HTML page"),
    ("redirect", "no effect, 302 to the login page"),
    ("unauthorized", "401"),
    ("token-expired", "401 TOKEN_EXPIRED"),
    ("payment-required", "402 INSUFFICIENT_CREDITS"),
    ("forbidden", "403"),
    ("not-found-html", "404 with somebody else's HTML page"),
    ("not-found-route", "404 JSON, unknown route"),
    ("not-found-agent", "404 JSON, agent of another environment"),
    ("not-found-call", "404 JSON, call not found for this agent"),
    ("conflict", "409 CALL_NOT_ACTIVE"),
    ("unprocessable", "422"),
    ("rate-limited", "a single 429 with retry_after 1"),
    ("server-error", "500, 502, 503 or 504"),
    ("status=CODE", "refuses with any status from 400 to 599"),
    (
        "rate-limit=N/SPAN",
        "the limiter: N requests a fixed window; reset=laravel|epoch|seconds|none, \
         hint=both|headers|body|none",
    ),
    ("error-shape[=SHAPE]", "refusals in one shape, or in any of all"),
    ("hangup-latency=SPAN", "from an accepted end-call to the call's end (150ms)"),
    ("end-call-takes-sid", "end-call also takes the provider's sid"),
    ("date-offset=[-]SPAN", "the Date header is off"),
    ("list-lag=SPAN", "rows show the state of so long ago"),
    ("list-omits", "rows are missing (chance: each row's)"),
    ("list-shifts=[-]N", "pages after the first repeat N rows, or with -N leave N out"),
    ("list-oldest-first", "instead of newest first"),
    ("list-meta", "`meta` instead of `pagination`"),
    ("list-finds-ids", "search finds the platform's own ids too"),
    ("in-progress", "short for status-as=answered:in-progress"),
    ("status-as=STATUS:WORD", "rows show a status by another word"),
    ("precise-times", "rows show milliseconds"),
    ("webhooks-lost", "deliveries fail unsent, the delivery log keeps them"),
    ("webhooks-vanished", "deliveries are neither sent nor logged"),
    ("webhooks-late=SPAN", "deliveries leave later"),
    ("webhooks-reordered[=SPAN]", "each leaves after a while of its own (0s..300ms)"),
    ("webhooks-doubled", "deliveries are sent twice"),
    ("webhooks-after-end", "deliveries leave only once the call is over"),
    ("retry-spacing=SPAN", "between two attempts of a delivery (1s)"),
    ("signature-header=NAME", "instead of Signature"),
    ("signature-encoding=hex|upper-hex|base64", "instead of hex"),
    ("signature-prefix=TEXT", "such as sha256="),
    ("signature-missing", "deliveries are not signed"),
    ("signature-wrong", "deliveries are signed with another secret"),
    ("event-in-path", "bodies carry no event name (put {event} in the URL)"),
    ("meagre-body", "bodies are {\"call_id\",\"duration\"} and nothing else"),
];

/// Why a text is no [`Fault`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FaultError {
    /// There is no such fault.
    #[error("unknown fault {found:?}; did you mean {nearest:?}? Known faults: {}", known_names())]
    UnknownName {
        /// The name found.
        found: String,
        /// The known name nearest to it.
        nearest: &'static str,
    },
    /// The fault needs a value, or another one.
    #[error("fault {name}: found {found:?}, expected {expected}")]
    Value {
        /// The fault.
        name: String,
        /// The value found.
        found: String,
        /// What would do.
        expected: String,
    },
    /// A length of time can't be read.
    #[error("fault {name}: {source}")]
    Span {
        /// The fault.
        name: String,
        /// Why not.
        source: SpanError,
    },
    /// The fault knows no such key.
    #[error("fault {name}: unknown key {key:?}, expected chance, count, scope, call or event")]
    UnknownKey {
        /// The fault.
        name: String,
        /// The key found.
        key: String,
    },
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut words = Words::new(text.trim());
        let kind = kind(&mut words)?;
        let fault = Self {
            kind,
            chance: words.chance()?,
            count: words.take("count").map(|word| words.number("a count", &word)).transpose()?,
            scope: words.choice("scope", Scope::All, &Scope::ALL, Scope::as_str)?,
            call: words.take("call"),
            event: words.take("event"),
            text: text.trim().to_owned(),
        };
        words.finish()?;
        Ok(fault)
    }
}

fn kind(words: &mut Words) -> Result<FaultKind, FaultError> {
    use FaultKind::Interfere as I;
    let refuse = |refused| Ok(I(Interference::Refuse(refused)));
    let webhook = |fault| Ok(FaultKind::Webhook(fault));
    let name = words.name.clone();
    match name.as_str() {
        "latency" => Ok(FaultKind::Latency(words.span()?)),
        "hang" => Ok(I(Interference::Hang)),
        "cut" => Ok(I(Interference::Cut)),
        "cut-body" => Ok(I(Interference::CutBody)),
        "lost-answer" => Ok(I(Interference::LoseAnswer)),
        "lost-answer-cut" => Ok(I(Interference::LoseAnswerCut)),
        "ineffective" => Ok(I(Interference::Ineffective)),
        "success-false" => Ok(I(Interference::SuccessFalse)),
        "html" => Ok(I(Interference::Html)),
        "redirect" => Ok(I(Interference::Redirect)),
        "not-found-html" => Ok(I(Interference::HtmlNotFound)),
        "unauthorized" => refuse(Refused::Unauthorized),
        "token-expired" => refuse(Refused::TokenExpired),
        "payment-required" => refuse(Refused::PaymentRequired),
        "forbidden" => refuse(Refused::Forbidden),
        "not-found-route" => refuse(Refused::UnknownRoute),
        "not-found-agent" => refuse(Refused::UnknownAgent),
        "not-found-call" => refuse(Refused::UnknownCall),
        "conflict" => refuse(Refused::NotActive),
        "unprocessable" => refuse(Refused::Unprocessable),
        "rate-limited" => refuse(Refused::RateLimited),
        "server-error" => refuse(Refused::ServerError),
        "status" => refuse(Refused::Status(words.status()?)),
        "rate-limit" => words.rate_limit(),
        "error-shape" => words.error_shape(),
        "hangup-latency" => Ok(FaultKind::HangupLatency(words.span()?)),
        "end-call-takes-sid" => Ok(FaultKind::EndCallTakesSid),
        "date-offset" => words.date_offset(),
        "list-lag" => Ok(FaultKind::ListLag(words.span()?)),
        "list-omits" => Ok(FaultKind::ListOmits),
        "list-shifts" => {
            let value = words.value("a number of rows")?;
            Ok(FaultKind::ListShifts(words.number("a number of rows", &value)?))
        }
        "list-oldest-first" => Ok(FaultKind::ListOldestFirst),
        "list-meta" => Ok(FaultKind::ListMeta),
        "list-finds-ids" => Ok(FaultKind::ListFindsIds),
        "in-progress" => Ok(FaultKind::StatusAs(Status::Answered, "in-progress".to_owned())),
        "status-as" => words.status_as(),
        "precise-times" => Ok(FaultKind::PreciseTimes),
        "webhooks-lost" => webhook(WebhookFault::Lost),
        "webhooks-vanished" => webhook(WebhookFault::Vanished),
        "webhooks-late" => webhook(WebhookFault::Late(words.span()?)),
        "webhooks-reordered" => webhook(WebhookFault::Late(words.span_or("0s..300ms")?)),
        "webhooks-doubled" => webhook(WebhookFault::Doubled),
        "webhooks-after-end" => webhook(WebhookFault::AfterEnd),
        "retry-spacing" => Ok(FaultKind::RetrySpacing(words.span()?)),
        "signature-header" => words.header_name(),
        "signature-encoding" => words.encoding(),
        "signature-prefix" => Ok(FaultKind::SignaturePrefix(words.header_value()?)),
        "signature-missing" => Ok(FaultKind::SignatureMissing),
        "signature-wrong" => Ok(FaultKind::SignatureWrong),
        "event-in-path" => Ok(FaultKind::EventInPath),
        "meagre-body" => Ok(FaultKind::MeagreBody),
        _ => Err(FaultError::UnknownName { nearest: nearest(&name), found: name }),
    }
}

fn known() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(usage, _)| usage.split(['=', '[']).next().unwrap_or(usage))
}

fn known_names() -> String {
    known().collect::<Vec<_>>().join(", ")
}

fn nearest(name: &str) -> &'static str {
    known()
        .max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_table_is_understood() {
        let value = |usage: &str| match usage {
            "status=CODE" => "status=503".to_owned(),
            "rate-limit=N/SPAN" => "rate-limit=10/1s,reset=seconds,hint=none".to_owned(),
            "status-as=STATUS:WORD" => "status-as=answered:bridged".to_owned(),
            "signature-encoding=hex|upper-hex|base64" => "signature-encoding=base64".to_owned(),
            "list-shifts=[-]N" => "list-shifts=-2".to_owned(),
            "date-offset=[-]SPAN" => "date-offset=-1m".to_owned(),
            usage => match usage.split_once('[') {
                Some((name, _)) => name.to_owned(),
                None => usage.replace("SPAN", "1s"),
            },
        };
        for (usage, _) in KNOWN {
            let fault: Fault = value(usage).parse().unwrap();
            assert!(usage.starts_with(fault.name()), "{usage}");
        }
    }

    #[test]
    fn chance_count_scope_and_call_can_be_said() {
        let fault: Fault = "lost-answer=0.05".parse().unwrap();
        assert!((fault.chance - 0.05).abs() < 1e-9);
        let fault: Fault =
            "latency=1s..2s,chance=0.5,count=3,scope=end-call,call=c-1".parse().unwrap();
        assert_eq!((fault.count, fault.scope), (Some(3), Scope::EndCall));
        assert_eq!(fault.call.as_deref(), Some("c-1"));
    }

    #[test]
    fn a_slip_of_the_pen_is_answered_with_the_nearest_name() {
        let error = "latancy=1s".parse::<Fault>().unwrap_err().to_string();
        assert!(error.starts_with("unknown fault \"latancy\"; did you mean \"latency\"?"));
        assert!(error.contains("webhooks-late"));
    }

    #[test]
    fn a_bad_value_names_what_would_do() {
        let message = |text: &str| text.parse::<Fault>().unwrap_err().to_string();
        assert_eq!(message("hang=2"), "fault hang: found \"2\", expected a chance from 0 to 1");
        assert_eq!(
            message("rate-limit=9"),
            "fault rate-limit: found \"9\", expected requests and a window, such as 100/60s"
        );
        assert_eq!(
            message("cut,scope=lots"),
            "fault cut: found \"lots\", expected all, end-call, lists, active-call, place, \
             agents, webhooks, health, unknown"
        );
        assert!(message("cut,often=yes").contains("unknown key \"often\""));
    }
}
