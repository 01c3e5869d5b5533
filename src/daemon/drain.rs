//! Stopping in order, within ten seconds (spec §8 *SIGTERM*): accept no more, answer what is in
//! flight, serve deadlines until the store closes, write what is left.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use super::supervise::Supervisor;
use crate::engine::Engine;

/// When what is in flight must have been answered.
const ANSWERED_BY: Duration = Duration::from_secs(6);
/// When the last request to the platform must be over; none starts a second before.
const REQUESTS_BY: Duration = Duration::from_secs(8);
/// When all must be written.
const WRITTEN_BY: Duration = Duration::from_millis(9_500);

/// What is told to stop, one after the other.
#[derive(Clone, Default)]
pub(super) struct Stages {
    /// The listeners.
    pub(super) accept: CancellationToken,
    /// Timer and dispatcher.
    pub(super) calls: CancellationToken,
    /// Persistence, and the watchdog.
    pub(super) writes: CancellationToken,
}

/// Stops everything in order; says whether all of it finished.
pub(super) async fn drain(
    engine: &Engine,
    stages: &Stages,
    supervisor: &Supervisor,
    deliveries: &TaskTracker,
    connections: &TaskTracker,
    requests: &TaskTracker,
) -> bool {
    let began = engine.clock().now().mono;
    let within = |limit: Duration| limit.saturating_sub(engine.clock().now().mono.since(began));
    let mut clean = true;

    stages.accept.cancel();
    for (what, tasks) in [("connections", connections), ("webhooks", deliveries)] {
        tasks.close();
        clean &= finished(what, tasks, within(ANSWERED_BY)).await;
    }
    stages.calls.cancel();
    requests.close();
    // What is under way and not answered is asked again after the restart: its intent is on record.
    if !finished("requests to the platform", requests, within(REQUESTS_BY)).await {
        info!("requests without answer are made again after the restart");
    }
    stages.writes.cancel();
    clean &= finished("loops", supervisor.tasks(), within(WRITTEN_BY)).await;
    clean &= engine.is_flushed();
    if timeout(within(WRITTEN_BY).max(Duration::from_millis(100)), engine.close()).await.is_err() {
        warn!("the store did not close in time");
        clean = false;
    }
    let took = engine.clock().now().mono.since(began);
    if clean {
        info!(took_ms = took.as_millis(), "stopped, with nothing left undone");
    } else {
        warn!(took_ms = took.as_millis(), "stopped, with something left undone");
    }
    clean
}

async fn finished(what: &str, tasks: &TaskTracker, within: Duration) -> bool {
    let open = tasks.len();
    let all = timeout(within, tasks.wait()).await.is_ok();
    if !all {
        warn!(open, left = tasks.len(), "{what} did not finish in time");
    }
    all
}
