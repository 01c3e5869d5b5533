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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        change::Event,
        event::EventKind,
        platform::Answer,
        policy::Limits,
        scene::{Scene, seconds},
    };

    #[test]
    fn an_order_is_compared_with_the_stop_and_the_clock() {
        let mut scene = Scene::new(Limits::default());
        scene.hear(EventKind::Connected);
        let now = scene.now.wall;
        let word = |scene: &Scene, order| scene.call.ordered(order, now).map(|act| act.word);
        assert_eq!(word(&scene, Order::Extend(seconds(9))), Err(Refused::NoDeadline));
        assert_eq!(word(&scene, Order::End), Ok(Word::End));
        assert_eq!(word(&scene, Order::Release), Ok(Word::Release));
        for (at, order) in [
            (now.before(seconds(1)), Err(Refused::Past(now.before(seconds(1))))),
            (now, Err(Refused::Past(now))),
            (now.after(seconds(1)), Ok(Word::Deadline(now.after(seconds(1))))),
        ] {
            assert_eq!(word(&scene, Order::Deadline(at)), order);
        }
        scene.policy.limits.total = Some(seconds(60));
        scene.apply(&Event::Woke);
        let extended = word(&scene, Order::Extend(seconds(9)));
        assert_eq!(extended, Ok(Word::Deadline(now.after(seconds(69)))), "from the deadline on");
    }

    #[test]
    fn what_a_request_does_and_an_outcome_stand_against_any_order() {
        let mut scene = Scene::stopping();
        let order = |scene: &Scene| scene.call.ordered(Order::Release, scene.now.wall);
        assert_eq!(order(&scene), Err(Refused::TooLate(State::Stopping)), "it is under way");
        scene.answer(Answer::Accepted);
        assert_eq!(order(&scene), Err(Refused::TooLate(State::Confirming)), "it was accepted");
        scene.hear(EventKind::Ended);
        assert_eq!(order(&scene), Err(Refused::Over(State::Ended)));
        let conflicts = [
            Refused::Over(State::Ended),
            Refused::TooLate(State::Stopping),
            Refused::NoDeadline,
            Refused::Past(Wall(0)),
        ]
        .map(Refused::is_conflict);
        assert_eq!(conflicts, [true, true, false, false]);
    }

    #[test]
    fn the_later_order_holds_though_the_clock_has_stepped_back() {
        let mut scene = Scene::new(Limits::default());
        scene.hear(EventKind::Connected);
        let first = scene.call.ordered(Order::End, scene.now.wall).unwrap();
        assert_eq!(first.at, scene.now.wall);
        let deadline = scene.now.wall.after(seconds(900));
        scene.apply(&Event::Operator(first));
        let before = scene.now.wall.before(seconds(60));
        let second = scene.call.ordered(Order::Deadline(deadline), before).unwrap();
        assert!(second > first);
        scene.apply(&Event::Operator(second));
        assert_eq!(scene.call.facts.operator(), Some(second));
        assert_eq!(scene.deadline_in(), Some(seconds(900)));
    }

    #[test]
    fn an_extension_is_a_second_at_least_and_30_days_at_most() {
        let day = seconds(24 * 60 * 60);
        assert!(EXTENSIONS.contains(&seconds(1)) && !EXTENSIONS.contains(&Duration::ZERO));
        assert_eq!(*EXTENSIONS.end(), day * 30);
    }
}
