//! `callwarden explain`: what is read from a webhook's body, which rule decides, which limit holds,
//! and why; of a body, or of a call that the running daemon watches (spec §2, §6).

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Args;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{
    ConfigPath, Exit,
    api::{Api, call_id, call_path},
    runtime,
};
use crate::{
    config::Config,
    engine::clock::Clock,
    model::{
        call::Call,
        change::Event,
        decode::{PathNames, Place, What, decode, pointers::Field},
        event::{CallName, Heard},
        explain::{Numbers, Verdict},
        ids::CallId,
        time::{Moment, Mono},
        view::{ReadView, WhyView},
    },
};

pub(super) const EXAMPLE: &str = "\
Examples:
  callwarden explain body.json --config callwarden.toml
  curl -s https://example.com/last-webhook | callwarden explain --json
  callwarden explain --call CA0123";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A webhook's body; standard input if absent.
    #[arg(conflicts_with = "call")]
    file: Option<PathBuf>,
    /// A call of the running daemon instead, by its id or sid; through the admin API.
    #[arg(long, value_name = "ID", value_parser = call_id)]
    call: Option<CallId>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigPath,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = arguments.config.load()?;
    let value = match &arguments.call {
        Some(id) => {
            let api = Api::of(&config)?;
            runtime()?.block_on(api.get(&call_path(id, "/explain")))?
        }
        None => of_body(&body(arguments.file.as_ref())?, &config, Clock::system().now())?,
    };
    let text = if arguments.json { format!("{value:#}\n") } else { text_of(&value)? };
    io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Fine)
}

fn body(file: Option<&PathBuf>) -> anyhow::Result<Vec<u8>> {
    match file {
        Some(path) => fs::read(path).with_context(|| format!("{} cannot be read", path.display())),
        None => {
            let mut body = Vec::new();
            io::stdin().read_to_end(&mut body).context("standard input cannot be read")?;
            Ok(body)
        }
    }
}

/// Takes a body in as the daemon would, at the event's own time if it has one, and tells why its
/// call ends when it does. Of what is ignored only what was read is told.
fn of_body(body: &[u8], config: &Config, now: Moment) -> anyhow::Result<Value> {
    let decoded = decode(body, &PathNames::default(), &config.webhook.fields)?;
    let whole: Value = serde_json::from_slice(body)?;
    let read = Field::ALL.into_iter().map(|field| {
        let hit = match decoded.places.of(field) {
            Place::Body(at) => {
                let pointer = &config.webhook.fields.of(field)[at];
                let at = Some(pointer.as_str().to_owned());
                pointer.find(&whole).map(|value| ReadView { at, value: value.clone() })
            }
            Place::Nowhere | Place::Path => None,
        };
        (field.key().to_owned(), hit)
    });
    let read = read.collect();
    let What::Event(heard) = &decoded.what else {
        return Ok(json!({ "read": read, "ignored": true }));
    };
    let now = match heard.time {
        Some(at) => Moment { wall: at, mono: Mono(now.mono.0.max(1 << 50)) },
        None => now,
    };
    let policy = config.policy();
    let call = Call::new(id_of(heard).clone(), now);
    let call = call.apply(&Event::Heard(heard), now, &policy).next;
    Ok(serde_json::to_value(WhyView::of(&call, &policy, now, Numbers::Whole, read))?)
}

fn id_of(heard: &Heard) -> &CallId {
    match &heard.call {
        CallName::Id(id) | CallName::Sid(id) | CallName::Both { id, .. } => id,
    }
}

/// What people read.
fn text_of(value: &Value) -> anyhow::Result<String> {
    let mut page = String::new();
    tell_of_reading(&value["read"], &mut page)?;
    if value["ignored"] == true {
        writeln!(page, "\nthis event is of no use to callwarden: it is ignored")?;
        return Ok(page);
    }
    let why = WhyView::deserialize(value)
        .context("the daemon's answer cannot be read: is it of another version?")?;
    tell_of_rules(&why, &mut page)?;
    tell_of_limits(&why, &mut page)?;
    tell_of_the_end(&why, &mut page)?;
    Ok(page)
}

