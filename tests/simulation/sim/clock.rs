//! The machine's clocks, which may be wrong.

use callwarden::model::time::{Moment, Mono, Wall};

use super::{SECOND, Time, life::EPOCH};

/// The machine's clocks.
pub(super) struct Clock {
    booted: Time,
    /// Which boot of the machine this is.
    pub(super) boot: u64,
    offset: Time,
    /// The farthest ahead that it was.
    highest: Time,
    /// Parts in a million.
    drift: i64,
    /// Whether the wall clock has always been right.
    pub(super) is_true: bool,
    /// Whether it was never set, and does not drift.
    pub(super) is_steady: bool,
    /// Whether it was set since the daemon started.
    pub(super) was_set: bool,
}

impl Clock {
    pub(super) fn new(offset: Time, drift: i64) -> Self {
        Self {
            booted: -1_000 * SECOND,
            boot: 1,
            offset,
            highest: offset,
            drift,
            is_true: offset == 0 && drift == 0,
            is_steady: drift == 0,
            was_set: false,
        }
    }

    /// The wall clock is set.
    pub(super) fn step(&mut self, by: Time) {
        self.offset += by;
        self.highest = self.highest.max(self.offset);
        self.is_true = false;
        self.is_steady = false;
        self.was_set = true;
    }

    /// The machine was booted again, a second ago.
    pub(super) fn reboot(&mut self, now: Time) {
        self.boot += 1;
        self.booted = now - SECOND;
    }

    pub(super) fn now(&self, time: Time) -> Moment {
        let drifted = time * self.drift / 1_000_000;
        Moment { wall: Wall(EPOCH + time + self.offset + drifted), mono: Mono(time - self.booted) }
    }

    /// How far the wall clock was ahead of what it is now, with what an event's own time may be.
    pub(super) fn was_ahead(&self) -> Time {
        if self.is_true { 0 } else { self.highest - self.offset + 62 * SECOND }
    }

    pub(super) fn time_of(&self, at: Mono) -> Time {
        at.0.saturating_add(self.booted)
    }
}
