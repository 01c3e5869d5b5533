//! What an operator does to a call (spec §6, §10): it stands above every limit, and is a fact of the
//! call like any other, so that no event, reload, restart or other instance undoes it.

use std::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    call::{Call, State},
    time::Wall,
};

/// By how much an operator may extend a call's deadline at once (spec §3).
pub const EXTENSIONS: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);

/// An operator's word, and when it was given: the later holds, of equal times the weightier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Act {
    /// When it was given.
    pub at: Wall,
    /// What it says.
    pub word: Word,
}

/// What an operator says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// This is its deadline.
    Deadline(Wall),
    /// It is to end now.
    End,
    /// It is out of enforcement.
    Release,
}

/// What an operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Let it end now.
    End,
    /// Let it go on beyond its present deadline for so long.
    Extend(Duration),
    /// Let it go on to this instant.
    Deadline(Wall),
    /// Take it out of enforcement.
    Release,
}

/// Why an order is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// The call has its outcome.
    #[error("the call is {}", .0.name())]
    Over(State),
    /// A request to end it is under way, or was accepted: what it does cannot be undone.
    #[error("an end-call request is under way or was accepted: the call is {}", .0.name())]
    TooLate(State),
    /// There is no deadline to extend.
    #[error("the call has no deadline that could be extended")]
    NoDeadline,
    /// The deadline asked for lies in the past.
    #[error("the deadline asked for, {0}, has passed")]
    Past(Wall),
}

impl Refused {
    /// Whether the call's state stands against it (409), not the order's own value (422).
    #[must_use]
    pub fn is_conflict(self) -> bool {
        match self {
            Self::Over(_) | Self::TooLate(_) => true,
            Self::NoDeadline | Self::Past(_) => false,
        }
    }
}

impl Call {
    /// What an order comes to, given now: compared with the stop, and to be set under the same lock
    /// (spec §10).
    ///
    /// # Errors
    ///
    /// [`Refused`] says what stands against it.
    pub fn ordered(&self, order: Order, now: Wall) -> Result<Act, Refused> {
        if self.ended.is_some() {
            return Err(Refused::Over(self.state()));
        }
        if self.stop.is_under_way() || self.stop.accepted.is_some() {
            return Err(Refused::TooLate(self.state()));
        }
        let future =
            |at: Wall| if at > now { Ok(Word::Deadline(at)) } else { Err(Refused::Past(at)) };
        let word = match order {
            Order::End => Word::End,
            Order::Release => Word::Release,
            Order::Deadline(at) => future(at)?,
            Order::Extend(span) => {
                let deadline = self.deadline().ok_or(Refused::NoDeadline)?;
                future(deadline.wall.after(span))?
            }
        };
        // An act holds over those before it, even where the clock has stepped back since.
        let before = self.facts.operator().map(|act| Wall(act.at.0.saturating_add(1)));
        Ok(Act { at: before.map_or(now, |before| before.max(now)), word })
    }
}
