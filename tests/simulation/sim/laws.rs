//! The laws, as plain functions over what happened. Each is a sentence of the promise (spec §1), and
//! the first that is broken ends the world.

use std::time::Duration;

use callwarden::model::{
    call::Call,
    change::{Change, Event, Note},
    desk::Desk,
    ids::CallId,
    outcome::{ConfirmedBy, Ended, Outcome},
    policy::{Limit, Limits, Policy},
    promise,
    queue::{Kind, MOST_UNDER_WAY},
    time::{Moment, Mono},
};

use super::{SECOND, Time, daemon::Daemon, life::TrueCall, record::Record, world::CONVERGES};

pub(super) use super::books::Books;

/// One change, as the laws see it.
pub(super) struct Seen<'a> {
    pub(super) before: &'a Call,
    pub(super) event: &'a Event<'a>,
    pub(super) change: &'a Change,
    pub(super) books: &'a Books,
    pub(super) policy: &'a Policy,
    pub(super) now: Moment,
    pub(super) truth: Option<&'a TrueCall>,
    /// Whether the platform told something false of its end.
    pub(super) lied: bool,
    pub(super) time: Time,
    /// Whether our clock is right, and webhooks tell true times.
    pub(super) times_are_true: bool,
    /// Whether our clock was never set, and does not drift.
    pub(super) clock_is_steady: bool,
    /// Whether to look at what an event told twice would do: now and then, for it costs.
    pub(super) tells_again: bool,
}

/// Whether a law holds.
type Law = fn(&Seen<'_>) -> bool;

/// The laws of one change.
pub(super) fn of_change(seen: &Seen<'_>, record: &mut Record) {
    let laws: [(&str, Law); 13] = [
        ("production would see no breach", production_sees_no_breach),
        ("no request is early, by what was told", no_request_is_early_by_the_books),
        ("no request is early, by what is true", no_request_is_early_by_the_truth),
        ("the deadline is that of the spec", the_deadline_is_that_of_the_spec),
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
                let Seen { before, event, change, books, now, truth, policy, .. } = seen;
                format!(
                    "{event:?} at {now:?}\nbefore {before:?}\nafter {change:?}\nbooks {books:?}\n\
                     truth {truth:?}\n{policy:?}"
                )
            });
        }
    }
}

fn production_sees_no_breach(seen: &Seen<'_>) -> bool {
    let Seen { before, change, policy, now, .. } = seen;
    promise::of_change(before, change, sends(change), now.mono).is_none()
        && promise::of_call(&change.next, policy, Mono(i64::MIN)).is_none()
}

fn sends(change: &Change) -> bool {
    change.notes.iter().any(|note| matches!(note, Note::Sent { .. }))
}

fn no_request_is_early_by_the_books(seen: &Seen<'_>) -> bool {
    let may = || seen.books.told.may_stop(seen.now.mono.0, &seen.policy.limits);
    let alone = seen.before.ended.is_none() && seen.books.under_way == 1;
    !sends(seen.change) || (alone && (seen.books.lost_track || !seen.clock_is_steady || may()))
}

/// Whatever was told: no limit can have been passed before the call really got that far.
fn no_request_is_early_by_the_truth(seen: &Seen<'_>) -> bool {
    let Some(truth) = seen.truth.filter(|_| seen.times_are_true && sends(seen.change)) else {
        return true;
    };
    let Limits { total, ringing, connected, talking, voicemail, no_conversation, after } =
        &seen.policy.limits;
    let since_answered = [connected, talking, voicemail, no_conversation];
    let since_answered =
        since_answered.into_iter().flatten().chain(after.iter().map(|(_, span)| span));
    let since_rung = [total, ringing].into_iter().flatten();
    let rung = since_rung.map(|span| truth.rings + micros(*span));
    let answered = truth.answered.into_iter();
    let answered =
        answered.flat_map(|at| since_answered.clone().map(move |span| at + micros(*span)));
    rung.chain(answered).min().is_none_or(|earliest| earliest <= seen.time)
}

fn the_deadline_is_that_of_the_spec(seen: &Seen<'_>) -> bool {
    let call = &seen.change.next;
    let is_open = call.ended.is_none() && !seen.books.lost_track;
    let expected = || seen.books.told.deadline(&seen.policy.limits);
    // Of a clock that was set, or drifts, it depends on when an instant was first told.
    let is_exact = seen.clock_is_steady;
    !is_open || !is_exact || expected() == call.deadline().map(|deadline| deadline.at.0)
}

fn there_is_a_next_step(seen: &Seen<'_>) -> bool {
    let call = &seen.change.next;
    let Some(deadline) = call.deadline().filter(|_| call.ended.is_none()) else { return true };
    if call.is_queued() || call.stop.is_under_way() || call.is_looked_up() {
        return true;
    }
    let pause = Duration::from_secs(if seen.books.not_shown { 60 } else { 30 });
    let latest = deadline.at.max(seen.now.mono.after(pause));
    call.wakeup(seen.policy).is_some_and(|at| at <= latest)
}

fn nothing_is_hot(seen: &Seen<'_>) -> bool {
    let wakeup = seen.change.next.wakeup(seen.policy);
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
    reopened || now == Some(known) || refines
}

