//! An agent's webhooks and their delivery logs.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{
    super::{
        answer::{Refusal, Shape},
        clock,
        courier::{self, Delivery},
        payload,
        shared::Shared,
        webhook::{EVENTS, Header, Log, LogStatus, Webhook, WebhookTarget},
        world::World,
    },
    Answer, Page, Query, agents, fields, text,
};

pub(super) async fn list(State(shared): State<Arc<Shared>>, Path(agent): Path<String>) -> Answer {
    shared.look(|world| {
        if !world.agents.contains_key(&agent) {
            return Err(Refusal::unknown_agent());
        }
        let webhooks = world.webhooks.iter().filter(|webhook| webhook.is_of(&agent));
        let rows: Vec<_> = webhooks.map(row).collect();
        Ok(Json(json!({"success": true, "data": rows, "available_events": EVENTS})))
    })
}

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Path(agent): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let fields = fields(&body);
    shared.act(|world| {
        if !world.agents.contains_key(&agent) {
            return Err(Refusal::unknown_agent());
        }
        for required in ["name", "webhook_url"] {
            text(&fields, required)?;
        }
        if fields.get("events").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            return Err(Refusal::unprocessable("The events field is required."));
        }
        let now = clock::now();
        let mut webhook = Webhook {
            id: world.uuid(),
            agent: Some(agent),
            ..Webhook::of_all(WebhookTarget::default(), now)
        };
        webhook.change(&fields)?;
        let body = json!({"success": true, "data": row(&webhook)});
        world.webhooks.push(webhook);
        Ok((StatusCode::CREATED, Json(body)).into_response())
    })
}

pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Path((agent, id)): Path<(String, String)>,
) -> Answer {
    shared.act(|world| Ok(Json(json!({"success": true, "data": row(find(world, &agent, &id)?)}))))
}

/// Partial: what is not named stays.
pub(super) async fn update(
    State(shared): State<Arc<Shared>>,
    Path((agent, id)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let fields = fields(&body);
    shared.act(|world| {
        let webhook = find(world, &agent, &id)?;
        let mut changed = webhook.clone();
        changed.change(&fields)?;
        changed.updated_at = clock::now();
        *webhook = changed;
        Ok(Json(json!({"success": true, "data": row(webhook)})))
    })
}

pub(super) async fn delete(
    State(shared): State<Arc<Shared>>,
    Path((agent, id)): Path<(String, String)>,
) -> Answer {
    shared.act(|world| {
        find(world, &agent, &id)?;
        world.webhooks.retain(|webhook| webhook.id != id);
        Ok(Json(json!({"success": true, "message": "Webhook deleted"})))
    })
}

pub(super) async fn toggle(
    State(shared): State<Arc<Shared>>,
    Path((agent, id)): Path<(String, String)>,
) -> Answer {
    shared.act(|world| {
        let webhook = find(world, &agent, &id)?;
        webhook.is_enabled = !webhook.is_enabled;
        webhook.updated_at = clock::now();
        Ok(Json(json!({"success": true, "data": row(webhook)})))
    })
}

/// Sends a `webhook.test` and tells how it was answered.
pub(super) async fn test(
    State(shared): State<Arc<Shared>>,
    Path((agent, id)): Path<(String, String)>,
) -> Answer {
    let parcel = shared.act(|world| {
        let now = clock::now();
        let webhook = find(world, &agent, &id)?;
        let delivery = Delivery {
            webhook: id.clone(),
            log: None,
            event: "webhook.test".to_owned(),
            call: String::new(),
            agent: agent.clone(),
            body: payload::test_body(webhook, &agent, &agents::name(&agent), now),
            attempt: 1,
            faults: Vec::new(),
        };
        world.pack(&delivery, now).ok_or_else(unknown_webhook)
    })?;
    let receipt = courier::carry(&shared, parcel).await;
    let response_time = receipt.took.as_millis();
    let mut answer = json!({
        "success": receipt.is_acknowledged(),
        "data": {"status_code": receipt.status(), "response_time": response_time},
    });
    if let Err(error) = receipt.result {
        answer["message"] = json!(error);
    }
    Ok(Json(answer))
}

pub(super) async fn logs(
    State(shared): State<Arc<Shared>>,
    Path((agent, id)): Path<(String, String)>,
    query: Query,
) -> Answer {
    let page = Page::of(&query)?;
    shared.act(|world| {
        find(world, &agent, &id)?;
        let is = |name: &str, found: &str| query.get(name).is_none_or(|wanted| wanted == found);
        let is_wanted = |log: &&Log| {
            log.webhook == id && is("status", log.status.as_str()) && is("event", &log.event)
        };
        let logs: Vec<_> = world.logs.newest_first().filter(is_wanted).collect();
        Ok(Json(page.cut(world, &logs, |log| log_row(log))))
    })
}

pub(super) async fn retry(
    State(shared): State<Arc<Shared>>,
    Path((agent, id, log)): Path<(String, String, String)>,
) -> Answer {
    shared.act(|world| {
        find(world, &agent, &id)?;
        match world.retry_log(&id, &log) {
            Some(true) => Ok(Json(json!({"success": true, "message": "Retry queued"}))),
            Some(false) => {
                let message = "Only failed deliveries can be retried";
                Err(Refusal::new(422, "LOG_NOT_RETRIABLE", message, Shape::Code))
            }
            None => Err(Refusal::new(404, "NOT_FOUND", "Log not found", Shape::Message)),
        }
    })
}

fn find<'a>(world: &'a mut World, agent: &str, id: &str) -> Result<&'a mut Webhook, Refusal> {
    if !world.agents.contains_key(agent) {
        return Err(Refusal::unknown_agent());
    }
    let mut webhooks = world.webhooks.iter_mut();
    webhooks.find(|webhook| webhook.is_of(agent) && webhook.id == id).ok_or_else(unknown_webhook)
}

