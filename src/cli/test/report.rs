//! What came of the cases: for people, for programs, for CI.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Failure, Tried};

/// The cases that were tried, by file.
#[derive(Default)]
pub(super) struct Report(Vec<(String, Vec<Tried>)>);

impl Report {
    pub(super) fn add(&mut self, file: String, tried: Vec<Tried>) {
        self.0.push((file, tried));
    }

    /// How many cases failed.
    pub(super) fn failed(&self) -> usize {
        self.cases().filter(|case| !case.failures.is_empty()).count()
    }

    fn cases(&self) -> impl Iterator<Item = &Tried> {
        self.0.iter().flat_map(|(_, tried)| tried)
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (file, tried) in &self.0 {
            for case in tried.iter().filter(|case| !case.failures.is_empty()) {
                text.push_str(&format!("FAILED {} ({file})\n", case.name));
                for Failure { key, expected, got } in &case.failures {
                    text.push_str(&format!("  {key:<8} - expected {expected:?}\n"));
                    text.push_str(&format!("  {:<8} + got      {got:?}\n", ""));
                }
            }
        }
        let failed = self.failed();
        let passed = self.cases().count() - failed;
        text.push_str(&format!("{passed} passed, {failed} failed\n"));
        text
    }

    pub(super) fn json(&self) -> String {
        let failure = |Failure { key, expected, got }: &Failure| json!({ "key": key, "expected": expected, "got": got });
        let case = |file: &str, case: &Tried| {
            json!({
                "file": file,
                "name": case.name,
                "passed": case.failures.is_empty(),
                "failures": case.failures.iter().map(failure).collect::<Value>(),
            })
        };
        let cases =
            self.0.iter().flat_map(|(file, tried)| tried.iter().map(move |it| case(file, it)));
        let failed = self.failed();
        let passed = self.cases().count() - failed;
        let cases: Value = cases.collect();
        format!("{:#}\n", json!({ "passed": passed, "failed": failed, "cases": cases }))
    }

    pub(super) fn junit(&self) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
        self.suites(&mut text).expect("writing to a String never fails");
        text.push_str("</testsuites>\n");
        text
    }

    fn suites(&self, text: &mut String) -> std::fmt::Result {
        for (file, tried) in &self.0 {
            let failed = tried.iter().filter(|case| !case.failures.is_empty()).count();
            let (file, all) = (escaped(file), tried.len());
            writeln!(text, "  <testsuite name=\"{file}\" tests=\"{all}\" failures=\"{failed}\">")?;
            for case in tried {
                let name = escaped(&case.name);
                write!(text, "    <testcase classname=\"{file}\" name=\"{name}\"")?;
                if case.failures.is_empty() {
                    writeln!(text, "/>")?;
                    continue;
                }
                writeln!(text, ">")?;
                for Failure { key, expected, got } in &case.failures {
                    let told = format!("{key}: expected {expected:?}, got {got:?}");
                    writeln!(text, "      <failure message=\"{}\"/>", escaped(&told))?;
                }
                writeln!(text, "    </testcase>")?;
            }
            writeln!(text, "  </testsuite>")?;
        }
        Ok(())
    }
}

/// Text as it may stand in an attribute of XML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
