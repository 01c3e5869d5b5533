//! Every change of a call: what `engine/calls` and `engine/ingest` do.

use callwarden::model::{
    change::{Change, Effect, Event, Note, Received},
    event::{CallName, Heard},
    health::Standing,
    ids::CallId,
    operator::Word,
    time::Mono,
    unasked::Unasked,
};

use super::{
    daemon::{Kept, Waiter, Waits},
    laws,
    post::Hook,
    rules,
    scenario::Fault,
    store::Found,
    world::World,
};

/// What those who made a change want to know of it.
pub(super) struct Altered {
    pub(super) send: Option<Effect>,
}

impl World {
    /// Applies an event to a call in memory, and hands on what follows.
    pub(super) fn alter(&mut self, id: &CallId, event: &Event<'_>) -> Option<Altered> {
        let now = self.now();
        let nth = self.index.get(id).copied();
        let daemon = self.daemon.as_mut()?;
        let kept = daemon.calls.get_mut(id)?;
        kept.books.before(event, &kept.call, now, &daemon.plan);
        let change = kept.call.apply(event, now, &daemon.plan.policy);
        kept.books.after(event, &kept.call, &change, now);
        let seen = laws::Seen {
            before: &kept.call,
            event,
            change: &change,
            books: &kept.books,
            plan: &daemon.plan,
            now,
            truth: nth.map(|nth| &self.calls[nth]),
            lied: nth.is_some_and(|nth| self.truth.lied_about(nth)),
            time: self.time,
            clock_is_steady: self.clock.is_steady,
            times_are_true: self.clock.is_true && !self.scenario.has(Fault::OldTime),
            awaits_context: daemon.reads_anew && daemon.reloading.contains(id),
            awaits_policy: daemon.reloading.contains(id),
            lists_are_prompt: !self.scenario.has(Fault::LaggingList),
            tells_again: self.rng.u8(0..8) == 0,
        };
        laws::of_change(&seen, &mut self.record);
        self.record.tell(self.time, || {
            format!("{id} {event:?} -> {:?} {:?}", change.notes, change.effects)
        });

        let Change { next, effects, taken, notes } = change;
        let before = std::mem::replace(&mut kept.call, next);
        let call = &kept.call;
        daemon.tally.moved(id, Standing::of(&before), Standing::of(call));
        if call.version != before.version {
            daemon.dirty.insert(id.clone());
        }
        if call.stop.intent != before.stop.intent {
            kept.intended = call.version;
        }
        let wakeup = call.wakeup(&daemon.plan.policy);
        if wakeup != kept.wakeup {
            if let Some(at) = kept.wakeup {
                daemon.timers.remove(&(at, id.clone()));
            }
            daemon.timers.extend(wakeup.map(|at| (at, id.clone())));
            kept.wakeup = wakeup;
        }
        let mut send = None;
        for effect in effects {
            match effect {
                Effect::Request { .. } | Effect::Lookup { .. } => daemon.desk.take(&effect, id),
                Effect::Send { .. } => send = Some(effect),
            }
        }
        if call.ended.is_some() && before.ended.is_none() {
            kept.over_since = now.mono;
            daemon.desk.forget(id);
            if matches!(event, Event::Answered { .. }) {
                self.record.sometimes("a stop was borne out by a 409");
            }
        }
        let call = call.clone();
        laws::of_desk(&call, &daemon.desk, daemon.calls.len(), &mut self.record);
        self.tell_of(id, &notes, taken);
        Some(Altered { send })
    }

    /// Counts what happened, and the rare paths.
    fn tell_of(&mut self, id: &CallId, notes: &[Note], taken: Option<Received>) {
        let Some(daemon) = &mut self.daemon else { return };
        let mut sometimes = |path| self.record.sometimes(path);
        if taken == Some(Received::Late) {
            sometimes("a late event found an ended call");
        }
        for note in notes {
            match note {
                Note::Taken { delay, .. } => {
                    let now = self.clock.now(self.time).mono;
                    if let Some(delay) = delay {
                        daemon.signs.webhook_took(*delay, now);
                    }
                }
                Note::TimeRefused(_) => sometimes("a time was refused"),
                Note::TimeDoubted(_) => sometimes("a time was doubted"),
                Note::StopTakenBack => sometimes("a stop was taken back"),
                Note::ObservingBegan(_) => sometimes("a call was only observed"),
                Note::OverrideUnreadable(_) => sometimes("an override could not be read"),
                Note::Ordered(act) => sometimes(match act.word {
                    Word::Deadline(_) => "an operator moved a deadline",
                    Word::End => "an operator ended a call",
                    Word::Release => "an operator released a call",
                }),
                Note::Adopted => sometimes("a call was adopted"),
                Note::Reopened { .. } => {
                    daemon.reopened += 1;
                    sometimes("a call was reopened");
                }
                Note::Ended { ended, refined, .. } => {
                    daemon.outcomes += i64::from(refined.is_none());
                    laws::sometimes_ended(ended, *refined, &mut sometimes);
                }
                Note::StopBegan(_)
                | Note::Sent { .. }
                | Note::Answered(_)
                | Note::LookupFailed(_) => {}
            }
        }
        if notes.iter().any(|note| matches!(note, Note::Sent { .. }))
            && daemon.call(id).is_some_and(|call| call.stop.tries_sid())
        {
            sometimes("the sid was tried");
        }
    }

