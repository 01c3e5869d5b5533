//! `/health`, `/livez`, `/readyz` (spec §9): is it well, does it turn, may a balancer send to it.

use axum::{
    Json, Router,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use super::admin::AdminToken;
use crate::{
    engine::Engine,
    model::health::{Health, Status},
    telemetry::liveness::{Liveness, Readiness, Sign},
};

/// What the probes ask.
#[derive(Clone, Debug)]
pub struct Probes {
    /// Told health by its vitals.
    pub engine: Engine,
    /// Every loop's sign of life.
    pub liveness: Liveness,
    /// What still keeps the daemon from being ready.
    pub readiness: Readiness,
    /// Who is told more than the status.
    pub details: Details,
}

/// Who may see metrics and the details of health: on a listener that is not loopback only the
/// operator, unless `server.open_metrics` (spec §3).
#[derive(Clone, Debug)]
pub enum Details {
    /// Whoever asks.
    Open,
    /// Whoever bears the admin token; nobody, where there is none.
    Operator(Option<AdminToken>),
}

impl Details {
    /// Whether a request with these headers may see them.
    #[must_use]
    pub fn shown_to(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Open => true,
            Self::Operator(token) => token.as_ref().is_some_and(|token| token.borne_by(headers)),
        }
    }
}

/// The three probes.
pub fn router(probes: Probes) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(probes)
}

async fn health(State(probes): State<Probes>, headers: HeaderMap) -> Response {
    let health = Health::of(&probes.engine.vitals());
    report(&health, probes.details.shown_to(&headers))
}

async fn livez(State(probes): State<Probes>) -> Response {
    let late = probes.liveness.late(probes.engine.clock().now().mono);
    verdict(late.iter().map(standstill).collect())
}

async fn readyz(State(probes): State<Probes>) -> Response {
    verdict(probes.readiness.reasons().into_iter().map(str::to_owned).collect())
}

fn report(health: &Health, in_detail: bool) -> Response {
    let status = match health.status {
        Status::Pass | Status::Warn => StatusCode::OK,
        Status::Fail => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = if in_detail {
        Json(health).into_response()
    } else {
        Json(json!({"status": health.status})).into_response()
    };
    (status, [(CACHE_CONTROL, "no-store")], body).into_response()
}

/// `ok`, or a line per reason.
fn verdict(reasons: Vec<String>) -> Response {
    let (status, body) = if reasons.is_empty() {
        (StatusCode::OK, "ok".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n"))
    };
    let headers = [(CACHE_CONTROL, "no-store"), (CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, headers, format!("{body}\n")).into_response()
}

fn standstill(sign: &Sign) -> String {
    format!("{} has not turned for {} s", sign.name, sign.age.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt as _;
    use secrecy::SecretString;

    use super::*;
    use crate::model::health::Vitals;

    async fn body(response: Response) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn only_fail_is_503_and_nothing_is_cached() {
        let mut vitals = Vitals::well();
        vitals.webhooks.late = 1;
        let warned = report(&Health::of(&vitals), true);
        assert_eq!(warned.status(), StatusCode::OK);
        assert_eq!(warned.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(warned.headers()[CONTENT_TYPE], "application/json");
        assert!(body(warned).await.contains("\"checks\""));

        vitals.timer_lag = Duration::from_secs(6);
        let failed = report(&Health::of(&vitals), false);
        assert_eq!(failed.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body(failed).await, r#"{"status":"fail"}"#);
    }

    #[tokio::test]
    async fn a_probe_says_ok_or_a_line_per_reason() {
        let fine = verdict(Vec::new());
        assert_eq!(fine.status(), StatusCode::OK);
        assert_eq!(body(fine).await, "ok\n");
        let late = Sign { name: "the timer loop", age: Duration::from_secs(7), late: true };
        let stuck = verdict(vec![standstill(&late), "calls are being loaded".to_owned()]);
        assert_eq!(stuck.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            body(stuck).await,
            "the timer loop has not turned for 7 s\ncalls are being loaded\n"
        );
    }

    #[test]
    fn details_are_for_the_operator_unless_open() {
        let token = AdminToken::new(&SecretString::from("0123456789abcdef"));
        let mut headers = HeaderMap::new();
        assert!(Details::Open.shown_to(&headers));
        assert!(!Details::Operator(Some(token.clone())).shown_to(&headers));
        headers.insert("authorization", "Bearer 0123456789abcdef".parse().unwrap());
        assert!(Details::Operator(Some(token)).shown_to(&headers));
        assert!(!Details::Operator(None).shown_to(&headers));
    }
}
