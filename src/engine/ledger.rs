//! What the store has yet to hear of: the calls that changed, who waits for that to be durable, and
//! the requests that left.
//!
//! Written under the call's lock, emptied by the loop in `persist`. It holds ids, not changes: ten
//! events of a call fold into one write, and what failed just stays.

use std::{
    collections::HashSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{Notify, oneshot};

use crate::{
    model::{
        ids::CallId,
        quota::{Poll, Unwritten},
        time::{Mono, Wall},
    },
    store::JoinedAway,
};

/// The calls to be written, and those who wait.
#[derive(Default)]
pub(super) struct Ledger {
    pending: Mutex<Pending>,
    told: Notify,
    failing: AtomicBool,
    unwritten: Mutex<Unwritten>,
    unwritten_changed: Notify,
}

/// All that waits to be written.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) dirty: HashSet<CallId>,
    /// Known by their sid alone until they were joined into the call of their id.
    pub(super) joined_away: Vec<JoinedAway>,
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

    /// A row is no call of its own any more.
    pub(super) fn joined_away(&self, joined: JoinedAway) {
        self.with(|pending| pending.joined_away.push(joined));
    }

    /// A request left for the platform.
    pub(super) fn request(&self, at: Wall) {
        // In this order: it is not written before it counts.
        self.unwritten(Unwritten::sent);
        self.with(|pending| pending.requests.push(at));
    }

    /// From now on so many requests may leave before they are written; more of them than before
    /// only once the store knows it.
    pub(super) fn allow_unwritten(&self, most: u32) {
        // In this order: nothing is written before it is wanted.
        self.unwritten(|unwritten| unwritten.allow(most));
        self.with(|pending| pending.most_unwritten = Some(most));
    }

    /// Whether a request may leave before others are written.
    pub(super) fn poll(&self, now: Mono) -> Poll {
        self.unwritten(|unwritten| unwritten.poll(self.is_failing(), now))
    }

    /// Waits until [that](Self::poll) may have changed.
    pub(super) async fn written_on(&self) {
        self.unwritten_changed.notified().await;
    }

    /// What was taken is written.
    pub(super) fn written(&self, requests: usize, most_unwritten: Option<u32>) {
        self.unwritten(|unwritten| unwritten.written(requests, most_unwritten));
        self.unwritten_changed.notify_one();
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
        self.unwritten_changed.notify_one();
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
        let Pending { dirty, joined_away, requests, most_unwritten, waiters } = &mut *pending;
        let mut taken: HashSet<_> =
            waiters.iter().map(|waiter| waiter.id.clone()).take(most).collect();
        let room = most - taken.len();
        let rest: Vec<_> = dirty.iter().filter(|id| !taken.contains(*id)).take(room).collect();
        taken.extend(rest.into_iter().cloned());
        dirty.retain(|id| !taken.contains(id));
        let part = Pending {
            // With the call that it was joined into, or after it.
            joined_away: joined_away.extract_if(.., |one| !dirty.contains(&one.id)).collect(),
            requests: std::mem::take(requests),
            most_unwritten: most_unwritten.take(),
            waiters: waiters.extract_if(.., |waiter| taken.contains(&waiter.id)).collect(),
            dirty: taken,
        };
        drop(pending);
        self.told.notify_one();
        part
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
            self.unwritten(|unwritten| unwritten.dropped(excess));
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

    fn unwritten<T>(&self, change: impl FnOnce(&mut Unwritten) -> T) -> T {
        change(&mut self.unwritten.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn with(&self, change: impl FnOnce(&mut Pending)) {
        change(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        self.told.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> CallId {
        CallId::parse(&format!("call-{n}")).unwrap()
    }

    #[test]
    fn a_part_holds_those_who_wait_first_and_what_was_joined_goes_with_its_call() {
        let ledger = Ledger::default();
        (0..10).for_each(|n| ledger.mark(&id(n)));
        for n in 0..10 {
            let sid = CallId::parse(&format!("sid-{n}")).unwrap();
            ledger.joined_away(JoinedAway { sid, id: id(n) });
        }
        let _ticket = ledger.ticket(&id(7));
        let part = ledger.take(4);
        assert_eq!((part.dirty.len(), part.waiters.len()), (4, 1));
        assert!(part.dirty.contains(&id(7)));
        let joined: HashSet<_> = part.joined_away.iter().map(|one| one.id.clone()).collect();
        assert_eq!(joined, part.dirty);
        let rest = ledger.take(100);
        assert_eq!((rest.dirty.len(), rest.joined_away.len()), (6, 6));
        assert!(ledger.is_empty());
    }

    #[test]
    fn what_could_not_be_written_still_counts_and_a_failing_store_holds_nothing_back() {
        let ledger = Ledger::default();
        let may_leave = || ledger.poll(Mono(0)) == Poll::Go;
        ledger.allow_unwritten(1);
        let told = ledger.take(100);
        assert!(!may_leave(), "the store does not know it yet");
        ledger.written(told.requests.len(), told.most_unwritten);
        assert!(may_leave());
        ledger.request(Wall(1));
        ledger.put_back(ledger.take(100));
        assert!(!may_leave());
        ledger.set_failing(true);
        assert!(may_leave());
        ledger.set_failing(false);
        let part = ledger.take(100);
        assert_eq!((part.requests.as_slice(), part.most_unwritten), (&[Wall(1)][..], None));
        ledger.written(part.requests.len(), part.most_unwritten);
        assert!(may_leave());
    }
}
