//! The platform of a virtual world: the true state of one call, and rows that show it.

use callwarden::model::{
    ids::{AgentId, CallId},
    platform::{Row, Status},
    time::Wall,
};

/// The truth about the call; instants are microseconds since it began.
pub(crate) struct Platform {
    pub answered: Option<i64>,
    /// When it ends, as things stand.
    pub ends: Option<i64>,
    pub tells_start: bool,
}

impl Platform {
    pub(crate) fn status(&self, now: i64) -> Status {
        let is_answered = self.answered.is_some_and(|at| at <= self.ends.unwrap_or(at).min(now));
        match (self.is_over(now), is_answered) {
            (true, true) => Status::Completed,
            (true, false) => Status::NoAnswer,
            (false, true) => Status::InProgress,
            (false, false) => Status::Ringing,
        }
    }

    pub(crate) fn is_over(&self, now: i64) -> bool {
        self.ends.is_some_and(|at| at <= now)
    }

    /// Ends the call, unless it ends earlier; says when, if this changes anything.
    pub(crate) fn hang_up(&mut self, at: i64) -> Option<i64> {
        if self.ends.is_some_and(|ends| ends <= at) {
            return None;
        }
        self.ends = Some(at);
        self.ends
    }

    pub(crate) fn row(&self, now: i64, began: Wall) -> Row {
        Row {
            id: call_id(),
            sid: None,
            agent: Some(agent_id()),
            to: None,
            from: None,
            direction: None,
            testing: None,
            status: self.status(now),
            started_at: self.tells_start.then_some(began),
            created_at: None,
            updated_at: None,
        }
    }
}

pub(crate) fn call_id() -> CallId {
    CallId::parse("call").unwrap()
}

pub(crate) fn sid() -> CallId {
    CallId::parse("CA1").unwrap()
}

pub(crate) fn agent_id() -> AgentId {
    AgentId::parse("agent").unwrap()
}
