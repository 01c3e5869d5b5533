//! Why a call's deadline is what it is (spec §6): the evaluation itself, told step by step.

use serde::{Deserialize, Serialize};

use super::{
    call::Call,
    context::{Known, Told},
    deadline::{self, Applied, Own},
    ids::masked,
    policy::{Limit, Policy},
    rule::{Condition, Match, Rule, Subject, Test},
    time::Moment,
};

/// How a policy came to what it says of a call.
#[derive(Clone, Debug)]
pub struct Explanation<'p> {
    /// Each rule in order, and why it did or did not match.
    pub rules: Vec<Tried<'p>>,
    /// What came of its `override`.
    pub own: Own,
    /// Its limits, those of `[limits]` filled in.
    pub limits: Vec<Applied<'p>>,
}

/// A rule that was tried, or was not.
#[derive(Clone, Debug)]
pub struct Tried<'p> {
    /// The rule.
    pub rule: &'p Rule,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
}

/// How phone numbers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// As they are: to whoever brings them.
    Whole,
    /// Their last four digits.
    Masked,
}

/// What came of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It matches.
    Matches,
    /// It does not.
    DoesNotMatch,
    /// It may, once more is known.
    MayMatch,
    /// One before it matched.
    NotReached,
}

impl<'p> Explanation<'p> {
    /// What `policy` says of `call`, and why, in words that tell phone numbers as `numbers` says.
    #[must_use]
    pub fn of(call: &'p Call, policy: &'p Policy, now: Moment, numbers: Numbers) -> Self {
        let known = call.known();
        let (_, rule) = deadline::judge(known, &call.anchors, policy, now);
        let in_force = deadline::in_force(rule, known, policy);
        let mut decided = None;
        let rules = policy.rules.iter().map(|rule| {
            let tried = Tried::new(rule, known, decided, numbers);
            if tried.verdict == Verdict::Matches {
                decided = Some(rule);
            }
            tried
        });
        Self {
            rules: rules.collect(),
            own: in_force.own,
            limits: in_force.applied(&call.facts).collect(),
        }
    }
}

impl<'p> Tried<'p> {
    fn new(rule: &'p Rule, call: Known<'_>, decided: Option<&Rule>, numbers: Numbers) -> Self {
        let (verdict, reason) = match (decided, rule.matches(call)) {
            (Some(decided), _) => {
                (Verdict::NotReached, format!("{:?} before it matches", decided.name))
            }
            (None, Match::Yes) => (Verdict::Matches, what_matched(rule, call, numbers)),
            (None, Match::No(failed)) => (Verdict::DoesNotMatch, why_not(failed, call, numbers)),
            (None, Match::Unknown(open)) => (
                Verdict::MayMatch,
                format!("{} is not known yet: no event has told it", open.subject),
            ),
        };
        Self { rule, verdict, reason }
    }
}

fn what_matched(rule: &Rule, call: Known<'_>, numbers: Numbers) -> String {
    let met: Vec<_> = rule
        .when
        .iter()
        .map(|met| format!("{} is {}", met.subject, told(&met.subject, call, numbers)))
        .collect();
    if met.is_empty() { "it asks for nothing".to_owned() } else { met.join(", ") }
}

/// What is known of a field, in words.
fn told(subject: &Subject, call: Known<'_>, numbers: Numbers) -> String {
    match (subject, subject.of(call), numbers) {
        (Subject::To | Subject::From, Told::Text(number), Numbers::Masked) => {
            Told::Text(&masked(number)).to_string()
        }
        (_, told, _) => told.to_string(),
    }
}

fn why_not(failed: &Condition, call: Known<'_>, numbers: Numbers) -> String {
    let Condition { subject, test } = failed;
    let told = told(subject, call, numbers);
    match test {
        Test::Absent => format!("{subject} is {told}, and ought to be absent"),
        Test::Any(wanted) if wanted.len() == 1 => format!("{subject} is {told}, not {test}"),
        Test::Any(_) => format!("{subject} is {told}, none of {test}"),
    }
}

/// What a limit waits for, or why it no longer counts, where it does not.
#[must_use]
pub fn idle_because(limit: Limit, call: &Call) -> &'static str {
    let facts = &call.facts;
    match limit {
        Limit::Total | Limit::Operator => "it always counts",
        Limit::Ringing if facts.started().is_some() => "it was answered",
        Limit::Ringing | Limit::Until => "its start is not known",
        Limit::Connected => "it has not connected",
        Limit::Talking => "no conversation has started",
        Limit::Voicemail => "no voicemail was detected",
        Limit::NoConversation if facts.talking().is_some() => "a conversation has started",
        Limit::NoConversation => "it has not connected",
        Limit::After(kind) if facts.times(kind).is_some() => "its counterpart came later",
        Limit::After(_) => "the event has not come",
    }
}
