//! When a call's time is up (spec §6): facts × limits → the earliest limit, on the boot clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    event::EventKind,
    facts::Facts,
    policy::{Limit, Limits},
    time::{Moment, Mono, Wall},
};

/// The earliest instant at which a limit is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// When, on the clock that it is enforced by.
    pub at: Mono,
    /// Which limit it is.
    pub limit: Limit,
    /// When, on the wall clock: stored and shown.
    pub wall: Wall,
}

/// A call's deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadlines {
    /// The one in force; `None` where nothing limits the call.
    pub earliest: Option<Deadline>,
    /// The one that holds should it turn out that the call no longer rings. The same, unless
    /// `ringing` is the earliest.
    pub answered: Option<Deadline>,
}

/// Every deadline that `limits` give a call, in no order.
pub fn all<'a>(
    facts: &'a Facts,
    anchors: &'a Anchors,
    limits: &'a Limits,
) -> impl Iterator<Item = Deadline> + 'a {
    let Limits { total, ringing, connected, talking, voicemail, no_conversation, after } = limits;
    let answered = facts.answered();
    let marks = [
        (Limit::Total, *total, Some(facts.began())),
        (Limit::Ringing, *ringing, facts.started().filter(|_| answered.is_none())),
        (Limit::Connected, *connected, answered),
        (Limit::Talking, *talking, facts.talking()),
        (Limit::Voicemail, *voicemail, facts.voicemail()),
        (
            Limit::NoConversation,
            *no_conversation,
            facts.connected().filter(|_| facts.talking().is_none()),
        ),
    ];
    let after = after
        .iter()
        .map(|(kind, span)| (Limit::After(*kind), Some(*span), waiting_since(facts, *kind)));
    marks.into_iter().chain(after).filter_map(|(limit, span, from)| {
        let (span, from) = (span?, from?);
        Some(Deadline { at: anchors.mono(from).after(span), limit, wall: from.after(span) })
    })
}

/// The deadline that `limits` give a call.
#[must_use]
pub fn deadlines(facts: &Facts, anchors: &Anchors, limits: &Limits) -> Deadlines {
    let earliest = all(facts, anchors, limits).min();
    let answered = match earliest {
        Some(Deadline { limit: Limit::Ringing, .. }) => {
            all(facts, anchors, limits).filter(|deadline| deadline.limit != Limit::Ringing).min()
        }
        earliest => earliest,
    };
    Deadlines { earliest, answered }
}

/// The last time of an event that nothing has undone since.
fn waiting_since(facts: &Facts, kind: EventKind) -> Option<Wall> {
    let last = facts.times(kind)?.last;
    let undone = kind.counterpart().and_then(|kind| facts.times(kind));
    undone.is_none_or(|undone| undone.last <= last).then_some(last)
}

/// The boot time of each instant that a limit may count from, fixed when the instant was first
/// taken in: a step of the wall clock moves none (spec §8 *Clocks*). Local to one boot of one
/// machine, and therefore no part of the facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Anchors(Vec<(Wall, Mono)>);

impl Anchors {
    /// Anchors for just the instants of `facts`; those already known stay as they are.
    #[must_use]
    pub fn fixed(&self, facts: &Facts, now: Moment) -> Self {
        let mut fixed = Vec::with_capacity(4);
        for at in facts.instants() {
            if let Err(place) = fixed.binary_search_by_key(&at, |(wall, _)| *wall) {
                let mono = self.find(at).unwrap_or_else(|| now.mono_of(at));
                fixed.insert(place, (at, mono));
            }
        }
        fixed.shrink_to_fit();
        Self(fixed)
    }

    /// These, and those that `other` has besides.
    #[must_use]
    pub(super) fn joined(mut self, other: &Self) -> Self {
        for (at, mono) in &other.0 {
            if let Err(place) = self.0.binary_search_by_key(at, |(wall, _)| *wall) {
                self.0.insert(place, (*at, *mono));
            }
        }
        self
    }

    /// The boot time of `at`, which is an instant of the facts that the anchors were fixed to.
    fn mono(&self, at: Wall) -> Mono {
        self.find(at).unwrap_or(Mono(i64::MAX / 2))
    }

    fn find(&self, at: Wall) -> Option<Mono> {
        let place = self.0.binary_search_by_key(&at, |(wall, _)| *wall).ok()?;
        Some(self.0[place].1)
    }
}

/// Whether a deadline lies so near that what it needs is prepared.
#[must_use]
pub fn is_near(deadline: Deadline, now: Mono, ahead: Duration) -> bool {
    deadline.at.before(ahead) <= now
}
