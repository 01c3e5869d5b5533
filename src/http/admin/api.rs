//! What the admin API shows (spec §10): calls, one call, why it ends when it does, outcomes.

use axum::{
    Json, Router,
    extract::{Path, State, rejection::PathRejection},
    http::Uri,
    routing::get,
};

use super::{
    problem::Problem,
    query::{call_filter, history_filter, nothing},
};
use crate::{
    engine::Engine,
    model::{
        ids::CallId,
        view::{CallView, EndedView, ViewPage, WhyView},
    },
    telemetry::log::printable,
};

pub(super) fn routes() -> Router<Engine> {
    Router::new()
        .route("/api/calls", get(calls))
        .route("/api/calls/{id}", get(call))
        .route("/api/calls/{id}/explain", get(explain))
        .route("/api/history", get(history))
}

async fn calls(
    State(engine): State<Engine>,
    uri: Uri,
) -> Result<Json<ViewPage<CallView>>, Problem> {
    let filter = call_filter(&uri)?;
    let page = engine.calls(filter).await.map_err(|_| unavailable())?;
    Ok(Json(page))
}

async fn call(
    State(engine): State<Engine>,
    uri: Uri,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<CallView>, Problem> {
    nothing(&uri)?;
    let id = call_id(id)?;
    match engine.call(&id).await.map_err(|_| unavailable())? {
        Some(call) => Ok(Json(call)),
        None => Err(unknown_call(&id)),
    }
}

async fn explain(
    State(engine): State<Engine>,
    uri: Uri,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<WhyView>, Problem> {
    nothing(&uri)?;
    let id = call_id(id)?;
    match engine.explain(&id).await.map_err(|_| unavailable())? {
        Some(why) => Ok(Json(why)),
        None => Err(unknown_call(&id)),
    }
}

pub(super) fn unknown_call(id: &CallId) -> Problem {
    Problem::not_found(format!(
        "no call {} is known: it was never heard of, or its end is older than store.history",
        printable(id.as_str()),
    ))
}

async fn history(
    State(engine): State<Engine>,
    uri: Uri,
) -> Result<Json<ViewPage<EndedView>>, Problem> {
    let filter = history_filter(&uri, engine.clock().now())?;
    let page = engine.history(filter).await.map_err(|_| unavailable())?;
    Ok(Json(page))
}

pub(super) fn call_id(path: Result<Path<String>, PathRejection>) -> Result<CallId, Problem> {
    let Path(text) = path.map_err(|rejection| {
        Problem::unprocessable(format!("the call's id in the path cannot be read: {rejection}"))
    })?;
    CallId::parse(&text).map_err(|error| {
        Problem::unprocessable(format!("the call's id {} {error}", printable(&text)))
    })
}

pub(super) fn unavailable() -> Problem {
    Problem::unavailable(
        "the store cannot be read now: calls go on being watched; ask again, and see /health"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    /// What the path's id is read as.
    async fn read(path: &str) -> String {
        async fn shown(id: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
            call_id(id).map(String::from)
        }
        let request = axum::http::Request::get(path).body(Body::empty()).unwrap();
        let routes: Router = Router::new().route("/api/calls/{id}", get(shown));
        let response = routes.oneshot(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_id_may_hold_whatever_can_be_percent_encoded() {
        assert_eq!(read("/api/calls/CA12").await, "CA12");
        assert_eq!(read("/api/calls/a%2Fb%3Fc%25").await, "a/b?c%");
        assert_eq!(read("/api/calls/..%2F..").await, "../..");
        assert_eq!(read("/api/calls/a+b").await, "a+b");
        assert_eq!(read("/api/calls/a/b").await, "");
    }

    #[tokio::test]
    async fn an_id_that_no_call_can_have_is_a_problem_that_says_so() {
        assert!(read("/api/calls/a%0Ab").await.contains("holds a control character"));
        assert!(read("/api/calls/%FF").await.contains("cannot be read"));
        let long = format!("/api/calls/{}", "x".repeat(201));
        assert!(read(&long).await.contains("201 bytes long"));
    }
}
