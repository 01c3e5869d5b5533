//! The calls: a [`DashMap`], and the one function that writes them.
//!
//! No guard leaves this file, none is held over an await, and nothing locks a second key. What
//! follows from a change (a wake-up, a request, a write) is handed on while the entry is locked,
//! without waiting, so that the changes of a call reach timer, desk and ledger in their order.

use std::sync::{Arc, PoisonError, RwLock};

use dashmap::{DashMap, Entry as Place};

use super::{
    clock::Clock,
    desk::Desk,
    ledger::{Ledger, Ticket},
    persist::Loaded,
    room::{Full, Room},
    vitals::Locked,
    wakeups::Wakeups,
};
use crate::model::{
    call::Call,
    change::{Change, Effect, Event, Note, Received},
    event::{CallName, Heard},
    health::{Standing, Tally},
    ids::CallId,
    operator::{Order, Refused},
    platform::Row,
    policy::Policy,
    promise::{self, Breach},
    time::{Mono, Wall},
    unasked::Unasked,
};

/// Every call in memory: those without outcome, and those that ended lately.
pub(super) struct Calls {
    map: DashMap<CallId, Entry>,
    /// By the provider's sid, the id of the call.
    aliases: DashMap<CallId, CallId>,
    policy: RwLock<Arc<Policy>>,
    pub(super) room: Room,
    clock: Clock,
    pub(super) tally: Locked<Tally>,
    wakeups: Arc<Wakeups>,
    desk: Arc<Desk>,
    ledger: Arc<Ledger>,
}

/// A call and what is kept beside it.
struct Entry {
    call: Call,
    /// The version that is durable.
    saved: u64,
    /// The version that first held the present intent to stop.
    intended: u64,
    /// The context's text, until it is durable.
    context: Option<Arc<str>>,
    /// The wake-up that the timer has been told.
    wakeup: Option<Mono>,
    /// Under which names the store could not be asked whether it knows the call.
    unasked: Unasked,
}

/// A change that was made, as those outside see it.
pub(super) struct Changed {
    /// The call after it.
    pub(super) call: Call,
    /// To wait for it to be durable; `None` if it is, or if nobody asked for one.
    pub(super) ticket: Option<Ticket>,
    /// What became of a webhook.
    pub(super) taken: Option<Received>,
    /// What is worth telling.
    pub(super) notes: Vec<Note>,
    /// The request that is to leave now.
    pub(super) send: Option<Effect>,
    /// What the promise rules out, should it have come about.
    pub(super) breach: Option<Breach>,
}

/// What came of comparing the calls with timer and desk.
#[derive(Default)]
pub(super) struct Repaired {
    /// How many had to be told again.
    pub(super) count: usize,
    /// What the promise rules out, and was found.
    pub(super) breaches: Vec<(CallId, Breach)>,
}

/// A snapshot of a call, for the store.
pub(super) struct Snapshot {
    pub(super) call: Call,
    pub(super) context: Option<Arc<str>>,
}

/// A call that was known by its sid alone, and what was kept beside it.
pub(super) struct TakenOut {
    call: Call,
    context: Option<Arc<str>>,
    unasked: Unasked,
}

impl Calls {
    pub(super) fn new(
        policy: Policy,
        most: usize,
        clock: Clock,
        wakeups: Arc<Wakeups>,
        desk: Arc<Desk>,
        ledger: Arc<Ledger>,
    ) -> Self {
        Self {
            map: DashMap::new(),
            aliases: DashMap::new(),
            policy: RwLock::new(Arc::new(policy)),
            room: Room::new(most),
            clock,
            tally: Locked::default(),
            wakeups,
            desk,
            ledger,
        }
    }

    /// Applies `event` to a call in memory; `None` if it is not there.
    pub(super) fn change(&self, id: &CallId, event: &Event<'_>) -> Option<Changed> {
        let mut entry = self.map.get_mut(id)?;
        Some(self.alter(&mut entry, event))
    }

    /// The call's wake-up has come. The timer has let go of it, so it is told the next one even if
    /// that is the same.
    pub(super) fn wake(&self, id: &CallId) -> Option<Changed> {
        let mut entry = self.map.get_mut(id)?;
        entry.wakeup = None;
        Some(self.alter(&mut entry, &Event::Woke))
    }