fn tell_of_reading(read: &Value, page: &mut String) -> std::fmt::Result {
    writeln!(page, "read")?;
    let mut missing = Vec::new();
    for key in Field::ALL.map(Field::key) {
        let (at, value) = (read[key]["at"].as_str(), &read[key]["value"]);
        match (read[key].is_null(), at) {
            (true, _) => missing.push(key),
            (false, Some(at)) => writeln!(page, "  {key:<13} {value}  at {at}")?,
            (false, None) => writeln!(page, "  {key:<13} {value}")?,
        }
    }
    if !missing.is_empty() {
        writeln!(page, "  not there: {}", missing.join(", "))?;
    }
    Ok(())
}

fn tell_of_rules(why: &WhyView, page: &mut String) -> std::fmt::Result {
    // What decided about a call that is over may have changed since.
    let now = if why.outcome.is_some() { ", as they are now" } else { "" };
    writeln!(page, "\nrules{now}")?;
    for (at, rule) in why.rules.iter().enumerate() {
        let verdict = match rule.verdict {
            Verdict::Matches => "matches",
            Verdict::DoesNotMatch => "does not match",
            Verdict::MayMatch => "may match",
            Verdict::NotReached => "is not reached",
        };
        writeln!(page, "  {}. {} {verdict}: {}", at + 1, rule.name, rule.reason)?;
    }
    let decides = if why.outcome.is_some() { "decided" } else { "decides" };
    match &why.rule {
        Some(rule) => writeln!(page, "  {rule} {decides}"),
        None => writeln!(page, "  none {decides}: [limits] alone holds"),
    }
}

fn tell_of_limits(why: &WhyView, page: &mut String) -> std::fmt::Result {
    writeln!(page, "\nlimits")?;
    for limit in &why.limits {
        write!(page, "  {:<15} {:<8} ", limit.limit, limit.length)?;
        match (&limit.since, &limit.deadline) {
            (Some(since), Some(deadline)) => writeln!(page, "since {since}, to {deadline}")?,
            (Some(_) | None, _) => {
                writeln!(page, "idle: {}", limit.reason.as_deref().unwrap_or_default())?;
            }
        }
    }
    if let Some(own) = &why.own {
        writeln!(page, "  {own}")?;
    }
    let Some(operator) = &why.operator else { return Ok(()) };
    let did = match (operator.word.as_str(), &operator.deadline) {
        ("end", _) => "told it to end".to_owned(),
        ("release", _) => "took it out of enforcement".to_owned(),
        (_, Some(deadline)) => format!("set its deadline to {deadline}"),
        (word, None) => word.to_owned(),
    };
    writeln!(page, "  an operator {did} at {}, which stands above every limit", operator.at)
}

fn tell_of_the_end(why: &WhyView, page: &mut String) -> std::fmt::Result {
    let provisional = if why.provisional { ", provisional" } else { "" };
    let deadline = why.deadline.as_ref().zip(why.limit.as_ref());
    match (&why.outcome, deadline) {
        (Some(outcome), _) if why.state == "released" => {
            writeln!(page, "\nno limit holds: the call is {outcome}, and its end is not known yet")
        }
        (Some(outcome), Some((at, limit))) => {
            writeln!(page, "\nthe call is over: {outcome}; its deadline was {at} by limit {limit}")
        }
        (Some(outcome), None) => writeln!(page, "\nthe call is over: {outcome}"),
        (None, Some((at, limit))) => {
            writeln!(page, "\ndeadline {at} by limit {limit}, action {}{provisional}", why.action)
        }
        (None, None) if why.unproven => writeln!(
            page,
            "\nno deadline: known by an old event alone, it is not enforced before the platform \
             shows it active"
        ),
        (None, None) => writeln!(page, "\nno deadline{provisional}"),
    }
}

#[cfg(test)]
mod tests;
