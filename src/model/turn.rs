//! One change of a call in the making: what an event does to it, then what follows from the facts,
//! the policy and the clock.

use std::time::Duration;

use super::{
    ask::Questions,
    call::{Call, INTENT_AHEAD, Listed},
    change::{Change, Effect, Event, Note, Received},
    deadline::{self, Anchors, Deadline, Deadlines},
    event::{EventKind, Heard},
    facts::{self, Facts},
    outcome::{Ended, Outcome},
    platform::{Answer, Failure, Row, Status},
    policy::Policy,
    stop::{Chance, Next, Verdict},
    time::{Moment, Wall},
    trail::What,
};

/// One change in the making.
pub(super) struct Turn<'a> {
    call: Call,
    now: Moment,
    policy: &'a Policy,
    /// The deadline before the event.
    due_before: Option<Deadline>,
    effects: Vec<Effect>,
    taken: Option<Received>,
    notes: Vec<Note>,
}

impl<'a> Turn<'a> {
    /// The call after `event`, and what follows.
    pub(super) fn take(
        before: &Call,
        event: &Event<'_>,
        now: Moment,
        policy: &'a Policy,
    ) -> Change {
        let mut turn = Self {
            call: before.clone(),
            now,
            policy,
            due_before: before.deadline(),
            effects: Vec::new(),
            taken: None,
            notes: Vec::new(),
        };
        match event {
            Event::Heard(heard) => turn.hear(heard),
            Event::Woke => {}
            Event::Sending => turn.send(),
            Event::Answered { answer, jitter, fresh_token } => {
                turn.take_answer(answer, *jitter, *fresh_token);
            }
            Event::LookedUp { found, jitter } => turn.take_lookup(*found, *jitter),
            Event::Shown { row, listing } => turn.take_row(row, *listing),
            Event::Unlisted => turn.miss(),
            Event::LookupDropped => turn.call.questions.dropped(),
            Event::Restored { same_boot } => turn.restore(*same_boot),
            Event::Joined(other) => turn.join(other),
        }
        turn.settle();
        let Self { call: mut next, effects, taken, notes, .. } = turn;
        if !next.is_on_record_as(before) {
            next.version += 1;
        }
        Change { next, effects, taken, notes }
    }

    fn hear(&mut self, heard: &Heard) {
        let Self { now, policy, .. } = *self;
        let call = &self.call;
        let is_new = call.version == 0;
        let was_over = call.ended.is_some();
        let believable = |at: &Wall| facts::is_believable(*at, now.wall, policy.max_age);
        let own = heard.time.filter(believable);
        let is_doubted =
            |at: &Wall| call.doubts.contains(&(heard.kind, *at)) || self.makes_overdue(heard, *at);
        let doubted = own.filter(|at| !was_over && is_doubted(at));
        let timeless = own.is_none() || doubted.is_some();

        let arrival =
            if heard.kind.ends_call() { call.facts.after_reopening(now.wall) } else { now.wall };
        let at = own.filter(|_| doubted.is_none()).unwrap_or(arrival);
        let told = if timeless && call.facts.repeats(heard.kind) {
            Facts::of_details(heard, at, now.wall)
        } else {
            Facts::of_event(heard, at, now.wall)
        };
        let known = if is_new { told } else { call.facts.clone().join(told) };
        let is_news = known != call.facts;
        let ends = heard.kind.ends_call();
        let received = match () {
            () if was_over => Received::Late,
            () if ends => Received::Ended,
            () if !call.facts.heard_of() => Received::Tracked,
            () if is_news => Received::Updated,
            () => Received::Duplicate,
        };

        self.call.facts = known;
        if is_news || is_new {
            self.call.trail.push(now.wall, What::Heard(heard.kind));
        }
        if let Some(at) = doubted.filter(|at| !self.call.doubts.contains(&(heard.kind, *at))) {
            self.call.doubts.push((heard.kind, at));
            self.call.trail.push(now.wall, What::TimeDoubted(heard.kind));
            self.notes.push(Note::TimeDoubted(heard.kind));
        }
        if own.is_none() && heard.time.is_some() {
            self.notes.push(Note::TimeRefused(heard.kind));
        }
        let too_old = heard.time.is_some_and(|at| at < now.wall.before(policy.max_age));
        if is_new {
            self.call.unproven = too_old;
        } else if own.is_some() {
            self.call.unproven = false;
        }
        self.listen_for_the_end(heard.kind, is_news);
        self.taken = Some(received);
        let delay = heard.time.map(|at| now.wall.since(at));
        self.notes.push(Note::Taken { kind: heard.kind, received, delay });
    }

