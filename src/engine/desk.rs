//! What waits for the platform: end-call requests and look-ups, in the order in which they leave.
//!
//! Filled under the calls' locks, emptied by the dispatcher. The order is [`Queue`]'s.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::model::{
    ids::CallId,
    lookup::Lookup,
    queue::{Kind, Next, Queue},
    time::Mono,
};

/// The queue, and the look-ups that have begun.
#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    told: Notify,
}

#[derive(Default)]
struct State {
    queue: Queue,
    lookups: HashMap<CallId, Begun>,
    /// Taken out of the queue, and not settled yet.
    in_hand: Option<CallId>,
}

/// A look-up between two of its requests.
pub(super) struct Begun {
    pub(super) lookup: Lookup,
    pub(super) kind: Kind,
    pub(super) deadline: Mono,
    /// Whether any of its requests was answered.
    pub(super) was_answered: bool,
}

impl Desk {
    /// The call wants an end-call request.
    pub(super) fn want(&self, kind: Kind, deadline: Mono, id: &CallId) {
        self.state().queue.want(kind, deadline, id.clone());
        self.told.notify_one();
    }

    /// The call wants to be looked up.
    pub(super) fn look_up(&self, kind: Kind, deadline: Mono, id: &CallId) {
        self.want(kind, deadline, id);
    }

    /// The look-up goes on, after those that wait already.
    pub(super) fn go_on(&self, id: &CallId, begun: Begun) {
        let mut state = self.state();
        state.queue.want(begun.kind, begun.deadline, id.clone());
        state.lookups.insert(id.clone(), begun);
        drop(state);
        self.told.notify_one();
    }

    /// The look-up of this call that has begun.
    pub(super) fn begun(&self, id: &CallId) -> Option<Begun> {
        self.state().lookups.remove(id)
    }

    /// The call wants nothing any more.
    pub(super) fn forget(&self, id: &CallId) {
        let mut state = self.state();
        state.queue.forget(id);
        state.lookups.remove(id);
    }

    /// Whether something of the call waits, or is under way.
    pub(super) fn has(&self, id: &CallId) -> bool {
        let state = self.state();
        state.queue.is_queued(id)
            || state.queue.is_under_way(id)
            || state.in_hand.as_ref() == Some(id)
    }

    /// Takes out what leaves next. It is in hand until [`started`](Self::started) or
    /// [`put_down`](Self::put_down).
    pub(super) fn pop(&self) -> Option<(Kind, CallId)> {
        let mut state = self.state();
        match state.queue.pop(None)? {
            Next::Call(kind, id) => {
                state.in_hand = Some(id.clone());
                Some((kind, id))
            }
            Next::Listing(_) => None,
        }
    }

    /// What is in hand leaves.
    pub(super) fn started(&self, kind: Kind, id: &CallId) {
        let mut state = self.state();
        state.in_hand = None;
        state.queue.started(&Next::Call(kind, id.clone()));
    }

    /// What is in hand is not wanted any more.
    pub(super) fn put_down(&self) {
        self.state().in_hand = None;
    }

    /// The request is over.
    pub(super) fn finished(&self, kind: Kind, id: &CallId) {
        self.state().queue.finished(&Next::Call(kind, id.clone()));
        self.told.notify_one();
    }

    /// How many stops wait that are past their deadline.
    pub(super) fn backlog(&self, now: Mono) -> usize {
        self.state().queue.overdue(now)
    }

    /// Something changed that the dispatcher may act on.
    pub(super) fn tell(&self) {
        self.told.notify_one();
    }

    /// Waits until something changed.
    pub(super) async fn changed(&self) {
        self.told.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
