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
fn the_cases_of_the_readme_pass_against_its_config() {
    let page = include_str!("../../../README.md");
    let file = |name: &str| {
        let (_, text) = page.split_once(&format!("cat > {name} <<'TOML'\n")).unwrap();
        text.split_once("\nTOML\n").unwrap().0
    };
    let report = report(file("policy-tests.toml"), &config(file("callwarden.toml")));
    assert_eq!(report.text(), "2 passed, 0 failed\n");
}

/// The failures of a case whose events are of these calls.
fn of_calls(calls: &[&str]) -> Vec<Failure> {
    let events: Vec<_> = calls
        .iter()
        .map(|call| format!("{{ event = \"event_phone_call_started\", {call} }}"))
        .collect();
    let events = events.join(", ");
    let text =
        format!("[[case]]\nname = \"it\"\nevents = [{events}]\nexpect = {{ limit = \"total\" }}");
    let cases = parse_cases(Path::new("cases.toml"), text).unwrap();
    tried(&cases[0], &config(EXAMPLE)).failures
}

#[test]
fn events_of_two_calls_are_a_mistake_that_names_both() {
    let (a, b, sid) = ("call_id = \"a\"", "call_id = \"b\"", "call_sid = \"s\"");
    let both = "call_id = \"a\", call_sid = \"s\"";
    for strangers in [&[a, b][..], &[both, b], &[a, both, b]] {
        let failures = of_calls(strangers);
        let said: Vec<_> = failures.iter().map(|it| (it.key, it.got.as_str())).collect();
        assert_eq!(said, [("events", "those of \"a\" and \"b\"")], "{strangers:?}");
    }
    assert_eq!(of_calls(&[a, sid])[0].got, "those of \"a\" and \"s\"");
    for one in [&[a, a][..], &[a, sid, both], &[sid, both, a], &[both, sid]] {
        assert_eq!(of_calls(one), [], "{one:?}");
    }
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
