//! Requests: what `engine/dispatcher` does.

use std::time::Duration;

use callwarden::model::{
    call::Call,
    change::{Effect, Event},
    desk::{self, Begun, Told, Turn},
    ids::CallId,
    listing,
    lookup::Query,
    platform::{Answer, Failure, Meter, Page, Row},
    queue::{Kind, MOST_UNDER_WAY, Next},
    quota::Poll,
    time::{Mono, Wall},
};

use super::{
    SECOND,
    account::Left,
    daemon::{Ask, RECONCILE, REPLAY, Sent},
    laws,
    life::wall,
    listing::Leave,
    platform::{Brought, Reply, Wire},
    world::{Coming, World},
};

/// How long stops wait at the start for the first listing.
const OPENING: Duration = Duration::from_secs(5);

impl World {
    /// Lets go whatever may leave.
    pub(super) fn dispatch(&mut self) {
        loop {
            let now = self.now().mono;
            if self.awaits_record(now) {
                return;
            }
            let Some(daemon) = &mut self.daemon else { return };
            if let Some((.., until)) = daemon.awaiting {
                return self.turn_at(until);
            }
            if let Poll::Until(at) = daemon.quota.poll(now) {
                daemon.held = now;
                if daemon.quota.left(now) == 0 {
                    self.record.sometimes("the window was full");
                }
                return self.turn_at(at.min(now.after(Duration::from_secs(1))));
            }
            match self.pop(now) {
                Some(Next::Call(kind, id)) => self.let_go(kind, &id),
                Some(Next::Listing(REPLAY)) => self.let_read(now),
                Some(Next::Listing(_)) => self.give_leave(now),
                None => {
                    let again = self.daemon.as_ref().and_then(|d| d.desk.looks_again(now));
                    if let Some(until) = again {
                        self.turn_at(until);
                    }
                    return;
                }
            }
        }
    }

    /// Whether requests wait for others to be written, so that a crash forgets no more of them than
    /// a restart counts.
    fn awaits_record(&mut self, now: Mono) -> bool {
        let Some(daemon) = &mut self.daemon else { return true };
        let was_slow = daemon.unwritten.store_is_slow();
        if let Poll::Until(until) = daemon.unwritten.poll(daemon.is_failing, now) {
            // For the quota's sake: at most a tenth of a second at a time, but for each tenth of it.
            daemon.held = now;
            self.turn_at(until);
            return true;
        }
        if daemon.unwritten.store_is_slow() && !was_slow {
            daemon.held = now;
            self.record.sometimes("requests left though others were not written");
        }
        false
    }

    fn pop(&mut self, now: Mono) -> Option<Next> {
        let daemon = self.daemon.as_mut()?;
        if !daemon.signs.has_passed() && now < daemon.started.after(OPENING) {
            daemon.held = now;
            if daemon.desk.backlog(now) > 0 {
                self.record.sometimes("stops waited for the first listing");
            }
        }
        let share = daemon.signs.listing_share();
        let share = desk::listings_share(share, &mut daemon.part, daemon.tuning, now);
        if share.is_none() && daemon.desk.queue().listings() > 0 {
            self.record.sometimes("the listings' part was used up");
        }
        let queue = daemon.desk.queue();
        let waits = |kind| {
            queue.in_order(kind).any(|(_, id)| !queue.is_under_way(id)) && daemon.signs.has_passed()
        };
        daemon.waits = (waits(Kind::First), waits(Kind::Confirm) || waits(Kind::Lookup));
        let next = daemon.desk.pop(share, daemon.signs.has_passed(), now);
        if next.is_none() && daemon.desk.queue().under_way() >= MOST_UNDER_WAY {
            daemon.held = now;
        }
        next
    }

    fn let_go(&mut self, kind: Kind, id: &CallId) {
        let now = self.now().mono;
        let Some(daemon) = &mut self.daemon else { return };
        let call = daemon.calls.get(id).map(|kept| &kept.call);
        let left = match daemon.desk.turn(kind, call, now) {
            Turn::EndCall => {
                laws::of_order(daemon, kind, id, &mut self.record);
                if self.must_await(kind, id) {
                    return;
                }
                self.end_call(kind, id)
            }
            Turn::LookUp(begun, query) => {
                self.look_up(id, begun, query);
                true
            }
            Turn::LookedUp(likely) => {
                self.finish(id, Ok(likely));
                false
            }
            Turn::Nothing => {
                if daemon.desk.parked() > 0 {
                    self.record.sometimes("a look-up waited for another's page");
                }
                false
            }
        };
        self.put_down_unless(left);
    }

