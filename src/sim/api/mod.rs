//! The platform's API, as `/api/v1` serves it. Bodies are read leniently and answered in the
//! contract's shapes; whatever befalls a request befalls it in the [gate](super::gate).

mod agents;
mod calls;
mod lists;
mod place;
mod webhooks;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    http::Uri,
    middleware,
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use serde_json::{Map, Value, json};

use super::{
    answer::{self, Refusal, Shape},
    fault::FaultKind,
    gate,
    shared::Shared,
    world::World,
};

/// Query parameters.
type Query = axum::extract::Query<HashMap<String, String>>;
type Answer = Result<Json<Value>, Refusal>;

pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let api = Router::new()
        .route("/health", get(health))
        .route("/calls", get(lists::all))
        .route("/agents", get(agents::list))
        .route("/agents/{agent}", get(agents::show))
        .route("/agents/{agent}/unpublish", post(agents::unpublish))
        .route("/agents/{agent}/publish", post(agents::publish))
        .route("/agents/{agent}/pricing/summary", get(agents::pricing))
        .route("/agents/{agent}/calls", get(lists::of_agent))
        .route("/agents/{agent}/call", post(place::by_agent))
        .route("/agents/{agent}/end-call", post(calls::end))
        .route("/agents/{agent}/active-call/{phone}", get(calls::active))
        .route("/agents/{agent}/webhooks", get(webhooks::list).post(webhooks::create))
        .route(
            "/agents/{agent}/webhooks/{webhook}",
            get(webhooks::show).put(webhooks::update).delete(webhooks::delete),
        )
        .route("/agents/{agent}/webhooks/{webhook}/toggle", patch(webhooks::toggle))
        .route("/agents/{agent}/webhooks/{webhook}/test", post(webhooks::test))
        .route("/agents/{agent}/webhooks/{webhook}/logs", get(webhooks::logs))
        .route("/agents/{agent}/webhooks/{webhook}/logs/{log}/retry", post(webhooks::retry))
        .route("/campaigns/{campaign}", get(agents::campaign))
        .route("/campaigns/{campaign}/status", patch(agents::campaign_status))
        .route("/campaigns/{campaign}/call", post(place::by_campaign))
        .fallback(unknown_route)
        .method_not_allowed_fallback(method_not_allowed);
    Router::new()
        .nest("/api/v1", api)
        // Outside of the API lives some web site.
        .fallback(async || answer::foreign_not_found())
        .layer(middleware::from_fn_with_state(Arc::clone(shared), gate::gate))
        .with_state(Arc::clone(shared))
}

async fn health() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

async fn unknown_route(uri: Uri) -> Response {
    Refusal::unknown_route(uri.path()).into_response()
}

async fn method_not_allowed() -> Response {
    let message = "The method is not supported for this route.";
    Refusal::new(405, "METHOD_NOT_ALLOWED", message, Shape::Bare).into_response()
}

/// The fields of a body; a body that is no object has none.
fn fields(body: &Bytes) -> Map<String, Value> {
    serde_json::from_slice(body).unwrap_or_default()
}

/// A field that must be a text.
fn text(fields: &Map<String, Value>, name: &str) -> Result<String, Refusal> {
    let text = fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.map(str::to_owned)
        .ok_or_else(|| Refusal::unprocessable(&format!("The {name} field is required.")))
}

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug)]
struct Page {
    number: usize,
    size: usize,
}

impl Page {
    fn of(query: &Query) -> Result<Self, Refusal> {
        let number = |name: &str, default: usize, most: usize| match query.get(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .ok()
                .filter(|number| (1..=most).contains(number))
                .ok_or_else(|| Refusal::unprocessable(&format!("The {name} field is invalid."))),
        };
        Ok(Self { number: number("page", 1, 1 << 20)?, size: number("per_page", 20, 100)? })
    }

    /// The answer that holds this page of the rows, which come in order and are made on demand.
    fn cut<T>(self, world: &World, items: &[T], row: impl Fn(&T) -> Value) -> Value {
        let total = items.len();
        let from = self.first(world).min(total);
        let rows: Vec<_> = items.iter().skip(from).take(self.size).map(row).collect();
        let has_rows = !rows.is_empty();
        let pagination = json!({
            "current_page": self.number,
            "last_page": total.div_ceil(self.size).max(1),
            "per_page": self.size,
            "total": total,
            "from": has_rows.then_some(from + 1),
            "to": has_rows.then_some(from + rows.len()),
        });
        let is_meta = world.faults.has(|kind| matches!(kind, FaultKind::ListMeta));
        let key = if is_meta { "meta" } else { "pagination" };
        json!({"success": true, "data": rows, key: pagination})
    }

    /// The first row's index. Later pages have shifted if calls came (or went) meanwhile.
    fn first(self, world: &World) -> usize {
        let first = (self.number - 1) * self.size;
        let shift = world.faults.habit(|kind| match kind {
            FaultKind::ListShifts(rows) if self.number > 1 => Some(*rows),
            _ => None,
        });
        let shift = isize::try_from(shift.unwrap_or(0)).unwrap_or(0);
        first.saturating_add_signed(shift.saturating_neg())
    }
}
