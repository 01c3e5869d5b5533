//! A store that keeps exactly what was committed, and the write-behind in front of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use callwarden::model::{
    call::Call,
    change::Event,
    event::EventKind,
    health::{ALARM, Delivery},
    ids::CallId,
    listing,
    operator::Act,
    outcome::Outcome,
    quota::{REMEMBERED, Unwritten},
    time::Wall,
};

use super::{
    SECOND, Time,
    daemon::{Waiter, Waits},
    laws::Books,
    promise::Death,
    scenario::Fault,
    world::{Coming, World},
};

#[derive(Default)]
pub(super) struct Store {
    rows: BTreeMap<CallId, Saved>,
    requests: Vec<Wall>,
    /// How many requests may have left unwritten.
    unwritten: u32,
    pub(super) is_down: bool,
    /// Since when it works.
    pub(super) works_since: Time,
    /// What was answered 2xx: it must never be missing.
    acknowledged: Vec<(CallId, CallId, EventKind)>,
    /// Operators' words that were answered 2xx.
    ordered: Vec<(CallId, CallId, Act)>,
}

#[derive(Clone)]
struct Saved {
    call: Call,
    boot: u64,
    books: Books,
    context: Option<Arc<str>>,
}

/// A call as the store has it.
pub(super) struct Found {
    pub(super) call: Call,
    pub(super) books: Books,
    pub(super) same_boot: bool,
    pub(super) context: Option<Arc<str>>,
}

impl Saved {
    fn found(&self, boot: u64) -> Found {
        let Self { call, books, context, .. } = self;
        let same_boot = self.boot == boot;
        Found { call: read(call), books: books.clone(), same_boot, context: context.clone() }
    }
}

/// One commit.
#[derive(Default)]
pub(super) struct Batch {
    rows: Vec<(CallId, Saved)>,
    joined_away: Vec<(CallId, CallId)>,
    requests: Vec<Wall>,
    allows_unwritten: Option<u32>,
    waiters: Vec<Waiter>,
}

impl Batch {
    /// How many requests it has.
    pub(super) fn requests(&self) -> usize {
        self.requests.len()
    }
}

impl Store {
    pub(super) fn find(&self, id: &CallId, boot: u64) -> Option<Found> {
        let by_sid = || self.rows.values().find(|saved| saved.call.facts.sid() == Some(id));
        Some(self.rows.get(id).or_else(by_sid)?.found(boot))
    }

    /// Whether a row goes by this very name.
    pub(super) fn has_row_of(&self, id: &CallId) -> bool {
        self.rows.contains_key(id)
    }

    pub(super) fn context(&self, id: &CallId) -> Option<Arc<str>> {
        self.rows.get(id)?.context.clone()
    }

    /// How many requests may have left unwritten, as a restart would count them.
    pub(super) fn unwritten(&self) -> usize {
        self.unwritten as usize
    }

    pub(super) fn works(&mut self, now: Time) {
        self.is_down = false;
        self.works_since = now;
    }

    /// Every call that it has.
    pub(super) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.rows.values().map(|saved| &saved.call)
    }

    fn commit(&mut self, batch: &Batch) {
        for (id, saved) in &batch.rows {
            let known = self.rows.get(id);
            if known.is_none_or(|known| known.call.version < saved.call.version) {
                let context =
                    saved.context.clone().or_else(|| known.and_then(|known| known.context.clone()));
                self.rows.insert(id.clone(), Saved { context, ..saved.clone() });
            }
        }
        for (sid, id) in &batch.joined_away {
            let Some(gone) = self.rows.remove(sid) else { continue };
            if let Some(kept) = self.rows.get_mut(id) {
                kept.context = kept.context.take().or(gone.context);
            }
        }
        self.requests.extend(&batch.requests);
        self.unwritten = batch.allows_unwritten.unwrap_or(self.unwritten);
    }

    fn unended(&self, boot: u64) -> Vec<Found> {
        let unended = self.rows.values().filter(|saved| saved.call.ended.is_none());
        unended.map(|saved| saved.found(boot)).collect()
    }

    /// The first operator's word that was answered 2xx and is not there, nor a later one.
    fn lacks_order(&self) -> Option<&(CallId, CallId, Act)> {
        self.ordered.iter().find(|(id, sid, act)| {
            let rows = [id, sid].into_iter().filter_map(|name| self.rows.get(name));
            rows.filter_map(|saved| saved.call.facts.operator()).all(|known| known < *act)
        })
    }

    /// The first fact that was answered 2xx and is not there.
    fn lacks(&self) -> Option<&(CallId, CallId, EventKind)> {
        self.acknowledged.iter().find(|(id, sid, kind)| !self.holds(id, sid, *kind))
    }

    fn holds(&self, id: &CallId, sid: &CallId, kind: EventKind) -> bool {
        [id, sid].iter().filter_map(|name| self.rows.get(*name)).any(|saved| {
            let doubted =
                || saved.call.trail.iter().any(|entry| entry.what.name() == "time_doubted");
            saved.call.facts.times(kind).is_some() || doubted()
        })
    }
}

