//! What leaves next, once the quota lets a request go (spec §7 *Quota*, §8 *Reconciliation*). The
//! dispatcher owns the one [`Queue`].
//!
//! Requests take turns after a fixed pattern of ten. Six turns are for first end-call requests,
//! three for repeats, one for look-ups and listing together. The pattern is spread such that of any
//! N requests in a row (N = 2, or 4 and more) at least half are first ones; a turn that nobody uses
//! is lent. So while all kinds wait each has its share, and while anything may leave something does.
//!
//! Within a kind the earliest deadline comes first, then the smaller call id.

mod turns;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{ids::CallId, time::Mono};
use turns::{LOOKS, Look, TURNS, Turn};

pub use turns::{Opening, Share};

/// At most so many requests are under way (spec §7).
pub const MOST_UNDER_WAY: usize = 64;

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The first end-call request of a stop, or the look-up before a `ringing` stop, which counts
    /// as part of the stop.
    First,
    /// Another end-call request.
    Repeat,
    /// The look-up that confirms a stop, or that a stop needs to go on.
    Confirm,
    /// Any other look-up.
    Lookup,
}

impl Kind {
    /// Every kind, the more urgent first.
    pub const ALL: [Self; 4] = [Self::First, Self::Repeat, Self::Confirm, Self::Lookup];

    /// Whether it is part of a stop's requests; a call has at most one such entry, and at most one
    /// of the others.
    #[must_use]
    pub fn is_stop(self) -> bool {
        match self {
            Self::First | Self::Repeat => true,
            Self::Confirm | Self::Lookup => false,
        }
    }
}

/// What leaves next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    /// A request for a call.
    Call(Kind, CallId),
    /// A page of the platform's lists, by the caller's number for it.
    Listing(u8),
}

/// The entries of one call: when each is due by.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    stop: Option<(Kind, Mono)>,
    look: Option<(Kind, Mono)>,
}

impl Waiting {
    fn place(&mut self, kind: Kind) -> &mut Option<(Kind, Mono)> {
        if kind.is_stop() { &mut self.stop } else { &mut self.look }
    }
}

