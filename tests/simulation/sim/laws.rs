//! The laws, as plain functions over what happened. Each is a sentence of the promise (spec §1), and
//! the first that is broken ends the world.

use std::time::Duration;

use callwarden::model::{
    call::Call,
    change::{Change, Event, Note},
    desk::Desk,
    event::Via,
    ids::CallId,
    operator::Word,
    outcome::{ConfirmedBy, Ended, Outcome},
    policy::{Limit, Limits},
    promise::{self as production, Breach},
    queue::{Kind, MOST_UNDER_WAY, Next},
    rule::Action,
    time::{Moment, Mono, Wall},
};

use super::{
    Time,
    daemon::Daemon,
    life::{OUR_NUMBER, TrueCall},
    promise,
    record::Record,
    rules::{self, Holds, Plan},
    world::CONVERGES,
};

pub(super) use super::books::Books;

/// One change, as the laws see it.
pub(super) struct Seen<'a> {
    pub(super) before: &'a Call,
    pub(super) event: &'a Event<'a>,
    pub(super) change: &'a Change,
    pub(super) books: &'a Books,
    pub(super) plan: &'a Plan,
    pub(super) now: Moment,
    pub(super) truth: Option<&'a TrueCall>,
    /// Whether the platform told something false of its end.
    pub(super) lied: bool,
    pub(super) time: Time,
    /// Whether our clock is right, and webhooks tell true times.
    pub(super) times_are_true: bool,
    /// Whether a reload has yet to read its context at the places that the policy names now.
    pub(super) awaits_context: bool,
    /// Whether a reload has yet to reach it.
    pub(super) awaits_policy: bool,
    /// Whether lists never show how things stood a while ago.
    pub(super) lists_are_prompt: bool,
    /// Whether our clock was never set, and does not drift.
    pub(super) clock_is_steady: bool,
    /// Whether to look at what an event told twice would do: now and then, for it costs.
    pub(super) tells_again: bool,
}

