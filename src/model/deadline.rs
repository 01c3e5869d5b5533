//! When a call's time is up (spec §6): facts × policy → the earliest limit, on the boot clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    context::{Known, Told},
    event::EventKind,
    facts::Facts,
    operator::Word,
    policy::{Limit, Limits, Policy},
    rule::{Action, Rule},
    time::{Moment, Mono, Wall},
    until::Until,
};

/// The earliest instant at which a limit is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// When, on the clock that it is enforced by.
    pub at: Mono,
    /// Which limit it is.
    pub limit: Limit,
    /// When, on the wall clock: stored and shown.
    pub wall: Wall,
}

/// A call's deadline, and what is to be known of how it came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadlines {
    /// The one in force; `None` where nothing limits the call.
    pub earliest: Option<Deadline>,
    /// The one that holds should it turn out that the call no longer rings. The same, unless
    /// `ringing` has a say in it.
    pub answered: Option<Deadline>,
    /// What becomes of the call then.
    pub action: Action,
    /// Whether what is not known yet may still change it.
    pub provisional: bool,
    /// Whether a limit is the wall clock's, which may step.
    pub follows_wall: bool,
    /// Whether the call has a limit of its own that cannot be read.
    pub unreadable: bool,
}

impl Deadlines {
    /// Whether it is the earlier only as long as the call rings.
    #[must_use]
    pub fn hinges_on_ringing(&self) -> bool {
        self.earliest != self.answered
    }
}

/// What a policy says of a call: its deadline, and the rule that it comes from.
#[must_use]
pub fn judge<'p>(
    call: Known<'p>,
    anchors: &Anchors,
    policy: &'p Policy,
    now: Moment,
) -> (Deadlines, Option<&'p Rule>) {
    let of_rule = |rule| of_rule(rule, call, anchors, policy, now);
    let mut deciding = policy.rules.deciding(call);
    // There is always one: `[limits]`, if nothing else.
    let mut holds = deciding.next().flatten();
    let mut latest = of_rule(holds);
    for rule in deciding {
        let other = of_rule(rule);
        if other.lasts() > latest.lasts() {
            holds = rule;
        }
        latest = latest.or_later(other);
    }
    (by_operator(call.facts, anchors, latest), holds)
}

/// The operator's word, which stands above every limit.
fn by_operator(facts: &Facts, anchors: &Anchors, limits: Deadlines) -> Deadlines {
    let at = |wall| {
        let deadline = Deadline { at: anchors.mono(wall), limit: Limit::Operator, wall };
        let deadline = Some(deadline);
        Deadlines { earliest: deadline, answered: deadline, follows_wall: false, ..limits }
    };
    match facts.operator().map(|act| (act.at, act.word)) {
        None => limits,
        Some((_, Word::Deadline(wall))) => at(wall),
        Some((given, Word::End)) => Deadlines { action: Action::End, ..at(given) },
        Some((_, Word::Release)) => Deadlines {
            earliest: None,
            answered: None,
            provisional: false,
            follows_wall: false,
            ..limits
        },
    }
}

/// What one rule alone, or `[limits]`, says of a call.
fn of_rule(
    rule: Option<&Rule>,
    call: Known<'_>,
    anchors: &Anchors,
    policy: &Policy,
    now: Moment,
) -> Deadlines {
    let limits = in_force(rule, call, policy);
    let mut earliest: Option<Deadline> = None;
    let mut answered: Option<Deadline> = None;
    let mut follows_wall = false;
    for limit in limits.applied(call.facts) {
        follows_wall |= matches!(limit.length, Length::Until(_));
        let Some(deadline) = limit.deadline(anchors, now) else { continue };
        earliest = Some(earliest.map_or(deadline, |known| known.min(deadline)));
        if limit.limit != Limit::Ringing {
            answered = Some(answered.map_or(deadline, |known| known.min(deadline)));
        }
    }
    Deadlines {
        earliest,
        answered,
        action: rule.map_or(Action::End, |rule| rule.action),
        provisional: limits.own == Own::Unknown,
        follows_wall,
        unreadable: limits.own == Own::Unreadable,
    }
}

impl Deadlines {
    /// How long a call may last, should this hold that may not: where it is only observed, for ever.
    fn lasts(&self) -> Mono {
        let deadline = self.earliest.filter(|_| self.action == Action::End);
        deadline.map_or(Mono(i64::MAX), |deadline| deadline.at)
    }

