//! What waits for the platform: end-call requests, look-ups and listings, in the order in which
//! they leave.
//!
//! Filled under the calls' locks, emptied by the dispatcher. What waits, in which order, and what an
//! answer means is the model's [`desk`].

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot};

use crate::model::{
    call::Call,
    change::Effect,
    desk::{self, Begun, Told, Turn},
    ids::CallId,
    lookup::Query,
    platform::{Failure, Page},
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
    /// Nothing: an operator's word to the platform waits for its turn likewise.
    Operator = 2,
}

/// Leave for one request of a listing: it counts against the whole quota, and against the listings'
/// part of it.
pub(super) struct Leave {
    pub(super) slot: Slot,
    pub(super) part: Slot,
}

impl Desk {
    /// The daemon starts.
    pub(super) fn open(&self, now: Mono) {
        self.state().desk.open(now);
    }

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

    /// What to do for the call that was taken out.
    pub(super) fn turn(&self, kind: Kind, call: Option<&Call>, now: Mono) -> Turn {
        self.state().desk.turn(kind, call, now)
    }

    /// What the answer to a look-up's request means for its call. Whoever waited for it goes on.
    pub(super) fn answered(
        &self,
        id: &CallId,
        begun: Box<Begun>,
        query: Query,
        answer: Result<&Page, &Failure>,
        is_wanted: bool,
    ) -> Told {
        let told = self.state().desk.answered(id, begun, query, answer, is_wanted);
        self.told.notify_one();
        told
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
    pub(super) fn pop(&self, listing: Option<Share>, has_listed: bool, now: Mono) -> Option<Next> {
        self.state().desk.pop(listing, has_listed, now)
    }

    /// When to look again, though nothing is told until then.
    pub(super) fn looks_again(&self, now: Mono) -> Option<Mono> {
        self.state().desk.looks_again(now)
    }

    /// What was taken out leaves.
    pub(super) fn started(&self, next: &Next) {
        self.state().desk.started(next);
    }

    /// What is in hand may not leave now after all: it takes its place again.
    pub(super) fn put_back(&self, kind: Kind, call: &Call) {
        self.state().desk.put_back(kind, call);
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
