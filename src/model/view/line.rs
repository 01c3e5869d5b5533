//! What the stream tells of a call each time it changes: CALL without its history, which would cost
//! more than all the rest (spec §10 `GET /api/stream`).

use serde::Serialize;

use super::{CallView, EndedView, StateName, rfc3339, rfc3339_or_null};
use crate::model::{
    call::Call,
    ids::{AgentId, CallId},
    time::Wall,
};

/// A call in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallLine {
    id: CallId,
    agent: Option<AgentId>,
    to: Option<String>,
    direction: Option<String>,
    campaign: Option<String>,
    state: StateName,
    outcome: Option<&'static str>,
    #[serde(serialize_with = "rfc3339_or_null")]
    deadline: Option<Wall>,
    limit: Option<String>,
    rule: Option<String>,
    provisional: bool,
    attempts: u32,
    /// When it began, by the earliest that is known.
    #[serde(serialize_with = "rfc3339")]
    began: Wall,
    #[serde(serialize_with = "rfc3339_or_null")]
    ended_at: Option<Wall>,
    ended_by: Option<&'static str>,
    overrun_seconds: Option<u64>,
}

impl CallLine {
    /// What is told of `call`.
    #[must_use]
    pub fn of(call: &Call) -> Self {
        let began = call.facts.began();
        let (view, ended) = match EndedView::of(call) {
            Some(ended) => {
                let end = (Some(ended.ended_at), Some(ended.ended_by), ended.overrun_seconds);
                (ended.call, end)
            }
            None => (CallView::of(call), (None, None, None)),
        };
        let CallView {
            id,
            agent,
            to,
            direction,
            campaign,
            state,
            outcome,
            deadline,
            limit,
            rule,
            provisional,
            attempts,
            marks: _,
            history: _,
        } = view;
        let (ended_at, ended_by, overrun_seconds) = ended;
        Self {
            id,
            agent,
            to,
            direction,
            campaign,
            state,
            outcome,
            deadline,
            limit,
            rule,
            provisional,
            attempts,
            began,
            ended_at,
            ended_by,
            overrun_seconds,
        }
    }
}
