//! Gathers the numbers that health and metrics rest on.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Engine;
use crate::model::health::{PlatformVitals, Vitals};

/// What health rests on and the model keeps, behind a lock that is held for no longer than a look.
#[derive(Debug, Default)]
pub(super) struct Locked<T>(Mutex<T>);

impl<T> Locked<T> {
    pub(super) fn get(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// How things stand now.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        let shared = &self.0;
        let now = shared.clock.now();
        let (calls, failed_stops) = {
            let policy = shared.calls.policy();
            let mut tally = shared.calls.tally.get();
            let calls = tally.calls(&policy.enforcement, shared.most_calls as u64, now);
            (calls, tally.failed_stops(now.wall))
        };
        let backlog = shared.desk.backlog(now.mono);
        let platform = PlatformVitals::of(
            &shared.quota(),
            backlog,
            shared.token_source,
            failed_stops,
            now.mono,
        );
        let every = shared.tuning().reconcile_every;
        shared.signs.get().vitals(calls, platform, every, shared.started, now)
    }
}
