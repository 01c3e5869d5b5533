//! The one place that spawns loops: a table of what runs, and what its end means.
//!
//! Crash-only: a loop that ends before it was told to is fatal. The daemon drains, exits non-zero,
//! and systemd starts it anew; recovery is the road that kill -9 takes anyway.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info};

/// A loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Wakes calls at their deadlines.
    Timer,
    /// Lets requests go.
    Dispatcher,
    /// Writes to the store.
    Persist,
    /// Compares the platform's list of calls with ours.
    Reconcile,
    /// Takes webhooks, health and metrics.
    WebhookListener,
    /// Takes the admin API.
    AdminListener,
    /// Tells systemd that all turns.
    Watchdog,
}

impl Task {
    fn name(self) -> &'static str {
        match self {
            Self::Timer => "timer",
            Self::Dispatcher => "dispatcher",
            Self::Persist => "persist",
            Self::Reconcile => "reconcile",
            Self::WebhookListener => "webhook listener",
            Self::AdminListener => "admin listener",
            Self::Watchdog => "watchdog",
        }
    }
}

/// Spawns loops, and hears when one of them ends that should not.
#[derive(Clone, Default)]
pub(super) struct Supervisor {
    tasks: TaskTracker,
    fatal: CancellationToken,
}

impl Supervisor {
    /// Spawns a loop that turns until `stop`; its end before that is fatal.
    #[expect(clippy::disallowed_methods, reason = "the one home of tokio::spawn")]
    pub(super) fn spawn(
        &self,
        task: Task,
        stop: CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let fatal = self.fatal.clone();
        tokio::spawn(self.tasks.track_future(async move {
            let ended = AssertUnwindSafe(work).catch_unwind().await;
            match (ended, stop.is_cancelled()) {
                (Ok(()), true) => info!(task = task.name(), "ended as told"),
                (Ok(()), false) => {
                    error!(task = task.name(), "a loop ended by itself: stopping the daemon");
                    fatal.cancel();
                }
                (Err(_), _) => {
                    error!(task = task.name(), "a loop panicked: stopping the daemon");
                    fatal.cancel();
                }
            }
        }));
    }

    /// Resolves when a loop ended that should not have.
    pub(super) async fn fatal(&self) {
        self.fatal.cancelled().await;
    }

    /// The loops, closed to new ones: to wait for their end.
    pub(super) fn tasks(&self) -> &TaskTracker {
        self.tasks.close();
        &self.tasks
    }

    /// Whether a loop ended that should not have.
    pub(super) fn is_fatal(&self) -> bool {
        self.fatal.is_cancelled()
    }
}
