//! One change of a call in the making: what an event does to it, then what follows from the facts,
//! the policy and the clock.

mod shown;

use std::sync::Arc;

use super::{
    ask::Questions,
    call::{Call, INTENT_AHEAD, State},
    change::{Change, Effect, Event, Note, Received},
    context::{Context, Known},
    deadline::{self, Anchors, Deadline, Deadlines},
    event::{EventKind, Heard, Via},
    facts::{self, Facts},
    operator::Act,
    outcome::{Ended, Outcome},
    platform::Answer,
    policy::Policy,
    rule::Action,
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
        turn.call.context.follow(policy.places());
        match event {
            Event::Heard(heard) => turn.hear(heard),
            Event::Woke => {}
            Event::PolicyChanged { context } => turn.recall(*context),
            Event::Operator(act) => turn.order(*act),
            Event::Sending => turn.send(),
            Event::Answered { answer, jitter, fresh_token } => {
                turn.take_answer(answer, *jitter, *fresh_token);
            }
            Event::LookedUp { found, jitter } => turn.take_lookup(*found, *jitter),
            Event::Shown { row, listing } => turn.take_row(row, *listing),
            Event::Unlisted => turn.miss(),
            Event::Restored { same_boot, context } => {
                turn.recall(*context);
                turn.restore(*same_boot);
            }
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
        let was_over = call.state() == State::Ended;
        let context = self.context_of(heard);
        let came = heard.arrival(now.wall);
        let believable = |at: &Wall| facts::is_believable(*at, came, policy.max_age);
        let told = heard.time.filter(believable);
        // Of an event in the log it is known when it had happened at the latest.
        let own = told.or_else(|| (came < now.wall).then_some(came));
        let is_doubted = |at: &Wall| {
            let is_known = call.doubts.contains(&(heard.kind, *at));
            is_known
                || !call.facts.was_under_way(*at)
                    && self.makes_overdue(heard, context.as_ref(), *at)
        };
        let doubted = own.filter(|at| !was_over && is_doubted(at));
        let timeless = own.is_none() || doubted.is_some();

        let arrival =
            if heard.kind.ends_call() { call.facts.after_reopening(now.wall) } else { now.wall };
        let at = own.filter(|_| doubted.is_none()).unwrap_or(arrival);
        let is_refused = told.is_none() && heard.time.is_some();
        let told = if timeless && call.facts.repeats(heard.kind) {
            Facts::of_details(heard, at, now.wall)
        } else {
            Facts::of_event(heard, at, now.wall)
        };
        let known = call.facts.clone().join(told);
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
        self.call.context = self.context_for(&self.call.facts, context.as_ref()).clone();
        if is_news {
            self.call.trail.push(now.wall, What::Heard(heard.kind));
        }
        if let Some(at) = doubted.filter(|at| !self.call.doubts.contains(&(heard.kind, *at))) {
            self.call.doubts.push((heard.kind, at));
            self.call.trail.push(now.wall, What::TimeDoubted(heard.kind));
            self.notes.push(Note::TimeDoubted(heard.kind));
        }
        if is_refused {
            self.notes.push(Note::TimeRefused(heard.kind));
        }
        let happened = heard.time.map_or(came, |at| at.min(came));
        let too_old = happened < now.wall.before(policy.max_age);
        if is_new {
            self.call.unproven = too_old;
        } else if own.is_some() && !too_old {
            self.call.unproven = false;
        }
        self.listen_for_the_end(heard.kind, is_news);
        self.taken = Some(received);
        let is_webhook = heard.via == Via::Webhook;
        let delay = heard.time.filter(|_| is_webhook).map(|at| now.wall.since(at));
        self.notes.push(Note::Taken { kind: heard.kind, received, delay });
    }

    /// Whether an event's own time alone makes the call overdue.
    fn makes_overdue(&self, heard: &Heard, context: Option<&Context>, own: Wall) -> bool {
        let overdue_with = |at| {
            let told = Facts::of_event(heard, at, self.now.wall);
            let facts = self.call.facts.clone().join(told);
            let anchors = self.call.anchors.fixed(&facts, self.now);
            let context = self.context_for(&facts, context);
            let (deadlines, _) =
                deadline::judge(Known { facts: &facts, context }, &anchors, self.policy, self.now);
            deadlines.earliest.is_some_and(|deadline| deadline.at <= self.now.mono)
        };
        !heard.kind.ends_call() && overdue_with(own) && !overdue_with(self.now.wall)
    }

    /// What the context that an event tells has for the policy.
    fn context_of(&self, heard: &Heard) -> Option<Context> {
        let is_named = !self.policy.places().is_empty();
        let context = heard.details.context.as_ref().filter(|_| is_named)?;
        let told = Facts::of_details(heard, self.now.wall, self.now.wall).context()?;
        Some(Context::read(context, told, self.policy.places()))
    }

    /// The context that `facts` hold: the one `told` now, or the one at hand.
    fn context_for<'c>(&'c self, facts: &Facts, told: Option<&'c Context>) -> &'c Context {
        told.filter(|told| told.is_of(facts.context())).unwrap_or(&self.call.context)
    }

    /// What the store has of the context.
    fn recall(&mut self, context: Option<&str>) {
        if let Some(text) = context {
            let told = Context::recalled(text, self.policy.places());
            self.call.context = self.context_for(&self.call.facts, Some(&told)).clone();
        }
    }

    fn order(&mut self, act: Act) {
        self.call.facts = self.call.facts.clone().join(Facts::of_operator(act));
        self.call.trail.push(self.now.wall, What::Ordered(act.word));
        self.notes.push(Note::Ordered(act));
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

    fn restore(&mut self, same_boot: bool) {
        let now = self.now;
        if !same_boot {
            self.call.anchors = Anchors::default();
        }
        self.anchor();
        let passed = self.call.deadlines.earliest.is_some_and(|due| due.at <= now.mono);
        // Of a call that is over all requests are on record.
        self.call.stop.restored(now, passed && self.call.ended.is_none());
        // A call that is over rests; but should the platform show it active, its marks must lie on
        // the clock of this boot.
        if self.call.ended.is_some() {
            return;
        }
        if self.call.is_left_alone() {
            self.call.stop.wait();
        }
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
        let mut theirs = other.context.clone();
        theirs.follow(self.policy.places());
        self.call.context = self.context_for(&self.call.facts, Some(&theirs)).clone();
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
        self.call.disputed |= other.disputed;
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
        // What is queued has been asked for: the request comes first.
        self.request();
        self.ask();
    }

    fn anchor(&mut self) {
        let call = &mut self.call;
        call.anchors = call.anchors.fixed(&call.facts, self.now);
        if call.unproven && call.facts.operator().is_none() {
            call.deadlines = Deadlines::default();
            return;
        }
        let (deadlines, rule) = deadline::judge(call.known(), &call.anchors, self.policy, self.now);
        let name = rule.map(|rule| &rule.name);
        if let Some(name) = name.filter(|_| deadlines.unreadable && !call.deadlines.unreadable) {
            self.notes.push(Note::OverrideUnreadable(Arc::clone(name)));
        }
        if call.ended.is_none() {
            call.rule = name.map(Arc::clone);
        }
        call.deadlines = deadlines;
    }

    fn judge(&mut self) {
        let call = &self.call;
        let deadline = call.deadlines.earliest;
        let ended = Ended::judge(call.ended, &call.facts, &call.stop, &call.deadlines, self.now);
        if let Some(ended) = ended.filter(|ended| call.ended != Some(*ended)) {
            return self.end(ended, call.ended.map(|ended| ended.outcome));
        }
        let gives_up = call.stop.gives_up(&self.policy.enforcement);
        if let Some((at, reason)) = gives_up
            && at <= self.now.mono
            && call.ended.is_none()
            && !call.is_left_alone()
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
        let is_observed = self.call.deadlines.action == Action::Observe;
        let is_near = |due: &Deadline| deadline::is_near(*due, now.mono, INTENT_AHEAD);
        if let Some(due) = deadline.filter(|due| !is_observed && is_near(due)) {
            stop.intent = Some(due.wall);
        } else if stop.accepted.is_none() {
            stop.intent = None;
        }
        match (is_passed, stop.begun.is_some(), stop.accepted.is_some()) {
            (true, false, _) => {
                stop.begin(now);
                self.began(deadline, is_observed);
            }
            // A reload has made of a stop what is only observed, or the other way round.
            (true, true, false) if is_observed && !stop.waits() && !stop.is_under_way() => {
                self.began(deadline, true);
            }
            (true, true, false) if !is_observed && stop.waits() => {
                stop.begin(now);
                self.began(deadline, false);
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

    /// A deadline is passed: a stop begins, or is only noted.
    fn began(&mut self, deadline: Option<Deadline>, is_observed: bool) {
        let Some(due) = deadline else { return };
        let limit = due.limit.to_string().into();
        if is_observed {
            self.call.stop.wait();
            self.call.trail.push(self.now.wall, What::ObservingBegan(limit));
            self.notes.push(Note::ObservingBegan(due));
        } else {
            self.call.trail.push(self.now.wall, What::StopBegan(limit));
            self.notes.push(Note::StopBegan(due));
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

#[cfg(test)]
mod tests;
