//! The one place that asks what time it is. Handed down to whoever measures.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

use crate::model::time::{Moment, Mono, Wall};

/// Reads both clocks.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    /// A test's own.
    Set(Arc<Mutex<Moment>>),
    /// A test's own that runs: the machine's, and how many microseconds it is ahead of them.
    Ahead(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `moment` until it is set.
    #[must_use]
    pub fn standing_at(moment: Moment) -> Self {
        Self(Source::Set(Arc::new(Mutex::new(moment))))
    }

    /// Sets a clock that [`Clock::standing_at`] made; the machine's own is nobody's to set.
    pub fn set(&self, moment: Moment) {
        if let Source::Set(at) = &self.0 {
            *at.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = moment;
        }
    }

    /// A clock that runs like the machine's and can be put ahead of them, as if so much time had
    /// passed.
    #[must_use]
    pub fn to_put_ahead() -> Self {
        Self(Source::Ahead(Arc::default()))
    }

    /// Puts a clock that [`Clock::to_put_ahead`] made ahead; no other is anybody's to put.
    pub fn put_ahead(&self, span: Duration) {
        if let Source::Ahead(ahead) = &self.0 {
            let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
            ahead.fetch_add(micros, Ordering::Relaxed);
        }
    }

    /// What both clocks say now.
    #[must_use]
    pub fn now(&self) -> Moment {
        match &self.0 {
            Source::System => machine(),
            Source::Set(at) => *at.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
            Source::Ahead(ahead) => {
                machine().after(Duration::from_micros(ahead.load(Ordering::Relaxed)))
            }
        }
    }
}

fn machine() -> Moment {
    Moment { wall: Wall(micros(ClockId::Realtime)), mono: Mono(micros(ClockId::Boottime)) }
}

fn micros(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000)
}

/// Which boot of the machine this is: boot times saved in another mean nothing now. Zero where
/// the kernel does not tell, and then no two boots are the same.
#[must_use]
pub fn boot_id() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).unwrap_or_default()
}
