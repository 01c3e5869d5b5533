//! `[[rule]]` and the limits that a rule and `[limits]` share (spec §3, §6).

use std::{collections::HashSet, ops::Range, sync::Arc, time::Duration};

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde_json::Number;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::model::{
    decode::pointers::Pointer,
    event::EventKind,
    pattern::Pattern,
    policy::{Limits, Rules},
    rule::{Action, Condition, Override, Place, Rule, Subject, Test, Wanted},
    until::Until,
};

use super::{
    duration::{self, DAY, SECOND},
    leaf,
    mistake::Mistake,
    reader::{Section, unknown, wrong_type},
    suggest::nearest,
};

/// Reads every rule; those with a mistake have left an error.
pub(super) fn rules(root: &mut Section<'_, '_, '_>) -> Rules {
    let mut names = HashSet::new();
    let rules = root.tables("rule", |part| rule(part, &mut names));
    Rules::new(rules.into_iter().flatten().collect())
}

fn rule(part: &mut Section<'_, '_, '_>, names: &mut HashSet<Arc<str>>) -> Option<Rule> {
    let name = name(part, names);
    let when = when(part);
    let limits = part.section("limits", limits);
    let own = part.optional_section("override", own);
    let action = part.or("action", Action::End, action);
    let own = match own {
        Some(own) => Some(own?),
        None => None,
    };
    Some(Rule { name: name?, when: when?, limits, own, action })
}

fn name(part: &mut Section<'_, '_, '_>, names: &mut HashSet<Arc<str>>) -> Option<Arc<str>> {
    const EXPECTED: &str = "a name that no other rule has";
    let name = part.required("name", EXPECTED, "name = \"trial accounts\"", |value| {
        let text = leaf::text(value, EXPECTED)?;
        let is_good = !text.trim().is_empty() && !text.contains(char::is_control);
        if is_good { Ok(Arc::from(text)) } else { Err(Mistake::bad(text, EXPECTED)) }
    })?;
    if !names.insert(Arc::clone(&name)) {
        let (path, value) = part.raw("name")?;
        let mistake = Mistake::Conflict {
            found: format!("two rules are named {name:?}"),
            expected: EXPECTED.to_owned(),
            mend: "give one of them another name".to_owned(),
        };
        part.report(path, value.span(), mistake);
        return None;
    }
    Some(name)
}

fn action(value: &DeValue<'_>) -> Result<Action, Mistake> {
    const EXPECTED: &str = "\"end\" or \"observe\"";
    match leaf::text(value, EXPECTED)? {
        "end" => Ok(Action::End),
        "observe" => Ok(Action::Observe),
        other => Err(match nearest(other, ["end", "observe"]) {
            Some(known) => Mistake::bad(other, EXPECTED).mended(format!("write \"{known}\"")),
            None => Mistake::bad(other, EXPECTED),
        }),
    }
}

fn own(part: &mut Section<'_, '_, '_>) -> Option<Override> {
    let place = part.required(
        "field",
        "where a call carries its own limit",
        "field = \"/context/max_duration\"",
        |value| {
            const EXPECTED: &str =
                "a JSON Pointer into the context, such as \"/context/max_duration\"";
            let pointer = leaf::pointer(value)?;
            let below = pointer.below("context").ok_or_else(|| {
                Mistake::bad(pointer.as_str(), EXPECTED).mended("let it begin with /context/")
            })?;
            Ok(Place::new(below))
        },
    );
    let at_most = part.required(
        "at_most",
        "the most that a call's own limit can be",
        "at_most = \"20m\"",
        a_limit,
    );
    Some(Override { place: place?, at_most: at_most? })
}

/// The limits of `[limits]`, or of a rule.
pub(super) fn limits(part: &mut Section<'_, '_, '_>) -> Limits {
    let mut limit = |key| part.optional(key, a_limit);
    Limits {
        total: limit("total"),
        ringing: limit("ringing"),
        connected: limit("connected"),
        talking: limit("talking"),
        voicemail: limit("voicemail"),
        no_conversation: limit("no_conversation"),
        after: after(part),
        until: part.optional_section("until", until).flatten(),
    }
}

/// Limits after events, in stored order.
fn after(part: &mut Section<'_, '_, '_>) -> Vec<(EventKind, Duration)> {
    let names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.short_name()).collect();
    let mut after = part.map("after", &names, EventKind::from_short_name, a_limit);
    after.sort_by_key(|(kind, _)| *kind);
    after
}

fn a_limit(value: &DeValue<'_>) -> Result<Duration, Mistake> {
    duration::within(SECOND / 10..=30 * DAY)(value)
}

