//! What the store has yet to hear of: the calls that changed, who waits for that to be durable, and
//! the requests that left.
//!
//! Written under the call's lock, emptied by the loop in `persist`. It holds ids, not changes: ten
//! events of a call fold into one write, and what failed just stays.
//!
//! A request is written behind, so a crash forgets the last few. The store is therefore told ahead
//! how many may leave unwritten, and no more do: a restart counts them all as sent (spec §7
//! *Requests recorded in the store count after a restart*).

use std::{
    collections::HashSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{Notify, oneshot, watch};

use crate::model::{ids::CallId, time::Wall};

/// The calls to be written, and those who wait.
#[derive(Default)]
pub(super) struct Ledger {
    pending: Mutex<Pending>,
    told: Notify,
    failing: AtomicBool,
    unwritten: watch::Sender<Unwritten>,
}

/// Requests that left and are not written.
#[derive(Clone, Copy, Default)]
struct Unwritten {
    count: usize,
    /// How many there may be, as the store knows it.
    most: u32,
}

impl Unwritten {
    fn has_room(self) -> bool {
        self.count < usize::try_from(self.most).unwrap_or(usize::MAX)
    }
}

/// All that waits to be written.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) dirty: HashSet<CallId>,
    /// Known by their sid alone until they were joined into the call of their id.
    pub(super) joined_away: Vec<CallId>,
    /// When requests left.
    pub(super) requests: Vec<Wall>,
    /// How many requests may be unwritten from now on, where the store does not know it yet.
    pub(super) most_unwritten: Option<u32>,
    pub(super) waiters: Vec<Waiter>,
}

/// Somebody who waits until a call is durable as it is now, or newer.
pub(super) struct Waiter {
    pub(super) id: CallId,
    tell: oneshot::Sender<bool>,
}

/// The right to know when a call is durable.
#[must_use]
pub(super) struct Ticket(oneshot::Receiver<bool>);

impl Ticket {
    /// Waits until that is known: whether the call is durable as it was, or newer.
    pub(super) async fn made_durable(self) -> bool {
        self.0.await.unwrap_or(false)
    }
}

impl Waiter {
    /// The call is durable, or cannot be made so now.
    pub(super) fn tell(self, is_durable: bool) {
        // Whoever waited may have left: a client hung up, a time-out passed.
        self.tell.send(is_durable).unwrap_or_default();
    }
}

impl Ledger {
    /// The call changed.
    pub(super) fn mark(&self, id: &CallId) {
        self.with(|pending| {
            pending.dirty.insert(id.clone());
        });
    }

    /// The row of this sid is no call of its own any more.
    pub(super) fn joined_away(&self, sid: CallId) {
        self.with(|pending| pending.joined_away.push(sid));
    }

    /// A request left for the platform.
    pub(super) fn request(&self, at: Wall) {
        self.unwritten.send_modify(|unwritten| unwritten.count += 1);
        self.with(|pending| pending.requests.push(at));
    }

    /// From now on so many requests may leave before they are written; more of them than before
    /// only once the store knows it.
    pub(super) fn allow_unwritten(&self, most: u32) {
        self.with(|pending| {
            pending.most_unwritten = Some(most);
            self.unwritten.send_modify(|unwritten| unwritten.most = unwritten.most.min(most));
        });
    }

    /// Whether a request may leave before others are written. A failing store holds nothing back.
    pub(super) fn has_room(&self) -> bool {
        self.is_failing() || self.unwritten.borrow().has_room()
    }

    /// Waits until a request [may leave](Self::has_room).
    pub(super) async fn room(&self) {
        let mut unwritten = self.unwritten.subscribe();
        let room = unwritten.wait_for(|unwritten| self.is_failing() || unwritten.has_room());
        // It ends with the ledger alone, which outlives this.
        drop(room.await);
    }

    /// What was taken is written.
    pub(super) fn written(&self, requests: usize, most_unwritten: Option<u32>) {
        self.with(|pending| {
            let told = most_unwritten.filter(|_| pending.most_unwritten.is_none());
            self.unwritten.send_modify(|unwritten| {
                unwritten.count -= requests;
                unwritten.most = told.unwrap_or(unwritten.most);
            });
        });
    }

    /// The call is to be written, and somebody waits for that: the ticket says whether it is
    /// durable. While the store fails it says no at once.
    pub(super) fn ticket(&self, id: &CallId) -> Ticket {
        let (tell, told) = oneshot::channel();
        self.with(|pending| {
            pending.dirty.insert(id.clone());
            if !self.is_failing() {
                pending.waiters.push(Waiter { id: id.clone(), tell });
            }
        });
        Ticket(told)
    }

    /// Whether the last commit failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// The last commit failed, or the store works again. Whoever waits for a commit that a failing
    /// store won't make is told at once.
    pub(super) fn set_failing(&self, failing: bool) {
        let mut waiters = Vec::new();
        self.with(|pending| {
            self.failing.store(failing, Ordering::Release);
            if failing {
                waiters = std::mem::take(&mut pending.waiters);
            }
        });
        self.unwritten.send_modify(|_| {});
        waiters.into_iter().for_each(|waiter| waiter.tell(false));
    }

    /// Waits until there is something to write.
    pub(super) async fn changed(&self) {
        self.told.notified().await;
    }

    /// Takes up to `most` calls, with all that waits for them; whoever waits for a call that is
    /// left over goes on waiting.
    pub(super) fn take(&self, most: usize) -> Pending {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.dirty.len() <= most {
            return std::mem::take(&mut *pending);
        }
        // Those who wait come first: the rest is written behind.
        let mut taken: HashSet<_> =
            pending.waiters.iter().map(|waiter| waiter.id.clone()).take(most).collect();
        let room = most - taken.len();
        taken.extend(
            pending
                .dirty
                .iter()
                .filter(|id| !taken.contains(*id))
                .take(room)
                .cloned()
                .collect::<Vec<_>>(),
        );
        pending.dirty.retain(|id| !taken.contains(id));
        let (waiters, left) =
            pending.waiters.drain(..).partition(|waiter: &Waiter| taken.contains(&waiter.id));
        pending.waiters = left;
        let joined_away = std::mem::take(&mut pending.joined_away);
        let requests = std::mem::take(&mut pending.requests);
        let most_unwritten = pending.most_unwritten.take();
        drop(pending);
        self.told.notify_one();
        Pending { dirty: taken, joined_away, requests, most_unwritten, waiters }
    }

    /// Puts back what could not be written; those who waited are told so.
    pub(super) fn put_back(&self, failed: Pending) {
        let Pending { dirty, joined_away, requests, most_unwritten, waiters } = failed;
        self.with(|pending| {
            pending.dirty.extend(dirty);
            pending.joined_away.extend(joined_away);
            pending.requests.extend(requests);
            // While the store is down these are of use for two hours at most, and bounded.
            let excess = pending.requests.len().saturating_sub(100_000);
            pending.requests.drain(..excess);
            self.unwritten.send_modify(|unwritten| unwritten.count -= excess);
            pending.most_unwritten = pending.most_unwritten.or(most_unwritten);
        });
        waiters.into_iter().for_each(|waiter| waiter.tell(false));
    }

    /// Nothing is left to write.
    pub(super) fn is_empty(&self) -> bool {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let Pending { dirty, joined_away, requests, most_unwritten, waiters } = &*pending;
        dirty.is_empty()
            && joined_away.is_empty()
            && requests.is_empty()
            && most_unwritten.is_none()
            && waiters.is_empty()
    }

    fn with(&self, change: impl FnOnce(&mut Pending)) {
        change(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        self.told.notify_one();
    }
}
