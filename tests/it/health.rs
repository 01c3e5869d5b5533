//! §9: `/health`, `/livez`, `/readyz`, and who is told the details.

use callwarden::sim::{Script, Wait};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::harness::{ConfigFile, Daemon, Home, Platform, Request};

#[tokio::test]
async fn health_has_the_shape_of_the_spec() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(ConfigFile::new().platform(&sim)).await;
    sim.deliver_to(&daemon);
    let call = sim.place(Script::default());
    let event = Some("event_conversation_started".to_owned());
    sim.until(Wait::Delivered { call: Some(call), event, count: 1 }).await;
    let answer = daemon.get("/health").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut health = answer.json();
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    health["version"] = json!("VERSION");
    health["uptime_seconds"] = json!("NUMBER");
    numberless(&mut health["checks"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&health).unwrap());
    daemon.stop().await;
}

/// Figures come and go: that they are there is what counts.
fn numberless(value: &mut Value) {
    match value {
        Value::Number(_) => *value = json!("NUMBER"),
        Value::Object(fields) => fields.values_mut().for_each(numberless),
        Value::Array(items) => items.iter_mut().for_each(numberless),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn health_counts_calls_and_says_what_is_wrong_with_the_mend() {
    let sim = Platform::with_faults(&["unauthorized"]).await;
    let config = ConfigFile::new().platform(&sim).set("limits.total", "100ms");
    let mut daemon = Daemon::start(config).await;
    daemon.expect_error("401");
    assert_eq!(daemon.event("phone_call_started", "c1").await, "tracked");
    let told = "health fails for the platform";
    daemon.until(told, async || daemon.get("/health").await.status == 503).await;
    let health = daemon.health().await;
    assert_eq!(health["status"], "fail");
    assert_eq!(health["checks"]["platform"]["status"], "fail");
    let sentence = health["checks"]["platform"].to_string();
    assert!(sentence.contains("401") && sentence.contains("token"), "{sentence}");
    assert_eq!(health["calls"]["stopping"], 1);
    assert_eq!(health["calls"]["overdue"], 1);
    // A balancer's question is another one.
    assert_eq!(daemon.get("/readyz").await.status, 200);
    assert_eq!(daemon.get("/livez").await.status, 200);
    let metrics = daemon.metrics().await;
    assert_eq!(metrics.value(r#"callwarden_check_status{check="platform"}"#), 2.0);
    assert_eq!(metrics.value("callwarden_calls_overdue"), 1.0);
    daemon.stop().await;
}

#[tokio::test]
async fn livez_and_readyz_say_ok() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    for probe in ["/livez", "/readyz"] {
        let answer = daemon.get(probe).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"), "{probe}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{probe}");
        assert!(answer.header("content-type").unwrap().starts_with("text/plain"), "{probe}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn readyz_says_that_it_drains() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    // A request that was begun keeps its connection through the drain.
    let mut begun = TcpStream::connect(daemon.addr()).await.unwrap();
    begun.write_all(b"GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n").await.unwrap();
    assert_eq!(daemon.get("/readyz").await.status, 200);
    daemon.signal(Signal::TERM);
    daemon.until_logged("draining").await;
    // Whether it is still served is the drain's affair; that it is never called ready is ours.
    begun.write_all(b"\r\n").await.ok();
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut begun, &mut answer).await.ok();
    let answer = String::from_utf8(answer).unwrap();
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    daemon.ended_clean().await;
}

#[tokio::test]
async fn off_loopback_details_are_for_the_operator() {
    let everywhere = ConfigFile::new().set("server.listen", "0.0.0.0:0");
    let daemon = Daemon::start(everywhere.clone()).await;
    let ask = async |target: &str, token: Option<&str>| {
        let request = Request::new("GET", target);
        let request = match token {
            Some(token) => request.header("Authorization", format!("Bearer {token}")),
            None => request,
        };
        request.send(daemon.addr()).await
    };
    let admin = Some("admin-0123456789abcdef");
    for token in [None, Some("wrong"), Some("talq_0123456789abcdef")] {
        let metrics = ask("/metrics", token).await;
        assert_eq!(metrics.status, 401, "{token:?}");
        assert!(!metrics.body.contains("callwarden_calls"), "{token:?}");
        let health = ask("/health", token).await;
        assert_eq!((health.status, health.json()), (200, json!({"status": "pass"})), "{token:?}");
    }
    assert_eq!(ask("/metrics", admin).await.status, 200);
    assert!(ask("/health", admin).await.json()["checks"].is_object());
    assert_eq!(ask("/livez", None).await.body, "ok\n");
    assert_eq!(ask("/readyz", None).await.body, "ok\n");
    daemon.stop().await;

    let daemon = Daemon::start(everywhere.clone().set("server.open_metrics", true)).await;
    assert_eq!(daemon.get("/metrics").await.status, 200);
    assert!(daemon.health().await["checks"].is_object());
    daemon.stop().await;

    // Without an operator nobody is told.
    let daemon = Daemon::start(everywhere.remove("admin")).await;
    assert_eq!(daemon.get("/metrics").await.status, 401);
    assert_eq!(daemon.health().await, json!({"status": "pass"}));
    daemon.stop().await;
}

#[tokio::test]
async fn unsigned_webhooks_are_never_taken_off_loopback() {
    let config = ConfigFile::new()
        .set("server.listen", "0.0.0.0:0")
        .remove("webhook.secret")
        .set("webhook.allow_unsigned", true);
    let (code, log) = Daemon::spawn(Home::new(), config).exit().await;
    assert_eq!(code, 78);
    assert!(log.iter().any(|line| line.text.contains("webhook.allow_unsigned")));
}
