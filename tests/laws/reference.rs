//! The deadline by the sentences of spec §6, worked out naively from a list of all that was told.
//! Shares no code with `model::deadline` or `model::facts`.

use std::time::Duration;

use callwarden::model::{
    event::{EventKind, Heard, Via},
    platform::{Row, Status},
    policy::Limits,
    time::{Moment, Wall},
};

/// An instant on both clocks; the second is what holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub wall: i64,
    pub mono: i64,
}

/// All that was told of the call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    events: Vec<(EventKind, Mark)>,
    pub doubted: Vec<(EventKind, Wall)>,
    seen: Option<Mark>,
    row_started: Option<Mark>,
    row_answered: Option<Mark>,
    /// Nothing but an event that is too old has told of it.
    pub unproven: bool,
    /// When a row last said that it rings.
    pub rang: Option<i64>,
}

impl Told {
    /// `is_overdue` says whether the deadline is passed by what was told.
    pub(crate) fn hear(
        &mut self,
        heard: &Heard,
        now: Moment,
        max_age: Duration,
        is_overdue: impl Fn(&Self) -> bool,
    ) {
        let is_new = self.seen.is_none();
        self.see(now);
        // What the delivery log tells counts as if it had come when it was first tried.
        let came = match heard.via {
            Via::Log { tried: Some(at) } => latest(at).min(now.wall),
            Via::Log { tried: None } | Via::Webhook => now.wall,
        };
        let arrival = mark(now.wall, now);
        let oldest = came.before(max_age);
        let newest = came.after(Duration::from_secs(60));
        let own = heard.time.filter(|at| (oldest..=newest).contains(at));
        let own = own.or_else(|| (came < now.wall).then_some(came));
        let overdue = |at: Mark| {
            let mut with = Self { unproven: false, ..self.clone() };
            with.events.push((heard.kind, at));
            is_overdue(&with)
        };
        let too_soon = |at: &Wall| {
            let is_doubted = self.doubted.contains(&(heard.kind, *at));
            let makes_overdue = overdue(self.fix(*at, now)) && !overdue(arrival);
            // The platform's rows have told that it had begun by then.
            let goes_on = self.row_started.is_some_and(|started| started.wall <= at.0 + 999_999);
            !heard.kind.ends_call() && (is_doubted || (makes_overdue && !goes_on))
        };
        let doubted = own.filter(too_soon);
        match own {
            Some(at) if doubted.is_none() => self.events.push((heard.kind, self.fix(at, now))),
            Some(_) | None if self.repeats(heard.kind) => {}
            Some(_) | None => self.events.push((heard.kind, arrival)),
        }
        self.doubted.extend(doubted.map(|at| (heard.kind, at)));
        let is_old = heard.time.into_iter().chain([came]).min() < Some(now.wall.before(max_age));
        if is_new {
            self.unproven = is_old;
        } else if own.is_some() && !is_old {
            self.unproven = false;
        }
    }

    pub(crate) fn show(&mut self, row: &Row, now: Moment) {
        self.see(now);
        let started = row.started_at.map(|at| self.fix(latest(at).min(now.wall), now));
        self.row_started = self.row_started.into_iter().chain(started).min_by_key(|at| at.wall);
        if matches!(row.status, Status::Answered | Status::InProgress) {
            let seen = Some(mark(now.wall, now));
            self.row_answered = self.row_answered.into_iter().chain(seen).min_by_key(|at| at.wall);
        }
        if row.status == Status::Ringing {
            self.rang = Some(now.mono.0);
        }
        if !row.status.is_over() {
            self.unproven = false;
            let doubted = std::mem::take(&mut self.doubted);
            for (kind, at) in doubted {
                self.events.push((kind, self.fix(at, now)));
            }
        }
    }

    /// Another boot: only the wall clock tells how long ago things were.
    pub(crate) fn reboot(&mut self, now: Moment) {
        let Self { events, seen, row_started, row_answered, .. } = self;
        let marks = events.iter_mut().map(|(_, mark)| mark);
        for at in marks.chain(seen).chain(row_started).chain(row_answered) {
            *at = mark(Wall(at.wall), now);
        }
        self.rang = None;
    }

    /// The deadline, on the boot clock.
    pub(crate) fn deadline(&self, limits: &Limits) -> Option<i64> {
        self.by_limits(limits, true).filter(|_| !self.unproven)
    }

