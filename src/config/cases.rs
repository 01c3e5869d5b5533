//! The file of `callwarden test` (spec §6): cases of events, and what is to come of them; read like
//! the config, with every mistake kept.

use std::{ops::Range, path::Path, time::Duration};

use serde_json::{Map, Number, Value};
use toml::{Spanned, de::DeValue};

use crate::model::{event::EventKind, outcome::Outcome, policy::Limit};

use super::{
    document,
    duration::{DAY, shown, within},
    env::ProcessEnv,
    error::ConfigErrors,
    leaf,
    mistake::Mistake,
    reader::{Section, wrong_type},
    suggest::nearest,
};

/// One case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What it is called.
    pub name: String,
    /// Bodies of webhooks, one at least, each with its time of arrival after the first, in order.
    pub events: Vec<(Duration, Value)>,
    /// What is to come of them.
    pub expect: Expect,
}

/// What is expected, one thing at least; what is `None` may be anything, an empty text stands for
/// none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// The rule that decides.
    pub rule: Option<String>,
    /// How long after the first event it is, as [`shown`].
    pub deadline: Option<String>,
    /// Which limit that is.
    pub limit: Option<String>,
    /// `end` or `observe`.
    pub action: Option<String>,
    /// How the call ended.
    pub outcome: Option<String>,
}

/// The latest that an event can come, or a deadline be.
const LATEST: Duration = Duration::from_secs(366 * DAY.as_secs());

/// Reads the cases in `text`, which comes from `path`.
pub(super) fn parse(path: &Path, text: String) -> Result<Vec<Case>, ConfigErrors> {
    let read = document::read(path, text, &[], &ProcessEnv, |root| {
        if !root.has("case") {
            root.whole(Mistake::Conflict {
                found: "there is no [[case]] in it".to_owned(),
                expected: "one at least".to_owned(),
                mend: "add [[case]] with `name`, `event` and `expect`".to_owned(),
            });
        }
        root.tables("case", case)
    })?;
    Ok(read.content.into_iter().flatten().collect())
}

/// `None` only where a mistake was reported.
fn case(part: &mut Section<'_, '_, '_>) -> Option<Case> {
    let name = part.required("name", "what the case is called", "name = \"voicemail\"", |value| {
        leaf::text(value, "what the case is called").map(str::to_owned)
    });
    let events = events(part);
    if !part.has("expect") {
        part.missing("expect", "what is to come of it", "expect = { deadline = \"30m\" }");
    }
    let expect = part.optional_section("expect", expect);
    Some(Case { name: name?, events: events?, expect: expect?? })
}

fn events(part: &mut Section<'_, '_, '_>) -> Option<Vec<(Duration, Value)>> {
    let (one, many) = (part.raw("event"), part.raw("events"));
    match (one, many) {
        (Some((path, event)), None) => Some(vec![(Duration::ZERO, body(part, &path, event)?)]),
        (None, Some((path, events))) => listed(part, &path, events),
        (None, None) => {
            part.missing("event", "a webhook's body", "`event`, or `events` with their times `at`");
            None
        }
        (Some((path, event)), Some(_)) => {
            let mistake = Mistake::Conflict {
                found: "the case has both `event` and `events`".to_owned(),
                expected: "one of them".to_owned(),
                mend: "leave `events`, the other as its first".to_owned(),
            };
            part.report(path, event.span(), mistake);
            None
        }
    }
}

fn listed(
    part: &mut Section<'_, '_, '_>,
    path: &str,
    events: &Spanned<DeValue<'_>>,
) -> Option<Vec<(Duration, Value)>> {
    const EXPECTED: &str = "a list of events, one at least";
    let mistake = match events.get_ref() {
        DeValue::Array(items) if items.is_empty() => Mistake::BadValue {
            found: "an empty list".to_owned(),
            expected: EXPECTED.to_owned(),
            mend: None,
        },
        DeValue::Array(items) => {
            let read: Vec<_> = items.iter().map(|item| timed(part, path, item)).collect();
            in_order(part, path, items, &read);
            return read.into_iter().collect();
        }
        other => wrong_type(other, EXPECTED),
    };
    part.report(path.to_owned(), events.span(), mistake);
    None
}

