//! What is advised, and what is not, just beside it.

use std::{collections::BTreeMap, fs, path::Path};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::*;
use crate::{config::parse, model::time::Wall};

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

#[test]
fn a_calls_own_limit_may_be_as_long_as_any_and_not_shorter() {
    for (at_most, is_advised) in [("29m", true), ("30m", false), ("31m", false)] {
        let rule = format!(
            "[[rule]]\nname = \"it\"\nwhen = {{ agent = \"a\" }}\n\
             override = {{ field = \"/context/max\", at_most = \"{at_most}\" }}"
        );
        let keys = keys("", SECRET, &format!("{TOTAL}\n{rule}"), 9_999);
        let of_rule = keys.iter().any(|key| key.ends_with(".override.at_most"));
        assert_eq!(of_rule, is_advised, "{at_most}: {keys:?}");
    }
}

#[test]
fn a_quota_that_ends_as_many_calls_as_there_may_be_is_enough() {
    // A hundred a minute are three thousand in half an hour.
    for (most, is_advised) in [(2_999, false), (3_000, false), (3_001, true)] {
        let keys = keys(&format!("max_calls = {most}"), SECRET, TOTAL, 9_999);
        assert_eq!(has(&keys, "platform.requests"), is_advised, "{most}");
    }
}

/// Advice on a certificate for `warden.example` that holds for the hundred days from 2026-01-01.
fn on_certificate_at(now: Wall, host: &str) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["warden.example".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2026, 4, 11);
    let (certificate, private) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&certificate, params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(&private, key.serialize_pem()).unwrap();
    let text = format!(
        "[server]\npublic_url = \"https://{host}\"\n\
         tls = {{ certificate = {certificate:?}, key = {{ file = {private:?} }} }}\n\
         [platform]\ntoken = {{ file = \"t\" }}\n[webhook]\n{SECRET}\n[limits]\n{TOTAL}\n"
    );
    let config = parse(Path::new("c"), text, &BTreeMap::new()).unwrap();
    let identity = config.identity(&BTreeMap::<String, String>::new()).unwrap().unwrap();
    on_certificate(&config, &identity, now).into_iter().map(|advice| advice.found).collect()
}

#[test]
fn a_certificate_is_renewed_before_a_tenth_of_its_time_is_left() {
    let at = |text: &str| Wall(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    let (from, until) = (at("2026-01-01T00:00:00Z"), at("2026-04-11T00:00:00Z"));
    let (second, tenth) = (Duration::from_secs(1), Duration::from_secs(10 * 86_400));
    for (now, found) in [
        (from.before(second), Some("does not hold before")),
        (from, None),
        (until.before(tenth), None),
        (until.before(tenth).after(second), Some("it expires at")),
        (until, Some("it expires at")),
        (until.after(second), Some("it expired at")),
    ] {
        let told = on_certificate_at(now, "warden.example");
        assert_eq!(told.len(), usize::from(found.is_some()), "{now}: {told:?}");
        assert!(told.iter().all(|told| told.contains(found.unwrap())), "{now}: {told:?}");
    }
}

#[test]
fn a_certificate_is_for_the_host_that_the_platform_calls() {
    let now = Wall("2026-02-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond());
    assert_eq!(on_certificate_at(now, "warden.example"), [""; 0]);
    let told = on_certificate_at(now, "other.example");
    assert!(told[0].starts_with("it is not for other.example"), "{told:?}");
}
