//! Webhooks: sent in order, signed, retried, logged, and what faults make of that.

use std::sync::atomic::Ordering;

use super::*;

async fn bench(faults: &[&str]) -> (Bench, Receiver) {
    let bench = Bench::new(faults).await;
    let receiver = Receiver::new(&bench.sim).await;
    bench.sim.control().set_webhook(Some(receiver.target()));
    (bench, receiver)
}

fn short() -> Script {
    Script { id: Some("c-1".to_owned()), lasts: Some(span("20ms")), ..Script::default() }
}

fn event(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

const LIFE: [&str; 5] = [
    "event_phone_call_started",
    "event_phone_call_connected",
    "event_conversation_started",
    "event_conversation_ended",
    "event_phone_call_ended",
];

#[tokio::test]
async fn a_calls_events_arrive_in_order_with_what_is_known_of_it() {
    let (bench, mut receiver) = bench(&[]).await;
    let context = serde_json::from_str(r#"{"plan":"trial"}"#).unwrap();
    bench.sim.control().place(Script { context, ..short() });
    for wanted in LIFE {
        let (path, headers, body) = receiver.next().await;
        assert_eq!(path, format!("/hook/agent-1/{wanted}"));
        let json: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((json["event"].as_str(), json["call_id"].as_str()), (Some(wanted), Some("c-1")));
        assert_eq!(json["context"]["plan"], "trial");
        let seal = courier::Seal {
            header: "signature".to_owned(),
            prefix: String::new(),
            encoding: super::super::fault::Encoding::Hex,
        };
        assert_eq!(headers["signature"], seal.sign("a-secret-of-ours", &body).1.as_str());
    }
    bench.until(Wait::Quiet).await;
    assert!(bench.sim.control().deliveries().iter().all(|record| record.is_acknowledged()));
}

#[tokio::test]
async fn a_refused_delivery_is_tried_again_and_order_holds_otherwise() {
    let (bench, mut receiver) = bench(&["retry-spacing=1ms"]).await;
    receiver.failures.store(2, Ordering::SeqCst);
    bench.sim.control().place(Script { fate: super::super::Fate::RingsOn, ..short() });
    assert_eq!(event(&receiver.next().await.0), LIFE[0]);
    bench.until(Wait::Quiet).await;
    let tries: Vec<_> = bench.sim.control().deliveries().iter().map(|r| r.status).collect();
    assert_eq!(tries, [Some(500), Some(500), Some(200)]);
}

#[tokio::test]
async fn webhooks_are_set_up_tested_logged_and_retried_through_the_api() {
    let bench = Bench::new(&[]).await;
    let mut receiver = Receiver::new(&bench.sim).await;
    let body = json!({"name": "ours", "webhook_url": receiver.url, "webhook_secret": "s",
        "events": ["event_phone_call_started"], "max_retries": 0,
        "custom_headers": [{"key": "X-Ours", "value": "yes"}]});
    let created = bench.api(Method::POST, "/agents/agent-1/webhooks", body).await;
    assert_eq!(created.status, 201);
    let webhook = created.json()["data"].clone();
    assert!(webhook.get("webhook_secret").is_none());
    let base = format!("/agents/agent-1/webhooks/{}", webhook["id"].as_str().unwrap());

    let tested = bench.api(Method::POST, &format!("{base}/test"), json!({})).await.json();
    assert_eq!(tested["data"]["status_code"], 200);
    let (_, headers, body) = receiver.next().await;
    assert_eq!(headers["x-ours"], "yes");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["event"], "webhook.test");

    receiver.failures.store(1, Ordering::SeqCst);
    bench.sim.control().place(short());
    bench.until(Wait::Over { count: 1 }).await;
    bench.until(Wait::Quiet).await;
    let logs = bench.get(&format!("{base}/logs?status=failed")).await.json();
    assert_eq!(logs["pagination"]["total"], 1);
    let log = &logs["data"][0];
    assert_eq!((log["event"].as_str(), log["http_status"].as_u64()), (Some(LIFE[0]), Some(500)));
    assert_eq!(log["request_payload"]["call_id"], "c-1");

    let retry = format!("{base}/logs/{}/retry", log["id"].as_str().unwrap());
    assert_eq!(bench.api(Method::POST, &retry, json!({})).await.status, 200);
    assert_eq!(event(&receiver.next().await.0), LIFE[0]);
    bench.until(Wait::Quiet).await;
    let again = bench.api(Method::POST, &retry, json!({})).await;
    assert_eq!(again.json()["code"], "LOG_NOT_RETRIABLE");

    let toggled = bench.api(Method::PATCH, &format!("{base}/toggle"), json!({})).await.json();
    assert_eq!(toggled["data"]["status"], "disabled");
    let changed = bench.api(Method::PUT, &base, json!({"timeout": 1})).await;
    assert_eq!(changed.status, 422);
    assert_eq!(bench.api(Method::DELETE, &base, json!({})).await.status, 200);
    let list = bench.get("/agents/agent-1/webhooks").await.json();
    assert_eq!(
        (list["data"].clone(), list["available_events"][0].clone()),
        (json!([]), json!(LIFE[0]))
    );
}

#[tokio::test]
async fn lost_deliveries_are_in_the_log_only() {
    let (bench, mut receiver) = bench(&["webhooks-lost,event=event_phone_call_started"]).await;
    bench.sim.control().place(short());
    assert_eq!(event(&receiver.next().await.0), LIFE[1]);
}

#[tokio::test]
async fn doubled_deliveries_come_twice() {
    let (bench, mut receiver) = bench(&["webhooks-doubled"]).await;
    bench.sim.control().place(short());
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!((event(&first.0), &first.2), (LIFE[0], &second.2));
}

#[tokio::test]
async fn deliveries_can_all_be_held_until_the_call_is_over() {
    let (bench, mut receiver) = bench(&["webhooks-after-end"]).await;
    bench.sim.control().place(short());
    let (_, _, body) = receiver.next().await;
    let over = bench.sim.control().call("c-1").unwrap();
    assert!(over.is_over());
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["event"], LIFE[0]);
    for wanted in LIFE.iter().skip(1) {
        assert_eq!(event(&receiver.next().await.0), *wanted);
    }
}

