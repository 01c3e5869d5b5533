//! §4: each row of the answer table, the paths and the methods.

use serde_json::json;

use crate::harness::{Answer, ConfigFile, Daemon};

#[tokio::test]
async fn each_result_of_the_table_is_answered() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    assert_eq!(daemon.event("phone_call_started", "c1").await, "tracked");
    assert_eq!(daemon.event("phone_call_connected", "c1").await, "updated");
    assert_eq!(daemon.event("phone_call_started", "c1").await, "duplicate");
    assert_eq!(daemon.event("phone_call_ended", "c1").await, "ended");
    assert_eq!(daemon.event("phone_call_ended", "c1").await, "late");
    assert_eq!(daemon.event("conversation_started", "c1").await, "late");
    // The end comes first, and nothing revives the call.
    assert_eq!(daemon.event("phone_call_ended", "c2").await, "ended");
    assert_eq!(daemon.event("phone_call_started", "c2").await, "late");
    assert_eq!(daemon.event("phone_call_did_not_connect", "c3").await, "ended");
    assert_eq!(daemon.event("phone_call_error", "c4").await, "tracked");

    let metrics = daemon.metrics().await;
    let count = |result: &str| metrics.sum("callwarden_webhooks_total", &[result]);
    assert_eq!(count("result=\"tracked\""), 2.0);
    assert_eq!(count("result=\"updated\""), 1.0);
    assert_eq!(count("result=\"duplicate\""), 1.0);
    assert_eq!(count("result=\"ended\""), 3.0);
    assert_eq!(count("result=\"late\""), 3.0);
    assert_eq!(metrics.sum("callwarden_webhooks_total", &[]), 10.0);
    daemon.stop().await;
}

#[tokio::test]
async fn what_we_have_no_use_for_is_ignored() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let test = json!({"event": "webhook.test", "agent_id": "9fbef0b7-0", "test": true});
    for body in [
        test,
        json!({"event": "campaign_call.queued", "call_id": "c1"}),
        json!({"event": "event_call_transcript"}),
        json!({"event": "never heard of", "call_id": true, "agent_id": ".."}),
    ] {
        assert_eq!(daemon.webhook().json(&body).send().await.result(), "ignored");
    }
    let ignored = daemon.metrics().await.sum("callwarden_webhooks_total", &["result=\"ignored\""]);
    assert_eq!(ignored, 4.0);
    assert_eq!(daemon.api("/api/calls").await.json()["calls"], json!([]));
    daemon.stop().await;
}

#[tokio::test]
async fn every_known_event_is_taken_in_under_its_own_label() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let kinds = [
        "phone_call_started",
        "phone_call_connected",
        "phone_call_ended",
        "phone_call_did_not_connect",
        "phone_call_disconnected",
        "phone_call_error",
        "voicemail_detected",
        "voicemail_message_left",
        "conversation_started",
        "conversation_ended",
        "participant_joined",
        "participant_left",
        "user_connected",
        "user_disconnected",
        "client_connected",
        "client_disconnected",
        "connection_established",
        "connection_closed",
        "connection_error",
        "action",
        "action_failed",
        "recording",
    ];
    for kind in kinds {
        let ends = matches!(kind, "phone_call_ended" | "phone_call_did_not_connect");
        let expected = if ends { "ended" } else { "tracked" };
        assert_eq!(daemon.event(kind, &format!("of-{kind}")).await, expected, "{kind}");
    }
    let metrics = daemon.metrics().await;
    for kind in kinds {
        let label = format!("event=\"event_{kind}\"");
        assert_eq!(metrics.sum("callwarden_webhooks_total", &[&label]), 1.0, "{kind}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn the_path_fills_what_the_body_lacks() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let paths = [
        ("/agent-7/event_phone_call_started", json!({})),
        ("/agent-7/event_phone_call_started/", json!({})),
        ("/agent%2D7/event%5Fphone_call_started", json!({})),
        ("/agent-7", json!({"event": "event_phone_call_started"})),
        ("/agent-7/", json!({"event": "event_phone_call_started"})),
        ("", json!({"event": "event_phone_call_started", "agent_id": "agent-7"})),
        ("/", json!({"event": "event_phone_call_started", "agent_id": "agent-7"})),
        ("?source=x", json!({"event": "event_phone_call_started", "agent_id": "agent-7"})),
    ];
    for method in ["POST", "PUT", "PATCH"] {
        for (i, (path, body)) in paths.iter().enumerate() {
            let call = format!("{method}-{i}");
            let mut body = body.clone();
            body["call_id"] = json!(call);
            let answer = daemon.webhook().method(method).path(path).json(&body).send().await;
            assert_eq!(answer.result(), "tracked", "{method} {path}");
            let seen = daemon.call(&call).await;
            assert_eq!(seen["agent"], "agent-7", "{method} {path}");
            assert!(seen["marks"]["started"].is_string(), "{method} {path}");
        }
    }
    assert_eq!(daemon.metrics().await.value("callwarden_webhook_path_mismatch_total"), 0.0);
    daemon.stop().await;
}

