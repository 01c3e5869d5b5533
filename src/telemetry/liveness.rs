//! Whether the loops turn (`/livez`, the watchdog) and whether all is ready (`/readyz`; spec §9).
//!
//! A loop owns its [`Pulse`] and beats it each turn; the [`Liveness`] that all share is asked which
//! of them are late. What must be done before the daemon is ready holds a [`Latch`].

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::model::time::Mono;

/// All loops' signs of life. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Liveness(Arc<Mutex<Vec<Arc<Beats>>>>);

/// One loop's sign of life. It stays in the registry when the loop ends, and is late from then on:
/// a loop that ended is no longer alive.
#[derive(Debug)]
pub struct Pulse(Arc<Beats>);

/// What a loop last showed of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// The loop's name.
    pub name: &'static str,
    /// Time since its last beat.
    pub age: Duration,
    /// Whether that is longer than the loop ever takes.
    pub late: bool,
}

#[derive(Debug)]
struct Beats {
    name: &'static str,
    at_most: Duration,
    last: AtomicI64,
}

impl Liveness {
    /// Takes up a loop that beats at least once in `at_most`, beginning `now`.
    #[must_use]
    pub fn pulse(&self, name: &'static str, at_most: Duration, now: Mono) -> Pulse {
        let beats = Arc::new(Beats { name, at_most, last: AtomicI64::new(now.0) });
        locked(&self.0).push(Arc::clone(&beats));
        Pulse(beats)
    }

    /// Every loop's sign of life, in the order in which they were taken up.
    #[must_use]
    pub fn signs(&self, now: Mono) -> Vec<Sign> {
        locked(&self.0).iter().map(|beats| beats.sign(now)).collect()
    }

    /// The loops that are late; none while all is well.
    #[must_use]
    pub fn late(&self, now: Mono) -> Vec<Sign> {
        let mut signs = self.signs(now);
        signs.retain(|sign| sign.late);
        signs
    }
}

impl Pulse {
    /// The loop turned.
    pub fn beat(&self, now: Mono) {
        // Two tasks of one loop may beat out of order: the later one holds.
        self.0.last.fetch_max(now.0, Ordering::Relaxed);
    }
}

impl Beats {
    fn sign(&self, now: Mono) -> Sign {
        let age = now.since(Mono(self.last.load(Ordering::Relaxed)));
        Sign { name: self.name, age, late: age > self.at_most }
    }
}

/// What still keeps the daemon from being ready. Clones share it; ready is when nothing holds it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Held>);

#[derive(Debug, Default)]
struct Held {
    next: AtomicU64,
    reasons: Mutex<BTreeMap<u64, &'static str>>,
}

/// Keeps the daemon from being ready until it is dropped.
#[derive(Debug)]
#[must_use = "dropping the latch makes ready"]
pub struct Latch {
    held: Arc<Held>,
    key: u64,
}

impl Readiness {
    /// Keeps the daemon from being ready, for a reason that reads alone: `calls are being loaded`.
    pub fn hold(&self, reason: &'static str) -> Latch {
        let key = self.0.next.fetch_add(1, Ordering::Relaxed);
        locked(&self.0.reasons).insert(key, reason);
        Latch { held: Arc::clone(&self.0), key }
    }

    /// Why it is not ready, in the order in which the latches were taken; none if it is.
    #[must_use]
    pub fn reasons(&self) -> Vec<&'static str> {
        locked(&self.0.reasons).values().copied().collect()
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        locked(&self.held.reasons).remove(&self.key);
    }
}

/// Every critical section here leaves the value whole, so a panic elsewhere spoils nothing.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_loop_is_late_once_it_has_not_turned_for_longer_than_it_may() {
        let start = Mono(0);
        let liveness = Liveness::default();
        let timer = liveness.pulse("timer", SECOND, start);
        let _writer = liveness.pulse("store writer", 10 * SECOND, start);
        assert_eq!(liveness.late(start.after(SECOND)), []);

        let later = start.after(3 * SECOND);
        assert_eq!(liveness.late(later), [Sign { name: "timer", age: 3 * SECOND, late: true }]);

        timer.beat(later);
        timer.beat(start);
        assert_eq!(liveness.late(later), []);
    }

    #[test]
    fn a_loop_that_ended_is_late_for_ever() {
        let liveness = Liveness::default();
        drop(liveness.pulse("timer", SECOND, Mono(0)));
        assert_eq!(liveness.late(Mono(0).after(2 * SECOND)).len(), 1);
    }

    #[test]
    fn it_is_ready_when_the_last_latch_is_dropped() {
        let readiness = Readiness::default();
        assert!(readiness.reasons().is_empty());
        let recovery = readiness.hold("calls are being loaded");
        let listener = readiness.hold("the listener is not open yet");
        drop(recovery);
        assert_eq!(readiness.reasons(), ["the listener is not open yet"]);
        drop(listener);
        assert!(readiness.reasons().is_empty());
    }
}