    /// Wakes the calls that are due.
    pub(super) fn wake(&mut self) {
        let now = self.now().mono;
        while !self.record.is_broken()
            && let Some(daemon) = &mut self.daemon
            && let Some((at, id)) = daemon.timers.first().cloned()
            && at <= now
        {
            daemon.timers.pop_first();
            if let Some(kept) = daemon.calls.get_mut(&id) {
                kept.wakeup = None;
            }
            self.alter(&id, &Event::Woke);
            if let Some(daemon) = &mut self.daemon {
                daemon.lag = daemon.lag.max(now.since(at));
            }
            self.count(1);
        }
    }

    /// A webhook comes in: it is answered once what it told is durable.
    pub(super) fn ingest(&mut self, hook: Hook) {
        let now = self.now();
        let Some(id) = self.take_in(&hook.heard, hook.call) else {
            self.record.sometimes("a webhook was refused for want of room");
            let id = self.calls[hook.call].id.clone();
            return self.answer_hook(hook, &id, false);
        };
        let Some(daemon) = &mut self.daemon else { return };
        if let Some(told) = hook.heard.time {
            daemon.troubles.heard(now.wall.since(told), now.mono);
        }
        let is_saved = daemon.calls.get(&id).is_some_and(|kept| kept.saved >= kept.call.version);
        if is_saved {
            self.answer_hook(hook, &id, true);
        } else if daemon.is_failing {
            self.record.sometimes("a webhook was refused while the store failed");
            self.answer_hook(hook, &id, false);
        } else {
            let patience = now.mono.after(std::time::Duration::from_secs(10));
            daemon.waiters.push(Waiter { id, what: Waits::Hook(Box::new(hook)), patience });
        }
    }

    /// Takes in what was told of a call, by webhook or by the log. Gives the call's name; nothing where
    /// there is no room for it.
    pub(super) fn take_in(&mut self, heard: &Heard, nth: usize) -> Option<CallId> {
        if let Some((daemon, agent)) = self.daemon.as_mut().zip(heard.agent.clone()) {
            daemon.heard_agents.insert(agent);
        }
        self.truth.delivered.insert(nth);
        self.truth.told_agents.extend(heard.agent.clone());
        let (id, unasked) = self.resolve(&heard.call);
        let (now, has_room) = (self.now(), self.has_room());
        let daemon = self.daemon.as_mut()?;
        if !daemon.calls.contains_key(&id) {
            if !has_room {
                if let CallName::Both { sid, .. } = &heard.call {
                    daemon.aliases.retain(|alias, known| alias != sid || *known != id);
                }
                return None;
            }
            daemon.admit(&id, now);
            if unasked.is_any() {
                self.record.sometimes("a call was taken in unchecked");
            }
        }
        if let Some(kept) = daemon.calls.get_mut(&id) {
            kept.unasked = kept.unasked.told_again(unasked);
        }
        let daemon = self.daemon.as_mut()?;
        let context = rules::kept_of(heard, &daemon.plan.policy);
        let known = daemon.call(&id).and_then(|call| call.facts.context());
        self.alter(&id, &Event::Heard(heard));
        let daemon = self.daemon.as_mut()?;
        if let Some(kept) = daemon.calls.get_mut(&id)
            && kept.call.facts.context() != known
        {
            kept.context = context;
        }
        Some(id)
    }

    /// Whether there is room for a call that is unknown.
    pub(super) fn has_room(&self) -> bool {
        self.daemon.as_ref().is_some_and(|daemon| daemon.unended() < self.scenario.max_calls)
    }

    /// The call of that name, brought into memory if the store has it; and whether the store could
    /// not be asked.
    fn resolve(&mut self, name: &CallName) -> (CallId, Unasked) {
        match name {
            CallName::Id(id) => {
                let asked = self.fetch(id);
                (id.clone(), Unasked::unless(asked, asked))
            }
            CallName::Sid(sid) => {
                let is_known = |world: &Self| {
                    world.daemon.as_ref().and_then(|daemon| daemon.aliases.get(sid).cloned())
                };
                let known = is_known(self);
                let asked = self.fetch(known.as_ref().unwrap_or(sid));
                let id = is_known(self).unwrap_or_else(|| sid.clone());
                (id, Unasked::unless(asked, asked))
            }
            CallName::Both { id, sid } => (id.clone(), self.unite(id, Some(sid), true)),
        }
    }

