//! What is advised, and what is not, just beside it.

use std::{collections::BTreeMap, path::Path};

use super::*;
use crate::config::parse;

/// The keys advised about, of a config with these lines in its sections, where so many files may be
/// open.
fn keys(server: &str, webhook: &str, limits: &str, open_files: u64) -> Vec<String> {
    let text = format!(
        "[server]\npublic_url = \"https://w.example\"\n{server}\n\
         [platform]\ntoken = {{ file = \"t\" }}\n[webhook]\n{webhook}\n[limits]\n{limits}\n"
    );
    let config = parse(Path::new("c"), text, &BTreeMap::new()).unwrap();
    advice(&config, Some(open_files)).into_iter().map(|advice| advice.key).collect()
}

fn has(keys: &[String], key: &str) -> bool {
    keys.iter().any(|known| known == key)
}

const SECRET: &str = "secret = { file = \"s\" }";
const HEADER: &str = "require_header = { name = \"a\", value = { file = \"s\" } }";
const TOTAL: &str = "total = \"30m\"";

#[test]
fn a_limit_below_a_second_is_meant_for_tests() {
    for (ringing, is_advised) in [("999ms", true), ("1s", false)] {
        let limits = format!("{TOTAL}\nringing = \"{ringing}\"");
        assert_eq!(has(&keys("", SECRET, &limits, 9_999), "limits.ringing"), is_advised);
    }
}

#[test]
fn connections_need_open_files() {
    for (open_files, is_advised) in [(355, true), (356, false)] {
        let keys = keys("max_connections = 100", SECRET, TOTAL, open_files);
        assert_eq!(has(&keys, "server.max_connections"), is_advised, "{open_files}");
    }
}

#[test]
fn operators_are_best_served_on_loopback() {
    for (listen, is_advised) in [("127.0.0.1:1", false), ("[::1]:1", false), ("10.0.0.1:1", true)] {
        let admin = format!("[admin]\nlisten = \"{listen}\"\ntoken = {{ file = \"a\" }}");
        let keys = keys("", SECRET, &format!("{TOTAL}\n{admin}"), 9_999);
        assert_eq!(has(&keys, "admin.listen"), is_advised, "{listen}");
        assert!(!has(&keys, "admin"));
    }
    assert!(has(&keys("", SECRET, TOTAL, 9_999), "admin"));
}

#[test]
fn signatures_without_a_secret_are_looked_at_by_nobody() {
    for described in
        ["signature_header = \"a\"", "signature_encoding = \"hex\"", "signature_prefix = \"a=\""]
    {
        for (proof, is_advised) in [(HEADER, true), (SECRET, false)] {
            let keys = keys("", &format!("{proof}\n{described}"), TOTAL, 9_999);
            assert_eq!(has(&keys, "webhook.signature_header"), is_advised, "{proof} {described}");
        }
    }
    assert!(!has(&keys("", HEADER, TOTAL, 9_999), "webhook.signature_header"));
}

#[test]
fn what_is_proven_need_not_be_let_in_unsigned() {
    let found = |proof: &str| {
        let text = format!(
            "[platform]\ntoken = {{ file = \"t\" }}\n[webhook]\nallow_unsigned = true\n{proof}\n[limits]\n{TOTAL}\n"
        );
        let config = parse(Path::new("c"), text, &BTreeMap::new()).unwrap();
        let advice = advice(&config, None);
        advice.into_iter().find(|advice| advice.key == "webhook.allow_unsigned").unwrap().mend
    };
    assert_eq!([SECRET, HEADER].map(found), ["leave it out"; 2]);
    assert_eq!(found(""), "set `secret`");
    assert!(!has(&keys("", SECRET, TOTAL, 9_999), "webhook.allow_unsigned"));
}

#[test]
fn a_second_secret_is_another_one() {
    for (previous, is_advised) in [("s", true), ("other", false)] {
        let webhook = format!("{SECRET}\nprevious_secret = {{ file = \"{previous}\" }}");
        assert_eq!(has(&keys("", &webhook, TOTAL, 9_999), "webhook.previous_secret"), is_advised);
    }
    assert!(!has(&keys("", HEADER, TOTAL, 9_999), "webhook.previous_secret"));
}
