//! Cases that hold, cases that do not, and files that are none.

use std::{collections::BTreeMap, path::Path};

use super::*;
use crate::config::{EXAMPLE, parse};

fn config(text: &str) -> Config {
    let env = BTreeMap::<String, String>::new();
    parse(Path::new("callwarden.toml"), text.to_owned(), &env).unwrap()
}

fn report(cases: &str, config: &Config) -> Report {
    let mut report = Report::default();
    let cases = parse_cases(Path::new("cases.toml"), cases.to_owned()).unwrap();
    report.add("cases.toml".to_owned(), cases.iter().map(|case| tried(case, config)).collect());
    report
}

#[test]
fn the_shipped_cases_pass_against_the_shipped_config() {
    let cases = include_str!("../../../config/policy-tests.toml");
    let report = report(cases, &config(EXAMPLE));
    assert_eq!(report.failed(), 0, "{}", report.text());
}

/// Each config in the page, with the cases that stand below it.
#[test]
fn every_example_of_the_policy_page_holds() {
    const REST: &str = "[platform]\ntoken = { env = \"T\" }\n[webhook]\nsecret = { env = \"S\" }\n";
    let page = include_str!("../../../docs/policy.md");
    let mut policy = None;
    let mut tried = 0;
    for block in page.split("```toml\n").skip(1) {
        let block = block.split("```").next().unwrap();
        if block.contains("[[case]]") {
            let config: &Config = policy.as_ref().expect("a policy stands above its cases");
            let report = report(block, config);
            assert_eq!(report.failed(), 0, "{}\n{block}", report.text());
            tried += 1;
        } else {
            policy = Some(config(&format!("{REST}{block}")));
        }
    }
    assert!(tried >= 6, "{tried}");
}

#[test]
fn a_failure_says_what_was_expected_and_what_came() {
    let cases = r#"
[[case]]
name = "an hour & a half"
event = { event = "event_phone_call_started", call_id = "c" }
expect = { rule = "vip", deadline = "1h 30m", limit = "total", action = "observe", outcome = "" }
[[case]]
name = "it holds"
event = '{"event": "event_phone_call_started", "call_id": "c"}'
expect = { deadline = "30m" }
[[case]]
name = "no call"
event = { event = "event_phone_call_started" }
expect = { deadline = "30m" }
"#;
    let report = report(cases, &config(EXAMPLE));
    insta::assert_snapshot!("text", report.text());
    insta::assert_snapshot!("json", report.json());
    insta::assert_snapshot!("junit", report.junit());
}