    /// What memory and the store have under either name is one call. Says under which names the
    /// store could not be asked.
    pub(super) fn unite(
        &mut self,
        id: &CallId,
        sid: Option<&CallId>,
        is_taken_on: bool,
    ) -> Unasked {
        let (asked, mut asked_sid) = (self.fetch(id), true);
        let known = |sid: &CallId| self.daemon.as_ref().and_then(|d| d.aliases.get(sid));
        if let Some(sid) = sid.filter(|sid| known(sid) != Some(id)) {
            asked_sid = self.fetch(sid);
            let has = |name| self.daemon.as_ref().is_some_and(|d| d.calls.contains_key(name));
            if is_taken_on || has(id) || has(sid) {
                self.name(id, sid);
            }
        }
        Unasked::unless(asked, asked_sid)
    }

    /// A call goes by `id`, and by `sid` too; if it was known as its sid, it is joined.
    pub(super) fn name(&mut self, id: &CallId, sid: &CallId) {
        let now = self.now();
        let Some(daemon) = self.daemon.as_mut().filter(|_| id != sid) else { return };
        daemon.aliases.insert(sid.clone(), id.clone());
        let Some(other) = daemon.take_out(sid) else { return };
        daemon.joined_away.push((sid.clone(), id.clone()));
        daemon.outcomes -= i64::from(other.call.ended.is_some());
        daemon.entered -= 1;
        self.record.sometimes("a call known by its sid got its id");
        self.join(id, other, now);
    }

    fn join(&mut self, id: &CallId, other: Kept, now: callwarden::model::time::Moment) {
        let Some(daemon) = &mut self.daemon else { return };
        let is_new = !daemon.calls.contains_key(id);
        if is_new {
            daemon.admit(id, now);
        }
        let Some(kept) = daemon.calls.get_mut(id) else { return };
        let was_over = kept.call.ended.is_some();
        kept.unasked = kept.unasked.joined(other.unasked, is_new);
        kept.context = kept.context.take().or(other.context);
        kept.books.join(&other.books);
        self.alter(id, &Event::Joined(&other.call));
        let Some(daemon) = &mut self.daemon else { return };
        let is_over = daemon.call(id).is_some_and(|call| call.ended.is_some());
        // An outcome that came with the other's facts, and was noted there.
        if is_over && !was_over && other.call.ended.is_some() {
            daemon.outcomes += 1;
        }
    }

    /// Brings a call into memory if the store has it; false where the store could not be asked.
    pub(super) fn fetch(&mut self, id: &CallId) -> bool {
        let Some(daemon) = &mut self.daemon else { return false };
        if daemon.calls.contains_key(id) || daemon.aliases.contains_key(id) {
            return true;
        }
        if self.store.is_down {
            return false;
        }
        match self.store.find(id, self.clock.boot) {
            None => daemon.is_loaded,
            Some(found) => {
                self.record.sometimes("a call came back from the store");
                self.restore(found);
                true
            }
        }
    }

    /// Puts a call back that the store had, unless it is in memory already.
    pub(super) fn restore(&mut self, found: Found) {
        let Found { call, books, same_boot, context } = found;
        let Some(daemon) = &mut self.daemon else { return };
        if daemon.calls.contains_key(&call.id) {
            return;
        }
        let (id, is_over) = (call.id.clone(), call.ended.is_some());
        if let Some(sid) = call.facts.sid().filter(|sid| **sid != id) {
            daemon.aliases.insert(sid.clone(), id.clone());
        }
        daemon.outcomes += i64::from(is_over);
        daemon.enter(Kept { saved: call.version, ..Kept::new(call, books) });
        self.alter(&id, &Event::Restored { same_boot, context: context.as_deref() });
        // Its id may have been told before it came back.
        let known = self.daemon.as_ref().and_then(|daemon| daemon.aliases.get(&id).cloned());
        if let Some(known) = known {
            self.name(&known, &id);
        }
    }

    /// The tick's comparison of calls with timers and desk.
    pub(super) fn repair(&mut self, now: Mono) {
        let Some(daemon) = &mut self.daemon else { return };
        if let Some((sid, id)) =
            daemon.aliases.iter().find(|(_, id)| !daemon.calls.contains_key(*id))
        {
            self.record.broken("a name leads to a call in memory", || format!("{sid} of {id}"));
        }
        for (id, kept) in &daemon.calls {
            if kept.call.ended.is_some() || daemon.reloading.contains(id) {
                continue;
            }
            let armed = kept.wakeup.is_none_or(|at| daemon.timers.contains(&(at, id.clone())));
            if !armed || kept.wakeup != kept.call.wakeup(&daemon.plan.policy) {
                self.record.broken("each live call has its timer", || format!("{:?}", kept.call));
            }
            if daemon.desk.mend(&kept.call, now) {
                self.record
                    .broken("what a call waits for is in the desk", || format!("{:?}", kept.call));
            }
        }
    }

    /// What a webhook told, for the trace.
    pub(super) fn describe(heard: &Heard) -> String {
        format!("{:?} {:?} {:?}", heard.kind, heard.call, heard.time)
    }
}
