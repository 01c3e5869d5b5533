//! What the calls want from the platform: requests, look-ups and listings in the order in which
//! they leave, how far each look-up has got, which of them share a page, and what an answer means
//! for them (spec §7, §8). The engine holds the one [`Desk`] behind a lock; it adds the waiting.

use std::{collections::HashMap, time::Duration};

use super::{
    ask::Urgency,
    call::Call,
    change::Effect,
    ids::CallId,
    lookup::{Heard, Lookup, Query, Step, Sweeps},
    platform::{Failure, Page, Row},
    queue::{Kind, Next, Opening, Queue, Share},
    quota::{Poll, Window},
    time::Mono,
};

/// The queue, and the look-ups that have begun.
#[derive(Debug, Default)]
pub struct Desk {
    queue: Queue,
    lookups: HashMap<CallId, Begun>,
    sweeps: Sweeps,
    /// Look-ups that wait for another's page.
    parked: HashMap<CallId, Begun>,
    /// Confirmations under way.
    confirming: usize,
    /// Taken out of the queue, and not settled yet.
    in_hand: Option<CallId>,
    opening: Opening,
    /// Whether the platform's search has been seen to miss calls by their id (undocumented).
    misses_ids: bool,
}

/// A look-up between two of its requests.
#[derive(Clone, Debug)]
pub struct Begun {
    lookup: Lookup,
    kind: Kind,
    deadline: Mono,
}

impl Begun {
    /// How it ranks.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    fn of(call: &Call, kind: Kind, finds_ids: bool, now: Mono) -> Self {
        Self {
            lookup: Lookup::of(call, kind == Kind::Confirm, finds_ids, now),
            kind,
            deadline: call.deadline().map_or(now, |due| due.at),
        }
    }
}

/// What is to be done for a call whose turn has come.
#[derive(Debug)]
pub enum Turn {
    /// Ask the call whether its end-call request still wants to leave.
    EndCall,
    /// This request of its look-up leaves.
    LookUp(Box<Begun>, Query),
    /// Its look-up has asked everything, and this is what it comes to.
    LookedUp(Option<Row>),
    /// Nothing: it wants neither any more, or waits for a page that another has asked for.
    Nothing,
}

/// What the answer to a look-up's request means for its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Its look-up is over: the row that was found, or why it told nothing.
    Over(Result<Option<Box<Row>>, Failure>),
    /// The look-up goes on, or is not wanted any more.
    Nothing,
}

impl Desk {
    /// The daemon starts: listings alone leave until a first pass is over, or 5 s have passed.
    pub fn open(&mut self, now: Mono) {
        self.opening = Opening::begins(now);
    }

