//! What a JSON value tells, read with leniency (spec §4). What cannot be read is untold, no error.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

use crate::model::time::Wall;

/// A number, direction or reason longer than this is not kept, in bytes.
const MAX_DETAIL: usize = 1024;
/// So much of a bad value is shown, in characters.
const MAX_EXCERPT: usize = 64;
/// No time is longer than this, in bytes.
const MAX_TIME: usize = 64;

/// A value that tells something: neither null nor an empty string.
pub(super) fn told(value: &Value) -> Option<&Value> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => Some(value),
    }
}

/// A non-empty string, or any number.
pub(super) fn scalar(value: &Value) -> Option<&Value> {
    told(value).filter(|value| value.is_string() || value.is_number())
}

/// A non-empty string, or a whole number in decimal digits.
pub(super) fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) if !text.is_empty() => Some(Cow::Borrowed(text)),
        Value::Number(number) if !number.is_f64() => Some(Cow::Owned(number.to_string())),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => None,
    }
}

/// A [`text`] of bearable length.
pub(super) fn detail(value: &Value) -> Option<Cow<'_, str>> {
    text(value).filter(|text| text.len() <= MAX_DETAIL)
}

/// Yes or no, also as `"true"`, `"false"`, 1 or 0.
pub(super) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_u64()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An instant: RFC 3339 with a zone, or epoch seconds or milliseconds, told apart by their size.
///
/// What lies before March 1973 or after November 2286 is no time of an event: zero dates, dates of
/// year 9999, negative and boundless numbers all fall out here.
pub(super) fn time(value: &Value) -> Option<Wall> {
    match value {
        Value::Number(number) => epoch(number.as_f64()?),
        Value::String(text) if text.len() <= MAX_TIME => match text.parse::<f64>() {
            Ok(number) => epoch(number),
            Err(_) => within(text.parse::<Timestamp>().ok()?.as_microsecond()),
        },
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

/// Seconds below 10^10, milliseconds from 10^11.
fn epoch(number: f64) -> Option<Wall> {
    let micros = if number < 1e10 {
        number * 1e6
    } else if number >= 1e11 {
        number * 1e3
    } else {
        return None;
    };
    // The cast saturates, and what is out of range is refused.
    within(micros.round() as i64)
}

fn within(micros: i64) -> Option<Wall> {
    const EARLIEST: i64 = 100_000_000_000_000;
    const LATEST: i64 = 10_000_000_000_000_000;
    (EARLIEST..LATEST).contains(&micros).then_some(Wall(micros))
}

/// What sort of value this is, in words.
pub(super) fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(text) if text.is_empty() => "an empty string",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The beginning of a text, in quotes and escaped.
pub(super) fn excerpt(text: &str) -> String {
    let shown: String = text.chars().take(MAX_EXCERPT).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("{shown:?}{more}")
}
