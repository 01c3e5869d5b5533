//! `callwarden history`: how calls ended, through the admin API.

use clap::{Args, builder::PossibleValuesParser};

use super::{
    Exit,
    calls::Asking,
    runtime,
    sheet::{self, Column, local, span, text},
};
use crate::{
    config::duration,
    model::{time::Wall, view::OUTCOMES},
};

pub(super) const EXAMPLE: &str = "\
Examples:
  callwarden history --outcome failed --since 24h
  callwarden history --since 2026-01-31T12:00:00Z --json";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    asking: Asking,
    /// Only this.
    #[arg(long, value_parser = PossibleValuesParser::new(OUTCOMES))]
    outcome: Option<String>,
    /// Only what ended since: so long ago, or an RFC 3339 time.
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<String>,
    /// The most calls to show.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    limit: u64,
}

fn when(text: &str) -> Result<String, &'static str> {
    let at = duration::since(text, Wall::default());
    at.map(|_| text.to_owned())
        .ok_or("expected so long ago, as 90m, or an RFC 3339 time, as 2026-01-31T12:00:00Z")
}

const COLUMNS: [Column; 7] = [
    Column { heading: "CALL", from_width: 0, say: |call, _| text(call, "id") },
    Column { heading: "OUTCOME", from_width: 0, say: |call, _| text(call, "outcome") },
    Column { heading: "ENDED", from_width: 52, say: |call, _| local(call, "ended_at") },
    Column {
        heading: "OVER BY",
        from_width: 60,
        say: |call, _| call["overrun_seconds"].as_i64().map_or_else(|| "-".to_owned(), span),
    },
    Column { heading: "BY", from_width: 72, say: |call, _| text(call, "ended_by") },
    Column { heading: "AGENT", from_width: 84, say: |call, _| text(call, "agent") },
    Column { heading: "RULE", from_width: 100, say: |call, _| text(call, "rule") },
];

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Arguments { asking, outcome, since, limit } = arguments;
    let filter: Vec<_> = [("outcome", outcome), ("since", since)]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.clone()?)))
        .collect();
    let most = usize::try_from(*limit).unwrap_or(usize::MAX);
    let page = runtime()?.block_on(asking.api()?.list("/api/history", &filter, most))?;
    if asking.json {
        sheet::json(&page)?;
    } else {
        sheet::table(&page, &COLUMNS, "No call that fits has ended.")?;
    }
    Ok(Exit::Fine)
}