    /// Whether an event's own time alone makes the call overdue.
    fn makes_overdue(&self, heard: &Heard, own: Wall) -> bool {
        let overdue_with = |at| {
            let told = Facts::of_event(heard, at, self.now.wall);
            let facts = match self.call.version {
                0 => told,
                _ => self.call.facts.clone().join(told),
            };
            let anchors = self.call.anchors.fixed(&facts, self.now);
            deadline::deadlines(&facts, &anchors, &self.policy.limits)
                .earliest
                .is_some_and(|deadline| deadline.at <= self.now.mono)
        };
        !heard.kind.ends_call() && overdue_with(own) && !overdue_with(self.now.wall)
    }

    /// An error or a disconnect ends nothing; but if no end follows, the platform is asked.
    fn listen_for_the_end(&mut self, kind: EventKind, is_news: bool) {
        match kind {
            EventKind::Error | EventKind::Disconnected if is_news => {
                self.call.quiet_since = Some(self.now.mono);
            }
            EventKind::Connected if is_news => self.call.quiet_since = None,
            _ => {}
        }
    }

    fn send(&mut self) {
        if self.call.stop.next != Next::Queued {
            return;
        }
        // The policy may have changed since the call was last looked at.
        self.anchor();
        self.call.stop.next = Next::Request(self.now.mono);
        let Some(agent) = self.call.facts.agent().cloned() else {
            return;
        };
        let Some(deadline) = self.call.deadlines.earliest else {
            return;
        };
        if self.call.ended.is_some() || self.call.leaves().is_none_or(|at| at > self.now.mono) {
            return;
        }
        let sid = self.call.facts.sid().filter(|_| self.call.stop.tries_sid());
        let target = sid.or(self.call.stop.target.as_ref()).unwrap_or(&self.call.id).clone();
        self.call.stop.leave(self.now);
        let attempt = self.call.stop.attempts;
        let lateness = (attempt == 1).then(|| self.now.mono.since(deadline.at));
        self.call.trail.push(self.now.wall, What::Requested(attempt));
        self.notes.push(Note::Sent { lateness, attempt });
        self.effects.push(Effect::Send { agent, target });
    }

    fn take_answer(&mut self, answer: &Answer, jitter: f64, fresh_token: bool) {
        let rings = self.call.facts.answered().is_none();
        let chance = Chance { jitter, fresh_token, rings };
        let verdict = self.call.stop.take(answer, chance, self.now, &self.policy.enforcement);
        self.call.trail.push(self.now.wall, What::answered(answer));
        self.notes.push(Note::Answered(answer.clone()));
        if verdict == Verdict::BorneOut && self.call.ended.is_none() {
            self.end(Ended::borne_out(self.call.deadlines.earliest, self.now), None);
        }
    }

    fn take_lookup(&mut self, found: Result<Option<&Row>, &Failure>, jitter: f64) {
        let now = self.now.mono;
        if self.call.ended.is_some() {
            return;
        }
        self.call.stop.looked_up(found.err());
        if found.is_ok() {
            self.call.listed.start_asked = self.call.listed.start_asked.saturating_add(1);
        }
        match found {
            Ok(Some(row)) => {
                self.call.trail.push(self.now.wall, What::Shown(row.status));
                self.show(row);
            }
            Ok(None) => {
                self.call.trail.push(self.now.wall, What::NotShown);
                self.call.stop.goes_on(false, false, now);
                self.call.questions.answered(now);
            }
            Err(failure) => {
                self.notes.push(Note::LookupFailed(failure.clone()));
                self.call.questions.failed(now, jitter);
            }
        }
    }

    /// A page of a list showed the call, whether it was asked for or not.
    fn take_row(&mut self, row: &Row, listing: bool) {
        self.call.listed.shown |= listing;
        if let Some(ended) = self.call.ended {
            return self.weigh(ended, row, listing);
        }
        let was_asked = self.call.questions.is_under_way();
        let before = self.call.facts.clone();
        if self.call.version == 0 {
            self.call.trail.push(self.now.wall, What::Adopted(row.status));
            self.notes.push(Note::Adopted);
        }
        self.show(row);
        if was_asked || (self.call.version > 0 && self.call.facts != before) {
            self.call.trail.push(self.now.wall, What::Shown(row.status));
        }
    }