/// A call as it comes back from its row.
fn read(call: &Call) -> Call {
    let row = serde_json::to_string(call).expect("a call is JSON");
    serde_json::from_str(&row).expect("a stored call loads")
}

impl World {
    /// Begins a commit of all that waits.
    pub(super) fn write(&mut self) {
        let Some(daemon) = &mut self.daemon else { return };
        let has_more = !daemon.dirty.is_empty()
            || !daemon.waiters.is_empty()
            || !daemon.requests.is_empty()
            || daemon.allows_unwritten.is_some();
        if daemon.writing.is_none() && !has_more {
            daemon.recorded_until = self.time;
        }
        if daemon.writing.is_some() || daemon.is_failing || !has_more {
            return;
        }
        let is_unasked =
            |id: &&CallId| daemon.calls.get(*id).is_some_and(|kept| kept.unasked.is_any());
        let unasked: Vec<_> = daemon.dirty.iter().filter(is_unasked).cloned().collect();
        if !unasked.is_empty() {
            if self.store.is_down {
                return self.put_back(Batch::default());
            }
            self.check(unasked);
        }
        let Some(daemon) = &mut self.daemon else { return };
        let dirty = std::mem::take(&mut daemon.dirty);
        let boot = self.clock.boot;
        let saved = |id: CallId| {
            let kept = daemon.calls.get(&id)?;
            let (call, books) = (kept.call.clone(), kept.books.clone());
            Some((id, Saved { call, boot, books, context: kept.context.clone() }))
        };
        let rows = dirty.into_iter().filter_map(saved).collect();
        daemon.writing = Some(Batch {
            rows,
            joined_away: std::mem::take(&mut daemon.joined_away),
            requests: std::mem::take(&mut daemon.requests),
            allows_unwritten: daemon.allows_unwritten.take(),
            waiters: std::mem::take(&mut daemon.waiters),
        });
        let life = daemon.life;
        let usual = self.rng.i64(500..5_000);
        let takes =
            if self.strikes(Fault::SlowStore) { self.rng.i64(usual..8 * SECOND) } else { usual };
        self.expect_in(takes, Coming::Committed(life));
    }

    /// The commit is over.
    pub(super) fn committed(&mut self) {
        let Some(batch) = self.daemon.as_mut().and_then(|daemon| daemon.writing.take()) else {
            return;
        };
        if self.store.is_down {
            return self.put_back(batch);
        }
        self.store.commit(&batch);
        let Some(daemon) = &mut self.daemon else { return };
        for (id, saved) in &batch.rows {
            if let Some(kept) = daemon.calls.get_mut(id) {
                kept.saved = kept.saved.max(saved.call.version);
                let is_kept = kept.context.as_ref().zip(saved.context.as_ref());
                if is_kept.is_some_and(|(ours, stored)| Arc::ptr_eq(ours, stored)) {
                    kept.context = None;
                }
            }
        }
        daemon.unwritten.written(batch.requests.len(), batch.allows_unwritten);
        let now = self.now().mono;
        for Waiter { id, what, patience } in batch.waiters {
            self.answer(what, &id, now < patience);
        }
        self.intent_is_durable();
    }

    /// A commit failed, or what an earlier life left could not be read.
    pub(super) fn store_fails(&mut self) {
        let now = self.now().mono;
        let Some(daemon) = &mut self.daemon else { return };
        daemon.is_failing = true;
        daemon.signs.store_fails("it is down".to_owned(), now);
        daemon.troubles.store_failed = true;
    }

