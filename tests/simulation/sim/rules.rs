//! Policies of several rules, drawn, and what the spec's §6 says of a call by them, worked out
//! naively over all that was told. Shares no code with `model::rule`, `context` or `deadline`.

use std::time::Duration;

use callwarden::model::{
    context::kept,
    decode::pointers::Pointer,
    event::{EventKind, Heard},
    ids::AgentId,
    operator::Word,
    pattern::Pattern,
    policy::{Enforcement, Limits, Policy, Rules},
    rule::{Action, Condition, Override, Place, Rule, Subject, Test, Wanted},
    time::{Moment, Wall},
    until::Until,
};
use fastrand::Rng;
use jiff::tz::TimeZone;
use serde_json::{Number, Value, json};

use super::{
    SECOND, Time,
    fields::{FIELDS, Field, Fields, Seen, fits},
    life::EPOCH,
    reference::Told,
};

/// A rule in plain data.
#[derive(Clone, Debug)]
struct Plain {
    /// Each field, and what it may be; `None` is `{ absent = true }`.
    when: Vec<(Field, Option<Vec<Value>>)>,
    limits: Limits,
    /// `at_most` of an override by `context.max`.
    own: Option<Duration>,
    observes: bool,
}

/// A policy, and the rules that it was made of.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) policy: Policy,
    rules: Vec<Plain>,
}

/// What holds for a call by the sentences of the spec.
#[derive(Debug, PartialEq)]
pub(super) struct Holds {
    /// On the boot clock.
    pub(super) deadline: Option<i64>,
    pub(super) observes: bool,
    pub(super) provisional: bool,
}

impl Plan {
    pub(super) fn draw(enforcement: &Enforcement, rng: &mut Rng) -> Self {
        let mut limits = limits(rng);
        limits.total = limits.total.or(Some(Duration::from_secs(90)));
        let few = [0, rng.usize(0..3), rng.usize(1..5)][rng.usize(0..3)];
        let rules: Vec<_> = (0..few).map(|_| Plain::draw(rng)).collect();
        let made = rules.iter().enumerate().map(|(at, rule)| rule.made(at)).collect();
        let enforcement = enforcement.clone();
        let max_age = Duration::from_secs(7_200);
        Self { policy: Policy { limits, rules: Rules::new(made), enforcement, max_age }, rules }
    }

    /// One that ends every call after a second.
    pub(super) fn strict(enforcement: &Enforcement) -> Self {
        let limits = Limits { total: Some(Duration::from_secs(1)), ..Limits::default() };
        let (rules, enforcement) = (Rules::default(), enforcement.clone());
        let max_age = Duration::from_secs(7_200);
        Self { policy: Policy { limits, rules, enforcement, max_age }, rules: Vec::new() }
    }

    /// The rules that may decide, in their order, with whether their override is unknown, and the
    /// limits that hold by each.
    fn candidates(&self, fields: &Fields) -> Vec<(Limits, bool, bool)> {
        let mut found = Vec::new();
        for rule in &self.rules {
            let met: Vec<_> = rule.when.iter().map(|(on, want)| fields.meets(*on, want)).collect();
            if met.contains(&Some(false)) {
                continue;
            }
            found.push(self.of(Some(rule), fields));
            if !met.contains(&None) {
                return found;
            }
        }
        found.push(self.of(None, fields));
        found
    }

    fn of(&self, rule: Option<&Plain>, fields: &Fields) -> (Limits, bool, bool) {
        let general = &self.policy.limits;
        let Some(rule) = rule else { return (general.clone(), false, false) };
        let mut limits = rule.limits.clone();
        limits.total = limits.total.or(general.total);
        limits.ringing = limits.ringing.or(general.ringing);
        limits.connected = limits.connected.or(general.connected);
        limits.talking = limits.talking.or(general.talking);
        limits.voicemail = limits.voicemail.or(general.voicemail);
        limits.no_conversation = limits.no_conversation.or(general.no_conversation);
        limits.until = limits.until.or_else(|| general.until.clone());
        for (kind, limit) in &general.after {
            if limits.after.iter().all(|(known, _)| known != kind) {
                limits.after.push((*kind, *limit));
            }
        }
        let mut is_unknown = false;
        if let Some(at_most) = rule.own {
            match fields.at("max") {
                Seen::Unknown => {
                    is_unknown = true;
                    limits.total = limits.total.map(|total| total.max(at_most));
                }
                Seen::Missing => {}
                Seen::There(told) => {
                    if let Some(own) = span(&told) {
                        limits.total = Some(own.min(at_most));
                    }
                }
            }
        }
        (limits, rule.observes, is_unknown)
    }