#[tokio::test]
async fn the_one_logged_body_of_the_reference_is_enough_with_its_path() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let body = json!({"call_id": "call-uuid", "duration": 45});
    let posted = daemon.webhook().json(&body);
    let full = posted.clone().path("/9fbef0b7-aa/event_phone_call_ended").send().await;
    assert_eq!(full.result(), "ended");
    let nameless = posted.send().await;
    assert_eq!((nameless.status, nameless.code().as_str()), (422, "no_event"));
    daemon.stop().await;
}

#[tokio::test]
async fn where_path_and_body_differ_the_body_holds_and_it_is_counted() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let body = json!({"event": "event_phone_call_started", "call_id": "c1", "agent_id": "agent-7"});
    let posted = daemon.webhook().path("/agent-8/event_phone_call_ended").json(&body);
    assert_eq!(posted.send().await.result(), "tracked");
    assert_eq!(daemon.call("c1").await["agent"], "agent-7");
    let mismatches = "callwarden_webhook_path_mismatch_total";
    assert_eq!(daemon.metrics().await.value(mismatches), 1.0);

    // Nor does another body change the agent of a known call: the platform's word alone does.
    let other = json!({"event": "event_phone_call_connected", "call_id": "c1", "agent_id": "x"});
    assert_eq!(daemon.webhook().json(&other).send().await.result(), "updated");
    assert_eq!(daemon.call("c1").await["agent"], "agent-7");
    assert_eq!(daemon.metrics().await.value(mismatches), 1.0);
    daemon.stop().await;
}

#[tokio::test]
async fn a_call_whose_agent_nobody_told_is_tracked() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let body = json!({"event": "event_phone_call_started", "call_id": "c1"});
    assert_eq!(daemon.webhook().json(&body).send().await.result(), "tracked");
    assert_eq!(daemon.call("c1").await["agent"], json!(null));
    daemon.stop().await;
}

#[tokio::test]
async fn other_methods_and_other_paths_are_told_so() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    for method in ["GET", "DELETE", "OPTIONS"] {
        let answer = daemon.webhook().method(method).send().await;
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.header("allow").unwrap().contains("POST"), "{method}");
    }
    for path in ["x", "/a/b/c", "/a/event_action/more"] {
        assert_eq!(daemon.webhook().path(path).json(&json!({})).send().await.status, 404, "{path}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_refusal_says_which_field_was_looked_for_where() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let started = |rest: &str| format!(r#"{{"event":"event_phone_call_started"{rest}}}"#);
    let long_call = format!(r#","call_id":"{}""#, "x".repeat(300));
    let long_agent = format!(r#","call_id":"c","agent_id":"{}""#, "x".repeat(129));
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let cases: Vec<(&str, &str, String)> = vec![
        ("not JSON", "", "hello".to_owned()),
        ("no body", "", String::new()),
        ("cut JSON", "", r#"{"event":"event_ph"#.to_owned()),
        ("two values", "", "{} {}".to_owned()),
        ("nested too deep", "", deep),
        ("a list", "", "[]".to_owned()),
        ("null", "", "null".to_owned()),
        ("no event", "", r#"{"call_id":"c"}"#.to_owned()),
        ("an event of no text", "", r#"{"event":{"name":"x"},"call_id":"c"}"#.to_owned()),
        ("no call id", "", started("")),
        ("a call id of no text", "", started(r#","call_id":{"is":"x"}"#)),
        ("an empty call id", "", started(r#","call_id":"""#)),
        ("a call id with a NUL", "", started(r#","call_id":"a\u0000b""#)),
        ("a call id with a line break", "", started(r#","data":{"id":"a\nb"}"#)),
        ("a call id of 300 bytes", "", started(&long_call)),
        ("a sid with a NUL", "", started(r#","call_sid":"\u0000""#)),
        ("an agent ..", "", started(r#","call_id":"c","agent_id":"..""#)),
        ("an agent of 129 bytes", "", started(&long_agent)),
        ("an agent .. in the path", "/..", started(r#","call_id":"c""#)),
        ("an agent %2e%2e in the path", "/%2e%2e", started(r#","call_id":"c""#)),
        ("a bad agent in the path only", "/a:b", started(r#","call_id":"c","agent_id":"good""#)),
        ("a path that is no UTF-8", "/%ff", started(r#","call_id":"c""#)),
    ];
    let mut shown = String::new();
    for (name, path, body) in cases {
        let answer = daemon.webhook().path(path).body(body).send().await;
        let (code, message) = told(&answer);
        shown += &format!("{name}\n    {} {code}\n    {message}\n", answer.status);
    }
    insta::assert_snapshot!(shown);
    assert_eq!(daemon.metrics().await.value("callwarden_panics_total"), 0.0);
    assert_eq!(daemon.api("/api/calls").await.json()["calls"], json!([]));
    daemon.stop().await;
}

fn told(answer: &Answer) -> (String, String) {
    let error = &answer.json()["error"];
    let text = |key: &str| error[key].as_str().unwrap().to_owned();
    assert_eq!(error.as_object().unwrap().len(), 2, "{error}");
    (text("code"), text("message"))
}
