//! The one world, its lock, and who must hear of a change.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    courier::{self, Client},
    world::World,
};

/// Beyond, a burst of calls would have a connection each and use up the file descriptors.
const WORKERS: usize = 128;

/// What all connections and loops of a sim share.
pub(super) struct Shared {
    world: Mutex<World>,
    changed: watch::Sender<u64>,
    replanned: Notify,
    pub(super) client: Client,
    /// The platform's delivery workers: so many deliveries are under way at most.
    pub(super) workers: Semaphore,
    pub(super) tasks: TaskTracker,
    pub(super) stopping: CancellationToken,
}

impl Shared {
    pub(super) fn new(world: World) -> Arc<Self> {
        Arc::new(Self {
            world: Mutex::new(world),
            changed: watch::Sender::new(0),
            replanned: Notify::new(),
            client: courier::client(),
            workers: Semaphore::new(WORKERS),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        })
    }

    /// Changes the world. Whoever waits for a change looks again, and what the deed wants posted
    /// leaves once the lock is gone.
    pub(super) fn act<R>(self: &Arc<Self>, deed: impl FnOnce(&mut World) -> R) -> R {
        let (result, calls, sooner) = {
            let mut world = self.lock();
            let result = deed(&mut world);
            (result, mem::take(&mut world.wanting_courier), world.timeline.take_sooner())
        };
        for call in calls {
            self.tasks.spawn(courier::serve(Arc::clone(self), call));
        }
        if sooner {
            self.replanned.notify_one();
        }
        self.changed.send_modify(|changes| *changes += 1);
        result
    }

    /// Reads the world.
    pub(super) fn look<R>(&self, glance: impl FnOnce(&World) -> R) -> R {
        glance(&self.lock())
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) async fn replanned(&self) {
        self.replanned.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        // A deed that panicked is a fault of the sim's, but no reason to take the others along.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
