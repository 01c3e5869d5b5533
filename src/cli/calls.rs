//! `callwarden calls`: what operators see of calls and do to them, through the admin API.

use std::io::{self, Write as _};

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use serde_json::{Value, json};

use super::{
    ConfigPath, Exit,
    api::{Api, call_id, call_path},
    runtime,
    sheet::{self, Column, instant, left, local, pair, text},
};
use crate::{
    config::duration,
    model::{
        call::State,
        ids::{AgentId, CallId},
        operator::EXTENSIONS,
    },
};

pub(super) const EXAMPLE: &str = "\
Examples:
  callwarden calls list
  callwarden calls extend CA0123 15m
  callwarden calls end --campaign spring --dry-run";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists calls without outcome, the next deadline first.
    #[command(after_help = "Example:\n  callwarden calls list --state stopping")]
    List {
        #[command(flatten)]
        asking: Asking,
        /// Only calls in this state.
        #[arg(long, value_parser = PossibleValuesParser::new(State::ALL.map(State::name)))]
        state: Option<String>,
        /// Only calls of this agent.
        #[arg(long, value_name = "ID", value_parser = AgentId::parse)]
        agent: Option<AgentId>,
        /// The most calls to show.
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
        limit: u64,
    },
    /// Shows one call with its marks and history.
    #[command(after_help = "Example:\n  callwarden calls show CA0123")]
    Show {
        #[command(flatten)]
        asking: Asking,
        /// Its id, or its sid.
        #[arg(value_parser = call_id)]
        id: CallId,
    },
    /// Ends one call now, or all that have something in common.
    #[command(after_help = "\
Examples:
  callwarden calls end CA0123
  callwarden calls end --agent agent-7 --to '+55*' --dry-run
  callwarden calls end --campaign spring --block-new")]
    End {
        #[command(flatten)]
        asking: Asking,
        #[command(flatten)]
        which: Which,
        /// First pauses the campaign, or unpublishes the agent, so that no new calls begin.
        #[arg(long, conflicts_with = "id")]
        block_new: bool,
        /// Only tells how many calls it would be, and how long it would take.
        #[arg(long, conflicts_with = "id")]
        dry_run: bool,
    },
    /// Lets a call go on beyond its present deadline.
    #[command(after_help = "Example:\n  callwarden calls extend CA0123 15m")]
    Extend {
        #[command(flatten)]
        asking: Asking,
        /// Its id, or its sid.
        #[arg(value_parser = call_id)]
        id: CallId,
        /// By how much, from 1s to 30d.
        #[arg(value_parser = by)]
        duration: String,
    },
    /// Takes a call out of enforcement: no limit holds for it any more.
    #[command(after_help = "Example:\n  callwarden calls release CA0123")]
    Release {
        #[command(flatten)]
        asking: Asking,
        /// Its id, or its sid.
        #[arg(value_parser = call_id)]
        id: CallId,
    },
}

/// Whom to ask, and how to show it.
#[derive(Debug, Args)]
pub(super) struct Asking {
    #[command(flatten)]
    config: ConfigPath,
    /// Prints JSON as the admin API has it.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Which {
    /// The call's id, or its sid.
    #[arg(value_parser = call_id, conflicts_with_all = ["agent", "campaign", "to", "rule", "all"])]
    id: Option<CallId>,
    /// Calls of this agent.
    #[arg(long, value_name = "ID", value_parser = AgentId::parse)]
    agent: Option<AgentId>,
    /// Calls of this campaign.
    #[arg(long, value_name = "ID")]
    campaign: Option<String>,
    /// Calls to such a number; * stands for any run of characters.
    #[arg(long, value_name = "GLOB")]
    to: Option<String>,
    /// Calls that this rule decides for.
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// All calls.
    #[arg(long, conflicts_with_all = ["agent", "campaign", "to", "rule"])]
    all: bool,
}

fn by(text: &str) -> Result<String, String> {
    let span = duration::parsed(text)?;
    if EXTENSIONS.contains(&span) {
        Ok(text.to_owned())
    } else {
        Err("it is not between 1s and 30d".to_owned())
    }
}

impl Asking {
    pub(super) fn api(&self) -> anyhow::Result<Api> {
        Ok(Api::of(&self.config.load()?)?)
    }
}

