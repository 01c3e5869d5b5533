//! `/metrics`, in Prometheus' text format (spec §9).

use axum::{
    Router,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
    routing::get,
};

use super::health::Details;
use crate::{engine::Engine, telemetry::metrics::CONTENT_TYPE as PROMETHEUS_TEXT};

/// The scrape's one route.
pub fn router(engine: Engine, details: Details) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state((engine, details))
}

async fn metrics(
    State((engine, details)): State<(Engine, Details)>,
    headers: HeaderMap,
) -> Response {
    if !details.shown_to(&headers) {
        return refused();
    }
    let headers = [(CACHE_CONTROL, "no-store"), (CONTENT_TYPE, PROMETHEUS_TEXT)];
    (headers, engine.metrics().encode(&engine.vitals())).into_response()
}

fn refused() -> Response {
    let headers = [(CACHE_CONTROL, "no-store"), (WWW_AUTHENTICATE, "Bearer realm=\"callwarden\"")];
    let mend = "the admin token is needed on this listener: Authorization: Bearer <token>, or set \
                server.open_metrics = true\n";
    (StatusCode::UNAUTHORIZED, headers, mend).into_response()
}
