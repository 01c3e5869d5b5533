//! §9 *Logs*: what stands in them, and what never does.

use callwarden::sim::{Script, Wait};
use serde_json::json;

use crate::harness::{ConfigFile, Daemon, Platform, SECRETS};

#[tokio::test]
async fn numbers_are_masked_and_neither_contexts_nor_secrets_are_logged() {
    let sim = Platform::with_faults(&["server-error,count=2,scope=end-call"]).await;
    let config = ConfigFile::new()
        .platform(&sim)
        .set("limits.total", "300ms")
        .set_secret("webhook.previous_secret", "old-secret")
        .env("RUST_LOG", "trace");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    let context = json!({"name": "context-nobody-may-see"});
    let call = sim.place(Script {
        to: Some("+4915112345678".to_owned()),
        from: Some("+49301234567".to_owned()),
        context: context.as_object().unwrap().clone(),
        ..Script::default()
    });
    sim.until(Wait::Status { call: call.clone(), status: "over".to_owned() }).await;
    daemon.until_outcome(&call, "stopped").await;
    let bad = json!({"event": "event_phone_call_started", "call_id": {}, "to": "+4915112345678"});
    assert_eq!(daemon.webhook().json(&bad).send().await.status, 422);
    assert_eq!(daemon.webhook().unsigned().json(&bad).send().await.status, 401);
    let refused = daemon.webhook().signed_with("another-0123456789").json(&bad).send().await;
    assert_eq!(refused.status, 401);
    daemon.api("/api/calls?token=query-nobody-may-see").await;
    let log = daemon.log_text();
    daemon.stop().await;

    assert!(log.contains("5678"), "the last four digits are shown");
    for number in ["4915112345678", "15112345678", "301234567"] {
        let line = log.lines().find(|line| line.contains(number));
        assert_eq!(line, None, "{number}");
    }
    let secrets = SECRETS.map(|(_, secret)| secret.trim_start_matches("Bearer "));
    for secret in secrets.into_iter().chain(["context-nobody", "query-nobody", "another-0123"]) {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}

#[tokio::test]
async fn each_line_is_json_with_a_message_and_one_line_tells_each_decision() {
    let sim = Platform::start().await;
    let config = ConfigFile::new().platform(&sim).set("limits.total", "300ms");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    let call = sim.place(Script::default());
    sim.until(Wait::Status { call: call.clone(), status: "over".to_owned() }).await;
    daemon.until_outcome(&call, "stopped").await;
    daemon.until_logged("the call is over").await;
    let lines = daemon.log();
    for line in &lines {
        assert!(line.json.is_object(), "{}", line.text);
        for key in ["timestamp", "level", "message", "target"] {
            assert!(line.json[key].is_string(), "{key}: {}", line.text);
        }
    }
    let told = |message: &str| {
        let of_call = lines.iter().filter(|line| line.field("call.id") == call);
        of_call.filter(|line| line.field("message").contains(message)).count()
    };
    assert_eq!(told("past its deadline"), 1);
    assert_eq!(told("end-call request sent"), 1);
    assert_eq!(told("end-call request accepted"), 1);
    assert_eq!(told("the call is over"), 1);
    daemon.stop().await;
}

#[tokio::test]
async fn nothing_from_outside_can_forge_a_line() {
    let config = ConfigFile::new().set("limits.total", "100ms").env("RUST_LOG", "debug");
    let daemon = Daemon::start(config).await;
    let forged = "\u{2028}\u{85}\u{1b}[2J\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}";
    let escaped = "%0A%7B%22level%22%3A%22ERROR%22%2C%22message%22%3A%22forged%22%7D";
    let long = "x".repeat(10_000);
    for body in [
        json!({"event": "event_phone_call_started", "call_id": forged}),
        json!({"event": "event_phone_call_started", "call_id": "c", "agent_id": forged}),
        json!({"event": forged, "call_id": "c"}),
        json!({"event": "event_phone_call_started", "call_id": "\u{2028}\u{202e}\"}forged{"}),
        json!({"event": "event_phone_call_started", "call_id": "to", "to": forged}),
        json!({"event": "event_phone_call_ended", "call_id": "r", "ended_reason": forged}),
        json!({"event": "event_phone_call_started", "call_id": long}),
        json!({"event": "event_phone_call_started", "call_id": "c", "agent_id": long}),
    ] {
        for path in ["", &format!("/{escaped}"), &format!("/a/{escaped}")] {
            let status = daemon.webhook().path(path).json(&body).send().await.status;
            assert!(status < 500, "{status}");
        }
    }
    daemon.webhook().unsigned().header("X-\u{1b}[2J", "v").bytes();
    daemon.api(&format!("/{escaped}")).await;
    daemon.until_logged("end-call request sent").await;
    let lines = daemon.log();
    daemon.stop().await;
    for line in lines {
        assert!(line.json.is_object(), "{}", line.text);
        assert_ne!(line.field("message"), "forged", "{}", line.text);
        assert!(!line.text.contains('\u{1b}'), "{}", line.text);
        assert!(line.text.len() < 2048, "{} bytes: {:.300}", line.text.len(), line.text);
    }
}

#[tokio::test]
async fn repeated_refusals_are_told_once_a_second_with_a_count() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let mut sent = 0;
    let refused_twice = async || {
        assert_eq!(daemon.webhook().unsigned().send().await.status, 401);
        sent += 1;
        let lines = daemon.log();
        let told = lines.iter().filter(|line| line.text.contains("webhook refused"));
        told.count() >= 2
    };
    daemon.until("a second line", refused_twice).await;
    let lines = daemon.log();
    let told = lines.iter().filter(|line| line.text.contains("webhook refused"));
    let counted: u64 = told.map(|line| line.json["refusals.count"].as_u64().unwrap()).sum();
    // The second line stands for all that came between.
    assert!(sent > 2 && counted >= sent - 1 && counted <= sent, "{counted} of {sent}");
    daemon.stop().await;
}