const COLUMNS: [Column; 7] = [
    Column { heading: "CALL", from_width: 0, say: |call, _| text(call, "id") },
    Column { heading: "STATE", from_width: 0, say: |call, _| text(call, "state") },
    Column { heading: "LEFT", from_width: 0, say: |call, now| left(call, "deadline", now) },
    Column { heading: "AGENT", from_width: 60, say: |call, _| text(call, "agent") },
    Column { heading: "LIMIT", from_width: 72, say: |call, _| text(call, "limit") },
    Column { heading: "TO", from_width: 90, say: |call, _| text(call, "to") },
    Column { heading: "RULE", from_width: 100, say: |call, _| text(call, "rule") },
];

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    runtime()?.block_on(async {
        match &arguments.what {
            What::List { asking, state, agent, limit } => {
                let agent = agent.clone().map(String::from);
                let filter: Vec<_> = [("state", state), ("agent", &agent)]
                    .into_iter()
                    .filter_map(|(key, value)| Some((key, value.clone()?)))
                    .collect();
                let most = usize::try_from(*limit).unwrap_or(usize::MAX);
                let page = asking.api()?.list("/api/calls", &filter, most).await?;
                if asking.json {
                    sheet::json(&page)?;
                } else {
                    sheet::table(&page, &COLUMNS, "No calls are under way.")?;
                }
            }
            What::Show { asking, id } => {
                let call = asking.api()?.get(&call_path(id, "")).await?;
                if asking.json { sheet::json(&call)? } else { show(&call)? }
            }
            What::End { asking, which: Which { id: Some(id), .. }, .. } => {
                let call = asking.api()?.post(&call_path(id, "/end"), &json!({})).await?;
                tell(asking, &call, "is told to end")?;
            }
            What::End { asking, which, block_new, dry_run } => {
                kill(asking, which, *block_new, *dry_run).await?;
            }
            What::Extend { asking, id, duration } => {
                let body = json!({"extend": duration});
                let call = asking.api()?.patch(&call_path(id, ""), &body).await?;
                let until = format!("may go on until {}", local(&call, "deadline"));
                tell(asking, &call, &until)?;
            }
            What::Release { asking, id } => {
                let call = asking.api()?.post(&call_path(id, "/release"), &json!({})).await?;
                tell(asking, &call, "is out of enforcement")?;
            }
        }
        Ok(Exit::Fine)
    })
}

async fn kill(
    asking: &Asking,
    which: &Which,
    block_new: bool,
    dry_run: bool,
) -> anyhow::Result<()> {
    let Which { id: _, agent, campaign, to, rule, all } = which;
    let mut body = json!({"all": all, "block_new": block_new, "dry_run": dry_run});
    let agent = agent.clone().map(String::from);
    for (key, value) in [("agent", &agent), ("campaign", campaign), ("to", to), ("rule", rule)] {
        if let Some(value) = value {
            body[key] = value.as_str().into();
        }
    }
    let killed = asking.api()?.post("/api/end", &body).await?;
    if asking.json {
        return Ok(sheet::json(&killed)?);
    }
    let matched = killed["matched"].as_u64().unwrap_or_default();
    let calls = if matched == 1 { "1 call".to_owned() } else { format!("{matched} calls") };
    let does = if dry_run { "would be told to end" } else { "told to end" };
    let seconds = killed["estimated_seconds"].as_u64().unwrap_or_default();
    writeln!(io::stdout(), "{calls} {does}; by the quota that takes about {seconds} s.")?;
    Ok(())
}

fn tell(asking: &Asking, call: &Value, what: &str) -> io::Result<()> {
    if asking.json {
        return sheet::json(call);
    }
    writeln!(io::stdout(), "{} {what}.", text(call, "id"))
}

fn show(call: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let fields = [
        "id",
        "agent",
        "to",
        "direction",
        "campaign",
        "state",
        "outcome",
        "limit",
        "rule",
        "attempts",
    ];
    for field in fields {
        out.write_all(pair(field, &text(call, field)).as_bytes())?;
    }
    out.write_all(pair("deadline", &local(call, "deadline")).as_bytes())?;
    if call["provisional"] == true {
        let said = "provisional: not all that rules ask for is known yet";
        out.write_all(pair("", said).as_bytes())?;
    }
    let marks = call["marks"].as_object().into_iter().flatten();
    let mut marks: Vec<_> = marks.map(|(name, at)| (at.as_str(), name)).collect();
    marks.sort_unstable();
    for (n, (_, name)) in marks.iter().enumerate() {
        let key = if n == 0 { "marks" } else { "" };
        let said = format!("{}  {name}", local(&call["marks"], name));
        out.write_all(pair(key, &said).as_bytes())?;
    }
    for (n, entry) in call["history"].as_array().into_iter().flatten().enumerate() {
        let key = if n == 0 { "history" } else { "" };
        let (at, what, by) = (local(entry, "at"), text(entry, "what"), text(entry, "by"));
        let detail = if entry["detail"].is_null() {
            String::new()
        } else {
            let said = instant(entry, "detail").unwrap_or_else(|| text(entry, "detail"));
            format!(": {said}")
        };
        out.write_all(pair(key, &format!("{at}  {what}{detail} ({by})")).as_bytes())?;
    }
    Ok(())
}