    /// Takes in a webhook's event; a call not in memory begins with it.
    pub(super) fn hear(
        &self,
        id: &CallId,
        heard: &Heard,
        context: Option<Arc<str>>,
        unasked: Unasked,
    ) -> Result<Changed, Full> {
        let mut entry = match self.map.entry(id.clone()) {
            Place::Occupied(place) => place.into_ref(),
            Place::Vacant(place) => match self.admit(id) {
                Ok(entry) => place.insert(entry),
                Err(full) => {
                    // Its name would stay for ever. Who else is about to take the call in waits for
                    // its place, and gives it the name again.
                    if let CallName::Both { sid, .. } = &heard.call {
                        self.aliases.remove_if(sid, |_, known| known == id);
                    }
                    return Err(full);
                }
            },
        };
        entry.unasked = entry.unasked.told_again(unasked);
        Ok(self.take_in(&mut entry, heard, context))
    }

    /// Gives a call an operator's order, if its state allows it; `None` if it is not in memory.
    pub(super) fn order(&self, id: &CallId, order: Order) -> Option<Result<Changed, Refused>> {
        let mut entry = self.map.get_mut(id)?;
        let act = match entry.call.ordered(order, self.clock.now().wall) {
            Ok(act) => act,
            Err(refused) => return Some(Err(refused)),
        };
        let changed = self.alter(&mut entry, &Event::Operator(act));
        Some(Ok(Changed { ticket: self.ticket_of(&entry), ..changed }))
    }

    /// A row that nobody asked for showed a call; `None` if the call is not in memory.
    pub(super) fn show(&self, row: &Row, listing: bool) -> Option<Changed> {
        self.change(&row.id, &Event::Shown { row, listing })
    }

    /// A listing showed a call that we did not know. `unasked`: nor could the store be asked.
    pub(super) fn adopt(&self, row: &Row, unasked: Unasked) -> Result<Changed, Full> {
        match self.map.entry(row.id.clone()) {
            Place::Occupied(mut place) => {
                Ok(self.alter(place.get_mut(), &Event::Shown { row, listing: true }))
            }
            Place::Vacant(place) => {
                let mut entry = self.admit(&row.id)?;
                entry.unasked = unasked;
                let mut place = place.insert(entry);
                Ok(self.alter(&mut place, &Event::Shown { row, listing: true }))
            }
        }
    }

    /// Joins what was known of a call under its sid alone into the call of its id.
    pub(super) fn join(&self, id: &CallId, other: &TakenOut) -> Changed {
        let mut is_new = false;
        let mut entry = self.map.entry(id.clone()).or_insert_with(|| {
            is_new = true;
            self.room.enter();
            self.enter(Call::new(id.clone(), self.clock.now()))
        });
        entry.context = entry.context.take().or_else(|| other.context.clone());
        entry.unasked = entry.unasked.joined(other.unasked, is_new);
        self.alter(&mut entry, &Event::Joined(&other.call))
    }

    /// To wait until the intent to stop the call is durable; `None` if it is.
    pub(super) fn intent(&self, id: &CallId) -> Option<Ticket> {
        let entry = self.map.get(id)?;
        (entry.saved < entry.intended).then(|| self.ledger.ticket(id))
    }

    /// Takes a call out of memory, as if it had never been there.
    pub(super) fn take_out(&self, id: &CallId) -> Option<TakenOut> {
        let (_, Entry { call, context, unasked, .. }) = self.map.remove(id)?;
        self.leave(&call);
        self.tally.get().joined_away(id);
        Some(TakenOut { call, context, unasked })
    }

    /// Puts a call back that the store had, unless it is in memory already.
    /// `context` is what the store has of its context.
    pub(super) fn restore(
        &self,
        call: Call,
        same_boot: bool,
        context: Option<&str>,
    ) -> Option<Changed> {
        let Place::Vacant(place) = self.map.entry(call.id.clone()) else { return None };
        let is_over = call.ended.is_some();
        if !is_over {
            self.room.enter();
        }
        let mut entry = Entry { saved: call.version, ..self.enter(call) };
        let changed = self.alter(&mut entry, &Event::Restored { same_boot, context });
        place.insert(entry);
        Some(changed)
    }

    /// A call as the store should have it.
    pub(super) fn snapshot(&self, id: &CallId) -> Option<Snapshot> {
        let entry = self.map.get(id)?;
        Some(Snapshot { call: entry.call.clone(), context: entry.context.clone() })
    }

    /// A call as it is now.
    pub(super) fn find(&self, id: &CallId) -> Option<Call> {
        self.map.get(id).map(|entry| entry.call.clone())
    }