    fn put_down_unless(&mut self, left: bool) {
        if let Some(daemon) = self.daemon.as_mut().filter(|_| !left) {
            daemon.desk.put_down();
        }
    }

    /// Whether the request waits for its intent to be durable.
    fn must_await(&mut self, kind: Kind, id: &CallId) -> bool {
        let now = self.now().mono;
        let Some(daemon) = self.daemon.as_mut().filter(|daemon| !daemon.is_failing) else {
            return false;
        };
        let Some(kept) = daemon.calls.get(id) else { return false };
        let awaits = desk::awaits_intent(&kept.call, now);
        let Some(until) = awaits.filter(|_| kept.saved < kept.intended) else { return false };
        daemon.awaiting = Some((kind, id.clone(), until));
        daemon.waited = now;
        self.record.sometimes("a request waited for its intent");
        self.turn_at(until);
        true
    }

    /// A commit is over: the request that waited for its intent may leave.
    pub(super) fn intent_is_durable(&mut self) {
        let now = self.now().mono;
        let Some(daemon) = &mut self.daemon else { return };
        let Some((kind, id, until)) = daemon.awaiting.clone() else { return };
        let is_saved = daemon.calls.get(&id).is_none_or(|kept| kept.saved >= kept.intended);
        if !is_saved && now < until && !daemon.is_failing {
            return;
        }
        if !is_saved {
            self.record.sometimes("a request left without its intent");
        }
        daemon.awaiting = None;
        if daemon.quota.poll(now) != Poll::Go {
            if let Some(kept) = daemon.calls.get(&id) {
                daemon.desk.put_back(kind, &kept.call);
            }
            return;
        }
        let left = self.end_call(kind, &id);
        self.put_down_unless(left);
    }

    /// The call's turn has come: if it still wants to be stopped, its request leaves.
    fn end_call(&mut self, kind: Kind, id: &CallId) -> bool {
        let Some(altered) = self.alter(id, &Event::Sending) else { return false };
        let Some(Effect::Send { agent, target }) = altered.send else {
            return false;
        };
        if let Some(daemon) = &self.daemon {
            let awake = self.clock.now(self.awake_since).mono;
            laws::of_sending(daemon, id, self.clock.now(self.time), awake, &mut self.record);
        }
        let next = Next::Call(kind, id.clone());
        let ask = Ask::EndCall { id: id.clone(), kind, agent, target };
        self.leave(&next, ask);
        true
    }

    /// One request of a call's look-up leaves.
    fn look_up(&mut self, id: &CallId, begun: Box<Begun>, query: Query) {
        match query {
            Query::Recent { .. } => self.record.sometimes("a look-up swept the list"),
            Query::Ringing { .. } => self.record.sometimes("a ringing call was asked about"),
            Query::ActiveCall { .. } | Query::Search { .. } | Query::OfAgent { .. } => {}
        }
        let next = Next::Call(begun.kind(), id.clone());
        self.leave(&next, Ask::Look { id: id.clone(), begun, query });
    }

    pub(super) fn leave(&mut self, next: &Next, ask: Ask) {
        let now = self.now();
        let Some(daemon) = &mut self.daemon else { return };
        laws::of_shares(daemon, next, &mut self.record);
        daemon.desk.started(next);
        daemon.requests.push(now.wall);
        daemon.unwritten.sent();
        let known = self.store.unwritten();
        let unwritten = daemon.unwritten_requests();
        // A store that fails, or is slow, holds nothing back.
        if unwritten > known && !daemon.is_failing && !daemon.unwritten.store_is_slow() {
            let seen = || format!("{unwritten} are, and the store knows of {known}");
            self.record.broken("no more requests are unwritten than the store knows", seen);
        }
        let slot = daemon.quota.sent(now.mono);
        if now.mono < daemon.forbidden {
            self.record.broken("nothing leaves in a 429's pause", || format!("{next:?}"));
        }
        daemon.answered.push(None);
        let number = daemon.sent;
        daemon.sent += 1;
        let wire = Wire::of(&ask, daemon.token, self.time);
        self.record.tell(self.time, || format!("request {number}: {wire:?}"));
        daemon.under_way.insert(
            number,
            Sent { slot, token_changed: daemon.token_changed, left: self.time, ask },
        );
        let life = daemon.life;
        self.carry(life, number, wire);
    }