    /// A row shows a call that is over by our books. Only the platform revives a call: by a row
    /// that changed well after the recorded end, or by two listings running (spec §5).
    fn weigh(&mut self, ended: Ended, row: &Row, listing: bool) {
        const WELL_AFTER: Duration = Duration::from_secs(30);
        if row.status.is_over() || row.status.is_waiting() || !listing {
            return;
        }
        self.call.listed.revived = self.call.listed.revived.saturating_add(1);
        let changed_since = row.updated_at.is_some_and(|at| at > ended.at.after(WELL_AFTER));
        if !changed_since && self.call.listed.revived < Listed::REVIVED {
            return;
        }
        let now = self.now.wall;
        // Whatever told the end is contradicted, be our clock behind the one that told it.
        let at = self.call.facts.last_told_end().map_or(now, |told| told.max(now));
        let reopening = Facts::of_reopening(at, now);
        self.call.facts = self.call.facts.clone().join(reopening);
        self.call.stop = self.call.stop.anew();
        self.call.ended = None;
        self.call.listed = Listed { shown: true, ..Listed::default() };
        self.call.trail.push(now, What::Reopened(ended.outcome));
        self.notes.push(Note::Reopened { fell: ended.outcome });
        self.show(row);
    }

    /// A complete listing lacks the call: that proves nothing, but twice is worth a question.
    fn miss(&mut self) {
        self.call.listed.revived = 0;
        if self.call.ended.is_none() {
            self.call.listed.missed = self.call.listed.missed.saturating_add(1);
        }
    }

    /// A row showed the call.
    fn show(&mut self, row: &Row) {
        let now = self.now;
        let agent_before = self.call.facts.agent().cloned();
        // A row repeats what rows before it said: that is no news.
        let told = Row {
            agent: row.agent.clone().filter(|_| self.call.facts.agent_is_news(row)),
            ..row.clone()
        };
        let facts = &self.call.facts;
        let seen = if row.status.is_over() { facts.after_reopening(now.wall) } else { now.wall };
        self.call.facts = facts.clone().join(Facts::of_row(&told, seen));
        self.call.quiet_since = None;
        self.call.listed.missed = 0;
        if !row.status.is_over() {
            self.call.unproven = false;
            for (kind, at) in std::mem::take(&mut self.call.doubts) {
                self.call.facts = self.call.facts.clone().join(Facts::of_time(kind, at, now.wall));
            }
            if row.status == Status::Ringing {
                self.call.ringing_shown = Some(now.mono);
            }
            let is_sid = self.call.facts.sid().is_some_and(|sid| *sid == row.id);
            let target = Some(&row.id).filter(|id| **id != self.call.id && !is_sid);
            let elsewhere = target != self.call.stop.target.as_ref()
                || agent_before.as_ref() != self.call.facts.agent();
            self.call.stop.target = target.cloned();
            self.call.stop.goes_on(elsewhere, true, now.mono);
        }
        self.call.questions.answered(now.mono);
    }

    fn restore(&mut self, same_boot: bool) {
        let now = self.now;
        if !same_boot {
            self.call.anchors = Anchors::default();
        }
        self.anchor();
        // A call that is over rests; but should the platform show it active, its marks must lie on
        // the clock of this boot.
        if self.call.ended.is_some() {
            return;
        }
        let passed = self.call.deadlines.earliest.is_some_and(|due| due.at <= now.mono);
        self.call.stop.restored(now, passed);
        let heard = |kind| self.call.facts.times(kind).is_some();
        if heard(EventKind::Error) || heard(EventKind::Disconnected) {
            self.call.quiet_since = Some(now.mono);
        }
    }

    fn join(&mut self, other: &Call) {
        let facts = other.facts.clone();
        let is_new = self.call.version == 0;
        self.call.facts = if is_new { facts } else { self.call.facts.clone().join(facts) };
        self.call.anchors = std::mem::take(&mut self.call.anchors).joined(&other.anchors);
        self.call.trail.merge(other.trail.clone());
        self.call.trail.push(self.now.wall, What::Named);
        if is_new {
            self.call.stop = other.stop.clone();
            self.call.stop.adopted(self.now);
        } else {
            self.call.stop.join(&other.stop, self.now);
        }
        if self.call.ended.is_none() {
            self.call.ended = other.ended;
        }
        self.call.unproven = other.unproven && (is_new || self.call.unproven);
        self.call.doubts.extend(other.doubts.iter().copied());
        self.call.quiet_since = self.call.quiet_since.max(other.quiet_since);
        self.call.ringing_shown = self.call.ringing_shown.max(other.ringing_shown);
        self.taken = Some(Received::Updated);
    }