    /// Puts what a change asks for into the queue. A request that leaves at once is not its affair.
    pub fn take(&mut self, effect: &Effect, id: &CallId) {
        match effect {
            Effect::Request { deadline, first } => {
                let kind = if *first { Kind::First } else { Kind::Repeat };
                self.queue.want(kind, *deadline, id.clone());
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

    fn look_up(&mut self, kind: Kind, deadline: Mono, id: &CallId) {
        // A look-up that has become part of the stop waits among the stops, and nowhere else; and
        // what was asked for another reason, before now, is no part of it.
        self.queue.forget_lookup(id);
        self.lookups.remove(id);
        self.parked.remove(id);
        self.queue.want(kind, deadline, id.clone());
    }

    /// Puts in again what a call waits for and the desk does not know of; says whether that was so.
    pub fn mend(&mut self, call: &Call, now: Mono) -> bool {
        let waits = call.is_queued() || call.is_looked_up();
        if !waits || self.has(&call.id) {
            return false;
        }
        let deadline = call.deadline().map_or(now, |due| due.at);
        if call.is_queued() {
            self.queue.want(Kind::Repeat, deadline, call.id.clone());
        }
        if call.is_looked_up() {
            self.look_up(Kind::Confirm, deadline, &call.id);
        }
        true
    }

    /// Whether something of the call waits, or is under way.
    #[must_use]
    pub fn has(&self, id: &CallId) -> bool {
        self.queue.is_queued(id)
            || self.queue.is_under_way(id)
            || self.parked.contains_key(id)
            || self.in_hand.as_ref() == Some(id)
    }

    /// The call wants nothing any more.
    pub fn forget(&mut self, id: &CallId) {
        self.queue.forget(id);
        self.lookups.remove(id);
        self.parked.remove(id);
    }

    /// A page wants to be listed, of several the one with the earliest `due` first.
    pub fn want_listing(&mut self, page: u8, due: Mono) {
        self.queue.want_listing(page, due);
    }

    /// Takes out what leaves next. A call is in hand until [`started`](Self::started) or
    /// [`put_down`](Self::put_down). `listing` is `None` while the listings' part is used up;
    /// `has_listed` says whether a first pass is over.
    pub fn pop(&mut self, listing: Option<Share>, has_listed: bool, now: Mono) -> Option<Next> {
        if self.opening.holds(has_listed, now) {
            return self.queue.pop_listing();
        }
        self.unpark(now);
        let next = self.queue.pop(listing)?;
        if let Next::Call(_, id) = &next {
            self.in_hand = Some(id.clone());
        }
        Some(next)
    }

    /// When to look again, though nothing is told until then: the opening is over, or a page has
    /// been waited for long enough.
    #[must_use]
    pub fn looks_again(&self, now: Mono) -> Option<Mono> {
        let held = self.parked.values().filter_map(|begun| begun.lookup.held(&self.sweeps, now));
        held.chain(self.opening.until()).min()
    }

    /// Look-ups that need not wait for a page any more take their turn again.
    fn unpark(&mut self, now: Mono) {
        let Self { parked, sweeps, .. } = self;
        let goes_on = |_: &CallId, begun: &mut Begun| begun.lookup.held(sweeps, now).is_none();
        let unparked: Vec<_> = parked.extract_if(goes_on).collect();
        for (id, begun) in unparked {
            self.go_on(&id, begun);
        }
    }

    /// What to do for the call that was taken out; `call` as it is now.
    pub fn turn(&mut self, kind: Kind, call: Option<&Call>, now: Mono) -> Turn {
        match call {
            Some(call) if call.is_queued() && kind.is_stop() => {
                // Its look-up may have waited in the same place: it goes on waiting.
                if call.is_looked_up()
                    && !self.queue.is_queued(&call.id)
                    && !self.parked.contains_key(&call.id)
                {
                    let deadline = call.deadline().map_or(now, |due| due.at);
                    self.queue.want(Kind::First, deadline, call.id.clone());
                }
                Turn::EndCall
            }
            Some(call) if call.is_looked_up() => {
                let begun = self.lookups.remove(&call.id).filter(|begun| begun.kind == kind);
                let begins = || Begun::of(call, kind, !self.misses_ids, now);
                let begun = begun.unwrap_or_else(begins);
                self.next_step(&call.id, begun, now)
            }
            Some(_) | None => Turn::Nothing,
        }
    }

    fn next_step(&mut self, id: &CallId, mut begun: Begun, now: Mono) -> Turn {
        let waiting = self.queue.len(Kind::Confirm) + self.parked.len() + self.confirming + 1;
        match begun.lookup.next_step(&mut self.sweeps, waiting, now) {
            Step::Ask(query) => Turn::LookUp(Box::new(begun), query),
            Step::Done => Turn::LookedUp(begun.lookup.likely()),
            Step::Wait => {
                self.parked.insert(id.clone(), begun);
                Turn::Nothing
            }
        }
    }

    /// The look-up goes on, after those that wait already. One that is part of the stop shares its
    /// place, and the request that waits there has the deadline of now.
    fn go_on(&mut self, id: &CallId, begun: Begun) {
        if !(begun.kind.is_stop() && self.queue.has_stop(id)) {
            self.queue.want(begun.kind, begun.deadline, id.clone());
        }
        self.lookups.insert(id.clone(), begun);
    }

    /// The answer to the request that `begun` made for the call `id` is there, and everyone whom its
    /// page shows was told. `is_wanted`: the call still waits for its look-up.
    pub fn answered(
        &mut self,
        id: &CallId,
        mut begun: Box<Begun>,
        query: Query,
        answer: Result<&Page, &Failure>,
        is_wanted: bool,
    ) -> Told {
        self.sweeps.heard(&query, answer.ok().map(|page| page.last_page));
        if !is_wanted {
            return Told::Nothing;
        }
        match begun.lookup.take(query, answer) {
            Heard::Found(row) => {
                self.misses_ids |= begun.lookup.proves_ids_unsearchable();
                Told::Over(Ok(Some(row)))
            }
            Heard::Failed(failure) => Told::Over(Err(failure)),
            Heard::GoesOn => {
                self.go_on(id, *begun);
                Told::Nothing
            }
        }
    }

    /// What was taken out leaves.
    pub fn started(&mut self, next: &Next) {
        self.in_hand = None;
        self.confirming += usize::from(is_confirmation(next));
        self.queue.started(next);
    }

    /// What is in hand may not leave now after all: it takes its place again.
    pub fn put_back(&mut self, kind: Kind, call: &Call) {
        self.in_hand = None;
        if let Some(deadline) = call.deadline().filter(|_| call.is_queued()) {
            self.queue.want(kind, deadline.at, call.id.clone());
        }
    }

    /// What is in hand is not wanted any more.
    pub fn put_down(&mut self) {
        self.in_hand = None;
    }

    /// The request is over.
    pub fn finished(&mut self, next: &Next) {
        self.confirming = self.confirming.saturating_sub(usize::from(is_confirmation(next)));
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

    /// How many look-ups wait for another's page.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.parked.len()
    }
}

fn is_confirmation(next: &Next) -> bool {
    matches!(next, Next::Call(Kind::Confirm, _))
}

/// What share listings may take now of their part of the quota of `most` a `span`; `None` while
/// that is used up.
pub fn listings_share(
    share: Share,
    part: &mut Window,
    (most, span): (u32, Duration),
    now: Mono,
) -> Option<Share> {
    part.reconfigure(share.of(most), span, now);
    (part.poll(now) == Poll::Go).then_some(share)
}

/// Until when a request of the call waits for its intent to be durable (spec §7); `None` if nothing
/// is to wait for.
#[must_use]
pub fn awaits_intent(call: &Call, now: Mono) -> Option<Mono> {
    const INTENT_WAIT: Duration = Duration::from_millis(100);
    Some(call.deadline()?.at.after(INTENT_WAIT)).filter(|until| now < *until)
}

#[cfg(test)]
mod tests;