fn an_outcome_rests_on_evidence(seen: &Seen<'_>) -> bool {
    let Books { end_was_told, accepted, lost, borne_out, answered, disturbed, .. } = seen.books;
    let Some(ended) = new_outcome(seen.change) else { return true };
    match ended.outcome {
        _ if matches!(seen.event, Event::Joined(_)) || seen.books.was_joined => true,
        Outcome::Completed | Outcome::NotConnected => *end_was_told && !accepted,
        Outcome::Raced => *end_was_told && !accepted,
        Outcome::Stopped => (*end_was_told || *borne_out) && (*accepted || *lost),
        Outcome::Failed => answered.is_some() || *disturbed,
    }
}

fn an_outcome_is_true(seen: &Seen<'_>) -> bool {
    let ended = new_outcome(seen.change).filter(|ended| ended.outcome != Outcome::Failed);
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
    let ends = matches!(seen.event, Event::Heard(heard) if heard.kind.ends_call());
    // A call that was reopened since the end happened goes on.
    !ends || seen.change.next.ended.is_some() || seen.books.lost_track
}

fn giving_up_takes_its_time(seen: &Seen<'_>) -> bool {
    let Books { answered, misled, under_way, disturbed, .. } = seen.books;
    let Some(first) = answered.filter(|_| !disturbed) else { return true };
    let is_time = first.after(seen.policy.enforcement.give_up_after) <= seen.now.mono;
    let gave_up = new_outcome(seen.change).is_some_and(|ended| ended.outcome == Outcome::Failed);
    let call = &seen.change.next;
    let must =
        call.ended.is_none() && call.stop.has_begun() && is_time && !misled && *under_way == 0;
    (!gave_up || (is_time && !misled)) && !must
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
    let again = call.apply(&Event::Woke, seen.now, seen.policy);
    let heard_again = match seen.event {
        Event::Heard(_) => {
            call.apply(seen.event, seen.now, seen.policy).next.version == call.version
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
    if let Some(first) = calls.filter(waits).filter_map(place).find(|place| *place < ours) {
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
    let Some(kept) = daemon.calls.get(id) else { return };
    let Some(deadline) = kept.call.deadline().filter(|_| kept.call.stop.attempts == 1) else {
        return;
    };
    let was_ready = |since: Mono| since < deadline.at.before(AHEAD);
    let is_plain = deadline.limit != Limit::Ringing
        && !kept.call.is_looked_up()
        && [kept.books.settled, awake, daemon.started].into_iter().all(was_ready)
        && daemon.held.max(kept.busy_until) < deadline.at;
    let late = now.mono.since(deadline.at);
    // Each of those that are due at once may wait a tenth of a second for its intent.
    let allowed =
        if daemon.waited >= deadline.at.before(AHEAD) { Duration::from_secs(5) } else { ON_TIME };
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
        if kept.call.ended.is_some() && over_since < began {
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
    pub(super) clock_is_true: bool,
}

impl Promise {
    pub(super) fn is_kept(
        &self,
        calls: &[TrueCall],
        policies: &[Policy],
        daemon: &Daemon,
        record: &mut Record,
    ) {
        let Some(longest) = policies.iter().filter_map(|policy| policy.limits.total).max() else {
            return;
        };
        let slack = if self.clock_is_true { 0 } else { 12 * 60 * SECOND };
        let confirm = daemon.policy.enforcement.confirm_within;
        let waits = micros(CONVERGES + self.waits + confirm) + slack;
        for call in calls.iter().filter(|call| call.exists(self.time) && !call.is_over(self.time)) {
            let due = call.rings + micros(longest);
            if self.time > due.max(self.healed) + waits {
                record.broken("no call outlives its limit", || {
                    format!("{call:?}\n{:?}", daemon.call(&call.id))
                });
            }
        }
        for kept in daemon.calls.values() {
            let Some(due) = kept.call.deadline().filter(|_| kept.call.ended.is_none()) else {
                continue;
            };
            let since = daemon.started.max(due.at).max(self.healed_mono).max(kept.books.settled);
            let patience = CONVERGES + self.waits + confirm;
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

/// Known by an id alone, which search need not find: nothing but the end's webhook may tell its end.
fn is_nameless(call: &Call) -> bool {
    call.facts.to().is_none() && call.facts.sid().is_none()
}

/// When the world ends, nothing is left open.
pub(super) fn of_the_end(calls: &[TrueCall], daemon: Option<&Daemon>, record: &mut Record) {
    let Some(daemon) = daemon else { return };
    if let Some(call) = calls.iter().find(|call| call.ends > 599 * 60 * SECOND) {
        record.broken("no call outlives its limit", || format!("{call:?}"));
    }
    let is_open = |call: &Call| call.ended.is_none() && !is_nameless(call);
    if let Some(kept) = daemon.calls.values().find(|kept| is_open(&kept.call)) {
        record.broken("every call gets an outcome", || format!("{:?}", kept.call));
    }
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

fn micros(span: Duration) -> Time {
    Time::try_from(span.as_micros()).unwrap_or(Time::MAX / 4)
}