fn unknown_webhook() -> Refusal {
    Refusal::new(404, "NOT_FOUND", "Webhook not found", Shape::Message)
}

impl Webhook {
    fn is_of(&self, agent: &str) -> bool {
        self.agent.as_deref() == Some(agent)
    }

    /// Takes over what the fields name; refuses what the contract rules out.
    fn change(&mut self, fields: &Map<String, Value>) -> Result<(), Refusal> {
        for (name, value) in fields {
            let done = self.change_field(name, value);
            done.ok_or_else(|| Refusal::unprocessable(&format!("The {name} field is invalid.")))?;
        }
        Ok(())
    }

    fn change_field(&mut self, name: &str, value: &Value) -> Option<()> {
        let text = |most| value.as_str().filter(|text| text.len() <= most).map(str::to_owned);
        let number = |least, most| value.as_u64().filter(|n| (least..=most).contains(n));
        let one_of = |words: &[&str]| text(16).filter(|word| words.contains(&word.as_str()));
        let schemes = ["none", "bearer", "basic", "api_key", "custom"];
        let target = &mut self.target;
        match name {
            "name" => self.name = text(255)?,
            "webhook_url" => target.url = text(500)?,
            "webhook_secret" if value.is_null() => target.secret = None,
            "webhook_secret" => target.secret = Some(text(255)?),
            "events" => target.events = events(value)?,
            "timeout" => target.timeout_seconds = number(5, 120)?,
            "max_retries" => target.max_retries = u32::try_from(number(0, 10)?).ok()?,
            "enabled" => self.is_enabled = value.as_bool()?,
            "http_method" => target.method = one_of(&["POST", "PUT", "PATCH"])?,
            "authorization_scheme" => self.scheme = one_of(&schemes)?,
            "custom_headers" if value.is_null() => target.headers.clear(),
            "custom_headers" => target.headers = headers(value)?,
            "payload_templates" if value.is_null() => target.templates.clear(),
            "payload_templates" => target.templates = value.as_object()?.clone(),
            // Laravel drops what it does not know.
            _ => {}
        }
        Some(())
    }
}

fn events(value: &Value) -> Option<Vec<String>> {
    let event =
        |name: &Value| name.as_str().filter(|name| EVENTS.contains(name)).map(str::to_owned);
    let events: Vec<_> = value.as_array()?.iter().map(event).collect::<Option<_>>()?;
    (!events.is_empty()).then_some(events)
}

fn headers(value: &Value) -> Option<Vec<Header>> {
    let text = |header: &Value, name: &str| header.get(name)?.as_str().map(str::to_owned);
    let header = |one: &Value| Some(Header { key: text(one, "key")?, value: text(one, "value")? });
    value.as_array()?.iter().map(header).collect()
}

/// What reading back shows: no secret, method, headers, scheme or templates.
fn row(webhook: &Webhook) -> Value {
    json!({
        "id": webhook.id,
        "agent_id": webhook.agent,
        "name": webhook.name,
        "webhook_url": webhook.target.url,
        "events": webhook.target.events,
        "timeout": webhook.target.timeout_seconds,
        "max_retries": webhook.target.max_retries,
        "enabled": webhook.is_enabled,
        "status": if webhook.is_enabled { "active" } else { "disabled" },
        "created_at": clock::iso_seconds(webhook.created_at),
        "updated_at": clock::iso_seconds(webhook.updated_at),
    })
}

fn log_row(log: &Log) -> Value {
    let payload: Value = serde_json::from_str(&log.body).unwrap_or_else(|_| json!(log.body));
    json!({
        "id": log.id(),
        "webhook_id": log.webhook,
        "event": log.event,
        "status": log.status.as_str(),
        "attempt": log.attempt,
        "http_status": log.http_status,
        "request_payload": payload,
        "duration_ms": log.duration_ms,
        "created_at": clock::iso_seconds(log.created_at),
        "can_retry": log.status == LogStatus::Failed,
    })
}