    /// What holds for a call of which this was told.
    pub(super) fn holds(&self, told: &Told, fields: &Fields, now: Moment) -> Holds {
        let operator = fields.operator.map(|(act, mono)| (act.word, mono));
        if let Some((Word::Release, _)) = operator {
            return Holds { deadline: None, observes: false, provisional: false };
        }
        let all = self.candidates(fields);
        let observes = all.iter().any(|(_, observes, _)| *observes);
        let provisional = all.len() > 1 || all[0].2;
        match operator {
            Some((Word::Deadline(_), at)) => {
                return Holds { deadline: Some(at), observes, provisional };
            }
            Some((Word::End, at)) => {
                return Holds { deadline: Some(at), observes: false, provisional };
            }
            Some((Word::Release, _)) | None => {}
        }
        if told.unproven {
            return Holds { deadline: None, observes: false, provisional: false };
        }
        let each: Vec<_> = all.iter().map(|(limits, ..)| deadline(told, limits, now)).collect();
        let is_endless = each.contains(&None) || (observes && all.len() > 1);
        let latest = each.into_iter().flatten().max().filter(|_| !is_endless);
        Holds { deadline: latest, observes, provisional }
    }

    /// Whether a request may leave now.
    pub(super) fn may_stop(&self, told: &Told, fields: &Fields, now: Moment) -> bool {
        let all = self.candidates(fields);
        let observes = all.iter().any(|(_, observes, _)| *observes);
        match fields.operator.map(|(act, mono)| (act.word, mono)) {
            Some((Word::Release, _)) => false,
            Some((Word::End, at)) => at <= now.mono.0,
            Some((Word::Deadline(_), at)) => at <= now.mono.0 && !observes,
            None => {
                let may = |limits: &Limits| {
                    let until = until(told, limits, now).is_some_and(|at| at <= now.mono.0);
                    told.may_stop(now.mono.0, limits) || (until && !told.unproven)
                };
                !observes && all.iter().all(|(limits, ..)| may(limits))
            }
        }
    }

    /// Whether a rule asks for this agent.
    pub(super) fn names(&self, agent: &AgentId) -> bool {
        let told = Value::from(agent.as_str());
        let conditions = self.rules.iter().flat_map(|rule| &rule.when);
        let mut asked = conditions.filter(|(on, _)| *on == Field::Agent);
        asked.any(|(_, wanted)| wanted.iter().flatten().any(|wanted| fits(&told, wanted)))
    }

    /// The limits of all its rules, and of those that an override may put in place of `total`.
    pub(super) fn all_limits(&self) -> impl Iterator<Item = Limits> + '_ {
        let own = |rule: &Plain| {
            let own = Duration::from_secs(1);
            rule.own.map(|_| Limits { total: Some(own), ..Limits::default() })
        };
        let rules = self.rules.iter().flat_map(move |rule| [Some(rule.limits.clone()), own(rule)]);
        std::iter::once(self.policy.limits.clone()).chain(rules.flatten())
    }

    /// The longest that a call may last from when it rings, by whatever rule that does not observe.
    pub(super) fn longest(&self) -> Duration {
        let rules = self.rules.iter().flat_map(|rule| [rule.limits.total, rule.own]);
        rules.chain([self.policy.limits.total]).flatten().max().unwrap_or_default()
    }
}

impl Plain {
    fn draw(rng: &mut Rng) -> Self {
        let when = (0..rng.usize(0..3)).map(|_| {
            let field = FIELDS[rng.usize(0..FIELDS.len())];
            let values = (0..rng.usize(1..3)).map(|_| value(field, rng)).collect();
            (field, (rng.u8(0..5) > 0).then_some(values))
        });
        let when = when.collect();
        let own = rng.u8(0..4) == 0;
        Self {
            when,
            limits: limits(rng),
            own: own.then(|| Duration::from_secs(rng.u64(5..240))),
            observes: rng.u8(0..6) == 0,
        }
    }

    fn made(&self, at: usize) -> Rule {
        let place = |name: &str| Place::new(Pointer::by_names(name.split('/')));
        let subject = |field| match field {
            Field::Agent => Subject::Agent,
            Field::Campaign => Subject::Campaign,
            Field::To => Subject::To,
            Field::From => Subject::From,
            Field::Direction => Subject::Direction,
            Field::Testing => Subject::Testing,
            Field::Plan => Subject::Context(place("plan")),
            Field::Tier => Subject::Context(place("deep/tier")),
        };
        let wanted = |value: &Value| match value {
            Value::String(text) => Wanted::Text(Pattern::new(text).unwrap()),
            Value::Bool(flag) => Wanted::Flag(*flag),
            Value::Number(number) => Wanted::Number(number.clone()),
            other => panic!("{other} is no value of a rule"),
        };
        let when = self.when.iter().map(|(field, values)| Condition {
            subject: subject(*field),
            test: match values {
                None => Test::Absent,
                Some(values) => Test::Any(values.iter().map(wanted).collect()),
            },
        });
        Rule {
            name: format!("rule {at}").into(),
            when: when.collect(),
            limits: self.limits.clone(),
            own: self.own.map(|at_most| Override { place: place("max"), at_most }),
            action: if self.observes { Action::Observe } else { Action::End },
        }
    }
}