    /// Brings the call in line with its facts, the policy and the clock, and says what follows.
    fn settle(&mut self) {
        self.anchor();
        self.judge();
        if self.call.ended.is_some() {
            self.call.stop.rest();
            self.call.questions = Questions::default();
            self.call.doubts.clear();
            self.call.unproven = false;
            return;
        }
        self.keep_deadline();
        self.ask();
        self.request();
    }

    fn anchor(&mut self) {
        let call = &mut self.call;
        call.anchors = call.anchors.fixed(&call.facts, self.now);
        call.deadlines = if call.unproven {
            Deadlines::default()
        } else {
            deadline::deadlines(&call.facts, &call.anchors, &self.policy.limits)
        };
    }

    fn judge(&mut self) {
        let call = &self.call;
        let deadline = call.deadlines.earliest;
        let ended = Ended::judge(call.ended, &call.facts, &call.stop, deadline, self.now);
        if let Some(ended) = ended.filter(|ended| call.ended != Some(*ended)) {
            return self.end(ended, call.ended.map(|ended| ended.outcome));
        }
        let gives_up = call.stop.gives_up(&self.policy.enforcement);
        if let Some((at, reason)) = gives_up
            && at <= self.now.mono
            && call.ended.is_none()
        {
            self.end(Ended::given_up(reason, deadline, self.now), None);
        }
    }

    fn end(&mut self, ended: Ended, refined: Option<Outcome>) {
        let accepted = self.call.stop.accepted.filter(|_| ended.outcome == Outcome::Stopped);
        let confirmed_after = accepted.map(|at| self.now.wall.since(at));
        self.call.ended = Some(ended);
        self.call.trail.push(self.now.wall, What::Ended(ended.outcome));
        self.notes.push(Note::Ended { ended, refined, confirmed_after });
    }

    fn keep_deadline(&mut self) {
        let Self { now, .. } = *self;
        let stop = &mut self.call.stop;
        let deadline = self.call.deadlines.earliest;
        let is_passed = deadline.is_some_and(|due| due.at <= now.mono);
        if let Some(due) = deadline.filter(|due| deadline::is_near(*due, now.mono, INTENT_AHEAD)) {
            stop.intent = Some(due.wall);
        } else if stop.accepted.is_none() {
            stop.intent = None;
        }
        match (is_passed, stop.begun.is_some(), stop.accepted.is_some()) {
            (true, false, _) => {
                stop.begin(now);
                if let Some(due) = deadline {
                    self.call.trail.push(now.wall, What::stop_began(due.limit));
                    self.notes.push(Note::StopBegan(due));
                }
            }
            (false, true, false) => {
                stop.take_back();
                self.call.trail.push(now.wall, What::StopTakenBack);
                self.notes.push(Note::StopTakenBack);
            }
            (false, false, false) if !stop.is_under_way() => stop.next = Next::Idle,
            (true, true, _) | (false, _, true) | (false, false, false) => {}
        }
    }

    fn ask(&mut self) {
        let mut questions = std::mem::take(&mut self.call.questions);
        questions.settle(|why| self.call.arises(why, self.policy));
        if let Some(urgency) = questions.start(self.now.mono) {
            let deadline = self.call.deadlines.earliest.map_or(self.now.mono, |due| due.at);
            self.effects.push(Effect::Lookup { deadline, urgency });
        }
        self.call.questions = questions;
    }

    fn request(&mut self) {
        let Some(deadline) = self.call.deadlines.earliest else {
            return;
        };
        let has_moved = self.due_before.is_none_or(|before| before.at != deadline.at);
        let takes_its_new_place = self.call.is_queued() && has_moved;
        if takes_its_new_place || self.call.leaves().is_some_and(|at| at <= self.now.mono) {
            self.call.stop.next = Next::Queued;
            let first = self.call.stop.is_first();
            self.effects.push(Effect::Request { deadline: deadline.at, first });
        }
    }
}
