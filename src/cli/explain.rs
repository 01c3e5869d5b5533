//! `callwarden explain`: what is read from a webhook's body, which rule decides, which limit holds,
//! and why (spec §2, §6).

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Map, Value, json};

use super::{ConfigPath, Exit};
use crate::{
    config::{Config, duration::shown},
    engine::clock::Clock,
    model::{
        call::Call,
        change::Event,
        deadline::{Applied, Length, Own},
        decode::{Decoded, PathNames, Place, What, decode, pointers::Field},
        event::{CallName, Heard},
        explain::{Explanation, Verdict, idle_because},
        time::{Moment, Mono},
    },
};

pub(super) const EXAMPLE: &str = "\
Examples:
  callwarden explain body.json --config callwarden.toml
  curl -s https://example.com/last-webhook | callwarden explain --json";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A webhook's body; standard input if absent.
    file: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigPath,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = arguments.config.load()?;
    let mut body = Vec::new();
    match &arguments.file {
        Some(path) => {
            body = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        }
        None => {
            io::stdin().read_to_end(&mut body).context("standard input cannot be read")?;
        }
    }
    let explained = explained(&body, &config, Clock::system().now())?;
    let text = if arguments.json { json_of(&explained) } else { text_of(&explained) };
    io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Fine)
}

/// A body and what became of it.
struct Explained<'c> {
    config: &'c Config,
    body: Value,
    decoded: Decoded,
    /// `None` for what is ignored.
    call: Option<(Call, Moment)>,
}

/// Takes a body in as the daemon would, at the event's own time if it has one.
fn explained<'c>(body: &[u8], config: &'c Config, now: Moment) -> anyhow::Result<Explained<'c>> {
    let decoded = decode(body, &PathNames::default(), &config.webhook.fields)?;
    let call = match &decoded.what {
        What::Event(heard) => {
            let now = match heard.time {
                Some(at) => Moment { wall: at, mono: Mono(now.mono.0.max(1 << 50)) },
                None => now,
            };
            let call = Call::new(id_of(heard).clone(), now);
            Some((call.apply(&Event::Heard(heard), now, &config.policy()).next, now))
        }
        What::Ignored => None,
    };
    Ok(Explained { config, body: serde_json::from_slice(body)?, decoded, call })
}

fn id_of(heard: &Heard) -> &crate::model::ids::CallId {
    match &heard.call {
        CallName::Id(id) | CallName::Sid(id) | CallName::Both { id, .. } => id,
    }
}

impl Explained<'_> {
    /// Each field: the pointer that hit, and what stands there.
    fn read(&self) -> impl Iterator<Item = (Field, Option<(&str, &Value)>)> {
        Field::ALL.into_iter().map(|field| {
            let hit = match self.decoded.places.of(field) {
                Place::Body(at) => {
                    let pointer = &self.config.webhook.fields.of(field)[at];
                    pointer.find(&self.body).map(|value| (pointer.as_str(), value))
                }
                Place::Nowhere | Place::Path => None,
            };
            (field, hit)
        })
    }
}

fn json_of(explained: &Explained<'_>) -> String {
    let read = explained.read().map(|(field, hit)| {
        let hit = hit.map(|(at, value)| json!({ "at": at, "value": value }));
        (field.key().to_owned(), hit.unwrap_or_default())
    });
    let mut shown = Map::from_iter([("read".to_owned(), Value::Object(read.collect()))]);
    let mut put = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    match &explained.call {
        None => {
            put("ignored", true.into());
        }
        Some((call, now)) => {
            let policy = explained.config.policy();
            let why = Explanation::of(call, &policy, *now);
            put("rule", json!(call.rule()));
            put("rules", why.rules.iter().map(json_of_rule).collect());
            put(
                "limits",
                why.limits.iter().map(|limit| json_of_limit(limit, call, *now)).collect(),
            );
            put("override", json!(own_in_words(why.own)));
            put("action", call.action().name().into());
            put("provisional", call.is_provisional().into());
            put("state", call.state().name().into());
            put("outcome", json!(call.ended.map(|ended| ended.outcome.name())));
            put("deadline", json!(call.deadline().map(|due| due.wall.to_string())));
            put("limit", json!(call.deadline().map(|due| due.limit.to_string())));
        }
    }
    format!("{:#}\n", Value::Object(shown))
}