    /// The later of two of which either may hold.
    fn or_later(self, other: Self) -> Self {
        let observed = self.action == Action::Observe || other.action == Action::Observe;
        let later = |a: Option<Deadline>, b: Option<Deadline>| {
            if observed { None } else { Some(a?.max(b?)) }
        };
        Self {
            earliest: later(self.earliest, other.earliest),
            answered: later(self.answered, other.answered),
            action: if observed { Action::Observe } else { Action::End },
            provisional: true,
            follows_wall: self.follows_wall || other.follows_wall,
            unreadable: false,
        }
    }
}

/// The limits that hold for a call by one rule.
#[derive(Clone, Debug)]
pub struct InForce<'p> {
    rule: Option<&'p Limits>,
    general: &'p Limits,
    total: Option<Duration>,
    /// What came of the rule's `override`.
    pub own: Own,
}

/// What came of a rule's `override`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// The rule has none, or the call carries no such field.
    None,
    /// It is `total` now.
    Read(Duration),
    /// It is above `at_most`, which is `total` now.
    Capped(Duration),
    /// It cannot be read, and is ignored.
    Unreadable,
    /// The call may carry the field: the longest that `total` can come to holds.
    Unknown,
}

/// The limits of a rule, those that it leaves out filled in, the call's own in place of `total`.
#[must_use]
pub fn in_force<'p>(rule: Option<&'p Rule>, call: Known<'_>, policy: &'p Policy) -> InForce<'p> {
    let limits = rule.map(|rule| &rule.limits);
    let total = limits.and_then(|limits| limits.total).or(policy.limits.total);
    let own = rule.and_then(|rule| rule.own.as_ref());
    let (total, own) = match own.map(|own| (own.at_most, own.place.of(call))) {
        None | Some((_, Told::Missing)) => (total, Own::None),
        Some((at_most, Told::Unknown)) => (total.map(|total| total.max(at_most)), Own::Unknown),
        Some((at_most, told)) => match length_of(told) {
            Some(length) if length > at_most => (Some(at_most), Own::Capped(at_most)),
            Some(length) => (Some(length), Own::Read(length)),
            None => (total, Own::Unreadable),
        },
    };
    InForce { rule: limits, general: &policy.limits, total, own }
}

/// A duration string, or a number of seconds: from a second on, as the limits in the config.
fn length_of(told: Told<'_>) -> Option<Duration> {
    /// More than any `at_most`, and little enough to reckon with.
    const MOST_SECONDS: f64 = 1e9;
    // humantime panics on sums that run over, which takes more digits than any duration has.
    const MOST_DIGITS: usize = 15;
    let length = match told {
        Told::Number(number) => {
            let seconds = number.as_f64().filter(|seconds| *seconds >= 0.0)?;
            Duration::from_secs_f64(seconds.min(MOST_SECONDS))
        }
        Told::Text(text) => {
            let digits = text.chars().filter(char::is_ascii_digit).count();
            (digits <= MOST_DIGITS).then(|| humantime::parse_duration(text).ok()).flatten()?
        }
        Told::Unknown | Told::Missing | Told::Flag(_) | Told::Odd => return None,
    };
    (length >= Duration::from_secs(1)).then_some(length)
}

/// A limit of a call, and what it counts from.
#[derive(Clone, Debug)]
pub struct Applied<'p> {
    /// Which one it is.
    pub limit: Limit,
    /// How long it is.
    pub length: Length<'p>,
    /// Since when it counts; `None` while it does not, or no longer does.
    pub since: Option<Wall>,
}

/// How long a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length<'p> {
    /// So long.
    Span(Duration),
    /// To this time of day.
    Until(&'p Until),
}