/// Reports the events that come before the one above them.
fn in_order(
    part: &mut Section<'_, '_, '_>,
    path: &str,
    items: &[Spanned<DeValue<'_>>],
    read: &[Option<(Duration, Value)>],
) {
    let mut latest = Duration::ZERO;
    for (item, (at, _)) in
        items.iter().zip(read).filter_map(|(item, read)| Some((item, read.as_ref()?)))
    {
        if *at < latest {
            let mistake = Mistake::BadValue {
                found: format!("{:?}", shown(*at)),
                expected: format!(
                    "a time no earlier than that of the event before, {:?}",
                    shown(latest)
                ),
                mend: Some("put the events in the order of their `at`".to_owned()),
            };
            let table = item.get_ref().as_table();
            let span =
                table.and_then(|table| table.get("at")).map_or_else(|| item.span(), Spanned::span);
            part.report(format!("{path}.at"), span, mistake);
        }
        latest = latest.max(*at);
    }
}

/// An event of a list: `at`, and beside it the body's own keys, or the body as `event`.
fn timed(
    part: &mut Section<'_, '_, '_>,
    path: &str,
    item: &Spanned<DeValue<'_>>,
) -> Option<(Duration, Value)> {
    let Some(table) = item.get_ref().as_table() else {
        let mistake = wrong_type(item.get_ref(), "a table: the event's fields, and `at`");
        part.report(path.to_owned(), item.span(), mistake);
        return None;
    };
    let at = table.get("at").map_or(Ok(Duration::ZERO), |at| {
        within(Duration::ZERO..=LATEST)(at.get_ref()).map_err(|mistake| (at.span(), mistake))
    });
    let at = at.map_err(|(span, mistake)| part.report(format!("{path}.at"), span, mistake)).ok();
    let whole = table.get("event").filter(|event| match event.get_ref() {
        DeValue::String(text) => text.trim_start().starts_with('{'),
        other => other.is_table(),
    });
    let event = match whole {
        Some(whole) => {
            let mut beside =
                table.keys().filter(|key| !["at", "event"].contains(&key.get_ref().as_ref()));
            if let Some(other) = beside.next() {
                let mistake = Mistake::Conflict {
                    found: format!("`{}` stands beside a whole body", other.get_ref()),
                    expected: "`at` and `event` alone".to_owned(),
                    mend: "put it into the body".to_owned(),
                };
                part.report(format!("{path}.{}", other.get_ref()), other.span(), mistake);
                return None;
            }
            body(part, &format!("{path}.event"), whole)
        }
        None => {
            let fields = table.iter().filter(|(key, _)| key.get_ref() != "at");
            reported(part, path, object(fields))
        }
    };
    Some((at?, event?))
}

/// A whole body: a table, or a string of JSON.
fn body(part: &mut Section<'_, '_, '_>, path: &str, event: &Spanned<DeValue<'_>>) -> Option<Value> {
    let read = match event.get_ref() {
        DeValue::Table(_) => json(event),
        DeValue::String(text) => serde_json::from_str(text).map_err(|error| {
            let mistake = Mistake::BadValue {
                found: "this string".to_owned(),
                expected: "a webhook's body as JSON".to_owned(),
                mend: Some(format!("it is not JSON: {error}")),
            };
            (event.span(), mistake)
        }),
        other => {
            Err((event.span(), wrong_type(other, "a webhook's body: a table, or a string of JSON")))
        }
    };
    reported(part, path, read)
}

/// What was read, or `None` once the mistake is reported.
fn reported<T>(
    part: &mut Section<'_, '_, '_>,
    path: &str,
    read: Result<T, (Range<usize>, Mistake)>,
) -> Option<T> {
    read.map_err(|(span, mistake)| part.report(path.to_owned(), span, mistake)).ok()
}

/// A value of TOML as one of JSON.
fn json(value: &Spanned<DeValue<'_>>) -> Result<Value, (Range<usize>, Mistake)> {
    let bad = |found: &str| (value.span(), Mistake::bad(found, "a number that JSON can hold"));
    Ok(match value.get_ref() {
        DeValue::String(text) => Value::from(&**text),
        DeValue::Integer(number) => {
            let read = i64::from_str_radix(number.as_str(), number.radix());
            read.map_err(|_| bad(number.as_str()))?.into()
        }
        DeValue::Float(number) => {
            let read = number.as_str().parse().ok().and_then(Number::from_f64);
            Value::Number(read.ok_or_else(|| bad(number.as_str()))?)
        }
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::Datetime(date) => date.to_string().into(),
        DeValue::Array(items) => Value::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        DeValue::Table(table) => object(table.iter())?,
    })
}

fn object<'v, 'i: 'v>(
    fields: impl Iterator<Item = (&'v Spanned<toml::de::DeString<'i>>, &'v Spanned<DeValue<'i>>)>,
) -> Result<Value, (Range<usize>, Mistake)> {
    let read = fields.map(|(key, value)| Ok((key.get_ref().to_string(), json(value)?)));
    Ok(Value::Object(read.collect::<Result<Map<_, _>, _>>()?))
}