#[tokio::test]
async fn bodies_can_be_meagre_and_signatures_odd() {
    let faults = ["meagre-body", "signature-header=X-Hook", "signature-prefix=sha256="];
    let (bench, mut receiver) = bench(&faults).await;
    bench.sim.control().place(short());
    let (_, headers, body) = receiver.next().await;
    assert_eq!(body, r#"{"call_id":"c-1","duration":0}"#);
    assert!(headers["x-hook"].to_str().unwrap().starts_with("sha256="));
    bench.sim.control().set_faults(vec!["signature-missing".parse().unwrap()]);
    bench.until(Wait::Over { count: 1 }).await;
    while event(&receiver.next().await.0) != LIFE[4] {}
    bench.sim.control().place(Script { id: Some("c-2".to_owned()), ..short() });
    assert!(receiver.next().await.1.get("signature").is_none());
}

#[tokio::test]
async fn a_template_makes_the_body() {
    let bench = Bench::new(&[]).await;
    let mut receiver = Receiver::new(&bench.sim).await;
    let template = json!({"kind": "{{event}}", "call": {"id": "{{call.id}}"}});
    let templates = [("event_phone_call_started".to_owned(), template)].into_iter().collect();
    let target = WebhookTarget { templates, ..receiver.target() };
    bench.sim.control().set_webhook(Some(target));
    bench.sim.control().place(short());
    let body: Value = serde_json::from_str(&receiver.next().await.2).unwrap();
    assert_eq!(body, json!({"kind": LIFE[0], "call": {"id": "c-1"}}));
}
