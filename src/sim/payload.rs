//! The bodies of webhooks.

use serde_json::{Map, Value, json};

use super::{
    call::Call,
    clock::{self, Micros},
    webhook::Webhook,
};

/// What a body leaves out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Leanness {
    pub(super) no_event: bool,
    pub(super) is_meagre: bool,
}

/// The body of an event's delivery.
pub(super) fn event_body(
    call: &Call,
    event: &str,
    at: Micros,
    lean: Leanness,
    templates: &Map<String, Value>,
) -> String {
    let full = full_body(call, event, at);
    if let Some(template) = templates.get(event) {
        return match fill(template, &full) {
            // A template given as text is the body itself.
            Value::String(text) => text,
            filled => filled.to_string(),
        };
    }
    if lean.is_meagre {
        return json!({"call_id": call.id, "duration": call.seconds(at)}).to_string();
    }
    let mut body = full;
    if lean.no_event {
        body.remove("event");
    }
    Value::Object(body).to_string()
}

fn full_body(call: &Call, event: &str, at: Micros) -> Map<String, Value> {
    let body = json!({
        "event": event,
        "call_id": call.id,
        "call_sid": call.sid,
        "agent_id": call.agent,
        "timestamp": clock::iso_millis(at),
        "to": call.to,
        "from": call.from,
        "direction": call.direction.as_str(),
        "status": call.status.as_str(),
        "duration": call.seconds(at),
        "is_testing": call.is_testing,
        "context": call.context,
    });
    let Value::Object(mut body) = body else {
        return Map::new();
    };
    if let Some(campaign) = &call.campaign {
        body.insert("campaign_id".to_owned(), json!(campaign));
    }
    body
}

/// Fills `{{call.id}}`, `{{event}}`, `{{agent.id}}`, `{{timestamp}}`, `{{call.to}}` … into every
/// text of a template.
fn fill(template: &Value, full: &Map<String, Value>) -> Value {
    match template {
        Value::String(text) => Value::String(fill_text(text, full)),
        Value::Array(items) => items.iter().map(|item| fill(item, full)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), fill(value, full))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => template.clone(),
    }
}

fn fill_text(text: &str, full: &Map<String, Value>) -> String {
    full.iter().fold(text.to_owned(), |text, (key, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let name = match key.as_str() {
            "call_id" => "call.id".to_owned(),
            "call_sid" => "call.sid".to_owned(),
            "agent_id" => "agent.id".to_owned(),
            "campaign_id" => "campaign.id".to_owned(),
            "event" | "timestamp" => key.clone(),
            field => format!("call.{field}"),
        };
        text.replace(&format!("{{{{{name}}}}}"), &value)
    })
}

/// The body of a test delivery, as the contract samples it.
pub(super) fn test_body(webhook: &Webhook, agent: &str, agent_name: &str, now: Micros) -> String {
    json!({
        "event": "webhook.test",
        "agent_id": agent,
        "agent_name": agent_name,
        "webhook_id": webhook.id,
        "webhook_name": webhook.name,
        "timestamp": clock::iso_millis(now),
        "test": true,
    })
    .to_string()
}
