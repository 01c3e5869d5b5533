//! What the platform says is left, and the even spacing where that is less than we thought.
//!
//! Answers overtake each other, and with 64 requests under way `remaining` may be stale both ways.
//! Within one of the platform's windows it only falls, so of answers to requests that were under
//! way together the lowest is the newest; an answer to a request that was let go after the last one
//! came is newer whatever it says; and what is under way now was perhaps not yet counted.

use std::time::Duration;

use crate::model::time::Mono;

use super::pause::LONGEST_HINT;

/// The platform's windows that are renewed this close to each other are one: it counts in whole
/// seconds, and an answer takes its time.
const SAME_WINDOW: Duration = Duration::from_secs(2);

/// `X-RateLimit-Remaining` and `-Reset` of one answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// The number of the request that was answered.
    number: u64,
    told: Mono,
    remaining: u32,
    /// When the platform's window is renewed.
    resets: Option<Mono>,
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
    pub(super) fn new(number: u64, told: Mono, remaining: u32, reset: Option<Duration>) -> Self {
        Self {
            number,
            told,
            remaining,
            resets: reset.map(|rest| told.after(rest.min(LONGEST_HINT))),
        }
    }
}

impl Pace {
    pub(super) fn new(reading: Reading, below: bool, window_rest: Duration, next: u64) -> Self {
        Self {
            reading,
            below,
            rest: (reading.resets).map_or(window_rest, |resets| resets.since(reading.told)),
            next_number: next,
        }
    }

    /// Whether `other`, which came later, is the older one.
    pub(super) fn outweighs(&self, other: &Reading) -> bool {
        if other.number >= self.next_number {
            return false;
        }
        match (self.reading.resets, other.resets) {
            (Some(ours), Some(theirs)) if theirs > ours.after(SAME_WINDOW) => false,
            (Some(ours), Some(theirs)) if ours > theirs.after(SAME_WINDOW) => true,
            (Some(_) | None, Some(_) | None) => other.remaining >= self.reading.remaining,
        }
    }

    /// When the next request may leave: one per rest ÷ (remaining + 1), with what is under way
    /// taken off what remains.
    pub(super) fn opens(&self, under_way: usize, last_sent: Mono) -> Mono {
        if !self.below {
            return self.reading.told;
        }
        self.reading.told.max(last_sent).after(self.interval(under_way))
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
