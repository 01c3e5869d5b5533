//! What waits for the platform: end-call requests, look-ups and listings, in the order in which
//! they leave.
//!
//! Filled under the calls' locks, emptied by the dispatcher. The order is [`Queue`]'s.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot};

use crate::model::{
    ids::CallId,
    lookup::{Lookup, Sweep},
    queue::{Kind, Next, Queue, Share},
    quota::Slot,
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
    /// Those who wait for leave to list, by what they list.
    listers: HashMap<u8, oneshot::Sender<Leave>>,
    sweep: Sweep,
    /// Taken out of the queue, and not settled yet.
    in_hand: Option<CallId>,
}

/// A look-up between two of its requests.
pub(super) struct Begun {
    pub(super) lookup: Lookup,
    pub(super) kind: Kind,
    pub(super) deadline: Mono,
}

/// Who lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Lister {
    /// The active calls.
    Reconcile = 0,
    /// The delivery logs.
    Replay = 1,
}

/// Leave for one request of a listing: it counts against the whole quota, and against the listings'
/// part of it.
pub(super) struct Leave {
    pub(super) slot: Slot,
    pub(super) part: Slot,
}

impl Desk {
    /// The call wants an end-call request.
    pub(super) fn want(&self, kind: Kind, deadline: Mono, id: &CallId) {
        self.state().queue.want(kind, deadline, id.clone());
        self.told.notify_one();
    }

    /// The call wants to be looked up.
    pub(super) fn look_up(&self, kind: Kind, deadline: Mono, id: &CallId) {
        let mut state = self.state();
        // A look-up that has become part of the stop waits among the stops, and nowhere else.
        state.queue.forget_lookup(id);
        state.queue.want(kind, deadline, id.clone());
        drop(state);
        self.told.notify_one();
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

    /// The page of all calls to look at, if so many wait that one is worth it.
    pub(super) fn sweep(&self, now: Mono) -> Option<u32> {
        let mut state = self.state();
        let waiting = state.queue.len(Kind::Confirm) + 1;
        state.sweep.next_page(waiting, now)
    }

    /// How many pages of all calls there are.
    pub(super) fn swept(&self, last_page: u32) {
        self.state().sweep.heard(last_page);
    }

    /// Waits for leave to ask for one page.
    pub(super) async fn leave_to_list(&self, lister: Lister, due: Mono) -> Leave {
        loop {
            let (tell, told) = oneshot::channel();
            {
                let mut state = self.state();
                state.listers.insert(lister as u8, tell);
                state.queue.want_listing(lister as u8, due);
            }
            self.told.notify_one();
            if let Ok(leave) = told.await {
                return leave;
            }
        }
    }

    /// Who waits for leave to list.
    pub(super) fn lister(&self, page: u8) -> Option<oneshot::Sender<Leave>> {
        self.state().listers.remove(&page)
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

    /// Takes out what leaves next. A call is in hand until [`started`](Self::started) or
    /// [`put_down`](Self::put_down). `listing` is `None` while the listings' part is used up.
    pub(super) fn pop(&self, listing: Option<Share>) -> Option<Next> {
        let mut state = self.state();
        let next = state.queue.pop(listing)?;
        if let Next::Call(_, id) = &next {
            state.in_hand = Some(id.clone());
        }
        Some(next)
    }

    /// Takes out a listing, whatever else waits.
    pub(super) fn pop_listing(&self) -> Option<Next> {
        self.state().queue.pop_listing()
    }

    /// What was taken out leaves.
    pub(super) fn started(&self, next: &Next) {
        let mut state = self.state();
        state.in_hand = None;
        state.queue.started(next);
    }

    /// What is in hand is not wanted any more.
    pub(super) fn put_down(&self) {
        self.state().in_hand = None;
    }

    /// The request is over.
    pub(super) fn finished(&self, next: &Next) {
        self.state().queue.finished(next);
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