fn until(part: &mut Section<'_, '_, '_>) -> Option<Until> {
    let time = part.required("time", "a time of day", "time = \"20:00\"", time_of_day);
    let zone = part.required(
        "timezone",
        "the name of a time zone",
        "timezone = \"America/Sao_Paulo\"",
        time_zone,
    );
    let (hour, minute) = time?;
    Until::new(hour, minute, zone?)
}

fn time_of_day(value: &DeValue<'_>) -> Result<(i8, i8), Mistake> {
    const EXPECTED: &str = "a time of day from \"00:00\" to \"23:59\"";
    let wrong = |found: &str| Mistake::bad(found, EXPECTED);
    if let DeValue::Datetime(date) = value {
        let mistake = wrong_type(value, EXPECTED);
        return Err(match date.time {
            Some(time) => mistake.mended(format!("write \"{:02}:{:02}\"", time.hour, time.minute)),
            None => mistake,
        });
    }
    let text = leaf::text(value, EXPECTED)?;
    let digits = |part: &str| {
        let is_plain = part.len() == 2 && part.bytes().all(|c| c.is_ascii_digit());
        is_plain.then(|| part.parse::<i8>().ok()).flatten()
    };
    match text.split_once(':').map(|(hour, minute)| (digits(hour), digits(minute))) {
        Some((Some(hour @ 0..=23), Some(minute @ 0..=59))) => Ok((hour, minute)),
        Some((Some(24), Some(0))) => Err(wrong(text).mended("write \"00:00\"")),
        Some(_) | None => Err(wrong(text).mended("two digits, a colon, two digits")),
    }
}

/// A zone by the system's data, else by those that are built in.
fn time_zone(value: &DeValue<'_>) -> Result<TimeZone, Mistake> {
    const EXPECTED: &str = "the name of a time zone, such as \"America/Sao_Paulo\" or \"UTC\"";
    let name = leaf::text(value, EXPECTED)?;
    let bundled = TimeZoneDatabase::bundled();
    TimeZone::get(name).or_else(|_| bundled.get(name)).map_err(|_| {
        let known: Vec<_> = bundled.available().map(|name| name.to_string()).collect();
        let mistake = Mistake::bad(name, EXPECTED);
        match nearest(name, known.iter().map(String::as_str)) {
            Some(known) => mistake.mended(format!("did you mean \"{known}\"?")),
            None => mistake.mended("names are those of the IANA database"),
        }
    })
}

/// Everything that a rule asks; `None` where a mistake was reported.
fn when(part: &mut Section<'_, '_, '_>) -> Option<Vec<Condition>> {
    let Some((path, value)) = part.raw("when") else { return Some(Vec::new()) };
    let Some(table) = value.get_ref().as_table() else {
        let mistake = wrong_type(value.get_ref(), "a table of fields")
            .mended("write { direction = \"outbound\" }");
        part.report(path, value.span(), mistake);
        return None;
    };
    let mut asked = Asked { part, conditions: Vec::new(), failed: false };
    for (key, value) in table {
        asked.field(&path, key, value);
    }
    (!asked.failed).then_some(asked.conditions)
}

/// The conditions of one `when`, as they are read.
struct Asked<'a, 's, 'i, 'e> {
    part: &'a mut Section<'s, 'i, 'e>,
    conditions: Vec<Condition>,
    failed: bool,
}

impl Asked<'_, '_, '_, '_> {
    fn field(&mut self, path: &str, key: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue<'_>>) {
        const KEYS: [&str; 7] =
            ["agent", "campaign", "to", "from", "direction", "testing", "context"];
        let name = key.get_ref().as_ref();
        let path = format!("{path}.{name}");
        let (subject, kind) = match name {
            "agent" => (Subject::Agent, Kind::Text),
            "campaign" => (Subject::Campaign, Kind::Text),
            "to" => (Subject::To, Kind::Text),
            "from" => (Subject::From, Kind::Text),
            "direction" => (Subject::Direction, Kind::Text),
            "testing" => (Subject::Testing, Kind::Flag),
            "context" => return self.context(path, &mut Vec::new(), value),
            _ => {
                let mistake = unknown(nearest(name, KEYS), &KEYS);
                return self.fail(path, key.span(), mistake);
            }
        };
        self.condition(path, subject, kind, value);
    }

