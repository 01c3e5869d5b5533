//! The text that a scrape gets: checked against the format by hand, and its names snapshotted.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::model::platform::{Answer, Failure};

fn metrics() -> Metrics {
    Metrics::new(Build { version: "1.2.3", revision: "abc" })
}

/// One family as the text has it.
#[derive(Debug)]
struct Shape {
    kind: String,
    /// By label key, the values.
    labels: BTreeMap<String, BTreeSet<String>>,
    samples: Vec<(String, String)>,
}

/// Reads the text format 0.0.4 strictly: HELP, TYPE, then the family's samples, each series once.
fn read(text: &str) -> BTreeMap<String, Shape> {
    assert!(text.ends_with('\n'));
    let mut families: BTreeMap<String, Shape> = BTreeMap::new();
    let mut series = BTreeSet::new();
    let mut current = String::new();
    let mut helped = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a name and a text");
            assert!(!help.is_empty());
            helped = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a name and a type");
            assert_eq!(name, helped, "HELP comes just before TYPE");
            let shape =
                Shape { kind: kind.to_owned(), labels: BTreeMap::new(), samples: Vec::new() };
            assert!(families.insert(name.to_owned(), shape).is_none(), "{name} twice");
            name.clone_into(&mut current);
        } else {
            let (key, value) = line.rsplit_once(' ').expect("a series and a value");
            assert!(series.insert(key.to_owned()), "{key} twice");
            assert!(value == "+Inf" || value.parse::<f64>().is_ok(), "{line}");
            let shape = families.get_mut(&current).expect("TYPE comes first");
            let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
            let suffix = name.strip_prefix(&*current).expect("samples follow their TYPE");
            let suffixes: &[&str] = match &*shape.kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(suffixes.contains(&suffix), "{line}");
            for label in labels.trim_end_matches('}').split(',').filter(|l| !l.is_empty()) {
                let (label, text) = label.split_once('=').expect("a label and its value");
                let text = text.trim_matches('"').to_owned();
                shape.labels.entry(label.to_owned()).or_default().insert(text);
            }
            shape.samples.push((key.to_owned(), value.to_owned()));
        }
    }
    families
}

fn value<'a>(families: &'a BTreeMap<String, Shape>, family: &str, series: &str) -> &'a str {
    let samples = &families[family].samples;
    let found = samples.iter().find(|(key, _)| key == series);
    &found.unwrap_or_else(|| panic!("no {series} in {samples:?}")).1
}

#[test]
fn names_types_and_labels_are_those_of_the_spec() {
    let families = read(&metrics().encode(&Vitals::well()));
    let mut shown = String::new();
    for (name, shape) in &families {
        shown += &format!("{name} {}\n", shape.kind);
        for (label, values) in &shape.labels {
            let values: Vec<_> = values.iter().map(String::as_str).collect();
            if label != "le" {
                shown += &format!("    {label}: {}\n", values.join(" "));
            }
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn every_series_stands_at_0_from_the_start() {
    let families = read(&metrics().encode(&Vitals::well()));
    let counted = families
        .iter()
        .filter(|(name, shape)| name.starts_with("callwarden_") && shape.kind != "gauge");
    for (name, shape) in counted {
        assert!(!shape.samples.is_empty(), "{name} has no series");
        assert!(shape.samples.iter().all(|(_, value)| value.parse() == Ok(0.0)), "{shape:?}");
    }
    let webhooks = &families["callwarden_webhooks_total"];
    assert_eq!(webhooks.samples.len(), 24 * 12);
}

#[test]
fn what_is_counted_shows() {
    let metrics = metrics();
    metrics.webhook("event_phone_call_started", "tracked", Duration::from_millis(2));
    metrics.webhook("webhook.test\"}", "ignored", Duration::ZERO);
    metrics.webhook("", "not_json", Duration::ZERO);
    metrics.end_call_result(EndCallResult::from(&Answer::Failed(Failure::Cut)));
    metrics.secret_use(true);
    metrics.call_ended("stopped");
    metrics.config_loaded(Wall(1_700_000_000_500_000), u64::MAX);
    let families = read(&metrics.encode(&Vitals::well()));
    for (family, labels) in [
        ("callwarden_webhooks_total", r#"{event="event_phone_call_started",result="tracked"}"#),
        ("callwarden_webhooks_total", r#"{event="other",result="ignored"}"#),
        ("callwarden_webhooks_total", r#"{event="none",result="not_json"}"#),
        ("callwarden_end_call_requests_total", r#"{result="network"}"#),
        ("callwarden_webhook_secret_uses_total", r#"{secret="previous"}"#),
        ("callwarden_calls_ended_total", r#"{outcome="stopped"}"#),
    ] {
        assert_eq!(value(&families, family, &format!("{family}{labels}")), "1");
    }
    let hash = "callwarden_config_hash";
    assert_eq!(value(&families, hash, hash), "281474976710655");
}

#[test]
fn a_bucket_counts_all_that_is_not_above_it() {
    let metrics = metrics();
    for millis in [1, 3, 40_000] {
        metrics.stop_lateness(Duration::from_millis(millis));
    }
    let families = read(&metrics.encode(&Vitals::well()));
    let name = "callwarden_stop_lateness_seconds";
    let shape = &families[name];
    let buckets: Vec<u64> = shape
        .samples
        .iter()
        .filter(|(key, _)| key.contains("_bucket"))
        .map(|(_, n)| n.parse().unwrap())
        .collect();
    assert!(buckets.is_sorted());
    assert_eq!(buckets.len(), LATENESS_BUCKETS.len() + 1);
    assert_eq!(value(&families, name, &format!("{name}_bucket{{le=\"+Inf\"}}")), "3");
    assert_eq!(value(&families, name, &format!("{name}_bucket{{le=\"0.003\"}}")), "2");
    assert_eq!(value(&families, name, &format!("{name}_count")), "3");
}

#[test]
fn gauges_follow_the_vitals() {
    let metrics = metrics();
    let mut vitals = Vitals::well();
    drop(metrics.encode(&vitals));
    vitals.calls.live = 0;
    vitals.calls.stopping = 2;
    vitals.timer_lag = Duration::from_secs(6);
    vitals.webhooks.last_received = Some(vitals.now.mono.before(Duration::from_secs(1)));
    let families = read(&metrics.encode(&vitals));
    for (family, labels, expected) in [
        ("callwarden_calls", r#"{state="live"}"#, 0.0),
        ("callwarden_calls", r#"{state="stopping"}"#, 2.0),
        ("callwarden_check_status", r#"{check="timer"}"#, 2.0),
        ("callwarden_check_status", r#"{check="store"}"#, 0.0),
        ("callwarden_timer_lag_seconds", "", 6.0),
        ("callwarden_webhook_last_received_timestamp_seconds", "", 1_699_999_999.0),
    ] {
        let shown = value(&families, family, &format!("{family}{labels}"));
        assert_eq!(shown.parse(), Ok(expected), "{family}{labels}");
    }
}
