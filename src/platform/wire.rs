//! The bodies of the platform's lists, read leniently: numbers where strings belong, `null`, missing
//! fields. Only a row without a valid id is none.

use jiff::{Timestamp, civil, tz::TimeZone};
use serde_json::Value;

use super::ListQuery;
use crate::model::{
    ids::{AgentId, CallId},
    platform::{Delivered, DeliveryPage, Page, Row, Status},
    time::Wall,
};

/// From here on, a number that tells an instant is in milliseconds, below in seconds.
const EPOCH_MILLIS: f64 = 1e11;

/// A page of `GET /calls`; `None` where the body holds no list.
pub(super) fn page(body: &Value, query: &ListQuery) -> Option<Page> {
    let list = list(body)?;
    let rows: Vec<Row> = list.iter().filter_map(|one| row(one, None)).collect();
    let told = last_page(body);
    // Untold, a full page is taken not to be the last.
    let full = u32::try_from(list.len()).is_ok_and(|rows| rows >= query.per_page);
    let guess = query.page.saturating_add(u32::from(full));
    Some(Page {
        last_page: told.unwrap_or(guess),
        unreadable: u32::try_from(list.len() - rows.len()).unwrap_or(u32::MAX),
        rows,
    })
}

/// The rows of active-call, which belong to the agent that was asked for unless they say otherwise;
/// `None` where the body holds no list.
pub(super) fn active_calls(body: &Value, agent: &AgentId) -> Option<Vec<Row>> {
    let read = |one| row(one, Some(agent));
    match body.get("data") {
        // One call where a list of one belongs.
        Some(one @ Value::Object(fields)) if fields.contains_key("id") => {
            Some(read(one).into_iter().collect())
        }
        Some(Value::Null) => Some(Vec::new()),
        _ => Some(list(body)?.iter().filter_map(read).collect()),
    }
}

/// The ids of a list of webhooks.
pub(super) fn webhooks(body: &Value) -> Option<Vec<String>> {
    Some(list(body)?.iter().filter_map(|webhook| text(webhook.get("id")?)).collect())
}

/// A page of a webhook's delivery log.
pub(super) fn deliveries(body: &Value, page: u32) -> Option<DeliveryPage> {
    let list = list(body)?;
    let last_page = last_page(body).unwrap_or(page.saturating_add(u32::from(list.len() >= 100)));
    Some(DeliveryPage { deliveries: list.iter().filter_map(delivered).collect(), last_page })
}

fn delivered(log: &Value) -> Option<Delivered> {
    let body = match log.get("request_payload")? {
        // Logged as the text that was sent, or as the value that it was.
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    Some(Delivered {
        id: text(log.get("id")?)?,
        event: log.get("event").and_then(text),
        succeeded: log.get("status").and_then(Value::as_str) == Some("success"),
        at: log.get("created_at").and_then(instant),
        body,
    })
}

fn last_page(body: &Value) -> Option<u32> {
    ["/pagination/last_page", "/meta/last_page", "/last_page", "/data/last_page"]
        .into_iter()
        .find_map(|place| count(body.pointer(place)?))
}

/// A number, or a string that holds one.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn list(body: &Value) -> Option<&Vec<Value>> {
    ["/data", "/data/data", "/calls"]
        .into_iter()
        .find_map(|place| body.pointer(place)?.as_array())
        .or_else(|| body.as_array())
}

fn row(row: &Value, agent: Option<&AgentId>) -> Option<Row> {
    let id_at = |place| CallId::parse(&text(row.pointer(place)?)?).ok();
    let agent_at = |place| AgentId::parse(&text(row.pointer(place)?)?).ok();
    let text_at = |name| text(row.get(name)?).map(String::into_boxed_str);
    let instant_at = |name| instant(row.get(name)?);
    Some(Row {
        id: id_at("/id")?,
        sid: id_at("/sid"),
        agent: agent_at("/agent_id").or_else(|| agent_at("/agent/id")).or_else(|| agent.cloned()),
        to: text_at("to"),
        from: text_at("from"),
        direction: text_at("direction"),
        testing: row.get("is_testing").and_then(flag),
        status: text_at("status").map_or(Status::Other, |word| Status::read(&word)),
        started_at: instant_at("started_at"),
        created_at: instant_at("created_at"),
        updated_at: instant_at("updated_at"),
    })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(_) => number(value).map(|number| number != 0.0),
        Value::String(text) => match text.as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn count(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => u32::try_from(number.as_u64()?).ok(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// RFC 3339; without a zone, UTC (`2024-01-15 11:35:42`, as the platform's database has it); or
/// epoch seconds or milliseconds.
fn instant(value: &Value) -> Option<Wall> {
    let Value::String(text) = value else {
        let given = number(value).filter(|given| *given > 0.0)?;
        let seconds = if given < EPOCH_MILLIS { given } else { given / 1e3 };
        let at = Timestamp::from_microsecond((seconds * 1e6) as i64).ok()?;
        return Some(Wall(at.as_microsecond()));
    };
    let zoned = || text.parse::<Timestamp>().ok();
    let unzoned = || {
        let local = text.parse::<civil::DateTime>().ok()?;
        TimeZone::UTC.to_timestamp(local).ok()
    };
    let at = zoned().or_else(unzoned)?;
    Some(Wall(at.as_microsecond()))
}