/// What waits for the quota, and what is under way.
///
/// Every operation is O(log n) but where it says otherwise. The queue knows no time: an entry may
/// leave as soon as it is in, so the caller puts in what is due, and looks at the call again in the
/// instant the request leaves.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    calls: HashMap<CallId, Waiting>,
    firsts: BTreeSet<(Mono, CallId)>,
    repeats: BTreeSet<(Mono, CallId)>,
    confirms: BTreeSet<(Mono, CallId)>,
    lookups: BTreeSet<(Mono, CallId)>,
    listings: BTreeMap<u8, Mono>,
    calls_under_way: HashSet<CallId>,
    listings_under_way: HashSet<u8>,
    /// How many requests have left: whose turn it is repeats with [`TURNS`].
    turn: usize,
    /// How many look-ups and listings have left.
    looks: usize,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The call wants a request of this kind, with its stop's deadline. A stop's entry replaces the
    /// one the call had, and so does a look-up's. While a request of the call is under way the entry
    /// waits.
    pub fn want(&mut self, kind: Kind, deadline: Mono, id: CallId) {
        let place = self.calls.entry(id.clone()).or_default().place(kind);
        if let Some((kind, deadline)) = place.replace((kind, deadline)) {
            self.entries(kind).remove(&(deadline, id.clone()));
        }
        self.entries(kind).insert((deadline, id));
    }

    /// A page wants to be listed, of several the one with the earliest `due` first.
    pub fn want_listing(&mut self, page: u8, due: Mono) {
        self.listings.insert(page, due);
    }

    /// The call wants nothing any more. What is under way stays so.
    pub fn forget(&mut self, id: &CallId) {
        if let Some(Waiting { stop, look }) = self.calls.remove(id) {
            for (kind, deadline) in [stop, look].into_iter().flatten() {
                self.entries(kind).remove(&(deadline, id.clone()));
            }
        }
    }

    /// The call's stop wants no request any more.
    pub fn forget_stop(&mut self, id: &CallId) {
        self.take(Kind::First, id);
    }

    /// The call wants no look-up any more.
    pub fn forget_lookup(&mut self, id: &CallId) {
        self.take(Kind::Lookup, id);
    }

    /// The page wants not to be listed any more.
    pub fn forget_listing(&mut self, page: u8) {
        self.listings.remove(&page);
    }

    /// Takes out what leaves next: `None` where nothing waits that may leave, or
    /// [`MOST_UNDER_WAY`] requests are under way. `listing` is `None` where listings have used up
    /// their part of the quota.
    ///
    /// What is taken out uses up its turn only once it [`started`](Self::started); a caller that
    /// finds it no longer wanted just asks again.
    #[must_use = "what is taken out is no longer in the queue"]
    pub fn pop(&mut self, listing: Option<Share>) -> Option<Next> {
        if self.under_way() >= MOST_UNDER_WAY {
            return None;
        }
        let stops = [Kind::First, Kind::Repeat].map(|kind| self.head(kind));
        let next = match (TURNS[self.turn % TURNS.len()], stops) {
            (_, [None, None]) => self.look(listing.unwrap_or_default().turns(), listing)?,
            (Turn::Look, [first, repeat]) => self
                .look(&LOOKS, listing)
                .or_else(|| call(Kind::First, first))
                .or_else(|| call(Kind::Repeat, repeat))?,
            (Turn::First, [Some(first), _]) | (Turn::Repeat, [Some(first), None]) => {
                Next::Call(Kind::First, first)
            }
            (Turn::Repeat, [_, Some(repeat)]) | (Turn::First, [None, Some(repeat)]) => {
                Next::Call(Kind::Repeat, repeat)
            }
        };
        match &next {
            Next::Call(kind, id) => self.take(*kind, id),
            Next::Listing(page) => self.forget_listing(*page),
        }
        Some(next)
    }

    /// Takes out a listing that may leave, whatever else waits: at start-up the platform is asked
    /// for its active calls first (spec §8).
    #[must_use = "what is taken out is no longer in the queue"]
    pub fn pop_listing(&mut self) -> Option<Next> {
        let free = |page: &u8| !self.listings_under_way.contains(page);
        let page = self.listings.keys().copied().find(free)?;
        self.listings.remove(&page);
        Some(Next::Listing(page))
    }

    /// The request leaves. Until it is [`finished`](Self::finished), no other of the same call does.
    pub fn started(&mut self, next: &Next) {
        self.turn = self.turn.wrapping_add(1);
        let is_look = match next {
            Next::Call(kind, id) => {
                self.calls_under_way.insert(id.clone());
                !kind.is_stop()
            }
            Next::Listing(page) => {
                self.listings_under_way.insert(*page);
                true
            }
        };
        self.looks = self.looks.wrapping_add(usize::from(is_look));
    }

    /// The request is over, however it ended.
    pub fn finished(&mut self, next: &Next) {
        match next {
            Next::Call(_, id) => self.calls_under_way.remove(id),
            Next::Listing(page) => self.listings_under_way.remove(page),
        };
    }

    /// How many requests are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.calls_under_way.len() + self.listings_under_way.len()
    }

    /// How many calls wait for a request of this kind.
    #[must_use]
    pub fn len(&self, kind: Kind) -> usize {
        self.waiting(kind).len()
    }

    /// How many pages wait to be listed.
    #[must_use]
    pub fn listings(&self) -> usize {
        self.listings.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.listings.is_empty()
    }

    /// Whether the call waits for any request.
    #[must_use]
    pub fn is_queued(&self, id: &CallId) -> bool {
        self.calls.contains_key(id)
    }

    /// Whether the call waits for a request, or look-up, of its stop.
    #[must_use]
    pub fn has_stop(&self, id: &CallId) -> bool {
        self.calls.get(id).is_some_and(|waiting| waiting.stop.is_some())
    }

    /// Whether a request of the call is under way.
    #[must_use]
    pub fn is_under_way(&self, id: &CallId) -> bool {
        self.calls_under_way.contains(id)
    }

    /// How many stops wait that are past their deadline. O(what it counts).
    #[must_use]
    pub fn overdue(&self, now: Mono) -> usize {
        let due = |set: &BTreeSet<(Mono, CallId)>| set.iter().take_while(|e| e.0 <= now).count();
        due(&self.firsts) + due(&self.repeats)
    }

    /// The calls that wait for a request of this kind, in their order: what one page of a list may
    /// answer for together.
    pub fn in_order(&self, kind: Kind) -> impl Iterator<Item = (Mono, &CallId)> {
        self.waiting(kind).iter().map(|(at, id)| (*at, id))
    }

    fn waiting(&self, kind: Kind) -> &BTreeSet<(Mono, CallId)> {
        match kind {
            Kind::First => &self.firsts,
            Kind::Repeat => &self.repeats,
            Kind::Confirm => &self.confirms,
            Kind::Lookup => &self.lookups,
        }
    }

    fn entries(&mut self, kind: Kind) -> &mut BTreeSet<(Mono, CallId)> {
        match kind {
            Kind::First => &mut self.firsts,
            Kind::Repeat => &mut self.repeats,
            Kind::Confirm => &mut self.confirms,
            Kind::Lookup => &mut self.lookups,
        }
    }

    /// The first that may leave; at most 64 are passed over.
    fn head(&self, kind: Kind) -> Option<CallId> {
        let mut ids = self.waiting(kind).iter().map(|(_, id)| id);
        ids.find(|id| !self.calls_under_way.contains(*id)).cloned()
    }

    fn next_listing(&self) -> Option<u8> {
        (self.listings.iter())
            .filter(|(page, _)| !self.listings_under_way.contains(page))
            .min_by_key(|(page, due)| (**due, **page))
            .map(|(page, _)| *page)
    }

    /// The look-up or listing that leaves next: whose turn it is, else confirmations first.
    fn look(&self, turns: &[Look], listing: Option<Share>) -> Option<Next> {
        let turn = turns[self.looks % turns.len()];
        [turn, Look::Confirm, Look::Lookup, Look::Listing].into_iter().find_map(|look| match look {
            Look::Confirm => call(Kind::Confirm, self.head(Kind::Confirm)),
            Look::Lookup => call(Kind::Lookup, self.head(Kind::Lookup)),
            Look::Listing => listing.and_then(|_| self.next_listing()).map(Next::Listing),
        })
    }

    /// Takes out the call's entry of this kind, or of the other kind that shares its place.
    fn take(&mut self, kind: Kind, id: &CallId) {
        let Some(waiting) = self.calls.get_mut(id) else {
            return;
        };
        let entry = waiting.place(kind).take();
        if waiting.stop.is_none() && waiting.look.is_none() {
            self.calls.remove(id);
        }
        if let Some((kind, deadline)) = entry {
            self.entries(kind).remove(&(deadline, id.clone()));
        }
    }
}

fn call(kind: Kind, id: Option<CallId>) -> Option<Next> {
    id.map(|id| Next::Call(kind, id))
}
