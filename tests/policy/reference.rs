//! Spec §6, sentence by sentence, over plain data. Shares no code with the model.

use serde_json::Value;

use super::made::{PlainCall, PlainRule};

/// What holds for a call that connected just now, in seconds.
#[derive(Debug, PartialEq)]
pub(crate) struct Holds {
    pub deadline: Option<f64>,
    pub observe: bool,
    pub provisional: bool,
    /// `None` where several may decide: then which one is shown is not the spec's to say.
    pub rule: Option<Option<usize>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Field {
    Unknown,
    Missing,
    There(Value),
}

pub(crate) fn holds(rules: &[PlainRule], total: Option<u64>, call: &PlainCall) -> Holds {
    let mut may_decide = Vec::new();
    let mut decided = false;
    for (at, rule) in rules.iter().enumerate() {
        let all: Vec<_> =
            rule.when.iter().map(|(field, wanted)| is_met(&find(call, field), wanted)).collect();
        if all.contains(&Some(false)) {
            continue;
        }
        may_decide.push(Some(at));
        if !all.contains(&None) {
            decided = true;
            break;
        }
    }
    if !decided {
        may_decide.push(None);
    }
    let each: Vec<_> =
        may_decide.iter().map(|at| of(at.map(|at| &rules[at]), total, call)).collect();
    if let [(deadline, observe, own_unknown)] = each[..] {
        return Holds { deadline, observe, provisional: own_unknown, rule: Some(may_decide[0]) };
    }
    // The latest holds; observing, and no limit at all, is later than any.
    let observe = each.iter().any(|(_, observe, _)| *observe);
    let endless = observe || each.iter().any(|(deadline, ..)| deadline.is_none());
    let latest = each.iter().filter_map(|(deadline, ..)| *deadline).reduce(f64::max);
    Holds { deadline: latest.filter(|_| !endless), observe, provisional: true, rule: None }
}

/// The deadline that one rule gives, whether it observes, and whether its override is unknown.
fn of(
    rule: Option<&PlainRule>,
    general: Option<u64>,
    call: &PlainCall,
) -> (Option<f64>, bool, bool) {
    let Some(rule) = rule else { return (general.map(|total| total as f64), false, false) };
    let total = rule.total.or(general).map(|total| total as f64);
    let own = rule.own.map(|at_most| (at_most as f64, find(call, "context.own")));
    let (total, unknown) = match own {
        None => (total, false),
        Some((at_most, Field::Unknown)) => (total.map(|total| total.max(at_most)), true),
        Some((at_most, Field::There(value))) => match seconds(&value) {
            Some(seconds) => (Some(seconds.min(at_most)), false),
            None => (total, false),
        },
        Some((_, Field::Missing)) => (total, false),
    };
    let connected = rule.connected.map(|connected| connected as f64);
    (total.into_iter().chain(connected).reduce(f64::min), rule.observe, unknown)
}

fn seconds(value: &Value) -> Option<f64> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => {
            let digits = text.strip_suffix('s')?;
            digits.parse::<u32>().ok()?.into()
        }
        _ => return None,
    };
    (seconds >= 1.0).then_some(seconds)
}

fn find(call: &PlainCall, field: &str) -> Field {
    let text = |value: Option<&str>| value.map(Value::from);
    let context = |pointer: &str| call.context.as_ref()?.pointer(pointer).cloned();
    let told = match field {
        "agent" => text(call.agent),
        "campaign" => text(call.campaign),
        "to" => text(call.to),
        "from" => None,
        "direction" => text(call.direction),
        "testing" => call.testing.map(Value::from),
        "context.plan" => context("/plan"),
        "context.own" => context("/own"),
        _ => context("/deep/tier"),
    };
    match told {
        Some(value) if !value.is_null() => Field::There(value),
        // What no event could yet tell is unknown.
        Some(_) | None => {
            if call.listed {
                Field::Unknown
            } else {
                Field::Missing
            }
        }
    }
}

fn is_met(field: &Field, wanted: &Option<Vec<Value>>) -> Option<bool> {
    match (field, wanted) {
        (Field::Unknown, _) => None,
        (field, None) => Some(*field == Field::Missing),
        (Field::Missing, Some(_)) => Some(false),
        (Field::There(value), Some(wanted)) => {
            Some(wanted.iter().any(|wanted| fits(value, wanted)))
        }
    }
}

fn fits(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::String(value), Value::String(pattern)) => {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            matches(&chars(pattern), &chars(value))
        }
        (Value::Bool(value), Value::Bool(wanted)) => value == wanted,
        (Value::Number(value), Value::Number(wanted)) => value.as_f64() == wanted.as_f64(),
        _ => false,
    }
}

fn matches(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|taken| matches(rest, &text[taken..])),
        Some((c, rest)) => text.first() == Some(c) && matches(rest, &text[1..]),
    }
}