    /// What `look` makes of a call; `None` if it is not in memory.
    pub(super) fn look<T>(&self, id: &CallId, look: impl FnOnce(&Call) -> T) -> Option<T> {
        self.map.get(id).map(|entry| look(&entry.call))
    }

    /// Whether the call is in memory.
    pub(super) fn contains(&self, id: &CallId) -> bool {
        self.map.contains_key(id)
    }

    /// The id of the call whose sid this is.
    pub(super) fn id_of(&self, sid: &CallId) -> Option<CallId> {
        self.aliases.get(sid).map(|id| id.clone())
    }

    /// Remembers that a call goes by `sid` too.
    pub(super) fn alias(&self, sid: &CallId, id: &CallId) {
        if sid != id {
            self.aliases.insert(sid.clone(), id.clone());
        }
    }

    /// `version` of a call, with this context, is durable.
    pub(super) fn saved(&self, id: &CallId, version: u64, context: Option<&Arc<str>>) {
        if let Some(mut entry) = self.map.get_mut(id) {
            entry.saved = entry.saved.max(version);
            if entry.context.as_ref().zip(context).is_some_and(|(a, b)| Arc::ptr_eq(a, b)) {
                entry.context = None;
            }
        }
    }

    /// Every call in memory.
    pub(super) fn ids(&self) -> Vec<CallId> {
        self.map.iter().map(|entry| entry.key().clone()).collect()
    }

    /// The calls without outcome: all of them must be written again after the store failed.
    pub(super) fn unended_ids(&self) -> Vec<CallId> {
        let unended = |call: &Call| call.ended.is_none();
        self.map.iter().filter(|e| unended(&e.call)).map(|e| e.key().clone()).collect()
    }

    /// The store could not be asked about a call under these names.
    pub(super) fn doubt(&self, id: &CallId, unasked: Unasked) {
        if let Some(mut entry) = self.map.get_mut(id).filter(|_| unasked.is_any()) {
            entry.unasked = entry.unasked.told_again(unasked);
        }
    }

    /// The calls of which the store could not be asked when they were taken in.
    pub(super) fn unasked_ids(&self) -> Vec<CallId> {
        self.map.iter().filter(|e| e.unasked.is_any()).map(|e| e.key().clone()).collect()
    }

    /// The names under which the store could not be asked about the call.
    pub(super) fn unasked_names(&self, id: &CallId) -> Vec<CallId> {
        let names = |entry: &Entry| entry.unasked.names(&entry.call).collect();
        self.map.get(id).map(|entry| names(&entry)).unwrap_or_default()
    }

    /// The store was asked about the call, and had `stored`, perhaps under either name: their facts
    /// are joined in, and their stop goes on as after a restart.
    pub(super) fn check(&self, id: &CallId, stored: &[Loaded]) {
        let Some(mut entry) = self.map.get_mut(id) else { return };
        let unasked = std::mem::take(&mut entry.unasked);
        for stored in stored.iter().filter(|stored| unasked.is_news(id, &stored.call.id)) {
            entry.call.version = entry.call.version.max(stored.call.version);
            let context = stored.context.as_deref();
            let restored = Event::Restored { same_boot: stored.same_boot, context };
            let policy = self.policy();
            let call = stored.call.apply(&restored, self.clock.now(), &policy).next;
            self.alter(&mut entry, &Event::Joined(&call));
            self.alter(&mut entry, &Event::PolicyChanged { context });
        }
    }

    /// The wall clock has stepped: calls with a limit that is its own are looked at anew.
    pub(super) fn follow_wall(&self, mut told: impl FnMut(&Changed)) {
        for mut entry in self.map.iter_mut() {
            if entry.call.follows_wall() {
                told(&self.alter(&mut entry, &Event::Woke));
            }
        }
    }

    /// Looks at every call: what `look` returns of those it wants.
    pub(super) fn collect<T>(&self, mut look: impl FnMut(&Call) -> Option<T>) -> Vec<T> {
        self.map.iter().filter_map(|entry| look(&entry.call)).collect()
    }

    /// Looks at every call.
    pub(super) fn each(&self, mut look: impl FnMut(&Call)) {
        self.map.iter().for_each(|entry| look(&entry.call));
    }

    /// Lets go of calls whose end is durable and was recorded before `before`.
    pub(super) fn forget_ended(&self, before: Wall) {
        let is_old = |entry: &Entry| {
            let recorded = entry.call.ended.map(|ended| ended.recorded);
            recorded.is_some_and(|at| at < before) && entry.saved >= entry.call.version
        };
        let old: Vec<_> = self.map.iter().filter(|e| is_old(e)).map(|e| e.key().clone()).collect();
        for id in old {
            if let Some((_, entry)) = self.map.remove_if(&id, |_, entry| is_old(entry)) {
                self.leave(&entry.call);
                if let Some(sid) = entry.call.facts.sid() {
                    self.aliases.remove_if(sid, |_, alias| *alias == id);
                }
            }
        }
    }