    /// An answer came, or will not come any more.
    pub(super) fn answered(&mut self, number: u64, reply: Reply) {
        let Reply { brought, answered } = reply;
        let now = self.now();
        let Some(daemon) = &mut self.daemon else { return };
        let Some(Sent { slot, token_changed, left: sent, ask }) = daemon.under_way.remove(&number)
        else {
            return;
        };
        self.record.tell(self.time, || format!("answer {number}: {brought:?}"));
        let is_skipped = |failure: &&Failure| {
            matches!(ask, Ask::List { .. }) && listing::is_unknown_status(failure)
        };
        let failure = brought.failure().filter(|failure| !is_skipped(failure));
        match brought.failure() {
            Some(failure) if is_skipped(&failure) => self
                .record
                .sometimes("a listing passed over a status that the platform does not know"),
            Some(Failure::Other { .. }) => {
                self.record.sometimes("the platform refused a request of its own accord");
            }
            _ => {}
        }
        if let Some(Failure::RateLimited { pause }) = failure {
            let least = pause.unwrap_or(Duration::from_secs(5));
            let least = least.clamp(Duration::from_secs(1), Duration::from_secs(300));
            daemon.forbidden = daemon.forbidden.max(now.mono.after(least));
            self.record.sometimes("a 429 paused requests");
        }
        let was_paused = daemon.quota.paused().is_some();
        daemon.answered[usize::try_from(number).unwrap()] = Some(now.mono);
        let (answered, left) = (answered.map(|(at, _)| at), answered.and_then(|(_, left)| left));
        // `Date` is in whole seconds.
        let date = answered.map(|at| Wall(wall(at).0 / SECOND * SECOND));
        let meter = Left::metered(left, Meter { date, ..Meter::default() });
        daemon.quota.settle(slot, failure, &meter, now.mono);
        daemon.signs.platform_answered(failure, &meter, now);
        daemon.troubles.answered(failure, now, answered, self.time);
        if was_paused && daemon.quota.paused().is_none() {
            self.record.sometimes("a probe ended a pause");
        }
        let fresh_token =
            matches!(failure, Some(Failure::Unauthorized { .. })) && self.read_token(token_changed);
        self.is_told_what_is_left(left, sent, matches!(failure, Some(Failure::RateLimited { .. })));
        match ask {
            Ask::EndCall { id, kind, .. } => self.end_answered(&id, kind, brought, fresh_token),
            Ask::Look { id, begun, query } => self.looked(&id, begun, query, brought),
            Ask::List { part, status, page } => {
                self.listed(Leave { part, status, page }, brought);
            }
            Ask::Read { part, step } => self.has_read(part, &step, brought),
        }
    }

    fn read_token(&mut self, token_changed: u64) -> bool {
        let in_file = self.token_in_file;
        let Some(daemon) = &mut self.daemon else { return false };
        if daemon.token_changed == token_changed && daemon.token != in_file {
            daemon.token = in_file;
            daemon.token_changed += 1;
            self.record.sometimes("the token was read anew");
        }
        daemon.token_changed != token_changed
    }

    fn end_answered(&mut self, id: &CallId, kind: Kind, brought: Brought, fresh_token: bool) {
        let Brought::EndCall(answer) = brought else { return };
        let jitter = self.rng.f64();
        let Some(daemon) = &mut self.daemon else { return };
        let known = daemon.known_as(id).clone();
        self.alter(&known, &Event::Answered { answer: &answer, jitter, fresh_token });
        self.finished(&Next::Call(kind, id.clone()));
    }

