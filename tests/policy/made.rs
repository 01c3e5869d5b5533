//! Rules and calls in plain data, and the real ones made of them.

use std::time::Duration;

use callwarden::model::{
    call::Call,
    change::Event,
    decode::pointers::Pointer,
    event::{CallName, Details, EventKind, Heard, Via},
    ids::{AgentId, CallId},
    pattern::Pattern,
    platform::{Row, Status},
    policy::{Enforcement, Limits, Policy, Rules},
    rule::{Action, Condition, Override, Place, Rule, Subject, Test, Wanted},
    time::{Moment, Mono, Wall},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

pub(crate) const NOW: Moment =
    Moment { wall: Wall(1_700_000_000_000_000), mono: Mono(90_000_000_000) };

/// A field of a call, by its key in `when`.
pub(crate) const FIELDS: [&str; 8] = [
    "agent",
    "campaign",
    "to",
    "from",
    "direction",
    "testing",
    "context.plan",
    "context.deep.tier",
];

/// A rule in plain data.
#[derive(Clone, Debug)]
pub(crate) struct PlainRule {
    /// Which field, and which values it may have; `None` is `{ absent = true }`.
    pub when: Vec<(&'static str, Option<Vec<Value>>)>,
    pub total: Option<u64>,
    pub connected: Option<u64>,
    /// `at_most` of an override by `context.own`.
    pub own: Option<u64>,
    pub observe: bool,
}

/// What is known of a call.
#[derive(Clone, Debug)]
pub(crate) struct PlainCall {
    /// Found in a listing: no event was heard.
    pub listed: bool,
    pub agent: Option<&'static str>,
    pub campaign: Option<&'static str>,
    pub to: Option<&'static str>,
    pub direction: Option<&'static str>,
    pub testing: Option<bool>,
    pub context: Option<Value>,
}

impl PlainCall {
    /// A call of this agent, heard of by an event that tells nothing else.
    pub(crate) fn of_agent(agent: &'static str) -> Self {
        Self {
            listed: false,
            agent: Some(agent),
            campaign: None,
            to: None,
            direction: None,
            testing: None,
            context: None,
        }
    }
}

pub(crate) fn rules() -> impl Strategy<Value = Vec<PlainRule>> {
    vec(rule(), 0..5)
}

pub(crate) fn rule() -> impl Strategy<Value = PlainRule> {
    let limit = || option::of(2..2_000_u64);
    (vec(condition(), 0..3), limit(), limit(), limit(), any::<bool>()).prop_map(
        |(when, total, connected, own, observe)| PlainRule { when, total, connected, own, observe },
    )
}

pub(crate) fn condition() -> impl Strategy<Value = (&'static str, Option<Vec<Value>>)> {
    let text =
        prop_oneof![select(vec!["a", "b", "ab", "inbound"]).prop_map(str::to_owned), "[ab*]{1,3}",];
    let any_value = prop_oneof![
        3 => text.clone().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => (0..3_i64).prop_map(Value::from),
        1 => select(vec![0.0, 1.0, 1.5]).prop_map(Value::from),
    ];
    let texts = vec(text.prop_map(Value::from), 1..3);
    (select(FIELDS.to_vec()), texts, vec(any_value, 1..3), any::<bool>(), 0..4_u8).prop_map(
        |(field, texts, values, flag, kind)| {
            let wanted = match field {
                "testing" => vec![flag.into()],
                _ if field.starts_with("context") => values,
                _ => texts,
            };
            (field, (kind > 0).then_some(wanted))
        },
    )
}

pub(crate) fn call() -> impl Strategy<Value = PlainCall> {
    let text = || option::of(select(vec!["a", "b", "ab", "ba"]));
    let value = prop_oneof![
        select(vec!["a", "b", "ab", ""]).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        (0..3_i64).prop_map(Value::from),
        select(vec![0.0, 1.0, 1.5]).prop_map(Value::from),
        Just(Value::Null),
        Just(json!([1])),
        Just(json!({"x": 1})),
    ];
    let own = prop_oneof![
        (0..4_000_u64).prop_map(Value::from),
        (0..4_000_u64).prop_map(|seconds| format!("{seconds}s").into()),
        select(vec!["soon", "", "10", "99999999999999999999999s"]).prop_map(Value::from),
        Just(Value::from(-1)),
        Just(Value::from(1e300)),
        Just(Value::from(true)),
    ];
    let context = (option::of(value.clone()), option::of(value), option::of(own)).prop_map(
        |(plan, tier, own)| {
            let mut context = json!({ "deep": {} });
            let mut put = |pointer: &str, key: &str, value: Option<Value>| {
                if let (Some(value), Some(object)) = (value, context.pointer_mut(pointer)) {
                    object[key] = value;
                }
            };
            put("", "plan", plan);
            put("/deep", "tier", tier);
            put("", "own", own);
            context
        },
    );
    let direction = option::of(select(vec!["inbound", "a"]));
    let testing = option::of(any::<bool>());
    (any::<bool>(), text(), text(), text(), direction, testing, option::of(context)).prop_map(
        |(listed, agent, campaign, to, direction, testing, context)| PlainCall {
            listed,
            agent,
            campaign: campaign.filter(|_| !listed),
            to,
            direction,
            testing,
            context: context.filter(|_| !listed),
        },
    )
}

pub(crate) fn policy(rules: &[PlainRule], total: Option<u64>) -> Policy {
    Policy {
        limits: Limits { total: total.map(Duration::from_secs), ..Limits::default() },
        rules: Rules::new(rules.iter().enumerate().map(|(at, rule)| made(at, rule)).collect()),
        enforcement: Enforcement {
            confirm_within: Duration::from_secs(30),
            give_up_after: Duration::from_secs(3_600),
        },
        max_age: Duration::from_secs(7_200),
    }
}

fn made(at: usize, plain: &PlainRule) -> Rule {
    let place = |names: &[&str]| Place::new(Pointer::by_names(names.iter().copied()));
    let subject = |field| match field {
        "agent" => Subject::Agent,
        "campaign" => Subject::Campaign,
        "to" => Subject::To,
        "from" => Subject::From,
        "direction" => Subject::Direction,
        "testing" => Subject::Testing,
        "context.plan" => Subject::Context(place(&["plan"])),
        _ => Subject::Context(place(&["deep", "tier"])),
    };
    let wanted = |value: &Value| match value {
        Value::String(text) => Wanted::Text(Pattern::new(text).unwrap()),
        Value::Bool(flag) => Wanted::Flag(*flag),
        Value::Number(number) => Wanted::Number(number.clone()),
        other => panic!("{other} is no value of a rule"),
    };
    let when = plain.when.iter().map(|(field, values)| Condition {
        subject: subject(field),
        test: match values {
            None => Test::Absent,
            Some(values) => Test::Any(values.iter().map(wanted).collect()),
        },
    });
    Rule {
        name: at.to_string().into(),
        when: when.collect(),
        limits: Limits {
            total: plain.total.map(Duration::from_secs),
            connected: plain.connected.map(Duration::from_secs),
            ..Limits::default()
        },
        own: plain.own.map(|at_most| Override {
            place: place(&["own"]),
            at_most: Duration::from_secs(at_most),
        }),
        action: if plain.observe { Action::Observe } else { Action::End },
    }
}

/// The call, connected just now, as it is after its event or its row in a listing.
pub(crate) fn heard(call: &PlainCall, policy: &Policy) -> Call {
    let new = Call::new(CallId::parse("call").unwrap(), NOW);
    if call.listed {
        let row = row(call);
        return new
            .apply(&Event::LookedUp { found: Ok(Some(&row)), jitter: 0.0 }, NOW, policy)
            .next;
    }
    new.apply(&Event::Heard(&event(call)), NOW, policy).next
}

pub(crate) fn event(call: &PlainCall) -> Heard {
    let text = |value: Option<&str>| value.map(Into::into);
    Heard {
        kind: EventKind::Connected,
        call: CallName::Id(CallId::parse("call").unwrap()),
        agent: call.agent.map(|agent| AgentId::parse(agent).unwrap()),
        time: None,
        details: Details {
            to: text(call.to),
            from: None,
            direction: text(call.direction),
            campaign: text(call.campaign),
            testing: call.testing,
            context: call.context.clone(),
            ended_reason: None,
        },
        via: Via::Webhook,
    }
}

fn row(call: &PlainCall) -> Row {
    let text = |value: Option<&str>| value.map(Into::into);
    Row {
        id: CallId::parse("call").unwrap(),
        sid: None,
        agent: call.agent.map(|agent| AgentId::parse(agent).unwrap()),
        to: text(call.to),
        from: None,
        direction: text(call.direction),
        testing: call.testing,
        status: Status::InProgress,
        started_at: None,
        created_at: None,
        updated_at: None,
    }
}
