//! What an answer means: status, headers and body → `model::platform` (spec §7 *Answers*). Pure.
//!
//! The body is believed before its content type: PHP serves JSON as `text/html` and pages as JSON.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

use super::wire;
use crate::model::{
    ids::AgentId,
    platform::{Answer, DeliveryPage, Failure, Meter, Row},
    time::Wall,
};

/// What is kept of the platform's message, in characters.
const MESSAGE_CHARS: usize = 256;

/// From here on (2014), a number in `X-RateLimit-Reset` is an instant, in epoch seconds; below, it
/// is seconds left.
const EPOCH_SECONDS: f64 = 1.4e9;

/// From here on it is in epoch milliseconds.
const EPOCH_MILLIS: f64 = 1e11;

/// An answer as it came.
pub(super) struct Reply {
    status: u16,
    headers: HeaderMap,
    /// The body, where it is JSON.
    json: Option<Value>,
    /// Whether the body is a page for people.
    html: bool,
    /// Why the body is not whole.
    broken: Option<Failure>,
    /// When it came, by our clock.
    now: Wall,
}

impl Reply {
    pub(super) fn new(
        status: u16,
        headers: HeaderMap,
        body: &[u8],
        broken: Option<Failure>,
        now: Wall,
    ) -> Self {
        let json: Option<Value> = match broken {
            None => serde_json::from_slice(body).ok(),
            Some(_) => None,
        };
        let typed_html = text(&headers, CONTENT_TYPE.as_str()).is_some_and(|t| t.contains("html"));
        let html = json.is_none() && (body.trim_ascii_start().starts_with(b"<") || typed_html);
        Self { status, headers, json, html, broken, now }
    }

    /// The body of a 2xx answer that is JSON and does not say `success:false`.
    pub(super) fn value(&self) -> Result<&Value, Failure> {
        let status = self.status;
        match (status, &self.json) {
            (401 | 403, _) => Err(Failure::Unauthorized { status }),
            (429, _) => Err(Failure::RateLimited { pause: self.pause() }),
            (500.., _) => Err(Failure::ServerError { status }),
            (300..=399, _) => Err(Failure::Misdirected { status }),
            _ if self.html => Err(Failure::Misdirected { status }),
            (_, None) if let Some(failure) = &self.broken => Err(failure.clone()),
            (404, _) | (200..=299, None) => Err(Failure::Misdirected { status }),
            (200..=299, Some(json)) if !denies_success(json) => Ok(json),
            (_, json) => Err(Failure::Other {
                status,
                message: json.as_ref().and_then(message).unwrap_or_default(),
            }),
        }
    }

    /// The failure of an answer that has not what belongs in it.
    pub(super) fn unreadable(&self, message: &str) -> Failure {
        Failure::Other { status: self.status, message: message.to_owned() }
    }

    /// What the headers tell besides.
    pub(super) fn meter(&self) -> Meter {
        let count = |name| text(&self.headers, name)?.parse().ok();
        Meter {
            limit: count("x-ratelimit-limit"),
            remaining: count("x-ratelimit-remaining"),
            reset: self.reset(),
            date: self.date(),
        }
    }

    /// Whether one of the body's messages contains `words`, which are lower-case.
    fn says(&self, words: &str) -> bool {
        self.json.iter().flat_map(messages).any(|message| message.to_lowercase().contains(words))
    }

    /// How long a 429 asks us to pause: by its body, else by `Retry-After`, else by the reset.
    fn pause(&self) -> Option<Duration> {
        self.json
            .as_ref()
            .and_then(|json| find(json, "retry_after"))
            .and_then(wire::number)
            .and_then(seconds)
            .or_else(|| self.retry_after())
            .or_else(|| self.reset())
    }

    fn retry_after(&self) -> Option<Duration> {
        let text = text(&self.headers, RETRY_AFTER.as_str())?;
        match text.parse() {
            Ok(left) => seconds(left),
            Err(_) => http_date(text).map(|at| at.since(self.their_now())),
        }
    }

