//! A rule of the policy: what it asks of a call, in three values, and what it then says (spec §6).

use std::{fmt, sync::Arc, time::Duration};

use serde_json::Number;

use super::{
    context::{Known, Told},
    decode::pointers::Pointer,
    ids::AgentId,
    pattern::Pattern,
    policy::Limits,
};

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name; no other rule has it.
    pub name: Arc<str>,
    /// What a call must meet, all of it; a rule that asks nothing matches every call.
    pub when: Vec<Condition>,
    /// The limits that it sets; those of `[limits]` fill in.
    pub limits: Limits,
    /// The field by which a call has a limit of its own.
    pub own: Option<Override>,
    /// What becomes of a call past its deadline.
    pub action: Action,
}

/// What becomes of a call past its deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Action {
    /// It is ended.
    #[default]
    End,
    /// It is only noted that it would have been.
    Observe,
}

impl Action {
    /// Its name in the config.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Observe => "observe",
        }
    }
}

/// A rule's `override`: a call that carries the field has that `total`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Where it is.
    pub place: Place,
    /// The most that it can be.
    pub at_most: Duration,
}

/// One thing that a rule asks of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The field.
    pub subject: Subject,
    /// What it must be.
    pub test: Test,
}

/// A field of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `agent`
    Agent,
    /// `campaign`
    Campaign,
    /// `to`
    To,
    /// `from`
    From,
    /// `direction`
    Direction,
    /// `testing`
    Testing,
    /// `context.<path>`
    Context(Place),
}

/// A place in a call's context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its path.
    pub path: Pointer,
    /// Its index among those that the policy names, which [`Rules`](super::policy::Rules) fixes.
    pub(super) index: usize,
}

/// What a field must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Not there: `{ absent = true }`.
    Absent,
    /// One of these.
    Any(Vec<Wanted>),
}

/// A value that a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A string that fits.
    Text(Pattern),
    /// This boolean.
    Flag(bool),
    /// This number, written as an integer or not.
    Number(Number),
}

/// Whether a rule matches a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match<'r> {
    /// It does.
    Yes,
    /// It does not: this condition fails, whatever is not known yet.
    No(&'r Condition),
    /// It may: this condition rests on a field that no event could yet tell.
    Unknown(&'r Condition),
}

impl Rule {
    /// Whether it matches.
    #[must_use]
    pub fn matches(&self, call: Known<'_>) -> Match<'_> {
        let mut found = Match::Yes;
        for condition in &self.when {
            match condition.holds(call) {
                Some(true) => {}
                Some(false) => return Match::No(condition),
                None if found == Match::Yes => found = Match::Unknown(condition),
                None => {}
            }
        }
        found
    }

    /// Whether it asks for agents, and this is one of them.
    #[must_use]
    pub fn names(&self, agent: &AgentId) -> bool {
        self.when.iter().any(|Condition { subject, test }| match (subject, test) {
            (Subject::Agent, Test::Any(wanted)) => {
                wanted.iter().any(|wanted| wanted.is(Told::Text(agent.as_str())))
            }
            _ => false,
        })
    }

    /// Whether it certainly matches whatever `other` matches: each thing that it asks is implied by
    /// one that `other` asks.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.when.iter().all(|ours| other.when.iter().any(|theirs| ours.covers(theirs)))
    }
}

impl Condition {
    /// Whether it holds; `None` where that is unknown.
    #[must_use]
    pub fn holds(&self, call: Known<'_>) -> Option<bool> {
        let told = self.subject.of(call);
        match (&self.test, told) {
            (_, Told::Unknown) => None,
            (Test::Absent, told) => Some(told == Told::Missing),
            (Test::Any(wanted), told) => Some(wanted.iter().any(|wanted| wanted.is(told))),
        }
    }

    /// Whether a field that meets `other` meets this too. `false` where that is not certain.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.subject == other.subject
            && match (&self.test, &other.test) {
                (Test::Absent, Test::Absent) => true,
                (Test::Any(ours), Test::Any(theirs)) => {
                    theirs.iter().all(|theirs| ours.iter().any(|ours| ours.covers(theirs)))
                }
                (Test::Absent, Test::Any(_)) | (Test::Any(_), Test::Absent) => false,
            }
    }
}

impl Subject {
    /// What is known of that field of a call.
    #[must_use]
    pub fn of<'a>(&self, call: Known<'a>) -> Told<'a> {
        let facts = call.facts;
        match self {
            Self::Agent => call.field(facts.agent().map(|agent| agent.as_str())),
            Self::Campaign => call.field(facts.campaign()),
            Self::To => call.field(facts.to()),
            Self::From => call.field(facts.from()),
            Self::Direction => call.field(facts.direction()),
            Self::Testing => call.testing(),
            Self::Context(place) => call.in_context(place.index),
        }
    }
}

impl Place {
    /// The place of that path.
    #[must_use]
    pub fn new(path: Pointer) -> Self {
        Self { path, index: usize::MAX }
    }

    /// What stands there.
    #[must_use]
    pub fn of<'a>(&self, call: Known<'a>) -> Told<'a> {
        call.in_context(self.index)
    }
}

impl Wanted {
    fn is(&self, told: Told<'_>) -> bool {
        match (self, told) {
            (Self::Text(pattern), Told::Text(text)) => pattern.matches(text),
            (Self::Flag(wanted), Told::Flag(flag)) => *wanted == flag,
            (Self::Number(wanted), Told::Number(number)) => same_number(wanted, number),
            (
                Self::Text(_) | Self::Flag(_) | Self::Number(_),
                Told::Unknown
                | Told::Missing
                | Told::Text(_)
                | Told::Flag(_)
                | Told::Number(_)
                | Told::Odd,
            ) => false,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(ours), Self::Text(theirs)) => ours.covers(theirs),
            (Self::Flag(ours), Self::Flag(theirs)) => ours == theirs,
            (Self::Number(ours), Self::Number(theirs)) => same_number(ours, theirs),
            (Self::Text(_) | Self::Flag(_) | Self::Number(_), _) => false,
        }
    }
}

/// Whole numbers are compared as such, since a float holds them to 2^53 only.
fn same_number(a: &Number, b: &Number) -> bool {
    match (a.is_f64(), b.is_f64()) {
        (false, false) => a == b,
        _ => a.as_f64() == b.as_f64(),
    }
}

impl fmt::Display for Subject {
    /// The key in `when`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => f.write_str("agent"),
            Self::Campaign => f.write_str("campaign"),
            Self::To => f.write_str("to"),
            Self::From => f.write_str("from"),
            Self::Direction => f.write_str("direction"),
            Self::Testing => f.write_str("testing"),
            Self::Context(place) => place.fmt(f),
        }
    }
}

impl fmt::Display for Place {
    /// The key in `when`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("context")?;
        for token in self.path.tokens() {
            let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !token.is_empty() && token.chars().all(is_bare) {
                write!(f, ".{token}")?;
            } else {
                // What JSON writes as a string TOML reads as the same.
                write!(f, ".{}", serde_json::Value::from(token))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Any(wanted) => {
                for (at, wanted) in wanted.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{wanted}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(pattern) => pattern.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("not known yet"),
            Self::Missing => f.write_str("missing"),
            Self::Text(text) => fmt::Debug::fmt(text, f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Odd => f.write_str("a list, an object or a very long text"),
        }
    }
}

#[cfg(test)]
mod tests;
