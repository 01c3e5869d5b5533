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
    lookup::{Lookup, Query, Step, Sweeps},
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
    sweeps: Sweeps,
    /// Look-ups that wait for another's page.
    parked: HashMap<CallId, Begun>,
    /// Confirmations under way.
    confirming: usize,
    /// Taken out of the queue, and not settled yet.
    in_hand: Option<CallId>,
}

/// A look-up between two of its requests.
#[derive(Clone)]
pub(super) struct Begun {
    pub(super) lookup: Lookup,
    pub(super) kind: Kind,
    pub(super) deadline: Mono,
}

/// What a look-up asks next.
pub(super) enum Asks {
    /// This.
    For(Query),
    /// Nothing yet: another has asked for a page that may answer.
    Waits,
    /// Nothing more.
    Nothing,
}

impl State {
    /// Look-ups that need not wait for a page any more take their turn again.
    fn unpark(&mut self, now: Mono) {
        let Self { parked, sweeps, .. } = self;
        let goes_on = |_: &CallId, begun: &mut Begun| !begun.lookup.is_held(sweeps, now);
        let unparked: Vec<_> = parked.extract_if(goes_on).collect();
        for (id, begun) in unparked {
            self.queue.want(begun.kind, begun.deadline, id.clone());
            self.lookups.insert(id, begun);
        }
    }
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
    /// The call wants an end-call request.
    pub(super) fn want(&self, kind: Kind, deadline: Mono, id: &CallId) {
        self.state().queue.want(kind, deadline, id.clone());
        self.told.notify_one();
    }

    /// The call wants to be looked up.
    pub(super) fn look_up(&self, kind: Kind, deadline: Mono, id: &CallId) {
        let mut state = self.state();
        // A look-up that has become part of the stop waits among the stops, and nowhere else; and
        // what was asked for another reason, before now, is no part of it.
        state.queue.forget_lookup(id);
        state.lookups.remove(id);
        state.parked.remove(id);
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

    /// The look-up of this call that has begun as one of this kind.
    pub(super) fn begun(&self, id: &CallId, kind: Kind) -> Option<Begun> {
        self.state().lookups.remove(id).filter(|begun| begun.kind == kind)
    }

    /// What a look-up asks next. One that waits is kept here until then.
    pub(super) fn next_query(&self, id: &CallId, begun: &mut Begun, now: Mono) -> Asks {
        let mut state = self.state();
        let waiting = state.queue.len(Kind::Confirm) + state.parked.len() + state.confirming + 1;
        match begun.lookup.next_step(&mut state.sweeps, waiting, now) {
            Step::Ask(query) => Asks::For(query),
            Step::Done => Asks::Nothing,
            Step::Wait => {
                state.parked.insert(id.clone(), begun.clone());
                Asks::Waits
            }
        }
    }

    /// The answer to a look-up's request is there: with `last_page` unless it told nothing. Whoever
    /// waited for it goes on.
    pub(super) fn heard(&self, query: &Query, last_page: Option<u32>) {
        self.state().sweeps.heard(query, last_page);
        self.told.notify_one();
    }

    /// Whether look-ups wait for a page.
    pub(super) fn has_parked(&self) -> bool {
        !self.state().parked.is_empty()
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
        state.parked.remove(id);
    }

    /// Whether something of the call waits, or is under way.
    pub(super) fn has(&self, id: &CallId) -> bool {
        let state = self.state();
        state.queue.is_queued(id)
            || state.queue.is_under_way(id)
            || state.parked.contains_key(id)
            || state.in_hand.as_ref() == Some(id)
    }

    /// Takes out what leaves next. A call is in hand until [`started`](Self::started) or
    /// [`put_down`](Self::put_down). `listing` is `None` while the listings' part is used up.
    pub(super) fn pop(&self, listing: Option<Share>, now: Mono) -> Option<Next> {
        let mut state = self.state();
        state.unpark(now);
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
        state.confirming += usize::from(is_confirmation(next));
        state.queue.started(next);
    }

    /// What is in hand is not wanted any more.
    pub(super) fn put_down(&self) {
        self.state().in_hand = None;
    }

    /// The request is over.
    pub(super) fn finished(&self, next: &Next) {
        let mut state = self.state();
        state.confirming = state.confirming.saturating_sub(usize::from(is_confirmation(next)));
        state.queue.finished(next);
        drop(state);
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

fn is_confirmation(next: &Next) -> bool {
    matches!(next, Next::Call(Kind::Confirm, _))
}