fn json_of_rule(tried: &crate::model::explain::Tried<'_>) -> Value {
    json!({
        "name": &*tried.rule.name,
        "verdict": tried.verdict.name(),
        "reason": tried.reason,
        "action": tried.rule.action.name(),
    })
}

fn json_of_limit(limit: &Applied<'_>, call: &Call, now: Moment) -> Value {
    let due = call.deadline_of(limit, now);
    json!({
        "limit": limit.limit.to_string(),
        "length": length(limit.length),
        "since": limit.since.map(|at| at.to_string()),
        "deadline": due.map(|due| due.wall.to_string()),
        "reason": limit.since.is_none().then(|| idle_because(limit.limit, call)),
    })
}

fn length(length: Length<'_>) -> String {
    match length {
        Length::Span(span) => shown(span),
        Length::Until(until) => format!("{} {}", until.time(), until.zone()),
    }
}

fn own_in_words(own: Own) -> Option<String> {
    match own {
        Own::None => None,
        Own::Read(span) => Some(format!("the call's own total, {}", shown(span))),
        Own::Capped(span) => {
            Some(format!("the call's own total is cut to at_most, {}", shown(span)))
        }
        Own::Unreadable => Some("the call's own total cannot be read, and is ignored".to_owned()),
        Own::Unknown => Some("whether the call has a total of its own is not known".to_owned()),
    }
}

fn text_of(explained: &Explained<'_>) -> String {
    let mut page = String::new();
    tell(explained, &mut page).expect("writing to a String never fails");
    page
}

fn tell(explained: &Explained<'_>, page: &mut String) -> std::fmt::Result {
    writeln!(page, "read")?;
    let mut missing = Vec::new();
    for (field, hit) in explained.read() {
        match hit {
            Some((at, value)) => writeln!(page, "  {:<13} {value}  at {at}", field.key())?,
            None => missing.push(field.key()),
        }
    }
    if !missing.is_empty() {
        writeln!(page, "  not there: {}", missing.join(", "))?;
    }
    let Some((call, now)) = &explained.call else {
        return writeln!(page, "\nthis event is of no use to callwarden: it is ignored");
    };
    let policy = explained.config.policy();
    let why = Explanation::of(call, &policy, *now);
    tell_of_rules(&why, page)?;
    tell_of_limits(&why, call, *now, page)?;
    tell_of_the_end(call, page)
}

fn tell_of_rules(why: &Explanation<'_>, page: &mut String) -> std::fmt::Result {
    writeln!(page, "\nrules")?;
    for (at, tried) in why.rules.iter().enumerate() {
        let verdict = match tried.verdict {
            Verdict::Matches => "matches",
            Verdict::Fails => "does not match",
            Verdict::Unknown => "may match",
            Verdict::NotReached => "is not reached",
        };
        writeln!(page, "  {}. {} {verdict}: {}", at + 1, tried.rule.name, tried.reason)?;
    }
    match why.rule {
        Some(rule) => writeln!(page, "  {} decides", rule.name),
        None => writeln!(page, "  none decides: [limits] alone holds"),
    }
}

fn tell_of_limits(
    why: &Explanation<'_>,
    call: &Call,
    now: Moment,
    page: &mut String,
) -> std::fmt::Result {
    writeln!(page, "\nlimits")?;
    for limit in &why.limits {
        let name = limit.limit.to_string();
        write!(page, "  {name:<15} {:<8} ", length(limit.length))?;
        match (limit.since, call.deadline_of(limit, now)) {
            (Some(since), Some(due)) => writeln!(page, "since {since}, to {}", due.wall)?,
            (Some(_) | None, _) => writeln!(page, "idle: {}", idle_because(limit.limit, call))?,
        }
    }
    own_in_words(why.own).map_or(Ok(()), |own| writeln!(page, "  {own}"))
}

fn tell_of_the_end(call: &Call, page: &mut String) -> std::fmt::Result {
    let provisional = if call.is_provisional() { ", provisional" } else { "" };
    match (call.ended, call.deadline()) {
        (Some(ended), _) => writeln!(page, "\nthe call is over: {}", ended.outcome.name()),
        (None, Some(due)) => writeln!(
            page,
            "\ndeadline {} by limit {}, action {}{provisional}",
            due.wall,
            due.limit,
            call.action().name()
        ),
        (None, None) => writeln!(page, "\nno deadline{provisional}"),
    }
}

#[cfg(test)]
mod tests;
