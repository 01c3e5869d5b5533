//! What the stream tells of a call each time it changes: its summary, and how it ended. Marks and
//! history would cost more than all the rest (spec §10 `GET /api/stream`).

use serde::Serialize;

use super::{Summary, rfc3339, rfc3339_or_null};
use crate::model::{call::Call, time::Wall};

/// A call in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallLine {
    #[serde(flatten)]
    summary: Summary,
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
        let ended = call.ended;
        Self {
            summary: Summary::of(call),
            began: call.facts.began(),
            ended_at: ended.map(|ended| ended.at),
            ended_by: ended.map(|ended| ended.by(&call.facts).name()),
            overrun_seconds: ended.and_then(|ended| ended.overrun_seconds()),
        }
    }
}
