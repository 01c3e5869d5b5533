//! What the calls want from the platform: requests and look-ups in the order in which they leave,
//! and how far each look-up has got (spec §7). The engine holds the one [`Desk`] behind a lock; it
//! adds the waiting.

use std::collections::HashMap;

use super::{
    ask::Urgency,
    call::Call,
    change::Effect,
    ids::CallId,
    lookup::{Lookup, Sweep},
    queue::{Kind, Next, Queue, Share},
    time::Mono,
};

/// The queue, and the look-ups that have begun.
#[derive(Debug, Default)]
pub struct Desk {
    queue: Queue,
    lookups: HashMap<CallId, Begun>,
    sweep: Sweep,
    /// Taken out of the queue, and not settled yet.
    in_hand: Option<CallId>,
}

/// A look-up between two of its requests.
#[derive(Debug)]
pub struct Begun {
    /// What is asked, and what was found so far.
    pub lookup: Lookup,
    /// How it ranks.
    pub kind: Kind,
    /// By when its answer is wanted.
    pub deadline: Mono,
}

/// What is to be done for a call whose turn has come.
#[derive(Debug)]
pub enum Turn {
    /// Ask the call whether its end-call request still wants to leave.
    EndCall,
    /// Make the next request of its look-up.
    LookUp(Box<Begun>),
    /// Nothing: it wants neither any more.
    Nothing,
}

impl Desk {
    /// Puts what a change asks for into the queue. A request that leaves at once is not its affair.
    pub fn take(&mut self, effect: &Effect, id: &CallId) {
        match effect {
            Effect::Request { deadline, first } => {
                let kind = if *first { Kind::First } else { Kind::Repeat };
                self.want(kind, *deadline, id);
            }
            Effect::Lookup { deadline, urgency } => {
                let kind = match urgency {
                    Urgency::Stop => Kind::First,
                    Urgency::Confirm => Kind::Confirm,
                    Urgency::Other => Kind::Lookup,
                };
                self.look_up(kind, *deadline, id);
            }
            Effect::Send { .. } => {}
        }
    }

    /// Puts in again what a call waits for and the desk does not know of; says whether that was so.
    pub fn mend(&mut self, call: &Call, now: Mono) -> bool {
        let waits = call.is_queued() || call.is_looked_up();
        if !waits || self.has(&call.id) {
            return false;
        }
        let deadline = call.deadline().map_or(now, |due| due.at);
        if call.is_queued() {
            self.want(Kind::Repeat, deadline, &call.id);
        }
        if call.is_looked_up() {
            self.look_up(Kind::Confirm, deadline, &call.id);
        }
        true
    }

    fn want(&mut self, kind: Kind, deadline: Mono, id: &CallId) {
        self.queue.want(kind, deadline, id.clone());
    }

    fn look_up(&mut self, kind: Kind, deadline: Mono, id: &CallId) {
        // A look-up that has become part of the stop waits among the stops, and nowhere else.
        self.queue.forget_lookup(id);
        self.queue.want(kind, deadline, id.clone());
    }

    /// A page wants to be listed, of several the one with the earliest `due` first.
    pub fn want_listing(&mut self, page: u8, due: Mono) {
        self.queue.want_listing(page, due);
    }

    /// The call wants nothing any more.
    pub fn forget(&mut self, id: &CallId) {
        self.queue.forget(id);
        self.lookups.remove(id);
    }

    /// Whether something of the call waits, or is under way.
    #[must_use]
    pub fn has(&self, id: &CallId) -> bool {
        self.queue.is_queued(id) || self.queue.is_under_way(id) || self.in_hand.as_ref() == Some(id)
    }

    /// Takes out what leaves next. A call is in hand until [`started`](Self::started) or
    /// [`put_down`](Self::put_down). `listing` is `None` while the listings' part is used up.
    pub fn pop(&mut self, listing: Option<Share>) -> Option<Next> {
        let next = self.queue.pop(listing)?;
        if let Next::Call(_, id) = &next {
            self.in_hand = Some(id.clone());
        }
        Some(next)
    }

    /// Takes out a listing, whatever else waits.
    pub fn pop_listing(&mut self) -> Option<Next> {
        self.queue.pop_listing()
    }

    /// What to do for the call that was taken out; `call` as it is now. `finds_ids` says whether
    /// the platform's search may find calls by their id.
    pub fn turn(&mut self, kind: Kind, call: Option<&Call>, finds_ids: bool, now: Mono) -> Turn {
        match call {
            Some(call) if call.is_queued() && kind.is_stop() => {
                // Its look-up may have waited in the same place: it goes on waiting.
                if call.is_looked_up() && !self.queue.is_queued(&call.id) {
                    let deadline = call.deadline().map_or(now, |due| due.at);
                    self.want(Kind::First, deadline, &call.id);
                }
                Turn::EndCall
            }
            Some(call) if call.is_looked_up() => {
                let begun = self.lookups.remove(&call.id);
                Turn::LookUp(Box::new(
                    begun.unwrap_or_else(|| self.begin(kind, call, finds_ids, now)),
                ))
            }
            Some(_) | None => Turn::Nothing,
        }
    }

    fn begin(&mut self, kind: Kind, call: &Call, finds_ids: bool, now: Mono) -> Begun {
        let waiting = self.queue.len(Kind::Confirm) + 1;
        let page = if kind == Kind::Confirm { self.sweep.next_page(waiting, now) } else { None };
        Begun {
            lookup: Lookup::of(call, page, finds_ids, now),
            kind,
            deadline: call.deadline().map_or(now, |due| due.at),
        }
    }

    /// The look-up goes on, after those that wait already.
    pub fn go_on(&mut self, id: &CallId, begun: Begun) {
        self.queue.want(begun.kind, begun.deadline, id.clone());
        self.lookups.insert(id.clone(), begun);
    }

    /// How many pages of all calls there are.
    pub fn swept(&mut self, last_page: u32) {
        self.sweep.heard(last_page);
    }

    /// What was taken out leaves.
    pub fn started(&mut self, next: &Next) {
        self.in_hand = None;
        self.queue.started(next);
    }

    /// What is in hand is not wanted any more.
    pub fn put_down(&mut self) {
        self.in_hand = None;
    }

    /// The request is over.
    pub fn finished(&mut self, next: &Next) {
        self.queue.finished(next);
    }

    /// How many stops wait that are past their deadline.
    #[must_use]
    pub fn backlog(&self, now: Mono) -> usize {
        self.queue.overdue(now)
    }

    /// What waits, and what is under way.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        &self.queue
    }
}
