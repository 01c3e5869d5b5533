//! What the admin API shows of calls, and what it can be asked for (spec §10).
//!
//! Plain shapes: whoever owns the calls maps them into these. The field names are the API's, and
//! words of the model (outcome, mark, author, …) come by their `name()`.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{
    call::State,
    ids::{AgentId, CallId},
    time::Wall,
};

pub use self::{
    line::CallLine,
    page::{CallFilter, Cursor, CursorError, HistoryFilter, ViewPage},
    why::{LimitView, OperatorView, ReadView, RuleView, WhyView},
};

mod line;
mod of_call;
mod page;
mod why;

/// Every outcome's name, in the spec's order (spec §5).
pub const OUTCOMES: [&str; 7] =
    ["completed", "not_connected", "stopped", "raced", "observed", "released", "failed"];

/// A call in short: what every view of it begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The platform's id; the sid while that is unknown.
    pub id: CallId,
    /// The agent that owns it.
    pub agent: Option<AgentId>,
    /// The callee's number, masked ([`masked`](super::ids::masked)).
    pub to: Option<String>,
    /// `inbound` or `outbound`.
    pub direction: Option<String>,
    /// The campaign's id.
    pub campaign: Option<String>,
    /// Where the call stands.
    pub state: State,
    /// The outcome's name, once there is one.
    pub outcome: Option<&'static str>,
    /// The deadline in force.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub deadline: Option<Wall>,
    /// Which limit that deadline comes from.
    pub limit: Option<String>,
    /// The rule that decides, by name.
    pub rule: Option<String>,
    /// Whether rules that cannot be decided yet may still move the deadline (spec §6).
    pub provisional: bool,
    /// End-call requests sent so far.
    pub attempts: u32,
}

/// One call, as `GET /api/calls/{id}` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallView {
    /// What it is, and where it stands.
    #[serde(flatten)]
    pub summary: Summary,
    /// When what happened, by the mark's name.
    #[serde(serialize_with = "rfc3339_map")]
    pub marks: BTreeMap<String, Wall>,
    /// The last 50 things that happened to the call, oldest first.
    pub history: Vec<HistoryEntry>,
}

/// One thing that happened to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryEntry {
    /// When.
    #[serde(serialize_with = "rfc3339")]
    pub at: Wall,
    /// What, in a word or two.
    pub what: &'static str,
    /// Whose doing it was: `webhook`, `platform`, `operator`, `policy` or `callwarden`.
    pub by: &'static str,
    /// What else there is to say.
    pub detail: Option<String>,
}

/// A call that is over, as `GET /api/history` shows it: all of [`CallView`] and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndedView {
    /// The call itself.
    #[serde(flatten)]
    pub call: CallView,
    /// When its end is recorded.
    #[serde(serialize_with = "rfc3339")]
    pub ended_at: Wall,
    /// What ended it: `callwarden`, `operator`, `platform`, `caller` or `unknown`.
    pub ended_by: &'static str,
    /// What bears out that we ended it: `webhook` or `lookup`.
    pub confirmed_by: Option<&'static str>,
    /// Why, in the platform's or our own words.
    pub reason: Option<String>,
    /// How far past its deadline it got, in seconds; `None` where it had none.
    pub overrun_seconds: Option<u64>,
    /// Whether an earlier outcome fell, as the platform showed the call active after it (spec §5).
    pub platform_disagrees: bool,
}

fn rfc3339<S: Serializer>(at: &Wall, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

fn rfc3339_or_null<S: Serializer>(at: &Option<Wall>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}

fn rfc3339_map<S: Serializer>(
    marks: &BTreeMap<String, Wall>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(marks.iter().map(|(mark, at)| (mark, at.to_string())))
}

#[cfg(test)]
mod shown;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::Outcome;

    fn call() -> CallView {
        CallView {
            summary: Summary {
                id: CallId::parse("c/1").unwrap(),
                agent: Some(AgentId::parse("a1").unwrap()),
                to: Some("********5678".to_owned()),
                direction: Some("outbound".to_owned()),
                campaign: None,
                state: State::Ended,
                outcome: Some("stopped"),
                deadline: Some(Wall(1_700_000_060_000_000)),
                limit: Some("total".to_owned()),
                rule: None,
                provisional: false,
                attempts: 1,
            },
            marks: BTreeMap::from([("started".to_owned(), Wall(1_700_000_000_000_000))]),
            history: vec![HistoryEntry {
                at: Wall(1_700_000_000_000_000),
                what: "event_phone_call_started",
                by: "webhook",
                detail: None,
            }],
        }
    }

    #[test]
    fn an_ended_call_is_one_flat_object() {
        let ended = EndedView {
            call: call(),
            ended_at: Wall(1_700_000_061_500_000),
            ended_by: "callwarden",
            confirmed_by: Some("webhook"),
            reason: None,
            overrun_seconds: Some(1),
            platform_disagrees: false,
        };
        insta::assert_snapshot!(serde_json::to_string_pretty(&ended).unwrap());
    }

    #[test]
    fn every_outcome_there_is_has_its_place_in_the_list() {
        for outcome in Outcome::ALL {
            assert!(OUTCOMES.contains(&outcome.name()), "{outcome:?}");
        }
    }
}
