//! What waits for the platform: end-call requests, look-ups and listings, in the order in which
//! they leave.
//!
//! Filled under the calls' locks, emptied by the dispatcher. What waits, and in which order, is
//! [`desk::Desk`]'s.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot};

use crate::model::{
    call::Call,
    change::Effect,
    desk::{self, Begun, Turn},
    ids::CallId,
    queue::{Kind, Next, Share},
    quota::Slot,
    time::Mono,
};

/// The model's desk behind a lock, and those who wait for it.
#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    told: Notify,
}

#[derive(Default)]
struct State {
    desk: desk::Desk,
    /// Those who wait for leave to list, by what they list.
    listers: HashMap<u8, oneshot::Sender<Leave>>,
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
    /// A change asks for something.
    pub(super) fn take(&self, effect: &Effect, id: &CallId) {
        self.state().desk.take(effect, id);
        self.told.notify_one();
    }

    /// Takes in again what the call waits for and the desk has lost; says whether it had.
    pub(super) fn mend(&self, call: &Call, now: Mono) -> bool {
        let mended = self.state().desk.mend(call, now);
        if mended {
            self.told.notify_one();
        }
        mended
    }

    /// The look-up goes on, after those that wait already.
    pub(super) fn go_on(&self, id: &CallId, begun: Begun) {
        self.state().desk.go_on(id, begun);
        self.told.notify_one();
    }

    /// What to do for the call that was taken out.
    pub(super) fn turn(&self, kind: Kind, call: Option<&Call>, finds_ids: bool, now: Mono) -> Turn {
        self.state().desk.turn(kind, call, finds_ids, now)
    }

    /// How many pages of all calls there are.
    pub(super) fn swept(&self, last_page: u32) {
        self.state().desk.swept(last_page);
    }

    /// Waits for leave to ask for one page.
    pub(super) async fn leave_to_list(&self, lister: Lister, due: Mono) -> Leave {
        loop {
            let (tell, told) = oneshot::channel();
            {
                let mut state = self.state();
                state.listers.insert(lister as u8, tell);
                state.desk.want_listing(lister as u8, due);
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
        self.state().desk.forget(id);
    }

    /// Takes out what leaves next.
    pub(super) fn pop(&self, listing: Option<Share>) -> Option<Next> {
        self.state().desk.pop(listing)
    }

    /// Takes out a listing, whatever else waits.
    pub(super) fn pop_listing(&self) -> Option<Next> {
        self.state().desk.pop_listing()
    }

    /// What was taken out leaves.
    pub(super) fn started(&self, next: &Next) {
        self.state().desk.started(next);
    }

    /// What is in hand is not wanted any more.
    pub(super) fn put_down(&self) {
        self.state().desk.put_down();
    }

    /// The request is over.
    pub(super) fn finished(&self, next: &Next) {
        self.state().desk.finished(next);
        self.told.notify_one();
    }

    /// How many stops wait that are past their deadline.
    pub(super) fn backlog(&self, now: Mono) -> usize {
        self.state().desk.backlog(now)
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
