//! The control API: [`Control`] over HTTP, under `/sim`, for callers on this machine only.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, Path, Query, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{control::Control, fault::Fault, script::Script, wait::Wait, webhook::WebhookTarget};

pub(super) fn router(control: Control) -> Router {
    Router::new()
        .route("/calls", get(calls).post(place))
        .route("/calls/{id}", get(call))
        .route("/calls/{id}/hang-up", post(hang_up))
        .route("/calls/{id}/events", post(happen))
        .route("/script", put(set_script))
        .route("/agents/{id}", put(add_agent))
        .route("/faults", get(faults).put(set_faults).post(add_faults).delete(clear_faults))
        .route("/faults/{name}", delete(clear_fault))
        .route("/token", put(set_token))
        .route("/webhook", put(set_webhook).delete(clear_webhook))
        .route("/requests", get(history).delete(clear_history))
        .route("/wait", get(wait))
        .layer(middleware::from_fn(local_only))
        .with_state(control)
}

/// What the control API says to a request it can't carry out.
struct Mistake(StatusCode, String);

type Answer = Result<Json<Value>, Mistake>;

impl IntoResponse for Mistake {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

async fn local_only(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if peer.ip().is_loopback() {
        return next.run(request).await;
    }
    Mistake(StatusCode::FORBIDDEN, "the control API is for this machine only".to_owned())
        .into_response()
}

async fn calls(State(control): State<Control>) -> Json<Value> {
    Json(json!({"calls": control.calls()}))
}

/// One script, or `{"calls":[script,…]}`.
async fn place(State(control): State<Control>, body: Bytes) -> Answer {
    let body: Value = if body.is_empty() { json!({}) } else { read(&body)? };
    let Some(scripts) = body.get("calls") else {
        let id = control.place(understand::<Script>(body)?);
        return Ok(Json(json!({"id": id})));
    };
    let scripts: Vec<Script> = understand(scripts.clone())?;
    let ids: Vec<_> = scripts.into_iter().map(|script| control.place(script)).collect();
    Ok(Json(json!({"ids": ids})))
}

async fn call(State(control): State<Control>, Path(id): Path<String>) -> Answer {
    let call = control.call(&id).ok_or_else(|| not_found(&format!("no call {id:?}")))?;
    Ok(Json(json!(call)))
}

async fn hang_up(State(control): State<Control>, Path(id): Path<String>) -> Json<Value> {
    Json(json!({"ended": control.hang_up(&id)}))
}

async fn happen(State(control): State<Control>, Path(id): Path<String>, body: Bytes) -> Answer {
    let body: Value = read(&body)?;
    let event = body.get("event").and_then(Value::as_str);
    let event = event.ok_or_else(|| unclear("expected {\"event\":\"event_…\"}"))?;
    Ok(Json(json!({"happened": control.happen(&id, event)})))
}

async fn set_script(State(control): State<Control>, body: Bytes) -> Answer {
    control.set_script(read(&body)?);
    Ok(Json(json!({})))
}

async fn add_agent(State(control): State<Control>, Path(id): Path<String>) -> Json<Value> {
    control.add_agent(&id);
    Json(json!({}))
}

async fn faults(State(control): State<Control>) -> Json<Value> {
    Json(json!({"faults": control.faults()}))
}

async fn set_faults(State(control): State<Control>, body: Bytes) -> Answer {
    control.set_faults(read_faults(&body)?);
    Ok(faults(State(control)).await)
}

async fn add_faults(State(control): State<Control>, body: Bytes) -> Answer {
    read_faults(&body)?.into_iter().for_each(|fault| control.add_fault(fault));
    Ok(faults(State(control)).await)
}

async fn clear_faults(State(control): State<Control>) -> Json<Value> {
    control.set_faults(Vec::new());
    faults(State(control)).await
}

async fn clear_fault(State(control): State<Control>, Path(name): Path<String>) -> Answer {
    if !control.clear_fault(&name) {
        return Err(not_found(&format!("no fault {name:?} is in force")));
    }
    Ok(faults(State(control)).await)
}

async fn set_token(State(control): State<Control>, body: Bytes) -> Answer {
    let body: Value = read(&body)?;
    match body.get("token") {
        Some(Value::String(token)) => control.set_token(Some(token.clone())),
        Some(Value::Null) => control.set_token(None),
        _ => return Err(unclear("expected {\"token\":\"…\"}, or null for any")),
    }
    Ok(Json(json!({})))
}

async fn set_webhook(State(control): State<Control>, body: Bytes) -> Answer {
    control.set_webhook(Some(read::<WebhookTarget>(&body)?));
    Ok(Json(json!({})))
}

async fn clear_webhook(State(control): State<Control>) -> Json<Value> {
    control.set_webhook(None);
    Json(json!({}))
}

async fn history(State(control): State<Control>) -> Json<Value> {
    Json(json!({"requests": control.requests(), "deliveries": control.deliveries()}))
}

async fn clear_history(State(control): State<Control>) -> Json<Value> {
    control.clear_history();
    Json(json!({}))
}

/// 200 once it is so, 408 if it is not in time (`timeout`, 10 s unless said).
async fn wait(
    State(control): State<Control>,
    Query(mut query): Query<HashMap<String, String>>,
) -> Result<Response, Mistake> {
    let patience = query.remove("timeout").unwrap_or_else(|| "10s".to_owned());
    let patience = humantime::parse_duration(&patience)
        .map_err(|error| unclear(&format!("timeout {patience:?}: {error}")))?;
    let what = read_wait(query)?;
    let is_met = control.wait(&what, patience.min(Duration::from_secs(3600))).await;
    let status = if is_met { StatusCode::OK } else { StatusCode::REQUEST_TIMEOUT };
    Ok((status, Json(json!({"met": is_met}))).into_response())
}

/// A query's values are texts; a count is a number.
fn read_wait(query: HashMap<String, String>) -> Result<Wait, Mistake> {
    let value = |(key, text): (String, String)| {
        let number = text.parse::<u64>().ok().filter(|_| key == "count");
        let value = number.map_or(Value::String(text), Value::from);
        (key, value)
    };
    let mut fields: serde_json::Map<_, _> = query.into_iter().map(value).collect();
    fields.entry("count").or_insert(json!(1));
    understand(Value::Object(fields))
}

fn read_faults(body: &Bytes) -> Result<Vec<Fault>, Mistake> {
    let body: Value = read(body)?;
    let texts: Vec<String> = understand(body.get("faults").cloned().unwrap_or_default())?;
    let fault = |text: &String| text.parse().map_err(|error| unclear(&format!("{error}")));
    texts.iter().map(fault).collect()
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Mistake> {
    serde_json::from_slice(body).map_err(|error| unclear(&error.to_string()))
}

fn understand<T: DeserializeOwned>(value: Value) -> Result<T, Mistake> {
    serde_json::from_value(value).map_err(|error| unclear(&error.to_string()))
}

fn unclear(what: &str) -> Mistake {
    Mistake(StatusCode::UNPROCESSABLE_ENTITY, what.to_owned())
}

fn not_found(what: &str) -> Mistake {
    Mistake(StatusCode::NOT_FOUND, what.to_owned())
}