    /// A path of any depth: each table but `{ absent = true }` leads on.
    fn context<'v>(
        &mut self,
        path: String,
        names: &mut Vec<&'v str>,
        value: &'v Spanned<DeValue<'_>>,
    ) {
        match value.get_ref().as_table().filter(|table| !is_absent(table)) {
            Some(table) if table.is_empty() => {
                let mistake = Mistake::BadValue {
                    found: "an empty table".to_owned(),
                    expected: "a field of the context".to_owned(),
                    mend: Some("write context.plan = \"trial\"".to_owned()),
                };
                self.fail(path, value.span(), mistake);
            }
            Some(table) => {
                for (key, value) in table {
                    let name: &str = key.get_ref();
                    names.push(name);
                    self.context(format!("{path}.{name}"), names, value);
                    names.pop();
                }
            }
            None => {
                let place = Place::new(Pointer::by_names(names.iter().copied()));
                self.condition(path, Subject::Context(place), Kind::Any, value);
            }
        }
    }

    fn condition(
        &mut self,
        path: String,
        subject: Subject,
        kind: Kind,
        value: &Spanned<DeValue<'_>>,
    ) {
        let test = match value.get_ref() {
            DeValue::Table(table) if is_absent(table) => Test::Absent,
            DeValue::Array(items) if items.is_empty() => {
                let mistake = Mistake::BadValue {
                    found: "an empty list".to_owned(),
                    expected: kind.expected().to_owned(),
                    mend: Some("write { absent = true } for a field that is not there".to_owned()),
                };
                return self.fail(path, value.span(), mistake);
            }
            DeValue::Array(items) => {
                let wanted = items.iter().filter_map(|item| self.wanted(&path, kind, item));
                Test::Any(wanted.collect())
            }
            _ => Test::Any(self.wanted(&path, kind, value).into_iter().collect()),
        };
        self.conditions.push(Condition { subject, test });
    }

    fn wanted(&mut self, path: &str, kind: Kind, value: &Spanned<DeValue<'_>>) -> Option<Wanted> {
        match kind.read(value.get_ref()) {
            Ok(wanted) => Some(wanted),
            Err(mistake) => {
                self.fail(path.to_owned(), value.span(), mistake);
                None
            }
        }
    }

    fn fail(&mut self, path: String, span: Range<usize>, mistake: Mistake) {
        self.failed = true;
        self.part.report(path, span, mistake);
    }
}

/// What sort of values a field has.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Any,
}

impl Kind {
    fn expected(self) -> &'static str {
        match self {
            Self::Text => "a string, a list of them, or { absent = true }",
            Self::Flag => "true, false or { absent = true }",
            Self::Any => "a string, a boolean, a number, a list of these, or { absent = true }",
        }
    }

    fn read(self, value: &DeValue<'_>) -> Result<Wanted, Mistake> {
        let wrong = || wrong_type(value, self.expected());
        match (self, value) {
            (Self::Text | Self::Any, DeValue::String(text)) => Pattern::new(text)
                .map(Wanted::Text)
                .ok_or_else(|| Mistake::bad(text, "a text without NUL")),
            (Self::Flag | Self::Any, DeValue::Boolean(flag)) => Ok(Wanted::Flag(*flag)),
            (Self::Any, DeValue::Integer(number)) => {
                i64::from_str_radix(number.as_str(), number.radix())
                    .map(|number| Wanted::Number(number.into()))
                    .map_err(|_| Mistake::bad(number.as_str(), "a number of 64 bits"))
            }
            (Self::Any, DeValue::Float(number)) => {
                let number = number.as_str().parse().ok().and_then(Number::from_f64);
                number
                    .map(Wanted::Number)
                    .ok_or_else(|| wrong().mended("no call has such a number: leave the field out"))
            }
            (Self::Text, DeValue::Integer(number)) => {
                Err(wrong().mended(format!("write \"{number}\"")))
            }
            (Self::Flag, DeValue::String(_)) => Err(wrong().mended("write it without quotes")),
            (_, DeValue::Datetime(date)) => Err(wrong().mended(format!("write \"{date}\""))),
            (_, DeValue::Table(table)) if table.contains_key("absent") => {
                Err(wrong().mended("write { absent = true }, outside of any list"))
            }
            (
                Self::Text | Self::Flag | Self::Any,
                DeValue::Boolean(_)
                | DeValue::Float(_)
                | DeValue::Integer(_)
                | DeValue::Array(_)
                | DeValue::Table(_),
            ) => Err(wrong()),
        }
    }
}

/// Whether a table says `absent = true` and no more.
fn is_absent(table: &DeTable<'_>) -> bool {
    let says = |value: &Spanned<DeValue<'_>>| value.get_ref().as_bool() == Some(true);
    table.len() == 1 && table.get("absent").is_some_and(says)
}
