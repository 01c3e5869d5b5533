//! What the stream tells (spec §10 `GET /api/stream`): changes of calls as they happen, and the last
//! hour by minutes. While nobody listens a change costs one load of an atomic.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::sync::broadcast;

use super::{Engine, clock::Clock};
use crate::model::{call::Call, outcome::Outcome, time::Wall, view::CallLine};

/// So many changes wait for a listener; one that falls behind further is dropped.
const BACKLOG: usize = 4096;
const MINUTES: usize = 60;
const MINUTE: i64 = 60_000_000;

/// A listener's end of the changes: each is a [`CallLine`] as JSON.
pub type Changes = broadcast::Receiver<Arc<str>>;

/// What happened in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Minute {
    /// When it began, in epoch seconds.
    at: i64,
    /// Calls without outcome, at most.
    live: u64,
    /// Calls that ended, whichever way.
    ended: u64,
    /// Stops that were confirmed.
    stopped: u64,
    /// Stops that were given up.
    failed: u64,
    /// First requests that left.
    sent: u64,
    /// The latest of them after its deadline, in microseconds.
    latest_us: u64,
}

pub(super) struct Feed {
    changes: broadcast::Sender<Arc<str>>,
    hour: Mutex<VecDeque<Minute>>,
    clock: Clock,
}

impl Feed {
    pub(super) fn new(clock: Clock) -> Self {
        Self { changes: broadcast::channel(BACKLOG).0, hour: Mutex::default(), clock }
    }

    /// A call changed.
    pub(super) fn changed(&self, call: &Call) {
        if self.changes.receiver_count() == 0 {
            return;
        }
        if let Ok(line) = serde_json::to_string(&CallLine::of(call)) {
            // The last listener may have left by now.
            self.changes.send(line.into()).ok();
        }
    }

    /// A stop's first request left, so long after its deadline.
    pub(super) fn sent(&self, lateness: Duration) {
        let micros = u64::try_from(lateness.as_micros()).unwrap_or(u64::MAX);
        self.now(|minute| {
            minute.sent += 1;
            minute.latest_us = minute.latest_us.max(micros);
        });
    }

    /// A call has its outcome.
    pub(super) fn ended(&self, outcome: Outcome) {
        self.now(|minute| {
            minute.ended += 1;
            minute.stopped += u64::from(outcome == Outcome::Stopped);
            minute.failed += u64::from(outcome == Outcome::Failed);
        });
    }

    /// So many calls are without outcome.
    pub(super) fn live(&self, live: u64) {
        self.now(|minute| minute.live = minute.live.max(live));
    }

    fn now(&self, note: impl FnOnce(&mut Minute)) {
        let Wall(now) = self.clock.now().wall;
        let at = now.div_euclid(MINUTE) * (MINUTE / 1_000_000);
        let mut hour = self.lock();
        if hour.back().is_none_or(|last| last.at < at) {
            let empty =
                Minute { at, live: 0, ended: 0, stopped: 0, failed: 0, sent: 0, latest_us: 0 };
            hour.push_back(empty);
            if hour.len() > MINUTES {
                hour.pop_front();
            }
        }
        // A clock that stepped back goes on in the minute it had reached.
        if let Some(minute) = hour.back_mut() {
            note(minute);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Minute>> {
        self.hour.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// The changes of calls from now on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.0.events.feed.changes.subscribe()
    }

    /// The last hour, the oldest minute first; those in which callwarden did not run are missing.
    #[must_use]
    pub fn last_hour(&self) -> Vec<Minute> {
        self.0.events.feed.lock().iter().copied().collect()
    }

    /// The minute that runs.
    #[must_use]
    pub fn this_minute(&self) -> Option<Minute> {
        self.0.events.feed.lock().back().copied()
    }

    /// `platform.requests`: how many, in how long.
    #[must_use]
    pub fn quota(&self) -> (u32, Duration) {
        self.0.tuning().quota
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::CallId;

    fn feed() -> Feed {
        Feed::new(Clock::system())
    }

    #[test]
    fn a_change_is_told_to_those_who_listen_and_costs_nothing_else() {
        let feed = feed();
        let call = Call::new(CallId::parse("c1").unwrap(), feed.clock.now());
        feed.changed(&call);
        let mut told = feed.changes.subscribe();
        assert!(told.try_recv().is_err(), "what was before is not told");
        feed.changed(&call);
        assert!(told.try_recv().unwrap().starts_with(r#"{"id":"c1","#));
    }

    #[test]
    fn a_minute_keeps_the_most_calls_and_the_latest_stop() {
        let feed = feed();
        feed.live(7);
        feed.live(3);
        feed.sent(Duration::from_millis(2));
        feed.sent(Duration::from_millis(1));
        feed.ended(Outcome::Stopped);
        let minutes: Vec<_> = feed.lock().iter().copied().collect();
        let sum = |part: fn(&Minute) -> u64| minutes.iter().map(part).sum::<u64>();
        assert_eq!((sum(|m| m.sent), sum(|m| m.stopped), sum(|m| m.ended)), (2, 1, 1));
        assert_eq!(minutes.iter().map(|m| m.live).max(), Some(7));
        assert_eq!(minutes.iter().map(|m| m.latest_us).max(), Some(2000));
    }
}
