//! The door, and what lies behind it when nothing does.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use axum::{
    body::Body,
    http::{StatusCode, request::Builder},
    routing::get,
};
use http_body_util::BodyExt as _;
use secrecy::SecretString;
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;

const TOKEN: &str = "0123456789abcdef";

/// The door before one route, with a clock that the test sets.
struct House {
    router: Router,
    clock: Arc<AtomicI64>,
}

impl House {
    fn new() -> Self {
        let clock = Arc::new(AtomicI64::new(10_000_000));
        let hands = Arc::clone(&clock);
        let access = Access {
            token: AdminToken::new(&SecretString::from(TOKEN)),
            hosts: vec!["Warden.example".to_owned()],
        };
        let routes = Router::new().route("/api/calls", get(|| async { "in" }));
        let router = guarded(routes, access, move || Mono(hands.load(Ordering::Relaxed)));
        Self { router, clock }
    }

    fn pass(&self, span: Duration) {
        let micros = i64::try_from(span.as_micros()).unwrap();
        self.clock.fetch_add(micros, Ordering::Relaxed);
    }

    async fn answer(&self, request: Builder) -> Response {
        let request = request.body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn status(&self, request: Builder) -> u16 {
        self.answer(request).await.status().as_u16()
    }
}

fn ask(path: &str) -> Builder {
    Request::get(path).header("host", "localhost:8081")
}

fn with_token(request: Builder) -> Builder {
    request.header("authorization", format!("Bearer {TOKEN}"))
}

#[tokio::test]
async fn only_the_token_opens() {
    let house = House::new();
    assert_eq!(house.status(with_token(ask("/api/calls"))).await, 200);
    let lower = ask("/api/calls").header("authorization", format!("bearer {TOKEN}"));
    assert_eq!(house.status(lower).await, 200);
    for wrong in ["Bearer x", "Bearer ", "Bearer", TOKEN, "Basic 0123456789abcdef"] {
        let request = ask("/api/calls").header("authorization", wrong);
        assert_eq!(house.status(request).await, 401, "{wrong}");
    }
    let elsewhere = ask(&format!("/api/calls?token={TOKEN}")).header("cookie", TOKEN);
    assert_eq!(house.status(elsewhere).await, 401);
    let twice = with_token(with_token(ask("/api/calls")));
    assert_eq!(house.status(twice).await, 401);
    let refused = house.answer(ask("/api/calls")).await;
    assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"callwarden\"");
}

#[tokio::test]
async fn beyond_ten_refusals_a_second_a_wrong_token_gets_429_and_the_right_one_in() {
    let house = House::new();
    for _ in 0..10 {
        assert_eq!(house.status(ask("/api/calls")).await, 401);
    }
    let refused = house.answer(ask("/api/calls")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(house.status(with_token(ask("/api/calls"))).await, 200);
    house.pass(Duration::from_secs(1));
    assert_eq!(house.status(ask("/api/calls")).await, 401);
}

#[tokio::test]
async fn a_host_is_loopback_or_listed() {
    let house = House::new();
    let under = |host: &str| with_token(Request::get("/api/calls").header("host", host));
    for ours in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:8081",
        "127.9.9.9",
        "[::1]:8081",
        "warden.example:443",
    ] {
        assert_eq!(house.status(under(ours)).await, 200, "{ours}");
    }
    for foreign in [
        "evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "",
    ] {
        assert_eq!(house.status(under(foreign)).await, 403, "{foreign}");
    }
    assert_eq!(house.status(with_token(Request::get("/api/calls"))).await, 403);
    let absolute = with_token(ask("http://evil.example/api/calls"));
    assert_eq!(house.status(absolute).await, 403);
    let twice = with_token(ask("/api/calls").header("host", "localhost"));
    assert_eq!(house.status(twice).await, 403);
}

#[tokio::test]
async fn an_origin_is_the_hosts_own() {
    let house = House::new();
    let from = |origin: &str| with_token(ask("/api/calls").header("origin", origin));
    assert_eq!(house.status(from("http://localhost:8081")).await, 200);
    assert_eq!(house.status(from("https://LOCALHOST:8081")).await, 200);
    for foreign in ["http://localhost:3000", "http://localhost", "http://evil.example", "null", ""]
    {
        assert_eq!(house.status(from(foreign)).await, 403, "{foreign}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let house = House::new();
    let answer = house.answer(with_token(ask("/api/nothing"))).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["title"], "Not Found");
    assert_eq!(problem["status"], 404);
    assert!(problem["detail"].as_str().unwrap().contains("/api/nothing"));
    // Nobody without the token learns what there is.
    assert_eq!(house.status(ask("/api/nothing")).await, 401);
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_that_names_the_right_ones() {
    let house = House::new();
    let post = Request::post("/api/calls").header("host", "localhost");
    let answer = house.answer(with_token(post)).await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.headers()["allow"], "GET,HEAD");
}

#[tokio::test]
async fn every_answer_is_hardened() {
    let house = House::new();
    for request in [
        with_token(ask("/api/calls")),
        with_token(ask("/api/nothing")),
        ask("/api/calls"),
        Request::get("/"),
    ] {
        let answer = house.answer(request).await;
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.headers()[name], value, "{}", answer.status());
        }
        assert!(answer.headers().contains_key("content-security-policy"));
    }
}

#[test]
fn a_token_is_never_shown() {
    let token = AdminToken::new(&SecretString::from(TOKEN));
    assert_eq!(format!("{token:?}"), "AdminToken(…)");
}