/// A duration string, or a number of seconds.
fn span(told: &Value) -> Option<Duration> {
    let span = match told {
        Value::Number(number) => Duration::try_from_secs_f64(number.as_f64()?).ok()?,
        Value::String(text) => Duration::from_secs(text.strip_suffix('s')?.parse().ok()?),
        _ => return None,
    };
    (span >= Duration::from_secs(1)).then_some(span)
}

fn deadline(told: &Told, limits: &Limits, now: Moment) -> Option<i64> {
    told.deadline(limits).into_iter().chain(until(told, limits, now)).min()
}

/// The first instant after *started* at which a clock in Greenwich shows the time.
fn until(told: &Told, limits: &Limits, now: Moment) -> Option<i64> {
    const DAY: i64 = 86_400 * SECOND;
    let until = limits.until.as_ref()?.time();
    let (hour, minute) = until.split_once(':')?;
    let clock = (hour.parse::<i64>().ok()? * 60 + minute.parse::<i64>().ok()?) * 60 * SECOND;
    let started = told.started()?.wall;
    let shown = started - started.rem_euclid(DAY) + clock;
    let first = if shown > started { shown } else { shown + DAY };
    Some(now.mono_of(Wall(first)).0)
}

fn limits(rng: &mut Rng) -> Limits {
    let mut limit = |most: u64| {
        let limit = Duration::from_millis(rng.u64(1_000..=most * 1_000));
        rng.bool().then_some(limit)
    };
    let after = [(EventKind::ConversationEnded, 30), (EventKind::Error, 60)]
        .map(|(kind, most)| limit(most).map(|limit| (kind, limit)));
    let mut after: Vec<_> = after.into_iter().flatten().collect();
    after.sort_unstable();
    let limits = Limits {
        total: limit(240),
        ringing: limit(40),
        connected: limit(120),
        talking: limit(120),
        voicemail: limit(20),
        no_conversation: limit(20),
        after,
        until: None,
    };
    let (is_cut, minute) = (rng.u8(0..12) == 0, rng.i64(0..18));
    // The world begins at 22:13:20.
    let minute = (EPOCH / SECOND / 60 + minute) % (24 * 60);
    let (hour, minute) = (i8::try_from(minute / 60), i8::try_from(minute % 60));
    let until = Until::new(hour.unwrap(), minute.unwrap(), TimeZone::UTC);
    Limits { until: until.filter(|_| is_cut), ..limits }
}

fn value(field: Field, rng: &mut Rng) -> Value {
    let one = |values: &[&str], rng: &mut Rng| Value::from(values[rng.usize(0..values.len())]);
    match field {
        Field::Agent => one(&["agent0", "agent1", "agent*", "agent9"], rng),
        Field::Campaign => one(&["spring", "autumn", "*"], rng),
        Field::To | Field::From => one(&["+49300*", "+4930*1", "+1*", "*7"], rng),
        Field::Direction => one(&["outbound", "inbound"], rng),
        Field::Testing => rng.bool().into(),
        Field::Plan => one(&["trial", "t*", "paid"], rng),
        Field::Tier => Number::from(rng.i64(0..3)).into(),
    }
}

/// What the application that placed a call told of it.
pub(super) fn context(rng: &mut Rng) -> Option<Value> {
    let mut context = json!({ "deep": {} });
    if rng.bool() {
        context["plan"] = ["trial", "paid"][rng.usize(0..2)].into();
    }
    if rng.bool() {
        context["deep"]["tier"] = rng.i64(0..3).into();
    }
    if rng.bool() {
        let seconds = rng.u64(0..300);
        context["max"] = match rng.u8(0..4) {
            0 => format!("{seconds}s").into(),
            1 => "soon".into(),
            2 => Value::Null,
            _ => seconds.into(),
        };
    }
    rng.bool().then_some(context)
}

/// What the store keeps of a context.
pub(super) fn kept_of(heard: &Heard, policy: &Policy) -> Option<std::sync::Arc<str>> {
    heard.details.context.as_ref().map(|context| kept(context, policy.places()).into())
}

/// When a limit of these may first be passed, by what really happened: no earlier.
pub(super) fn earliest(limits: &Limits, rings: Time, answered: Option<Time>) -> Option<Time> {
    let Limits { total, ringing, connected, talking, voicemail, no_conversation, after, until } =
        limits;
    if until.is_some() {
        return Some(Time::MIN);
    }
    let micros = |span: Duration| Time::try_from(span.as_micros()).unwrap_or(Time::MAX / 4);
    let since_rung = [total, ringing].into_iter().flatten().map(|span| rings + micros(*span));
    let since_answered = [connected, talking, voicemail, no_conversation];
    let since_answered =
        since_answered.into_iter().flatten().chain(after.iter().map(|(_, span)| span));
    let since_answered =
        since_answered.filter_map(|span| answered.map(|answered| answered + micros(*span)));
    since_rung.chain(since_answered).min()
}