    fn put_back(&mut self, batch: Batch) {
        let Some(daemon) = &mut self.daemon else { return };
        daemon.dirty.extend(batch.rows.into_iter().map(|(id, _)| id));
        daemon.joined_away.extend(batch.joined_away);
        daemon.requests.extend(batch.requests);
        daemon.allows_unwritten = daemon.allows_unwritten.or(batch.allows_unwritten);
        let waiting = std::mem::take(&mut daemon.waiters);
        self.store_fails();
        for Waiter { id, what, .. } in batch.waiters.into_iter().chain(waiting) {
            self.answer(what, &id, false);
        }
    }

    /// A failing store is tried again: all that it may lack is written before anything else.
    pub(super) fn heal_store(&mut self) {
        if self.store.is_down {
            return;
        }
        let Some(daemon) = self.daemon.as_mut().filter(|daemon| daemon.is_failing) else { return };
        self.record.sometimes("the store was read after it failed");
        let was_loaded = daemon.is_loaded;
        if !was_loaded {
            self.load();
        }
        let Some(daemon) = &mut self.daemon else { return };
        let unasked = daemon.calls.iter().filter(|(_, kept)| kept.unasked.is_any());
        let unasked: Vec<_> = unasked.map(|(id, _)| id.clone()).collect();
        self.check(unasked);
        let Some(daemon) = &mut self.daemon else { return };
        daemon.is_failing = false;
        daemon.signs.store_works();
        daemon.troubles.store_failed = false;
        let unended = daemon.calls.iter().filter(|(_, kept)| kept.call.ended.is_none());
        daemon.dirty.extend(unended.map(|(id, _)| id.clone()));
    }

    /// The store is asked about calls that were taken in while it could not be.
    fn check(&mut self, unasked: Vec<CallId>) {
        let now = self.now();
        for id in unasked {
            let Some(kept) = self.daemon.as_mut().and_then(|daemon| daemon.calls.get_mut(&id))
            else {
                continue;
            };
            let boot = self.clock.boot;
            let unasked = std::mem::take(&mut kept.unasked);
            let names: Vec<_> = unasked.names(&kept.call).collect();
            let stored = names.iter().filter_map(|name| self.store.find(name, boot));
            let news: Vec<_> =
                stored.filter(|stored| unasked.is_news(&id, &stored.call.id)).collect();
            for Found { call: stored, mut books, same_boot, context } in news {
                let Some(daemon) = &mut self.daemon else { continue };
                let Some(kept) = daemon.calls.get_mut(&id) else { continue };
                kept.call.version = kept.call.version.max(stored.version);
                // What it has under the sid alone is no call of its own any more.
                let name = stored.id.clone();
                if name != id && names.contains(&name) {
                    daemon.tally.joined_away(&name);
                    daemon.joined_away.push((name, id.clone()));
                }
                let was_over = kept.call.ended.is_some();
                let context = context.as_deref();
                let restored = Event::Restored { same_boot, context };
                books.before(&restored, &stored, now, &daemon.plan);
                let stored = stored.apply(&restored, now, &daemon.plan.policy).next;
                kept.books.join(&books);
                self.alter(&id, &Event::Joined(&stored));
                self.alter(&id, &Event::PolicyChanged { context });
                // The store's outcome was counted in an earlier life.
                if !was_over {
                    self.count_outcome_of(&id, &stored);
                }
            }
        }
    }

    fn count_outcome_of(&mut self, id: &CallId, stored: &Call) {
        let Some(daemon) = &mut self.daemon else { return };
        let is_over = daemon.call(id).is_some_and(|call| call.ended.is_some());
        daemon.outcomes += i64::from(is_over && stored.ended.is_some());
    }