    /// Compares each call with what timer and desk have of it; and with the promise.
    pub(super) fn repair(&self) -> Repaired {
        let (policy, now) = (self.policy(), self.clock.now().mono);
        let mut repaired = Repaired::default();
        for mut entry in self.map.iter_mut() {
            let Entry { call, wakeup, .. } = entry.value_mut();
            let wanted = call.wakeup(&policy);
            if !self.wakeups.is_armed(&call.id, wanted) {
                self.wakeups.arm(&call.id, wanted);
                *wakeup = wanted;
                repaired.count += 1;
            }
            repaired.count += usize::from(self.desk.mend(call, now));
            let breach = promise::at_rest(call, now).map(|breach| (call.id.clone(), breach));
            repaired.breaches.extend(breach);
        }
        repaired
    }

    /// The policy in force.
    pub(super) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another policy in force, from the next event of each call on.
    pub(super) fn set_policy(&self, policy: Policy) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    /// How many calls are in memory.
    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    fn admit(&self, id: &CallId) -> Result<Entry, Full> {
        self.room.ask()?;
        Ok(self.enter(Call::new(id.clone(), self.clock.now())))
    }

    fn enter(&self, call: Call) -> Entry {
        self.tally.get().enter(&call);
        Entry::new(call)
    }

    fn leave(&self, call: &Call) {
        if call.ended.is_none() {
            self.room.leave();
        }
        self.tally.get().leave(call);
        self.wakeups.arm(&call.id, None);
        self.desk.forget(&call.id);
    }

    fn take_in(&self, entry: &mut Entry, heard: &Heard, context: Option<Arc<str>>) -> Changed {
        let before = entry.call.facts.context();
        let changed = self.alter(entry, &Event::Heard(heard));
        if entry.call.facts.context() != before {
            entry.context = context;
        }
        Changed { ticket: self.ticket_of(entry), ..changed }
    }

    fn ticket_of(&self, entry: &Entry) -> Option<Ticket> {
        let is_saved = entry.saved >= entry.call.version;
        (!is_saved).then(|| self.ledger.ticket(&entry.call.id))
    }

    fn alter(&self, entry: &mut Entry, event: &Event<'_>) -> Changed {
        let now = self.clock.now();
        let policy = self.policy();
        let Change { next, effects, taken, notes } = entry.call.apply(event, now, &policy);
        let before = std::mem::replace(&mut entry.call, next);
        let call = &entry.call;
        if call.version != before.version {
            self.ledger.mark(&call.id);
        }
        if call.stop.intent != before.stop.intent {
            entry.intended = call.version;
        }
        let wakeup = call.wakeup(&policy);
        if wakeup != entry.wakeup {
            self.wakeups.arm(&call.id, wakeup);
            entry.wakeup = wakeup;
        }
        let send = self.hand_on(call, effects);
        match (before.ended.is_some(), call.ended.is_some()) {
            (false, true) => {
                self.room.leave();
                self.desk.forget(&call.id);
            }
            // Live again: what is live is taken on, whatever `max_calls` says.
            (true, false) => self.room.enter(),
            (false, false) | (true, true) => {}
        }
        let (was, is) = (Standing::of(&before), Standing::of(call));
        if was != is {
            self.tally.get().moved(&call.id, was, is);
        }
        let breach = promise::of_change(&before, call, send.is_some(), wakeup, now.mono);
        Changed { call: call.clone(), ticket: None, taken, notes, send, breach }
    }

    /// Queues what is to be queued; gives back what is to leave at once.
    fn hand_on(&self, call: &Call, effects: Vec<Effect>) -> Option<Effect> {
        let mut send = None;
        for effect in effects {
            match effect {
                Effect::Request { .. } | Effect::Lookup { .. } => self.desk.take(&effect, &call.id),
                Effect::Send { .. } => send = Some(effect),
            }
        }
        send
    }
}

impl Entry {
    fn new(call: Call) -> Self {
        Self {
            call,
            saved: 0,
            intended: 0,
            context: None,
            wakeup: None,
            unasked: Unasked::default(),
        }
    }
}

#[cfg(test)]
mod tests;
