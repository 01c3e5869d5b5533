//! §9: `/metrics`.

use callwarden::sim::{Script, Wait};
use serde_json::json;

use crate::harness::{ConfigFile, Daemon, Platform};

/// Every name of the spec, with labels where it has some.
const NAMES: &[&str] = &[
    "callwarden_webhooks_total{event,result}",
    "callwarden_webhook_duration_seconds_bucket{le}",
    "callwarden_webhook_delay_seconds_bucket{le}",
    "callwarden_calls{state}",
    "callwarden_calls_ended_total{outcome}",
    "callwarden_end_call_requests_total{result}",
    "callwarden_stop_lateness_seconds_bucket{le}",
    "callwarden_stop_confirmation_seconds_bucket{le}",
    "callwarden_call_overrun_seconds_bucket{le}",
    "callwarden_stop_backlog",
    "callwarden_quota_remaining",
    "callwarden_store_commit_duration_seconds_bucket{le}",
    "callwarden_reconcile_total{result}",
    "callwarden_calls_adopted_total",
    "callwarden_calls_reopened_total",
    "callwarden_clock_offset_seconds",
    "callwarden_calls_overdue",
    "callwarden_oldest_overdue_seconds",
    "callwarden_check_status{check}",
    "callwarden_webhook_last_received_timestamp_seconds",
    "callwarden_reconcile_last_success_timestamp_seconds",
    "callwarden_timer_lag_seconds",
    "callwarden_timer_repairs_total",
    "callwarden_webhook_secret_uses_total{secret}",
    "callwarden_webhook_path_mismatch_total",
    "callwarden_override_unreadable_total",
    "callwarden_panics_total",
    "callwarden_store_bytes",
    "callwarden_invariant_violations_total{name}",
    "callwarden_config_last_reload_successful",
    "callwarden_config_last_reload_success_timestamp_seconds",
    "callwarden_config_hash",
    "process_start_time_seconds",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
];

/// A series without the values of its labels.
fn shape(series: &str) -> String {
    let Some((name, labels)) = series.split_once('{') else { return series.to_owned() };
    let keys: Vec<_> = labels.trim_end_matches('}').split("\",").map(key).collect();
    format!("{name}{{{}}}", keys.join(","))
}

fn key(label: &str) -> &str {
    label.split('=').next().unwrap()
}

#[tokio::test]
async fn every_metric_of_the_spec_stands_there_from_the_start() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let metrics = daemon.metrics().await;
    let shapes: Vec<_> = metrics.series().iter().map(|series| shape(series)).collect();
    for name in NAMES {
        assert!(shapes.iter().any(|shape| shape == name), "{name} is missing: {shapes:#?}");
    }
    assert!(shapes.iter().any(|shape| shape.starts_with("callwarden_build_info{")));
    for series in metrics.series() {
        let is_counter = series.split('{').next().unwrap().ends_with("_total");
        if is_counter && series.starts_with("callwarden_") {
            assert_eq!(metrics.value(&series), 0.0, "{series}");
        }
    }
    assert_eq!(metrics.value("callwarden_config_last_reload_successful"), 1.0);
    let labels: Vec<_> = metrics
        .series()
        .into_iter()
        .filter(|series| series.contains('{') && !series.contains("le=\""))
        .filter(|series| !series.starts_with("callwarden_build_info"))
        .filter(|series| {
            // 22 events by 12 results: one row and one column stand for them.
            !series.contains("event=") || series.contains("none") || series.contains("late")
        })
        .collect();
    insta::assert_snapshot!(labels.join("\n"));
    daemon.stop().await;
}

#[tokio::test]
async fn metrics_are_prometheus_text_and_are_not_cached() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let answer = daemon.get("/metrics").await;
    assert_eq!(answer.status, 200);
    let content = answer.header("content-type").unwrap();
    assert!(content.starts_with("text/plain; version=0.0.4"), "{content}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    daemon.stop().await;
}

#[tokio::test]
async fn labels_never_carry_ids_or_numbers_whatever_comes() {
    let sim = Platform::start().await;
    let config = ConfigFile::new().platform(&sim).set("limits.total", "300ms");
    let daemon = Daemon::start(config).await;
    let before = daemon.metrics().await.series();
    sim.deliver_to(&daemon);
    let script = Script { to: Some("+4915112345678".to_owned()), ..Script::default() };
    let call = sim.place(script);
    sim.until(Wait::Status { call: call.clone(), status: "over".to_owned() }).await;
    daemon.until_outcome(&call, "stopped").await;
    for body in [
        json!({"event": "event_of_my_own", "call_id": "c-4915112345678"}),
        json!({"event": "none", "call_id": "c"}),
        json!({"event": "x\"} 1\ncallwarden_forged 1", "call_id": "c"}),
        json!({"call_id": "c"}),
        json!({"event": "event_phone_call_started", "call_id": "\u{0}"}),
    ] {
        daemon.webhook().json(&body).send().await;
    }
    daemon.webhook().unsigned().send().await;
    let metrics = daemon.metrics().await;
    let after = metrics.series();
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}");
    let webhooks = |labels: &[&str]| metrics.sum("callwarden_webhooks_total", labels);
    assert_eq!(webhooks(&["event=\"other\"", "result=\"ignored\""]), 3.0);
    assert_eq!(webhooks(&["event=\"none\"", "result=\"unprocessable\""]), 1.0);
    assert_eq!(webhooks(&["event=\"none\"", "result=\"unauthorized\""]), 1.0);
    assert_eq!(metrics.value(r#"callwarden_end_call_requests_total{result="accepted"}"#), 1.0);
    assert_eq!(metrics.value(r#"callwarden_calls_ended_total{outcome="stopped"}"#), 1.0);
    assert_eq!(metrics.value("callwarden_stop_lateness_seconds_count"), 1.0);
    assert_eq!(metrics.value("callwarden_stop_confirmation_seconds_count"), 1.0);
    assert!(metrics.value("callwarden_webhook_last_received_timestamp_seconds") > 1.7e9);
    assert!(metrics.value("callwarden_store_bytes") > 0.0);
    assert_eq!(metrics.sum("callwarden_invariant_violations_total", &[]), 0.0);
    daemon.stop().await;
}