    /// All that an earlier life left.
    pub(super) fn load(&mut self) {
        let now = self.now();
        if let Some((id, _, kind)) = self.store.lacks() {
            let seen = format!("{id} was answered 2xx for {kind}, and the store lacks it");
            self.record.broken("what was answered 2xx is never lost", || seen);
        }
        if let Some((id, _, act)) = self.store.lacks_order() {
            let seen = format!("{id}: {act:?}");
            self.record.broken("an operator's 2xx binds", || seen);
        }
        for found in self.store.unended(self.clock.boot) {
            self.restore(found);
        }
        let Some(daemon) = &mut self.daemon else { return };
        let alarms = self.store.calls().filter(|call| {
            let ended = call.ended.filter(|ended| ended.outcome == Outcome::Failed);
            let is_recent = ended.is_some_and(|ended| ended.recorded >= now.wall.before(ALARM));
            is_recent && !daemon.calls.contains_key(&call.id)
        });
        alarms.for_each(|call| daemon.tally.watch(call));
        let heard = self.store.calls().filter_map(listing::heard_agent);
        daemon.heard_agents.extend(heard.cloned());
        let (most, _) = daemon.tuning;
        let since = now.wall.before(REMEMBERED);
        let sent = self.store.requests.iter().filter(|at| **at >= since);
        let sent = sent.map(|at| now.mono_of(at.after(Duration::from_secs(1))));
        // Another crash must not forget them: this life has them on record.
        let on_record = std::iter::repeat_n(now.wall, self.store.unwritten as usize);
        daemon.requests.extend(on_record);
        (0..self.store.unwritten).for_each(|_| daemon.unwritten.sent());
        let unwritten = std::iter::repeat_n(now.mono, self.store.unwritten as usize);
        daemon.quota.restore(now.mono, sent.chain(unwritten).collect::<Vec<_>>());
        let most = Unwritten::most(most);
        daemon.allows_unwritten = Some(most);
        daemon.unwritten.allow(most);
        daemon.is_loaded = true;
    }

    /// The daemon is killed: a commit under way may or may not have reached the disk.
    pub(super) fn cut_commit(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        let death = Death { at: self.time, unrecorded_since: daemon.recorded_until };
        self.truth.deaths.push(death);
        let mut unsaved = daemon.requests.len();
        if let Some(batch) = daemon.writing.take() {
            if !self.store.is_down && self.rng.bool() {
                self.store.commit(&batch);
                self.record.sometimes("a commit survived the crash that hid it");
            } else {
                unsaved += batch.requests.len();
                self.record.sometimes("a commit was lost in a crash");
            }
            daemon.waiters.extend(batch.waiters);
        }
        for waiter in daemon.waiters {
            if let Waits::Hook(hook) = waiter.what {
                self.repeat_hook(*hook);
            }
        }
        // A store that failed, or was slow, held nothing back.
        let unknown = unsaved.saturating_sub(self.store.unwritten as usize);
        self.truth.forget_requests(unknown);
    }

    /// Whoever waited is answered.
    pub(super) fn answer(&mut self, what: Waits, id: &CallId, is_durable: bool) {
        match what {
            Waits::Hook(hook) => self.answer_hook(*hook, id, is_durable),
            Waits::Order(act) if is_durable => self.order_is_durable(id, act),
            Waits::Order(_) => {}
        }
    }

    fn order_is_durable(&mut self, id: &CallId, act: Act) {
        let Some(nth) = self.index.get(id) else { return };
        let call = &self.calls[*nth];
        self.store.ordered.push((call.id.clone(), call.sid.clone(), act));
        if self.store.lacks_order().is_some() {
            let seen = format!("{id}: {act:?}");
            self.record.broken("an operator's 2xx binds", || seen);
        }
    }

    /// The webhook is answered.
    pub(super) fn answer_hook(&mut self, hook: super::post::Hook, id: &CallId, is_durable: bool) {
        self.record.tell(self.time, || {
            let word = if is_durable { 200 } else { 503 };
            format!("{id} webhook {} answered {word}", hook.heard.kind)
        });
        let now = self.now().mono;
        if let Some(daemon) = &mut self.daemon {
            let delivery = if is_durable { Delivery::Accepted } else { Delivery::Other };
            daemon.signs.webhook(delivery, now);
            daemon.troubles.took(is_durable, now);
        }
        if !is_durable {
            return self.repeat_hook(hook);
        }
        self.has_delivered(hook.logged);
        self.truth.is_told.insert(hook.call);
        let call = &self.calls[hook.call];
        // One that is not the call's own is forgotten once the platform has named that.
        if let Some(agent) = hook.heard.agent.as_ref().filter(|agent| **agent == call.agent) {
            self.truth.known_agents.entry(agent.clone()).or_insert(self.time);
        }
        let (id, sid, kind) = (call.id.clone(), call.sid.clone(), hook.heard.kind);
        if !self.store.holds(&id, &sid, kind) {
            let seen = format!("{id} {kind}");
            self.record.broken("what is answered 2xx is durable", || seen);
        }
        self.store.acknowledged.push((id, sid, kind));
    }

    pub(super) fn store_outage(&mut self, lasts: Time) {
        self.store.is_down = true;
        self.expect_in(lasts, Coming::StoreWorks);
    }
}
