//! What the platform says is left, and the even spacing where that is less than we thought.
//!
//! Answers overtake each other, and with 64 requests under way `remaining` may be stale both ways.
//! Within one of the platform's windows it only falls, so of answers to requests that were under
//! way together the lowest is the newest; an answer to a request that was let go after the last one
//! came is newer whatever it says; and what is under way now was perhaps not yet counted.

use std::time::Duration;

use crate::model::time::Mono;

use super::{Slot, pause::LONGEST_HINT};

/// The platform counts in whole seconds.
const GRAIN: Duration = Duration::from_secs(1);

/// `X-RateLimit-Remaining` and `-Reset` of one answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// The number of the request that was answered.
    number: u64,
    told: Mono,
    remaining: u32,
    /// When the platform's window is renewed: at the earliest, had the platform answered as soon as
    /// the request was let go, and at the latest.
    resets: Option<(Mono, Mono)>,
}

/// The newest reading, and what follows from it.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    reading: Reading,
    /// Whether less remains than our own window had left.
    pub(super) below: bool,
    /// The time to the reset, else our own window's rest, when it was told.
    rest: Duration,
    /// The number of the first request that was let go after it was told.
    next_number: u64,
}

impl Reading {
    pub(super) fn new(slot: &Slot, told: Mono, remaining: u32, reset: Option<Duration>) -> Self {
        let rest = reset.map(|rest| rest.min(LONGEST_HINT));
        let resets = rest.map(|rest| (slot.sent.after(rest), told.after(rest)));
        Self { number: slot.number, told, remaining, resets }
    }
}

impl Pace {
    pub(super) fn new(reading: Reading, below: bool, window_rest: Duration, next: u64) -> Self {
        Self {
            reading,
            below,
            rest: (reading.resets).map_or(window_rest, |(_, latest)| latest.since(reading.told)),
            next_number: next,
        }
    }

    /// Whether `other`, which came later, is the older one.
    pub(super) fn outweighs(&self, other: &Reading) -> bool {
        if other.number >= self.next_number {
            return false;
        }
        match (self.reading.resets, other.resets) {
            (Some((_, ours)), Some((theirs, _))) if theirs > ours.after(GRAIN) => false,
            (Some((ours, _)), Some((_, theirs))) if ours > theirs.after(GRAIN) => true,
            // One that holds nothing back, since so much has cleared meanwhile, is no measure.
            (Some(_) | None, Some(_) | None) => {
                self.below && other.remaining >= self.reading.remaining
            }
        }
    }

    /// When the next request may leave: one per rest ÷ (remaining + 1), with what is under way
    /// taken off what remains. Once the platform's window is renewed, what was told of it holds
    /// only until an answer shows more: one request at a time may go and see.
    pub(super) fn opens(&self, under_way: usize, last_sent: Mono) -> Mono {
        if !self.below {
            return self.reading.told;
        }
        let spaced = self.reading.told.max(last_sent).after(self.interval(under_way));
        if under_way == 0 { spaced.min(self.renewed()) } else { spaced }
    }

    /// What the platform left us, less what is under way; `None` where that is no less than our own
    /// window leaves, or its window has been renewed since.
    pub(super) fn left(&self, under_way: usize, now: Mono) -> Option<u32> {
        (self.below && now < self.renewed()).then(|| self.remaining(under_way))
    }

    /// When spaced requests will leave from `first` on, up to the renewal; one leaves in any case.
    pub(super) fn foreseen(&self, under_way: usize, first: Mono) -> impl Iterator<Item = Mono> {
        let interval = self.interval(under_way).max(Duration::from_micros(1));
        let next = move |at: &Mono| Some(at.after(interval)).filter(|at| *at <= self.renewed());
        std::iter::successors(Some(first), next)
    }

    /// When the platform's window is renewed.
    pub(super) fn renewed(&self) -> Mono {
        self.reading.told.after(self.rest)
    }

    fn remaining(&self, under_way: usize) -> u32 {
        let under_way = u32::try_from(under_way).unwrap_or(u32::MAX);
        self.reading.remaining.saturating_sub(under_way)
    }

    fn interval(&self, under_way: usize) -> Duration {
        self.rest / self.remaining(under_way).saturating_add(1)
    }
}
