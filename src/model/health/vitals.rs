//! The plain numbers that the engine gathers for a look at its health.

use std::time::Duration;

use jiff::SignedDuration;

use crate::model::{
    platform::Failure,
    quota::Window,
    time::{Moment, Mono},
};

/// All that health, and the metrics derived at a scrape, rest on. Instants are boot time.
#[derive(Clone, Debug, PartialEq)]
pub struct Vitals {
    /// When these numbers were gathered.
    pub now: Moment,
    /// When the daemon started.
    pub started: Mono,
    /// The calls that are not over, counted.
    pub calls: CallVitals,
    /// The store.
    pub store: StoreVitals,
    /// The platform's API.
    pub platform: PlatformVitals,
    /// What comes in.
    pub webhooks: WebhookVitals,
    /// How late the timer loop is: its last turn's lateness, or, if that is more, the time since
    /// it should have turned.
    pub timer_lag: Duration,
    /// The listing of active calls; `None` where it is switched off.
    pub reconcile: Option<ReconcileVitals>,
    /// Why the last reload of the config was refused; `None` if it was not.
    pub config_refused: Option<String>,
    /// The platform's clock less ours, once an answer told it.
    pub clock_offset: Option<SignedDuration>,
}

impl Vitals {
    /// How long the daemon has been running.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.age(self.started)
    }

    /// How far the most overdue call is past its deadline; zero if none is.
    #[must_use]
    pub fn oldest_overdue(&self) -> Duration {
        self.calls.oldest_overdue.map_or(Duration::ZERO, |deadline| self.age(deadline))
    }

    /// How long ago the oldest stop still unconfirmed was accepted; zero if none is.
    #[must_use]
    pub fn oldest_unconfirmed(&self) -> Duration {
        self.calls.oldest_unconfirmed.map_or(Duration::ZERO, |accepted| self.age(accepted))
    }

    pub(super) fn age(&self, at: Mono) -> Duration {
        self.now.mono.since(at)
    }
}

/// The calls that are not over, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallVitals {
    /// Within their limits.
    pub live: u64,
    /// Past their deadline, no request accepted yet.
    pub stopping: u64,
    /// A request was accepted, the end is awaited.
    pub confirming: u64,
    /// Past their deadline, only watched.
    pub observing: u64,
    /// Out of enforcement, their end not known yet.
    pub released: u64,
    /// Past their deadline with no request accepted yet.
    pub overdue: u64,
    /// The earliest deadline among those.
    pub oldest_overdue: Option<Mono>,
    /// Not known to be over twice `enforcement.confirm_within` after their stop was accepted.
    pub unconfirmed: u64,
    /// When the first of those was accepted.
    pub oldest_unconfirmed: Option<Mono>,
    /// `server.max_calls`.
    pub most: u64,
}

impl PlatformVitals {
    /// What the quota says of `backlog` overdue calls that wait; the rest is the signs' to
    /// [tell](super::Signs::vitals).
    #[must_use]
    pub fn of(
        quota: &Window,
        backlog: usize,
        token: TokenSource,
        failed_stops: u64,
        now: Mono,
    ) -> Self {
        Self {
            trouble: None,
            paused_until: quota.paused(),
            quota_remaining: u64::from(quota.left(now)),
            backlog: backlog as u64,
            backlog_clears_in: quota.time_to_clear(now, backlog),
            token,
            failed_stops,
        }
    }
}

impl CallVitals {
    /// All calls without outcome, which is what `server.max_calls` bounds.
    #[must_use]
    pub fn without_outcome(&self) -> u64 {
        self.live + self.stopping + self.confirming + self.observing
    }
}

/// How the store does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreVitals {
    /// What it failed with; `None` while the last commit was good.
    pub trouble: Option<StoreTrouble>,
    /// Bytes on disk.
    pub bytes: u64,
}

/// A store whose last commit failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreTrouble {
    /// The error, as a lowercase fragment.
    pub error: String,
    /// The first failure since the last good commit.
    pub since: Mono,
}

/// How the platform's API does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformVitals {
    /// The last request's failure; `None` while the last one was answered as it should be.
    pub trouble: Option<PlatformTrouble>,
    /// All requests pause until then, by a 429.
    pub paused_until: Option<Mono>,
    /// Requests that may leave at once.
    pub quota_remaining: u64,
    /// Overdue calls whose request waits for quota.
    pub backlog: u64,
    /// How long those take to leave at the present rate.
    pub backlog_clears_in: Duration,
    /// Where the token comes from, which says how it is mended.
    pub token: TokenSource,
    /// Stops given up within the last hour, less those whose end was seen since (spec §5).
    pub failed_stops: u64,
}

/// A platform whose last answer was not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformTrouble {
    /// The last failure.
    pub failure: Failure,
    /// The first failure since the last good answer.
    pub since: Mono,
}

/// Where `platform.token` comes from (spec §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// An environment variable: read once.
    Env,
    /// A file: read again after a 401.
    File,
    /// A systemd credential: copied once, at start.
    Credential,
}

/// What comes in by webhook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookVitals {
    /// The last delivery, whatever it was answered.
    pub last_received: Option<Mono>,
    /// The last delivery answered 2xx.
    pub last_accepted: Option<Mono>,
    /// The last delivery refused for its signature or header (401).
    pub last_refused: Option<Mono>,
    /// The median of arrival less the event's own time over the last 10 min; one straggler does
    /// not move it, [`late`](Self::late) counts those.
    pub delay: Option<Duration>,
    /// Events of the last 10 min that came more than 10 s after their own time.
    pub late: u64,
    /// Calls of the last 10 min that a listing showed before any webhook told of them.
    pub first_seen_by_listing: u64,
}

/// The listing of active calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconcileVitals {
    /// `enforcement.reconcile_every`.
    pub every: Duration,
    /// When the last complete pass ended.
    pub last_complete: Option<Mono>,
    /// Live calls known by webhook that complete listings have not shown for 5 min (spec §8).
    pub unlisted: u64,
}

#[cfg(test)]
impl Vitals {
    /// A daemon that is well, up for 9,000 s at boot time 10,000 s: where tests begin.
    pub(crate) fn well() -> Self {
        let ago = |seconds| Mono(10_000_000_000).before(Duration::from_secs(seconds));
        Self {
            now: Moment { wall: crate::model::time::Wall(1_700_000_000_000_000), mono: ago(0) },
            started: ago(9_000),
            calls: CallVitals { live: 3, most: 1_000_000, ..CallVitals::default() },
            store: StoreVitals { trouble: None, bytes: 4096 },
            platform: PlatformVitals {
                trouble: None,
                paused_until: None,
                quota_remaining: 100,
                backlog: 0,
                backlog_clears_in: Duration::ZERO,
                token: TokenSource::File,
                failed_stops: 0,
            },
            webhooks: WebhookVitals {
                last_received: Some(ago(4)),
                last_accepted: Some(ago(4)),
                delay: Some(Duration::from_millis(250)),
                ..WebhookVitals::default()
            },
            timer_lag: Duration::from_millis(2),
            reconcile: Some(ReconcileVitals {
                every: Duration::from_secs(60),
                last_complete: Some(ago(30)),
                unlisted: 0,
            }),
            config_refused: None,
            clock_offset: Some(SignedDuration::from_millis(-300)),
        }
    }
}