impl<'p> InForce<'p> {
    /// Each limit that is set, by what is known of the call.
    pub fn applied<'a>(&'a self, facts: &'a Facts) -> impl Iterator<Item = Applied<'p>> + 'a {
        let answered = facts.answered();
        let connected = facts.connected().filter(|_| facts.talking().is_none());
        let (started, general) = (facts.started(), self.general);
        let of = |pick: fn(&Limits) -> Option<Duration>| {
            self.rule.and_then(pick).or_else(|| pick(general))
        };
        let marks = [
            (Limit::Total, self.total, Some(facts.began())),
            (Limit::Ringing, of(|it| it.ringing), started.filter(|_| answered.is_none())),
            (Limit::Connected, of(|it| it.connected), answered),
            (Limit::Talking, of(|it| it.talking), facts.talking()),
            (Limit::Voicemail, of(|it| it.voicemail), facts.voicemail()),
            (Limit::NoConversation, of(|it| it.no_conversation), connected),
        ];
        let spans = marks.into_iter().filter_map(|(limit, length, since)| {
            Some(Applied { limit, length: Length::Span(length?), since })
        });
        let after = self.after().map(|(kind, length)| Applied {
            limit: Limit::After(kind),
            length: Length::Span(length),
            since: waiting_since(facts, kind),
        });
        let until = self.rule.and_then(|rule| rule.until.as_ref()).or(general.until.as_ref());
        let until = until.map(|until| Applied {
            limit: Limit::Until,
            length: Length::Until(until),
            since: started,
        });
        spans.chain(after).chain(until)
    }

    /// The limits after events: the rule's, and the general ones of events that it leaves out.
    fn after(&self) -> impl Iterator<Item = (EventKind, Duration)> + '_ {
        let of_rule = self.rule.map(|rule| rule.after.as_slice()).unwrap_or_default();
        let is_left_out =
            |kind: &EventKind| of_rule.binary_search_by_key(kind, |(kind, _)| *kind).is_err();
        let general = self.general.after.iter().filter(move |(kind, _)| is_left_out(kind));
        of_rule.iter().chain(general).copied()
    }
}

impl Applied<'_> {
    /// When it is passed. Spans run on the boot clock, a time of day is the wall clock's.
    #[must_use]
    pub fn deadline(&self, anchors: &Anchors, now: Moment) -> Option<Deadline> {
        let (limit, since) = (self.limit, self.since?);
        Some(match self.length {
            Length::Span(span) => {
                Deadline { at: anchors.mono(since).after(span), limit, wall: since.after(span) }
            }
            Length::Until(until) => {
                let wall = until.first_after(since)?;
                Deadline { at: now.mono_of(wall), limit, wall }
            }
        })
    }
}

/// The last time of an event that nothing has undone since.
fn waiting_since(facts: &Facts, kind: EventKind) -> Option<Wall> {
    let last = facts.times(kind)?.last;
    let undone = kind.counterpart().and_then(|kind| facts.times(kind));
    // In the same second as one that the platform cut: in doubt the call goes on (spec §1).
    undone.is_none_or(|undone| undone.last <= last.cut()).then_some(last)
}

/// The boot time of each instant that a limit may count from, fixed when the instant was first
/// taken in: a step of the wall clock moves none (spec §8 *Clocks*). Local to one boot of one
/// machine, and therefore no part of the facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Anchors(Vec<(Wall, Mono)>);

impl Anchors {
    /// Anchors for just the instants of `facts`; those already known stay as they are.
    #[must_use]
    pub fn fixed(&self, facts: &Facts, now: Moment) -> Self {
        let mut fixed = Vec::with_capacity(4);
        for at in facts.instants() {
            if let Err(place) = fixed.binary_search_by_key(&at, |(wall, _)| *wall) {
                let mono = self.find(at).unwrap_or_else(|| now.mono_of(at));
                fixed.insert(place, (at, mono));
            }
        }
        fixed.shrink_to_fit();
        Self(fixed)
    }

    /// These, and those that `other` has besides.
    #[must_use]
    pub(super) fn joined(mut self, other: &Self) -> Self {
        for (at, mono) in &other.0 {
            if let Err(place) = self.0.binary_search_by_key(at, |(wall, _)| *wall) {
                self.0.insert(place, (*at, *mono));
            }
        }
        self
    }

    /// The boot time of `at`, which is an instant of the facts that the anchors were fixed to.
    fn mono(&self, at: Wall) -> Mono {
        self.find(at).unwrap_or(Mono(i64::MAX / 2))
    }

    fn find(&self, at: Wall) -> Option<Mono> {
        let place = self.0.binary_search_by_key(&at, |(wall, _)| *wall).ok()?;
        Some(self.0[place].1)
    }
}

/// Whether a deadline lies so near that what it needs is prepared.
#[must_use]
pub fn is_near(deadline: Deadline, now: Mono, ahead: Duration) -> bool {
    deadline.at.before(ahead) <= now
}

#[cfg(test)]
mod tests;
