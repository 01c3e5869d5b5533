//! The timer wheel: a [`DelayQueue`] that says which call is to be looked at. Whether anything is
//! due is the call's to say; the wheel is a hint, and a tick each second makes sure that a lost or
//! late one is found (spec §8 *Clocks*).

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio_util::{
    sync::CancellationToken,
    time::{DelayQueue, delay_queue::Key},
};
use tracing::warn;

use super::Shared;
use crate::{
    model::{
        health::TICK,
        ids::CallId,
        time::{Moment, Mono},
    },
    telemetry::liveness::Pulse,
};

/// The wheel panics beyond two years; a far wake-up is armed anew each day.
const FARTHEST: Duration = Duration::from_secs(24 * 3600);
/// How far the two clocks may drift apart between two ticks before every timer is set anew: tokio's
/// stands still while the machine is suspended, ours does not.
const DRIFT: Duration = Duration::from_millis(200);

/// How far the wall clock may step before calls with a limit of that clock are looked at anew.
const STEP: Duration = Duration::from_millis(100);

/// The loop that wakes calls.
pub(crate) struct Timer {
    shared: Arc<Shared>,
    pulse: Pulse,
    wheel: DelayQueue<CallId>,
    /// Each key in the wheel, and the wake-up it stands for. A key is touched here alone: the wheel
    /// panics on one that has fired.
    keys: HashMap<CallId, (Key, Mono)>,
    last_tick: Mono,
    /// Both clocks, when calls last followed the wall clock.
    followed: Moment,
    /// How late a wake-up was since then.
    worst: Duration,
}

impl Timer {
    pub(super) fn new(shared: Arc<Shared>, pulse: Pulse) -> Self {
        let followed = shared.clock.now();
        Self {
            shared,
            pulse,
            wheel: DelayQueue::new(),
            keys: HashMap::new(),
            last_tick: followed.mono,
            followed,
            worst: Duration::ZERO,
        }
    }

    /// Wakes calls until told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let shared = Arc::clone(&self.shared);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = shared.wakeups.changed() => {}
                fired = poll_fn(|cx| self.poll_fired(cx)) => self.wake(fired),
                _ = tick.tick() => self.tick(),
            }
            self.learn();
        }
    }

    /// Everything that has fired by now.
    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<Vec<(Mono, CallId)>> {
        let mut fired = Vec::new();
        while let Poll::Ready(Some(expired)) = self.wheel.poll_expired(cx) {
            let id = expired.into_inner();
            if let Some((_, at)) = self.keys.remove(&id) {
                fired.push((at, id));
            }
        }
        if fired.is_empty() { Poll::Pending } else { Poll::Ready(fired) }
    }

    /// Looks at the calls that fired, the earliest first: the wheel yields those of one
    /// millisecond, and overdue ones, last in first out.
    fn wake(&mut self, mut fired: Vec<(Mono, CallId)>) {
        fired.sort_unstable();
        let now = self.now().mono;
        if let Some((earliest, _)) = fired.first() {
            self.worst = self.worst.max(now.since(*earliest));
        }
        for (_, id) in fired {
            self.shared.wakeups.fired(&id);
            if let Some(changed) = self.shared.calls.wake(&id) {
                self.shared.events.tell(&changed);
            }
        }
    }

    /// Sets the wheel to what calls have asked for since.
    fn learn(&mut self) {
        let now = self.now().mono;
        for (id, at) in self.shared.wakeups.news() {
            self.set(id, at, now);
        }
    }

    fn set(&mut self, id: CallId, at: Option<Mono>, now: Mono) {
        let known = self.keys.get(&id).map(|(key, _)| *key);
        match (known, at) {
            (Some(key), Some(at)) => {
                self.wheel.reset(&key, delay(at, now));
                self.keys.insert(id, (key, at));
            }
            (None, Some(at)) => {
                let key = self.wheel.insert(id.clone(), delay(at, now));
                self.keys.insert(id, (key, at));
            }
            (Some(key), None) => {
                self.wheel.remove(&key);
                self.keys.remove(&id);
            }
            (None, None) => {}
        }
    }

    fn tick(&mut self) {
        let both = self.now();
        let now = both.mono;
        self.pulse.beat(now);
        self.follow_wall(both);
        self.learn();
        self.shared.signs.get().age(now);
        self.shared.events.feed.live(self.shared.calls.room.taken() as u64);
        self.shared.signs.get().timer_turned(std::mem::take(&mut self.worst), now);
        let passed = now.since(self.last_tick);
        self.last_tick = now;
        if passed > TICK + DRIFT {
            self.set_all_anew(now);
        }
        let repaired = self.shared.calls.repair();
        if repaired.count > 0 {
            warn!(repaired = repaired.count, "calls whose timer was lost were armed again");
            (0..repaired.count).for_each(|_| self.shared.metrics.timer_repaired());
        }
        for (id, breach) in &repaired.breaches {
            self.shared.events.breached(id, *breach);
        }
    }

    /// Limits of the wall clock follow its steps; all others run on the boot clock.
    fn follow_wall(&mut self, now: Moment) {
        let expected = self.followed.wall_of(now.mono);
        if expected.since(now.wall).max(now.wall.since(expected)) > STEP {
            self.followed = now;
            let Self { shared, .. } = self;
            shared.calls.follow_wall(|changed| shared.events.tell(changed));
        }
    }

    /// The machine was suspended, or this loop was held up: what the wheel counts is off.
    fn set_all_anew(&mut self, now: Mono) {
        let armed: Vec<_> = self.keys.iter().map(|(id, (_, at))| (id.clone(), *at)).collect();
        for (id, at) in armed {
            self.set(id, Some(at), now);
        }
    }

    fn now(&self) -> Moment {
        self.shared.clock.now()
    }
}

fn delay(at: Mono, now: Mono) -> Duration {
    at.since(now).min(FARTHEST)
}
