//! The cases of a file, and what they expect.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{Failure, play::Got};
use crate::{
    config::duration::shown,
    model::{outcome::Outcome, policy::Limit},
};

/// One case.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    /// Bodies of webhooks, each with its time of arrival after the first.
    pub(super) events: Vec<(Duration, Value)>,
    pub(super) expect: Expect,
}

/// What is expected; what is `None` may be anything, an empty text stands for none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    rule: Option<String>,
    deadline: Option<String>,
    limit: Option<String>,
    action: Option<String>,
    outcome: Option<String>,
}

/// What is wrong with a file of cases.
#[derive(Debug, Error)]
pub(super) enum CaseError {
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    #[error("there is no [[case]] in it")]
    None,
    #[error("case {name:?}: {problem}")]
    Case { name: String, problem: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    event: Option<toml::Value>,
    events: Option<Vec<toml::Table>>,
    expect: Expect,
}

/// Reads the cases of a file.
pub(super) fn parse(text: &str) -> Result<Vec<Case>, CaseError> {
    let File { case } = toml::from_str(text)?;
    if case.is_empty() {
        return Err(CaseError::None);
    }
    let read = |written: Written| {
        let name = written.name.clone();
        read(written).map_err(|problem| CaseError::Case { name, problem })
    };
    case.into_iter().map(read).collect()
}

fn read(written: Written) -> Result<Case, String> {
    let Written { name, event, events, expect } = written;
    let events = match (event, events) {
        (Some(event), None) => vec![(Duration::ZERO, body(event)?)],
        (None, Some(events)) if !events.is_empty() => {
            events.into_iter().map(timed).collect::<Result<_, _>>()?
        }
        _ => return Err("it needs either `event`, or `events` with one at least".to_owned()),
    };
    let is_sorted = events.is_sorted_by_key(|(at, _)| *at);
    if !is_sorted {
        return Err("its events are not in the order of their `at`".to_owned());
    }
    expect.check()?;
    Ok(Case { name, events, expect })
}

/// An event of a list: `at`, and beside it the body's own keys, or the body as `event`.
fn timed(mut event: toml::Table) -> Result<(Duration, Value), String> {
    let at = match event.remove("at") {
        Some(toml::Value::String(text)) => span(&text)?,
        Some(_) => return Err("`at` is a duration in quotes, such as \"10s\"".to_owned()),
        None => Duration::ZERO,
    };
    let is_whole = |value: &toml::Value| match value {
        toml::Value::String(text) => text.trim_start().starts_with('{'),
        value => value.is_table(),
    };
    let whole = event.get("event").is_some_and(is_whole).then(|| event.remove("event")).flatten();
    match whole {
        Some(whole) if event.is_empty() => Ok((at, body(whole)?)),
        Some(_) => Err("beside a whole body as `event` only `at` has a meaning".to_owned()),
        None => Ok((at, body(toml::Value::Table(event))?)),
    }
}

fn body(event: toml::Value) -> Result<Value, String> {
    match event {
        toml::Value::String(text) => serde_json::from_str(&text)
            .map_err(|error| format!("its event is a string, but not JSON: {error}")),
        event @ toml::Value::Table(_) => Ok(json(event)),
        _ => Err("an event is a table, or a string of JSON".to_owned()),
    }
}

fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(table) => Value::Object(
            table.into_iter().map(|(key, value)| (key, json(value))).collect::<Map<_, _>>(),
        ),
    }
}

fn span(text: &str) -> Result<Duration, String> {
    // humantime panics on sums that run over, which takes more digits than any duration has.
    let is_short = text.chars().filter(char::is_ascii_digit).count() <= 15;
    let span = is_short.then(|| humantime::parse_duration(text).ok()).flatten();
    span.filter(|span| *span <= Duration::from_secs(366 * 86_400))
        .ok_or_else(|| format!("{text:?} is no duration, such as \"1h 30m\""))
}

impl Expect {
    fn check(&self) -> Result<(), String> {
        let Self { rule, deadline, limit, action, outcome } = self;
        if [rule, deadline, limit, action, outcome].iter().all(|it| it.is_none()) {
            return Err("`expect` expects nothing".to_owned());
        }
        let named = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(deadline) = named(deadline) {
            span(&deadline)?;
        }
        if let Some(limit) = named(limit).filter(|limit| Limit::from_name(limit).is_none()) {
            return Err(format!("there is no limit {limit:?}"));
        }
        if let Some(action) =
            action.as_ref().filter(|it| !["end", "observe"].contains(&it.as_str()))
        {
            return Err(format!("there is no action {action:?}: it is \"end\" or \"observe\""));
        }
        let is_outcome = |text: &String| Outcome::ALL.iter().any(|known| known.name() == text);
        match named(outcome).filter(|outcome| !is_outcome(outcome)) {
            Some(outcome) => Err(format!("there is no outcome {outcome:?}")),
            None => Ok(()),
        }
    }

    /// Where `got` is not what is expected.
    pub(super) fn failures(&self, got: &Got) -> Vec<Failure> {
        let deadline =
            self.deadline.as_ref().map(|text| span(text).map_or_else(|_| String::new(), shown));
        let got_deadline = got.deadline.map_or_else(String::new, shown);
        let pairs = [
            ("rule", self.rule.as_ref(), &got.rule),
            ("deadline", deadline.as_ref(), &got_deadline),
            ("limit", self.limit.as_ref(), &got.limit),
            ("action", self.action.as_ref(), &got.action),
            ("outcome", self.outcome.as_ref(), &got.outcome),
        ];
        let differ = |(key, expected, got): (&'static str, Option<&String>, &String)| {
            let expected = expected.filter(|expected| *expected != got)?.clone();
            Some(Failure { key, expected, got: got.clone() })
        };
        pairs.into_iter().filter_map(differ).collect()
    }
}