    fn looked(&mut self, id: &CallId, begun: Box<Begun>, query: Query, brought: Brought) {
        let Brought::Page(answer) = brought else { return };
        self.finished(&Next::Call(begun.kind(), id.clone()));
        let now = self.now().mono;
        let Some(daemon) = &mut self.daemon else { return };
        if let Some(kept) = daemon.calls.get_mut(id) {
            kept.busy_until = now;
        }
        if let Ok(page) = &answer {
            self.answer_others(id, page);
        }
        let Some(daemon) = &mut self.daemon else { return };
        let is_wanted = daemon.call(id).is_some_and(Call::is_looked_up);
        match daemon.desk.answered(id, begun, query, answer.as_ref(), is_wanted) {
            Told::Over(found) => self.finish(id, found.map(|row| row.map(|row| *row))),
            Told::Nothing => {}
        }
    }

    /// What a page shows answers every call that waits for an answer.
    fn answer_others(&mut self, asker: &CallId, page: &Page) {
        for row in page.rows.iter().filter(|row| row.id != *asker) {
            let call = self.daemon.as_ref().and_then(|daemon| daemon.call(&row.id));
            if call.is_some_and(|call| call.is_looked_up()) {
                self.record.sometimes("a page answered for another call");
                self.alter(&row.id, &Event::Shown { row, listing: false });
                let has = |sid: &&CallId| {
                    self.daemon.as_ref().is_some_and(|daemon| daemon.calls.contains_key(*sid))
                };
                if let Some(sid) = row.sid.as_ref().filter(has) {
                    self.record.sometimes("a page told that two calls are one");
                    self.name(&row.id, sid);
                }
            }
        }
    }

    /// The look-up is over.
    fn finish(&mut self, id: &CallId, found: Result<Option<Row>, Failure>) {
        let Some(daemon) = &self.daemon else { return };
        let sid = daemon.call(id).and_then(|call| call.facts.sid());
        let is_another =
            |other: &CallId| daemon.calls.contains_key(other) && sid != Some(other) && other != id;
        if daemon.call(id).is_some_and(|call| call.facts.agent().is_none()) {
            self.record.sometimes("a call without agent was asked about");
        }
        let found = found.map(|row| row.filter(|row| row.names(id) || !is_another(&row.id)));
        let jitter = self.rng.f64();
        let seen = found.as_ref().map(Option::as_ref);
        self.alter(id, &Event::LookedUp { found: seen, jitter });
        if let Ok(Some(row)) = &found {
            self.met(row);
        }
    }

    pub(super) fn finished(&mut self, next: &Next) {
        if let Some(daemon) = &mut self.daemon {
            daemon.desk.finished(next);
        }
    }

    /// The dispatcher looks again then.
    fn turn_at(&mut self, at: Mono) {
        let at = self.clock.time_of(at).max(self.time + 1);
        let Some(daemon) = &mut self.daemon else { return };
        if daemon.turn_at.is_none_or(|known| known > at || known <= self.time) {
            daemon.turn_at = Some(at);
            let life = daemon.life;
            self.expect_at(at, Coming::Turn(life));
        }
    }

    fn give_leave(&mut self, now: Mono) {
        let Some((pass, status, page)) = self.waiting_lister() else {
            return self.finished(&Next::Listing(RECONCILE));
        };
        let Some(daemon) = &mut self.daemon else { return };
        let part = daemon.part.sent(now);
        daemon.lister = super::daemon::Lister::Asks(pass);
        self.leave(&Next::Listing(RECONCILE), Ask::List { part, status, page });
    }
}

impl World {
    fn let_read(&mut self, now: Mono) {
        let Some(step) = self.waiting_reader() else {
            return self.finished(&Next::Listing(REPLAY));
        };
        let Some(daemon) = &mut self.daemon else { return };
        let part = daemon.part.sent(now);
        self.leave(&Next::Listing(REPLAY), Ask::Read { part, step });
    }
}

impl Brought {
    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::EndCall(Answer::Failed(failure))
            | Self::Page(Err(failure))
            | Self::Webhooks(Err(failure))
            | Self::Deliveries(Err(failure)) => Some(failure),
            Self::EndCall(Answer::Accepted | Answer::NotActive | Answer::NotFound)
            | Self::Page(Ok(_))
            | Self::Webhooks(Ok(_))
            | Self::Deliveries(Ok(_)) => None,
        }
    }
}
