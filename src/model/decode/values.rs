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

/// Milliseconds from 10^11, seconds below; those from 10^10 lie beyond the range.
fn epoch(number: f64) -> Option<Wall> {
    let micros = if number < 1e11 { number * 1e6 } else { number * 1e3 };
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn neither_null_nor_an_empty_text_tells_anything() {
        assert_eq!([told(&json!(null)), told(&json!(""))], [None; 2]);
        assert!(told(&json!("a")).is_some() && told(&json!([])).is_some());
        assert!(scalar(&json!("")).is_none() && scalar(&json!([])).is_none());
    }

    #[test]
    fn a_text_is_a_string_or_a_whole_number() {
        let read = |value| text(&value).map(Cow::into_owned);
        assert_eq!(read(json!("a")), Some("a".to_owned()));
        assert_eq!(read(json!(7)), Some("7".to_owned()));
        for value in [json!(1.5), json!(""), json!(true), json!(["a"])] {
            assert_eq!(read(value), None);
        }
        assert!(detail(&"a".repeat(MAX_DETAIL).into()).is_some());
        assert!(detail(&"a".repeat(MAX_DETAIL + 1).into()).is_none());
    }

    #[test]
    fn yes_and_no_come_in_three_forms() {
        for (value, read) in [
            (json!(true), Some(true)),
            (json!(false), Some(false)),
            (json!(1), Some(true)),
            (json!(0), Some(false)),
            (json!("True"), Some(true)),
            (json!("1"), Some(true)),
            (json!("FALSE"), Some(false)),
            (json!("0"), Some(false)),
            (json!(2), None),
            (json!(-1), None),
            (json!("yes"), None),
            (json!(null), None),
        ] {
            assert_eq!(flag(&value), read, "{value}");
        }
    }

    #[test]
    fn epoch_seconds_and_milliseconds_are_told_apart_by_their_size() {
        for (number, read) in [
            (99_999_999.0, None),
            (1e8, Some(100_000_000_000_000)),
            (9_999_999_999.0, Some(9_999_999_999_000_000)),
            (1e10, None),
            (99_999_999_999.0, None),
            (1e11, Some(100_000_000_000_000)),
            (1_700_000_000_123.0, Some(1_700_000_000_123_000)),
        ] {
            assert_eq!(time(&json!(number)), read.map(Wall), "{number}");
        }
    }

    #[test]
    fn a_time_is_64_bytes_long_at_most() {
        let of_length = |length: usize| json!(format!("1700000000.{}", "0".repeat(length - 11)));
        assert_eq!(time(&of_length(MAX_TIME)), Some(Wall(1_700_000_000_000_000)));
        assert_eq!(time(&of_length(MAX_TIME + 1)), None);
    }

    #[test]
    fn what_was_found_instead_is_told_in_words() {
        let values =
            [json!(null), json!(true), json!(1), json!(""), json!("a"), json!([]), json!({})];
        let words = ["null", "a boolean", "a number", "an empty string", "a string", "a list"];
        assert_eq!(values.each_ref().map(sort)[..6], words);
        assert_eq!(sort(&values[6]), "an object");
        assert_eq!(excerpt(&"x".repeat(MAX_EXCERPT)), format!("{:?}", "x".repeat(MAX_EXCERPT)));
        assert!(excerpt(&"x".repeat(MAX_EXCERPT + 1)).ends_with("x\"…"));
    }
}
