//! `callwarden test`: cases that say what the policy is to do, each played through the very code
//! that decides about calls (spec §2, §6).

mod play;
mod report;

#[cfg(test)]
mod tests;

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use clap::{Args, ValueEnum};

use self::{play::Got, report::Report};
use super::{ConfigPath, Exit};
use crate::{
    config::{Case, Config, ConfigErrors, Expect, parse_cases},
    model::time::shown,
};

pub(super) const EXAMPLE: &str = "\
Examples:
  callwarden test policy-tests.toml --config callwarden.toml
  callwarden test policy-tests.toml --format junit > report.xml

A file holds cases such as
  [[case]]
  name = \"voicemail is cut after 15 s\"
  event = { event = \"event_voicemail_detected\", call_id = \"c-1\" }
  expect = { limit = \"voicemail\", deadline = \"15s\" }";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files of cases.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// How the result is told.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    config: ConfigPath,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For CI.
    Junit,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = arguments.config.load()?;
    let mut report = Report::default();
    // The mistakes of all files are told at once, and nothing is tried then.
    let mut mistakes: Option<ConfigErrors> = None;
    let mut all_read = true;
    for path in &arguments.files {
        let file = path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                writeln!(io::stderr(), "callwarden: {file} cannot be read: {error}")?;
                all_read = false;
                continue;
            }
        };
        match parse_cases(path, text) {
            Ok(cases) => report.add(file, cases.iter().map(|case| tried(case, &config)).collect()),
            Err(more) => {
                mistakes = Some(match mistakes {
                    Some(known) => known.and(more),
                    None => more,
                });
            }
        }
    }
    if let Some(mistakes) = mistakes {
        return Err(mistakes.into());
    }
    if !all_read {
        return Ok(Exit::No);
    }
    let text = match arguments.format {
        Format::Text => report.text(),
        Format::Json => report.json(),
        Format::Junit => report.junit(),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(if report.failed() == 0 { Exit::Fine } else { Exit::No })
}

/// A case that was tried.
struct Tried {
    name: String,
    failures: Vec<Failure>,
}

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    key: &'static str,
    expected: String,
    got: String,
}

fn tried(case: &Case, config: &Config) -> Tried {
    let failures = match play::play(case, config) {
        Ok(got) => failures(&case.expect, &got),
        Err(failure) => vec![failure],
    };
    Tried { name: case.name.clone(), failures }
}

/// Where `got` is not what is expected.
fn failures(expect: &Expect, got: &Got) -> Vec<Failure> {
    let Expect { rule, deadline, limit, action, outcome } = expect;
    let got_deadline = got.deadline.map_or_else(String::new, shown);
    let pairs = [
        ("rule", rule, &got.rule),
        ("deadline", deadline, &got_deadline),
        ("limit", limit, &got.limit),
        ("action", action, &got.action),
        ("outcome", outcome, &got.outcome),
    ];
    let differ = |(key, expected, got): (&'static str, &Option<String>, &String)| {
        let expected = expected.as_ref().filter(|expected| *expected != got)?.clone();
        Some(Failure { key, expected, got: got.clone() })
    };
    pairs.into_iter().filter_map(differ).collect()
}