fn expect(part: &mut Section<'_, '_, '_>) -> Option<Expect> {
    let rule = part.optional("rule", |value| {
        leaf::text(value, "a rule's name, or \"\" for none").map(str::to_owned)
    });
    let deadline = part.optional("deadline", |value| match value.as_str() {
        Some("") => Ok(String::new()),
        _ => within(Duration::ZERO..=LATEST)(value).map(shown),
    });
    let limits: Vec<_> = limits().collect();
    let limit = part.optional("limit", |value| {
        let is_limit = |name: &str| name.is_empty() || Limit::from_name(name).is_some();
        name(value, "a limit, such as \"total\", or \"\" for none", is_limit, &limits)
    });
    let action = part.optional("action", |value| {
        let actions = ["end".to_owned(), "observe".to_owned()];
        name(value, "\"end\" or \"observe\"", |name| actions.iter().any(|it| it == name), &actions)
    });
    let outcomes = Outcome::ALL.map(|outcome| outcome.name().to_owned());
    let outcome = part.optional("outcome", |value| {
        let is_outcome = |name: &str| name.is_empty() || outcomes.iter().any(|it| it == name);
        let expected = format!("one of {}, or \"\" for none yet", outcomes.join(", "));
        name(value, &expected, is_outcome, &outcomes)
    });
    if part.is_empty() {
        part.whole(Mistake::Conflict {
            found: "the case expects nothing".to_owned(),
            expected: "one of `rule`, `deadline`, `limit`, `action` or `outcome`".to_owned(),
            mend: "say what is to come of it, such as deadline = \"30m\"".to_owned(),
        });
        return None;
    }
    Some(Expect { rule, deadline, limit, action, outcome })
}

/// The name of every limit that a call without an operator can have.
fn limits() -> impl Iterator<Item = String> {
    let plain =
        ["total", "ringing", "connected", "talking", "voicemail", "no_conversation", "until"];
    let after = EventKind::ALL.iter().map(|kind| format!("after.{}", kind.short_name()));
    plain.into_iter().map(str::to_owned).chain(after)
}

/// A name that is known; of one that is not, the nearest of `known` is the mend.
fn name(
    value: &DeValue<'_>,
    expected: &str,
    is_known: impl Fn(&str) -> bool,
    known: &[String],
) -> Result<String, Mistake> {
    let text = leaf::text(value, expected)?;
    if is_known(text) {
        return Ok(text.to_owned());
    }
    let mistake = Mistake::bad(text, expected);
    Err(match nearest(text, known.iter().map(String::as_str)) {
        Some(known) => mistake.mended(format!("write \"{known}\"")),
        None => mistake,
    })
}

#[cfg(test)]
mod tests;
