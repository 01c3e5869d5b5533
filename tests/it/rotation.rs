//! The platform's token, replaced while we run; and an address that is not the platform's (spec §3,
//! §7 *Answers*).

use std::fs;

use callwarden::sim::Wait;

use crate::{
    harness::{Daemon, Platform},
    seen::{accepted, requests, talking, unlisted},
};

const NEW: &str = "talq_rotated-0123456789abcdef";

fn put_down(daemon: &Daemon, token: &str) {
    let path = daemon.home().path().join("platform-token");
    let draft = daemon.home().path().join("platform-token.new");
    fs::write(&draft, token).unwrap();
    fs::rename(draft, path).unwrap();
}

#[tokio::test]
async fn a_token_replaced_in_the_middle_of_a_backlog_costs_no_call() {
    let sim = Platform::start().await;
    let config = unlisted(&sim).set("platform.requests", "30/s").set("limits.total", "3s");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    let calls: Vec<_> = (0..90).map(|_| sim.place(talking())).collect();
    sim.until(Wait::Accepted { call: None, count: 20 }).await;
    put_down(&daemon, NEW);
    sim.set_token(Some(NEW.to_owned()));
    sim.until(Wait::Over { count: 90 }).await;
    for call in &calls {
        daemon.until_outcome(call, "stopped").await;
    }
    let refused = requests(&sim, "end-call").iter().filter(|r| r.status == Some(401)).count();
    assert!((1..=64).contains(&refused), "{refused} requests still had the old token");
    assert_eq!(accepted(&sim).len(), 90);
    daemon.stop().await;
}

#[tokio::test]
async fn a_401_before_the_file_changes_fails_the_health_until_it_does() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(unlisted(&sim).set("limits.total", "2s")).await;
    sim.deliver_to(&daemon);
    sim.set_token(Some(NEW.to_owned()));
    let call = sim.place(talking());
    let mut check = serde_json::Value::Null;
    daemon
        .until("health fails", async || {
            check = daemon.health().await["checks"]["platform"].clone();
            check["status"] == "fail"
        })
        .await;
    assert_eq!(daemon.get("/health").await.status, 503);
    let message = check["message"].as_str().unwrap();
    assert!(message.contains("the platform has answered 401"), "{message}");
    assert!(message.contains("the file of platform.token"), "{message}");
    assert_eq!(daemon.get("/readyz").await.status, 200, "no balancer can mend that");
    put_down(&daemon, NEW);
    sim.until(Wait::Status { call: call.clone(), status: "over".into() }).await;
    daemon.until_outcome(&call, "stopped").await;
    assert_eq!(daemon.health().await["checks"]["platform"]["status"], "pass");
    assert!(!daemon.log_text().contains(NEW), "the log shows the token");
    daemon.stop().await;
}

#[tokio::test]
async fn a_wrong_address_is_told_apart_from_a_missing_call() {
    for fault in ["html", "redirect", "not-found-html", "not-found-route"] {
        let sim = Platform::with_faults(&[&format!("{fault},scope=end-call,count=2")]).await;
        let config = unlisted(&sim)
            .set("limits.total", "2s")
            .set("enforcement.confirm_within", "100ms")
            .set("enforcement.give_up_after", "10s");
        let daemon = Daemon::start(config).await;
        sim.deliver_to(&daemon);
        let call = sim.place(talking());
        let mut message = String::new();
        daemon
            .until("health fails", async || {
                let check = daemon.health().await["checks"]["platform"].clone();
                message = check["message"].as_str().unwrap_or_default().to_owned();
                check["status"] == "fail" || sim.call(&call).unwrap().is_over()
            })
            .await;
        sim.until(Wait::EndCalls { call: Some(call.clone()), count: 3 }).await;
        let shown = "a redirect, HTML or a foreign 404): correct platform.base_url";
        assert!(message.contains(shown) || message.is_empty(), "{fault}: {message}");
        let misdirected = "callwarden_end_call_requests_total{result=\"misdirected\"}";
        assert_eq!(daemon.metrics().await.value(misdirected), 2.0, "{fault}");
        daemon.until_outcome(&call, "stopped").await;
        daemon.stop().await;
    }
}