    /// Whether a request may leave now: no call is cut early, and none for `ringing` unless it was
    /// seen to ring, 5 s ahead at most.
    pub(crate) fn may_stop(&self, now: i64, limits: &Limits) -> bool {
        let passed = |at: Option<i64>| at.is_some_and(|at| at <= now);
        let rang_for = |at: i64| at <= now && self.rang.is_some_and(|rang| at - 5_000_000 <= rang);
        !self.unproven
            && (passed(self.by_limits(limits, false)) || self.ringing(limits).is_some_and(rang_for))
    }

    fn by_limits(&self, limits: &Limits, with_ringing: bool) -> Option<i64> {
        let Limits {
            total,
            ringing: _,
            connected,
            talking,
            voicemail,
            no_conversation,
            after,
            until: _,
        } = limits;
        let first = |kind| self.first(kind);
        let is_talking = first(EventKind::ConversationStarted);
        let began = earliest([
            self.started(),
            self.connected(),
            is_talking,
            first(EventKind::VoicemailDetected),
        ])
        .or_else(|| self.events.iter().map(|(_, at)| *at).min_by_key(|at| at.wall))
        .or(self.seen);
        let limited = [
            (began, *total),
            (self.answered(), *connected),
            (is_talking, *talking),
            (first(EventKind::VoicemailDetected), *voicemail),
            (self.connected().filter(|_| is_talking.is_none()), *no_conversation),
        ];
        let waiting = after.iter().map(|(kind, limit)| (self.waiting(*kind), Some(*limit)));
        let ends = limited.into_iter().chain(waiting).filter_map(|(from, limit)| {
            Some(from?.mono + i64::try_from(limit?.as_micros()).unwrap())
        });
        ends.chain(self.ringing(limits).filter(|_| with_ringing)).min()
    }

    fn ringing(&self, limits: &Limits) -> Option<i64> {
        let from = self.started().filter(|_| self.answered().is_none())?;
        Some(from.mono + i64::try_from(limits.ringing?.as_micros()).unwrap())
    }

    pub(crate) fn started(&self) -> Option<Mark> {
        self.first(EventKind::Started).or(self.row_started)
    }

    fn connected(&self) -> Option<Mark> {
        earliest([self.first(EventKind::Connected), self.row_answered])
    }

    fn answered(&self) -> Option<Mark> {
        earliest([
            self.connected(),
            self.first(EventKind::ConversationStarted),
            self.first(EventKind::VoicemailDetected),
            self.first(EventKind::ParticipantJoined),
        ])
    }

    fn waiting(&self, kind: EventKind) -> Option<Mark> {
        let since = self.last(kind)?;
        let undone = kind.counterpart().and_then(|kind| self.last(kind));
        // An end of a second may be a time that was cut: in doubt the call goes on.
        let at = if since.wall % 1_000_000 == 999_999 { since.wall - 999_999 } else { since.wall };
        undone.is_none_or(|undone| undone.wall <= at).then_some(since)
    }

    fn repeats(&self, kind: EventKind) -> bool {
        let other = kind.counterpart().or_else(|| kind.undoes()).and_then(|other| self.last(other));
        self.last(kind).is_some_and(|at| other.is_none_or(|other| other.wall <= at.wall))
    }

    fn first(&self, kind: EventKind) -> Option<Mark> {
        self.all(kind).min_by_key(|at| at.wall)
    }

    fn last(&self, kind: EventKind) -> Option<Mark> {
        self.all(kind).max_by_key(|at| at.wall)
    }

    fn all(&self, kind: EventKind) -> impl Iterator<Item = Mark> + '_ {
        self.events.iter().filter(move |(known, _)| *known == kind).map(|(_, at)| *at)
    }

    /// An instant told again stays where it was first fixed on the boot clock, whatever the wall
    /// clock did since.
    fn fix(&self, at: Wall, now: Moment) -> Mark {
        let Self { events, seen, row_started, row_answered, .. } = self;
        let marks = events.iter().map(|(_, mark)| mark);
        let mut known = marks.chain(seen).chain(row_started).chain(row_answered);
        known.find(|mark| mark.wall == at.0).copied().unwrap_or_else(|| mark(at, now))
    }

    fn see(&mut self, now: Moment) {
        let seen = mark(now.wall, now);
        self.seen = Some(self.seen.map_or(seen, |known| known.min(seen)));
    }
}

/// The platform shows whole seconds, cut: the later instant holds.
fn latest(at: Wall) -> Wall {
    if at.0 % 1_000_000 == 0 { Wall(at.0 + 999_999) } else { at }
}

fn mark(at: Wall, now: Moment) -> Mark {
    Mark { wall: at.0, mono: now.mono.0 - (now.wall.0 - at.0) }
}

fn earliest<const N: usize>(marks: [Option<Mark>; N]) -> Option<Mark> {
    marks.into_iter().flatten().min_by_key(|at| at.wall)
}
