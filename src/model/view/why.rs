//! Why a call ends when it does (spec §2 `explain`, §6): the evaluation of the policy as it is shown,
//! of a webhook's body as of a live call. Text is made of this too, so both say the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{
    call::Call,
    context::Told,
    deadline::{Applied, Length, Own},
    decode::pointers::Field,
    explain::{Explanation, Numbers, Verdict, idle_because},
    ids::masked,
    operator::{Act, Word},
    policy::Policy,
    time::{Moment, shown},
};

/// Why a call ends when it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhyView {
    /// Each field of an event by its key in `[webhook.fields]`; null for what was not told.
    pub read: BTreeMap<String, Option<ReadView>>,
    /// The rule that its deadline comes from, or came from when it ended.
    pub rule: Option<String>,
    /// Every rule in order.
    pub rules: Vec<RuleView>,
    /// Every limit that is set, by the rule that decides and by `[limits]`.
    pub limits: Vec<LimitView>,
    /// What came of the rule's `override`, in words.
    #[serde(rename = "override")]
    pub own: Option<String>,
    /// The operator's word, which stands above every limit.
    pub operator: Option<OperatorView>,
    /// `end` or `observe`.
    pub action: String,
    /// Whether what is not known yet may still move the deadline.
    pub provisional: bool,
    /// Whether it is known by an old event alone, and not enforced before the platform shows it.
    pub unproven: bool,
    /// Where the call stands.
    pub state: String,
    /// Its outcome, once there is one.
    pub outcome: Option<String>,
    /// The deadline in force, or the one it ended with; RFC 3339 like every time here.
    pub deadline: Option<String>,
    /// Which limit that is.
    pub limit: Option<String>,
}

/// What was read of one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadView {
    /// The JSON Pointer that hit; null of a call whose bodies are gone.
    pub at: Option<String>,
    /// What stands there.
    pub value: Value,
}

/// What came of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleView {
    /// Its name.
    pub name: String,
    /// Whether it matches.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
    /// `end` or `observe`.
    pub action: String,
}

/// What came of one limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitView {
    /// Its key in the config.
    pub limit: String,
    /// How long it is.
    pub length: String,
    /// Since when it counts.
    pub since: Option<String>,
    /// When it is passed.
    pub deadline: Option<String>,
    /// Why it does not count, if it does not.
    pub reason: Option<String>,
}

/// What an operator did to the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorView {
    /// When.
    pub at: String,
    /// `deadline`, `end` or `release`.
    pub word: String,
    /// The deadline that was set.
    pub deadline: Option<String>,
}

impl WhyView {
    /// What `policy` says of `call` at `now`, the phone numbers in its words told as `numbers` says.
    /// A call that is over keeps the deadline, limit and rule that it ended with.
    #[must_use]
    pub fn of(
        call: &Call,
        policy: &Policy,
        now: Moment,
        numbers: Numbers,
        read: BTreeMap<String, Option<ReadView>>,
    ) -> Self {
        let Explanation { rules, own, limits } = Explanation::of(call, policy, now, numbers);
        let deadline = match call.ended {
            Some(ended) => ended.deadline,
            None => call.deadline().map(|due| (due.wall, due.limit)),
        };
        let rules = rules.into_iter().map(|tried| RuleView {
            name: tried.rule.name.to_string(),
            verdict: tried.verdict,
            reason: tried.reason,
            action: tried.rule.action.name().to_owned(),
        });
        Self {
            read,
            rule: call.rule().map(str::to_owned),
            rules: rules.collect(),
            limits: limits.iter().map(|limit| LimitView::of(limit, call, now)).collect(),
            own: own_in_words(own),
            operator: call.facts.operator().map(OperatorView::of),
            action: call.action().name().to_owned(),
            provisional: call.is_provisional(),
            unproven: call.unproven,
            state: call.state().name().to_owned(),
            outcome: call.ended.map(|ended| ended.outcome.name().to_owned()),
            deadline: deadline.map(|(at, _)| at.to_string()),
            limit: deadline.map(|(_, limit)| limit.to_string()),
        }
    }

    /// The same of a call that is tracked: what is known of it stands for what was read, its numbers
    /// masked.
    #[must_use]
    pub fn of_tracked(call: &Call, policy: &Policy, now: Moment) -> Self {
        let known = Field::ALL.into_iter().map(|field| {
            let read = known(field, call, policy).map(|value| ReadView { at: None, value });
            (field.key().to_owned(), read)
        });
        Self::of(call, policy, now, Numbers::Masked, known.collect())
    }
}

/// What is known of a field; of the event, the one that came last.
fn known(field: Field, call: &Call, policy: &Policy) -> Option<Value> {
    let facts = &call.facts;
    let last = || facts.all_times().max_by_key(|(_, times)| times.last);
    Some(match field {
        Field::Event => last()?.0.name().into(),
        Field::Time => last()?.1.last.to_string().into(),
        Field::CallId => call.id.as_str().into(),
        Field::Sid => facts.sid()?.as_str().into(),
        Field::Agent => facts.agent()?.as_str().into(),
        Field::To => masked(facts.to()?).into(),
        Field::From => masked(facts.from()?).into(),
        Field::Direction => facts.direction()?.into(),
        Field::Campaign => facts.campaign()?.into(),
        Field::Context => context(call, policy)?,
        Field::Testing => facts.testing()?.into(),
        Field::EndedReason => facts.ended_reason()?.into(),
    })
}

/// The values in the call's context that the rules name; no others are kept in memory.
fn context(call: &Call, policy: &Policy) -> Option<Value> {
    call.facts.context()?;
    let mut context = Map::new();
    for (index, place) in policy.places().iter().enumerate() {
        let value: Value = match call.known().in_context(index) {
            Told::Text(text) => text.into(),
            Told::Flag(flag) => flag.into(),
            Told::Number(number) => number.clone().into(),
            Told::Unknown | Told::Missing | Told::Odd => continue,
        };
        let tokens: Vec<_> = place.tokens().collect();
        let Some((last, above)) = tokens.split_last() else { continue };
        let parent = above.iter().try_fold(&mut context, |parent, token| {
            let child = parent.entry(token.to_string()).or_insert_with(|| Map::new().into());
            child.as_object_mut()
        });
        if let Some(parent) = parent {
            parent.insert(last.to_string(), value);
        }
    }
    Some(context.into())
}

impl LimitView {
    fn of(limit: &Applied<'_>, call: &Call, now: Moment) -> Self {
        let idle = || idle_because(limit.limit, call).to_owned();
        Self {
            limit: limit.limit.to_string(),
            length: match limit.length {
                Length::Span(span) => shown(span),
                Length::Until(until) => format!("{} {}", until.time(), until.zone()),
            },
            since: limit.since.map(|at| at.to_string()),
            deadline: call.deadline_of(limit, now).map(|due| due.wall.to_string()),
            reason: limit.since.is_none().then(idle),
        }
    }
}

impl OperatorView {
    fn of(act: Act) -> Self {
        let (word, deadline) = match act.word {
            Word::Deadline(at) => ("deadline", Some(at.to_string())),
            Word::End => ("end", None),
            Word::Release => ("release", None),
        };
        Self { at: act.at.to_string(), word: word.to_owned(), deadline }
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