    fn reset(&self) -> Option<Duration> {
        let given: f64 = text(&self.headers, "x-ratelimit-reset")?.parse().ok()?;
        if given < EPOCH_SECONDS {
            return seconds(given);
        }
        let epoch = if given < EPOCH_MILLIS { given } else { given / 1e3 };
        let at = Wall(0).after(seconds(epoch)?);
        Some(at.since(self.their_now()))
    }

    /// The platform's clock where it tells it, for what it says of instants is said by that clock.
    fn their_now(&self) -> Wall {
        self.date().unwrap_or(self.now)
    }

    fn date(&self) -> Option<Wall> {
        http_date(text(&self.headers, DATE.as_str())?)
    }
}

/// The answer to an end-call request.
pub(super) fn end_call(reply: &Reply) -> Answer {
    match reply.status {
        409 if !reply.html => Answer::NotActive,
        404 if reply.says("call not found") => Answer::NotFound,
        _ => match reply.value() {
            Ok(_) => Answer::Accepted,
            Err(failure) => Answer::Failed(failure),
        },
    }
}

/// The ids of an agent's webhooks.
pub(super) fn webhooks(reply: &Reply) -> Result<Vec<String>, Failure> {
    wire::webhooks(reply.value()?)
        .ok_or_else(|| reply.unreadable("no list of webhooks in the body"))
}

/// A page of a webhook's deliveries.
pub(super) fn deliveries(reply: &Reply, page: u32) -> Result<DeliveryPage, Failure> {
    wire::deliveries(reply.value()?, page)
        .ok_or_else(|| reply.unreadable("no list of deliveries in the body"))
}

/// The answer to active-call. That there is no call is told by a 404 whose words are undocumented.
pub(super) fn active_call(reply: &Reply, agent: &AgentId) -> Result<Vec<Row>, Failure> {
    let none = ["active call", "call not found", "no call"];
    if reply.status == 404 && none.iter().any(|words| reply.says(words)) {
        return Ok(Vec::new());
    }
    wire::active_calls(reply.value()?, agent)
        .ok_or_else(|| reply.unreadable("no list of calls in the body"))
}

fn denies_success(json: &Value) -> bool {
    match json.get("success") {
        Some(Value::Bool(success)) => !success,
        Some(Value::Number(success)) => success.as_f64() == Some(0.0),
        Some(Value::String(success)) => matches!(success.as_str(), "false" | "0"),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => false,
    }
}

/// The platform's own words, wherever its ten shapes put them; else its code.
fn message(json: &Value) -> Option<String> {
    let code = || {
        [json.get("error"), json.get("code"), json.pointer("/error/code")]
            .into_iter()
            .flatten()
            .find_map(Value::as_str)
    };
    let words = messages(json).next().or_else(code)?;
    Some(words.chars().take(MESSAGE_CHARS).collect())
}

/// Every `message`, and every sentence under `errors`.
fn messages(json: &Value) -> impl Iterator<Item = &str> {
    let error = json.get("error");
    let lists = [json.get("errors"), error.and_then(|error| error.get("errors"))];
    let fields = lists.into_iter().flatten().flat_map(children);
    let sentences = fields.flat_map(|field| std::iter::once(field).chain(children(field)));
    [json.get("message"), error.and_then(|error| error.get("message"))]
        .into_iter()
        .flatten()
        .chain(sentences)
        .filter_map(Value::as_str)
}

fn children(value: &Value) -> impl Iterator<Item = &Value> {
    let list = value.as_array().into_iter().flatten();
    let object = value.as_object().into_iter().flat_map(|object| object.values());
    list.chain(object)
}

/// The first value of this name, however deep.
fn find<'a>(json: &'a Value, name: &str) -> Option<&'a Value> {
    json.get(name)
        .filter(|found| !found.is_null())
        .or_else(|| children(json).find_map(|child| find(child, name)))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Seconds as a span; `None` for what is none. The absurdly long is left to the caller to cap.
fn seconds(given: f64) -> Option<Duration> {
    if given.is_finite() && given >= 0.0 {
        Some(Duration::try_from_secs_f64(given).unwrap_or(Duration::MAX))
    } else {
        None
    }
}

fn http_date(text: &str) -> Option<Wall> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Wall(0).after(since))
}
