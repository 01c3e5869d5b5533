//! Waiting for something to have happened, instead of sleeping.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::{call::Call, journal::RequestRecord, shared::Shared, world::World};

/// What can be waited for. `call` left out means any call; counts are "at least".
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Wait {
    /// A call has this status now: a status's name, `active` or `over`.
    Status {
        /// The call's id.
        call: String,
        /// The status.
        status: String,
    },
    /// So many calls are over.
    Over {
        /// How many.
        count: usize,
    },
    /// So many end-call requests have come in, answered or not.
    EndCalls {
        /// Of this call only.
        call: Option<String>,
        /// How many.
        count: usize,
    },
    /// So many end-call requests were answered with 2xx.
    Accepted {
        /// Of this call only.
        call: Option<String>,
        /// How many.
        count: usize,
    },
    /// So many requests of a family (`lists`, `active-call` …) were answered.
    Requests {
        /// The family; none: any.
        endpoint: Option<String>,
        /// How many.
        count: usize,
    },
    /// So many deliveries were acknowledged with 2xx.
    Delivered {
        /// Of this call only.
        call: Option<String>,
        /// Of this event only.
        event: Option<String>,
        /// How many.
        count: usize,
    },
    /// So many deliveries were tried and settled, acknowledged or not.
    Tried {
        /// Of this call only.
        call: Option<String>,
        /// Of this event only.
        event: Option<String>,
        /// How many.
        count: usize,
    },
    /// Nothing is being delivered, nor about to be.
    Quiet,
}

impl Wait {
    fn is_met(&self, world: &World) -> bool {
        match self {
            Self::Status { call, status } => {
                world.call(call).is_some_and(|call| has_status(call, status))
            }
            Self::Over { count } => world.calls.iter().filter(|c| c.is_over()).count() >= *count,
            Self::EndCalls { call, count } => end_calls(world, call).count() >= *count,
            Self::Accepted { call, count } => {
                end_calls(world, call).filter(|record| is_success(record.status)).count() >= *count
            }
            Self::Requests { endpoint, count } => {
                let is_wanted = |record: &&RequestRecord| {
                    record.answered_at.is_some()
                        && endpoint.as_deref().is_none_or(|only| only == record.endpoint)
                };
                world.requests.iter().filter(is_wanted).count() >= *count
            }
            Self::Delivered { call, event, count } => {
                deliveries(world, call, event).filter(|status| is_success(*status)).count()
                    >= *count
            }
            Self::Tried { call, event, count } => deliveries(world, call, event).count() >= *count,
            Self::Quiet => world.is_quiet(),
        }
    }
}

fn has_status(call: &Call, status: &str) -> bool {
    match status {
        "over" => call.is_over(),
        "active" => !call.is_over(),
        name => call.status.as_str() == name,
    }
}

fn end_calls<'a>(
    world: &'a World,
    call: &'a Option<String>,
) -> impl Iterator<Item = &'a RequestRecord> {
    world.requests.iter().filter(move |record| {
        record.endpoint == "end-call" && (call.is_none() || record.call == *call)
    })
}

fn deliveries<'a>(
    world: &'a World,
    call: &'a Option<String>,
    event: &'a Option<String>,
) -> impl Iterator<Item = Option<u16>> {
    let settled = world.deliveries.iter().filter(move |record| {
        record.answered_at.is_some()
            && call.as_ref().is_none_or(|call| *call == record.call)
            && event.as_ref().is_none_or(|event| *event == record.event)
    });
    settled.map(|record| record.status)
}

fn is_success(status: Option<u16>) -> bool {
    status.is_some_and(|status| (200..300).contains(&status))
}

/// Between two looks.
const GLANCE: Duration = Duration::from_millis(1);

/// Waits until it is met; false: it was not in time.
pub(super) async fn wait(shared: &Arc<Shared>, what: &Wait, patience: Duration) -> bool {
    let mut changes = shared.changes();
    let met = async {
        loop {
            changes.mark_unchanged();
            if shared.look(|world| what.is_met(world)) {
                return;
            }
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
            // A burst of changes is looked at once: many who wait must not hold the world up.
            sleep(GLANCE).await;
        }
    };
    tokio::select! {
        () = shared.stopping.cancelled() => false,
        met = timeout(patience, met) => met.is_ok(),
    }
}
