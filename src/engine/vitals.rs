//! Gathers the numbers that health and metrics rest on.

use std::time::Duration;

use super::{Engine, timer};
use crate::model::{
    call::State,
    health::{CallVitals, PlatformVitals, ReconcileVitals, StoreVitals, Vitals},
};

/// How long a failed stop stays an alarm (spec §5).
const ALARM: Duration = Duration::from_secs(3600);

impl Engine {
    /// How things stand now.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        let shared = &self.0;
        let now = shared.clock.now();
        let (overdue, oldest_overdue) = shared.calls.tally.overdue();
        // Once the platform was asked, and asked to end it again, there was time for an answer.
        let confirm_within = shared.calls.policy().enforcement.confirm_within;
        let (unconfirmed, oldest_unconfirmed) =
            shared.calls.tally.unconfirmed(now.mono.before(confirm_within.saturating_mul(2)));
        let count = |state| shared.calls.tally.count(state);
        let (trouble, bytes) = shared.signs.store();
        let backlog = shared.desk.backlog(now.mono);
        let (paused_until, left, backlog_clears_in) = {
            let quota = shared.quota();
            (quota.paused(), quota.left(now.mono), quota.time_to_clear(now.mono, backlog))
        };
        Vitals {
            now,
            started: shared.started,
            calls: CallVitals {
                live: count(State::Live),
                stopping: count(State::Stopping),
                confirming: count(State::Confirming),
                observing: count(State::Observing),
                released: count(State::Released),
                overdue,
                oldest_overdue,
                unconfirmed,
                oldest_unconfirmed,
                most: shared.most_calls as u64,
            },
            store: StoreVitals { trouble, bytes },
            platform: PlatformVitals {
                trouble: shared.signs.platform(),
                paused_until,
                quota_remaining: u64::from(left),
                backlog: backlog as u64,
                backlog_clears_in,
                token: shared.token_source,
                failed_stops: shared.calls.tally.failed_since(now.wall.before(ALARM)),
            },
            webhooks: shared.signs.webhooks(now.mono),
            timer_lag: shared.signs.timer_lag(timer::TICK, now.mono),
            reconcile: shared.tuning().reconcile_every.map(|every| {
                let (last_complete, unlisted) = shared.signs.passes();
                ReconcileVitals { every, last_complete, unlisted }
            }),
            config_refused: shared.signs.config_refused(),
            clock_offset: shared.signs.clock_offset(),
        }
    }
}