/// Whether a law holds.
type Law = fn(&Seen<'_>) -> bool;

/// The laws of one change.
pub(super) fn of_change(seen: &Seen<'_>, record: &mut Record) {
    let laws: [(&str, Law); 14] = [
        ("production would see no breach", production_sees_no_breach),
        ("no request is early, by what was told", no_request_is_early_by_the_books),
        ("no request is early, by what is true", no_request_is_early_by_the_truth),
        ("the deadline is that of the spec", the_deadline_is_that_of_the_spec),
        ("a look moves no deadline", a_look_moves_no_deadline),
        ("a call past its deadline has a next step", there_is_a_next_step),
        ("nothing is due twice at once", nothing_is_hot),
        ("an outcome is recorded once", an_outcome_is_recorded_once),
        ("an outcome rests on evidence", an_outcome_rests_on_evidence),
        ("an outcome is true", an_outcome_is_true),
        ("a told end is an outcome", a_told_end_is_an_outcome),
        ("giving up takes its time", giving_up_takes_its_time),
        ("facts only grow", facts_only_grow),
        ("looking again changes nothing", looking_again_changes_nothing),
    ];
    for (law, holds) in laws {
        if !holds(seen) {
            record.broken(law, || {
                let Seen { before, event, change, books, now, truth, plan, .. } = seen;
                let held = plan.holds(&books.told, &books.fields, *now);
                let deadlines = change.next.deadline();
                format!(
                    "by the spec {held:?}, by the model {deadlines:?}\n{event:?} at {now:?}\nbefore {before:?}\nafter {change:?}\nbooks {books:?}\n\
                     truth {truth:?}\n{plan:?}"
                )
            });
        }
    }
}

fn production_sees_no_breach(seen: &Seen<'_>) -> bool {
    let Seen { before, change, plan, now, .. } = seen;
    let call = &change.next;
    let wakeup = call.wakeup(&plan.policy);
    let is_doubled = seen.books.is_doubled;
    let breach = production::of_change(before, call, sends(change), wakeup, now.mono);
    breach.is_none_or(|breach| is_doubled && breach == Breach::NeedlessRequest)
}

fn sends(change: &Change) -> bool {
    change.notes.iter().any(|note| matches!(note, Note::Sent { .. }))
}

fn no_request_is_early_by_the_books(seen: &Seen<'_>) -> bool {
    let Books { told, fields, .. } = seen.books;
    let may = || seen.plan.may_stop(told, fields, seen.now);
    let alone = seen.before.ended.is_none() && (seen.books.under_way == 1 || seen.books.is_doubled);
    !sends(seen.change)
        || (alone
            && (seen.books.lost_track || seen.awaits_context || !seen.clock_is_steady || may()))
}

/// Whatever was told: no limit can have been passed before the call really got that far.
fn no_request_is_early_by_the_truth(seen: &Seen<'_>) -> bool {
    let Some(truth) = seen.truth.filter(|_| seen.times_are_true && sends(seen.change)) else {
        return true;
    };
    // An operator may end any call.
    let is_ordered = seen.books.fields.word().is_some();
    let earliest = |limits: &Limits| rules::earliest(limits, truth.rings, truth.answered);
    let all = seen.plan.all_limits();
    let first = all.filter_map(|limits| earliest(&limits)).min();
    is_ordered || first.is_none_or(|first| first <= seen.time)
}

fn the_deadline_is_that_of_the_spec(seen: &Seen<'_>) -> bool {
    let call = &seen.change.next;
    let is_open = call.ended.is_none() && !seen.books.lost_track && !seen.awaits_context;
    let Books { told, fields, .. } = seen.books;
    let expected = || seen.plan.holds(told, fields, seen.now);
    let found = || Holds {
        deadline: call.deadline().map(|deadline| deadline.at.0),
        observes: call.action() == Action::Observe && call.deadline().is_some(),
        provisional: call.is_provisional(),
    };
    let same = |expected: Holds| {
        let observes = expected.observes && expected.deadline.is_some();
        Holds { observes, ..expected } == found()
    };
    // Where the clock was set, or drifts, it depends on when an instant was first told.
    !is_open || !seen.clock_is_steady || same(expected())
}

/// A call that is merely looked at stays as it was, whatever the wall clock says now.
fn a_look_moves_no_deadline(seen: &Seen<'_>) -> bool {
    let (before, after) = (seen.before, &seen.change.next);
    let is_look = matches!(seen.event, Event::Woke) && !after.follows_wall();
    let is_open = after.ended.is_none() && !seen.awaits_policy;
    let at = |call: &Call| call.deadline().map(|deadline| deadline.at);
    !is_look || !is_open || at(before) == at(after)
}

fn there_is_a_next_step(seen: &Seen<'_>) -> bool {
    let call = &seen.change.next;
    let Some(deadline) = call.deadline().filter(|_| call.ended.is_none()) else { return true };
    let waits = call.is_queued() || call.stop.is_under_way() || call.is_looked_up();
    if waits || (call.action() == Action::Observe && call.stop.has_begun()) {
        return true;
    }
    let pause = Duration::from_secs(if seen.books.not_shown { 60 } else { 30 });
    let latest = deadline.at.max(seen.now.mono.after(pause));
    call.wakeup(&seen.plan.policy).is_some_and(|at| at <= latest)
}

fn nothing_is_hot(seen: &Seen<'_>) -> bool {
    let wakeup = seen.change.next.wakeup(&seen.plan.policy);
    wakeup.is_none_or(|at| at > seen.now.mono && seen.change.next.ended.is_none())
}

fn an_outcome_is_recorded_once(seen: &Seen<'_>) -> bool {
    let (before, after) = (seen.before.ended, seen.change.next.ended);
    let reopened = seen.change.notes.iter().any(|note| matches!(note, Note::Reopened { .. }));
    let Some(known) = before.map(|ended| ended.outcome) else { return true };
    let now = after.map(|ended| ended.outcome);
    let refines = matches!(
        (known, now),
        (Outcome::Completed, Some(Outcome::NotConnected))
            | (Outcome::Raced, Some(Outcome::Stopped))
    );
    let by_itself = matches!(
        known,
        Outcome::Completed | Outcome::NotConnected | Outcome::Raced | Outcome::Observed
    );
    let is_joined = seen.books.lost_track || matches!(seen.event, Event::Joined(_));
    // Its request was under way when a reload made of it a call to observe; or by a clock that was set
    // back it had left after the end.
    let may_be_ours = seen.books.accepted || seen.books.lost;
    let was_asked = may_be_ours && (known == Outcome::Observed || !seen.clock_is_steady);
    let proves_stopped = (is_joined || was_asked) && by_itself && now == Some(Outcome::Stopped);
    (reopened && known != Outcome::Released) || now == Some(known) || refines || proves_stopped
}

fn an_outcome_rests_on_evidence(seen: &Seen<'_>) -> bool {
    let Books { end_was_told, accepted, lost, lost_sent, borne_out, answered, disturbed, .. } =
        seen.books;
    let Some(ended) = new_outcome(seen.change) else { return true };
    match ended.outcome {
        _ if matches!(seen.event, Event::Joined(_)) => true,
        Outcome::Completed | Outcome::NotConnected => *end_was_told && !accepted,
        Outcome::Raced => {
            // What ended well before the request was sent was not ended by it.
            let agree = Duration::from_secs(5);
            let was_late = |sent: Wall| sent > ended.at.after(agree);
            *end_was_told && !accepted && (!seen.clock_is_steady || lost_sent.is_none_or(was_late))
        }
        Outcome::Stopped => (*end_was_told || *borne_out) && (*accepted || *lost),
        Outcome::Observed => *end_was_told && !accepted,
        Outcome::Released => {
            let known = seen.before.ended.map(|ended| ended.outcome);
            seen.books.fields.word() == Some(Word::Release) || known == Some(Outcome::Released)
        }
        Outcome::Failed => answered.is_some() || *disturbed,
    }
}

fn an_outcome_is_true(seen: &Seen<'_>) -> bool {
    let tells_of_the_end = |outcome| !matches!(outcome, Outcome::Failed | Outcome::Released);
    let ended = new_outcome(seen.change).filter(|ended| tells_of_the_end(ended.outcome));
    let (Some(_), Some(truth)) = (ended, seen.truth) else { return true };
    seen.lied || truth.is_over(seen.time)
}

fn new_outcome(change: &Change) -> Option<&Ended> {
    change.notes.iter().find_map(|note| match note {
        Note::Ended { ended, .. } => Some(ended),
        _ => None,
    })
}

fn a_told_end_is_an_outcome(seen: &Seen<'_>) -> bool {
    let Event::Heard(heard) = seen.event else { return true };
    let Books { was_reopened, reopened, .. } = seen.books;
    // A call that was shown active since the end happened, by our clock and that list, goes on.
    let is_contradicted =
        *was_reopened && !(seen.times_are_true && seen.lists_are_prompt && !seen.lied);
    let told = match heard.via {
        Via::Webhook => heard.time,
        Via::Log { tried } => heard.time.or_else(|| tried.map(Wall::uncut)),
    };
    let is_older = told.zip(*reopened).is_some_and(|(told, reopened)| told <= reopened);
    !heard.kind.ends_call() || seen.change.next.ended.is_some() || is_contradicted || is_older
}

fn giving_up_takes_its_time(seen: &Seen<'_>) -> bool {
    let Books { answered, misled, under_way, disturbed, .. } = seen.books;
    let Some(first) = answered.filter(|_| !disturbed) else { return true };
    let is_time = first.after(seen.plan.policy.enforcement.give_up_after) <= seen.now.mono;
    let gave_up = new_outcome(seen.change).is_some_and(|ended| ended.outcome == Outcome::Failed);
    let call = &seen.change.next;
    let must =
        call.ended.is_none() && call.stop.has_begun() && is_time && !misled && *under_way == 0;
    let is_observed = |call: &Call| call.action() == Action::Observe && !seen.books.accepted;
    let was_observed = is_observed(seen.before) && is_observed(call);
    (!gave_up || (is_time && !misled && !was_observed)) && (!must || is_observed(call))
}

fn facts_only_grow(seen: &Seen<'_>) -> bool {
    let (before, after) = (&seen.before.facts, &seen.change.next.facts);
    let grew = || before.clone().join(after.clone()) == *after;
    seen.before.version == 0 || before == after || grew()
}

fn looking_again_changes_nothing(seen: &Seen<'_>) -> bool {
    if !seen.tells_again {
        return true;
    }
    let call = &seen.change.next;
    let again = call.apply(&Event::Woke, seen.now, &seen.plan.policy);
    let heard_again = match seen.event {
        Event::Heard(_) => {
            call.apply(seen.event, seen.now, &seen.plan.policy).next.version == call.version
        }
        _ => true,
    };
    again.effects.is_empty() && again.next.version == call.version && heard_again
}

/// What a call waits for is in the desk, once; and the desk is bounded.
pub(super) fn of_desk(call: &Call, desk: &Desk, calls: usize, record: &mut Record) {
    let waits = call.is_queued() || call.is_looked_up();
    let is_known = desk.has(&call.id);
    if call.ended.is_none() && waits && !is_known {
        record.broken("what a call waits for is in the desk", || format!("{call:?}"));
    }
    let queue = desk.queue();
    let waiting: usize = Kind::ALL.iter().map(|kind| queue.len(*kind)).sum();
    if waiting > 2 * calls || queue.under_way() > MOST_UNDER_WAY {
        record.broken("every queue is bounded", || format!("{queue:?}"));
    }
}

/// While they wait, at least half of any ten requests are first ones, and a tenth look-ups.
pub(super) fn of_shares(daemon: &mut Daemon, next: &Next, record: &mut Record) {
    let is_first = matches!(next, Next::Call(Kind::First, _));
    let is_look = !matches!(next, Next::Call(Kind::First | Kind::Repeat, _));
    let (firsts, looks) = daemon.waits;
    daemon.shares.push_back([(firsts, is_first), (looks, is_look)]);
    if daemon.shares.len() <= 10 {
        return;
    }
    daemon.shares.pop_front();
    for (of, least, law) in [
        (0, 5, "half of the requests are first ones"),
        (1, 1, "a tenth of the requests are look-ups"),
    ] {
        let mut shares = daemon.shares.iter().map(|kinds| kinds[of]);
        let have_waited = shares.clone().all(|(waited, _)| waited);
        let left = shares.by_ref().filter(|(_, left)| *left).count();
        if have_waited && left < least {
            record.broken(law, || format!("{:?}", daemon.shares));
        }
    }
}

/// First requests leave by (deadline, id).
pub(super) fn of_order(daemon: &Daemon, kind: Kind, id: &CallId, record: &mut Record) {
    if kind != Kind::First {
        return;
    }
    let place = |call: &Call| call.deadline().map(|due| (due.at, call.id.clone()));
    let Some(ours) = daemon.call(id).and_then(place) else { return };
    let waits = |call: &&Call| {
        call.is_queued()
            && call.stop.is_first()
            && !call.is_looked_up()
            && !daemon.desk.queue().is_under_way(&call.id)
            && daemon.desk.queue().is_queued(&call.id)
    };
    let calls = daemon.calls.values().map(|kept| &kept.call);
    if let Some(first) = promise::overtaken(&ours, calls.filter(waits).filter_map(place)) {
        record.broken("first requests leave by deadline and id", || {
            format!("{ours:?} left, and {first:?} waits")
        });
    }
}

/// A first request leaves in time, while nothing was in its way.
pub(super) fn of_sending(
    daemon: &Daemon,
    id: &CallId,
    now: Moment,
    awake: Mono,
    record: &mut Record,
) {
    const ON_TIME: Duration = Duration::from_millis(10);
    const AHEAD: Duration = Duration::from_secs(6);
    const STORE: Duration = Duration::from_millis(100);
    let Some(kept) = daemon.calls.get(id) else { return };
    let Some(deadline) = kept.call.deadline().filter(|_| kept.call.stop.attempts == 1) else {
        return;
    };
    let was_ready = |since: Mono| since < deadline.at.before(AHEAD);
    let is_plain = !kept.call.hinges_on_ringing()
        && deadline.limit != Limit::Ringing
        && !kept.call.is_looked_up()
        && [kept.books.settled, awake, daemon.started].into_iter().all(was_ready)
        && daemon.held.max(kept.busy_until) < deadline.at;
    let late = now.mono.since(deadline.at);
    // The store may hold it up: a tenth of a second for another's intent that was due before it, and a
    // tenth for its own.
    let allowed =
        if daemon.waited >= deadline.at.before(AHEAD) { 2 * STORE + ON_TIME } else { ON_TIME };
    if is_plain && late > allowed {
        record.broken("a request leaves on time", || format!("{late:?} late: {:?}", kept.call));
    }
}

/// Conservation: whatever came in is there, or has an outcome.
pub(super) fn of_the_books(daemon: &Daemon, now: Mono, awake: Mono, record: &mut Record) {
    let live = daemon.calls.values().filter(|kept| kept.call.ended.is_none()).count() as i64;
    let Daemon { entered, outcomes, reopened, .. } = daemon;
    if *entered != live + outcomes - reopened {
        record.broken("no call is lost from the books", || {
            format!("{entered} came in, {live} live, {outcomes} outcomes, {reopened} reopened")
        });
    }
    for kept in daemon.calls.values() {
        let is_overdue = kept.call.deadline().is_some_and(|due| {
            due.at.max(kept.books.settled).max(awake).after(Duration::from_secs(1)) < now
        });
        if is_overdue && kept.call.ended.is_none() && !kept.call.stop.has_begun() {
            record.broken("an overdue call has a stop", || format!("{:?}", kept.call));
        }
    }
}

/// A call that is over by our books, and was active through two listings, is live again.
pub(super) fn of_listing(
    daemon: &Daemon,
    calls: &[TrueCall],
    passes: Option<(Time, Time)>,
    time_of: impl Fn(Mono) -> Time,
    record: &mut Record,
) {
    let Some((began, ended)) = passes else { return };
    for truth in calls {
        let rang = truth.rings < began && !truth.is_over(ended);
        let Some(kept) = daemon.calls.get(&truth.id).filter(|_| rang) else { continue };
        let over_since = time_of(kept.books.settled.max(kept.over_since));
        let is_over = kept.call.ended.is_some_and(|ended| ended.outcome != Outcome::Released);
        if is_over && over_since < began {
            record.broken("what two listings show active is live", || format!("{:?}", kept.call));
        }
    }
}

/// The promise itself, once all is well.
pub(super) struct Promise {
    pub(super) time: Time,
    pub(super) healed: Time,
    /// The same instants on our boot clock.
    pub(super) now: Mono,
    pub(super) healed_mono: Mono,
    /// How long a call may go unnoticed.
    pub(super) waits: Duration,
    /// How far our wall clock was set back: what happened before counts from later instants.
    pub(super) clock_was_ahead: Time,
}

impl Promise {
    pub(super) fn is_kept(
        &self,
        ours: &[&TrueCall],
        policies: &[Plan],
        daemon: &Daemon,
        record: &mut Record,
    ) {
        let Some(longest) = policies.iter().map(Plan::longest).max() else { return };
        let is_left_alone = |id: &CallId| {
            daemon.call(id).is_some_and(|call| {
                let is_released = call.ended.is_some_and(|e| e.outcome == Outcome::Released);
                let is_extended = call.deadline().is_some_and(|due| due.limit == Limit::Operator);
                call.action() == Action::Observe || is_released || is_extended
            })
        };
        let confirm = daemon.plan.policy.enforcement.confirm_within;
        let waits = micros(CONVERGES + self.waits + confirm) + self.clock_was_ahead;
        for call in ours.iter().filter(|call| call.exists(self.time) && !call.is_over(self.time)) {
            let due = call.rings + micros(longest);
            if self.time > due.max(self.healed) + waits && !is_left_alone(&call.id) {
                record.broken("no call outlives its limit", || {
                    format!("{call:?}\n{:?}", daemon.call(&call.id))
                });
            }
        }
        for kept in daemon.calls.values() {
            let is_enforced = kept.call.ended.is_none() && kept.call.action() == Action::End;
            let Some(due) = kept.call.deadline().filter(|_| is_enforced) else { continue };
            let since = daemon.started.max(due.at).max(self.healed_mono).max(kept.books.settled);
            let patience = CONVERGES;
            // Known by an id alone that search does not find, it may have fallen off the first page.
            let is_nameless = is_nameless(&kept.call);
            if since.after(patience) < self.now && !is_nameless {
                record.broken("a call past its deadline gets an outcome", || {
                    format!("{:?}", kept.call)
                });
            }
        }
    }
}

/// Known by an id alone, or by a number that many calls have, which search need not find: nothing but the end's webhook may tell its end.
pub(super) fn is_nameless(call: &Call) -> bool {
    let facts = &call.facts;
    let is_called = facts.to().is_some_and(|to| to != OUR_NUMBER);
    let calls = facts.from().is_some() && facts.direction() == Some("inbound");
    facts.sid().is_none() && !is_called && !calls
}

/// The rare paths to an outcome.
pub(super) fn sometimes_ended(
    ended: &Ended,
    refined: Option<Outcome>,
    sometimes: &mut impl FnMut(&'static str),
) {
    match (ended.outcome, refined) {
        (_, Some(Outcome::Raced)) => sometimes("a raced outcome was refined"),
        (_, Some(_)) => sometimes("a completed outcome was refined"),
        (Outcome::Failed, None) => sometimes("a stop was given up"),
        (Outcome::Stopped, None) if ended.confirmed_by == Some(ConfirmedBy::Lookup) => {
            sometimes("a stop was confirmed by look-up");
        }
        (_, None) => {}
    }
}

pub(super) fn micros(span: Duration) -> Time {
    Time::try_from(span.as_micros()).unwrap_or(Time::MAX / 4)
}
