//! A thread that owns what is not to be shared, and does one job after another.

use std::{
    io,
    sync::{Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use tokio::sync::{mpsc, oneshot};

use crate::store::StoreError;

enum Job<S> {
    Run(Box<dyn FnOnce(&mut S) + Send>),
    Stop,
}

/// The handle of the thread that owns an `S`. Dropped, it lets the thread finish what is queued.
pub(super) struct Worker<S> {
    jobs: mpsc::Sender<Job<S>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<S: Send + 'static> Worker<S> {
    /// Starts the thread; at most `queue` jobs wait.
    pub(super) fn start(name: &str, queue: usize, state: S) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::channel(queue);
        let thread =
            thread::Builder::new().name(name.to_owned()).spawn(move || work_off(inbox, state))?;
        Ok(Self { jobs, thread: Mutex::new(Some(thread)) })
    }

    /// Has `job` done and waits for its result. The job is done even if nobody waits any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut S) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, result) = oneshot::channel();
        let job = Job::Run(Box::new(move |state: &mut S| {
            // An error means that the asker has gone.
            drop(reply.send(job(state)));
        }));
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        result.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Has `job` done some time, unless the queue is full.
    pub(super) fn offer(&self, job: impl FnOnce(&mut S) + Send + 'static) {
        // A full queue or a stopped thread: what is merely offered may be left undone.
        drop(self.jobs.try_send(Job::Run(Box::new(job))));
    }

    /// Lets the thread finish what is queued, drop its state and end; returns when it has.
    pub(super) async fn stop(&self) {
        // An error means that it has stopped before.
        drop(self.jobs.send(Job::Stop).await);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic in the thread was reported by the panic hook.
            drop(tokio::task::spawn_blocking(move || thread.join()).await);
        }
    }
}

fn work_off<S>(mut inbox: mpsc::Receiver<Job<S>>, mut state: S) {
    while let Some(Job::Run(job)) = inbox.blocking_recv() {
        job(&mut state);
    }
}
