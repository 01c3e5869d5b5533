//! A store that keeps exactly what was committed, and the write-behind in front of it.

use std::{collections::BTreeMap, time::Duration};

use callwarden::model::{call::Call, change::Event, event::EventKind, ids::CallId, time::Wall};

use super::{
    SECOND, Time,
    daemon::Waiter,
    laws::Books,
    scenario::Fault,
    world::{Coming, World},
};

#[derive(Default)]
pub(super) struct Store {
    rows: BTreeMap<CallId, Saved>,
    requests: Vec<Wall>,
    pub(super) is_down: bool,
    /// What was answered 2xx: it must never be missing.
    acknowledged: Vec<(CallId, CallId, EventKind)>,
}

#[derive(Clone)]
struct Saved {
    call: Call,
    boot: u64,
    books: Books,
}

/// One commit.
pub(super) struct Batch {
    rows: Vec<(CallId, Saved)>,
    joined_away: Vec<CallId>,
    requests: Vec<Wall>,
    waiters: Vec<Waiter>,
}

impl Store {
    pub(super) fn find(&self, id: &CallId) -> Option<(Call, Books, u64)> {
        let by_sid = || self.rows.values().find(|saved| saved.call.facts.sid() == Some(id));
        let saved = self.rows.get(id).or_else(by_sid)?;
        Some((read(&saved.call), saved.books.clone(), saved.boot))
    }

    fn commit(&mut self, batch: &Batch) {
        for (id, saved) in &batch.rows {
            let is_newer =
                self.rows.get(id).is_none_or(|known| known.call.version <= saved.call.version);
            if is_newer {
                self.rows.insert(id.clone(), saved.clone());
            }
        }
        for id in &batch.joined_away {
            self.rows.remove(id);
        }
        self.requests.extend(&batch.requests);
    }

    fn unended(&self) -> Vec<(Call, Books, u64)> {
        let unended = self.rows.values().filter(|saved| saved.call.ended.is_none());
        unended.map(|saved| (read(&saved.call), saved.books.clone(), saved.boot)).collect()
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
        let has_more = !daemon.dirty.is_empty() || !daemon.waiters.is_empty();
        if daemon.writing.is_some() || daemon.is_failing || !has_more {
            return;
        }
        let is_unchecked = |id: &&CallId| daemon.calls.get(*id).is_some_and(|kept| kept.unchecked);
        let unchecked: Vec<_> = daemon.dirty.iter().filter(is_unchecked).cloned().collect();
        if !unchecked.is_empty() {
            if self.store.is_down {
                let nothing = Batch {
                    rows: Vec::new(),
                    joined_away: Vec::new(),
                    requests: Vec::new(),
                    waiters: Vec::new(),
                };
                return self.put_back(nothing);
            }
            self.check(unchecked);
        }
        let Some(daemon) = &mut self.daemon else { return };
        let dirty = std::mem::take(&mut daemon.dirty);
        let boot = self.clock.boot;
        let saved = |id: CallId| {
            let kept = daemon.calls.get(&id)?;
            Some((id, Saved { call: kept.call.clone(), boot, books: kept.books.clone() }))
        };
        let rows = dirty.into_iter().filter_map(saved).collect();
        daemon.writing = Some(Batch {
            rows,
            joined_away: std::mem::take(&mut daemon.joined_away),
            requests: std::mem::take(&mut daemon.requests),
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
            }
        }
        let now = self.now().mono;
        for Waiter { id, hook, patience } in batch.waiters {
            self.answer_hook(hook, &id, now < patience);
        }
        self.intent_is_durable();
    }

    fn put_back(&mut self, batch: Batch) {
        let Some(daemon) = &mut self.daemon else { return };
        daemon.dirty.extend(batch.rows.into_iter().map(|(id, _)| id));
        daemon.joined_away.extend(batch.joined_away);
        daemon.requests.extend(batch.requests);
        daemon.is_failing = true;
        let waiting = std::mem::take(&mut daemon.waiters);
        for Waiter { id, hook, .. } in batch.waiters.into_iter().chain(waiting) {
            self.answer_hook(hook, &id, false);
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
        let unchecked = daemon.calls.iter().filter(|(_, kept)| kept.unchecked);
        let unchecked: Vec<_> = unchecked.map(|(id, _)| id.clone()).collect();
        self.check(unchecked);
        let Some(daemon) = &mut self.daemon else { return };
        daemon.is_failing = false;
        let unended = daemon.calls.iter().filter(|(_, kept)| kept.call.ended.is_none());
        daemon.dirty.extend(unended.map(|(id, _)| id.clone()));
    }

    /// The store is asked about calls that were taken in while it could not be.
    fn check(&mut self, unchecked: Vec<CallId>) {
        let now = self.now();
        for id in unchecked {
            let stored = self.store.find(&id);
            let Some(kept) = self.daemon.as_mut().and_then(|daemon| daemon.calls.get_mut(&id))
            else {
                continue;
            };
            kept.unchecked = false;
            if let Some((stored, mut books, saved_in)) = stored {
                let same_boot = saved_in == self.clock.boot;
                kept.call.version = kept.call.version.max(stored.version);
                let was_over = kept.call.ended.is_some();
                let restored = Event::Restored { same_boot };
                let policy = &self.scenario.policies[0];
                books.before(&restored, &stored, now, policy);
                let stored = stored.apply(&restored, now, policy).next;
                kept.books.join(&books);
                self.alter(&id, &Event::Joined(&stored));
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
        for (call, books, saved_in) in self.store.unended() {
            self.restore(call, books, saved_in == self.clock.boot);
        }
        let Some(daemon) = &mut self.daemon else { return };
        let since = now.wall.before(self.scenario.quota.1);
        let sent = self.store.requests.iter().filter(|at| **at >= since);
        let sent = sent.map(|at| now.mono_of(at.after(Duration::from_secs(1))));
        daemon.quota.restore(now.mono, sent.collect::<Vec<_>>());
        daemon.is_loaded = true;
    }

    /// The daemon is killed: a commit under way may or may not have reached the disk.
    pub(super) fn cut_commit(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        let lost_requests = daemon.requests.len();
        let mut unsaved = lost_requests;
        if let Some(batch) = daemon.writing.take() {
            if !self.store.is_down && self.rng.bool() {
                self.store.commit(&batch);
                self.record.sometimes("a commit survived the crash that hid it");
            } else {
                unsaved += batch.requests.len();
                self.record.sometimes("a commit was lost in a crash");
            }
            for waiter in batch.waiters {
                self.repeat_hook(waiter.hook);
            }
        }
        for waiter in daemon.waiters {
            self.repeat_hook(waiter.hook);
        }
        self.truth.forget_requests(unsaved);
    }

    /// The webhook is answered.
    pub(super) fn answer_hook(&mut self, hook: super::post::Hook, id: &CallId, is_durable: bool) {
        self.record.tell(self.time, || {
            let word = if is_durable { 200 } else { 503 };
            format!("{id} webhook {} answered {word}", hook.heard.kind)
        });
        if !is_durable {
            return self.repeat_hook(hook);
        }
        let call = &self.calls[hook.call];
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
