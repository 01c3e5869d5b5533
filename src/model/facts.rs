//! What is known of a call: a join-semilattice (spec §4; `ARCHITECTURE.md`, *Core*).
//!
//! Whatever tells us of a call becomes [`Facts`] of its own, and is joined into what we had. `join`
//! commutes, associates and repeats, so order, duplicates and delays make no difference. All times
//! are wall times, so that facts mean the same after a restart and in another instance.

mod join;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::join::{join_spans, join_times, least, pick};
use super::{
    event::{CallName, EventKind, Heard},
    ids::{AgentId, CallId},
    operator::{Act, Word},
    platform::{Row, Status},
    time::Wall,
};

/// All that was told of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// When we first heard of it.
    pub first_seen: Wall,
    /// First and last time of each event, in the order of [`EventKind`].
    times: Vec<(EventKind, Span)>,
    /// The earliest `started_at` of a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row_started: Option<Wall>,
    /// The earliest moment at which a row said that somebody answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row_connected: Option<Wall>,
    /// The first and the last time that a row said it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row_over: Option<Span>,
    /// Whether one of those rows said that it had connected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    row_completed: bool,
    /// When the platform last contradicted what we took for the call's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reopened: Option<Wall>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<Agent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<Told<CallId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Told<Box<str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Told<Box<str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    direction: Option<Told<Box<str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    campaign: Option<Told<Box<str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    testing: Option<Told<bool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_reason: Option<Told<Box<str>>>,
    /// The context's fingerprint; its text lies in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    context: Option<Told<u64>>,
    /// The operator's last word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operator: Option<Act>,
}

/// First and last time of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first time.
    pub first: Wall,
    /// The last time.
    pub last: Wall,
}

/// A value, and the time of the event that told it: the earlier wins, of equal times the smaller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Told<T> {
    at: Wall,
    value: T,
}

/// The agent that owns the call. What the platform's rows say stands above what webhooks say, and
/// of two rows the later holds, since a call may be handed on (spec §4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Agent {
    id: AgentId,
    at: Wall,
    by_row: bool,
}

/// How a call's end came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When it ended, as told or, of a row, when we saw it.
    pub at: Wall,
    /// Whether it ever connected.
    pub connected: bool,
    /// By webhook, or by a row alone.
    pub by_webhook: bool,
}

impl Facts {
    /// Facts that say only that the call was seen.
    #[must_use]
    pub fn seen(at: Wall) -> Self {
        Self {
            first_seen: at,
            times: Vec::new(),
            row_started: None,
            row_connected: None,
            row_over: None,
            row_completed: false,
            reopened: None,
            agent: None,
            sid: None,
            to: None,
            from: None,
            direction: None,
            campaign: None,
            testing: None,
            ended_reason: None,
            context: None,
            operator: None,
        }
    }

    /// An operator's word.
    #[must_use]
    pub fn of_operator(act: Act) -> Self {
        // He knew of the call, which says nothing of when it began.
        Self { operator: Some(act), ..Self::seen(Wall(i64::MAX)) }
    }

    /// What one event tells. `at` is when it happened as far as we believe, `seen` when it came.
    #[must_use]
    pub fn of_event(heard: &Heard, at: Wall, seen: Wall) -> Self {
        let mut facts = Self::of_details(heard, at, seen);
        facts.times.push((heard.kind, Span { first: at, last: at }));
        facts
    }

    /// What an event tells besides that it happened.
    #[must_use]
    pub fn of_details(heard: &Heard, at: Wall, seen: Wall) -> Self {
        let text = |value: &Option<Box<str>>| value.clone().map(|value| Told { at, value });
        let details = &heard.details;
        Self {
            agent: heard.agent.clone().map(|id| Agent { id, at, by_row: false }),
            sid: match &heard.call {
                CallName::Id(_) => None,
                CallName::Sid(sid) | CallName::Both { sid, .. } => {
                    Some(Told { at, value: sid.clone() })
                }
            },
            to: text(&details.to),
            from: text(&details.from),
            direction: text(&details.direction),
            campaign: text(&details.campaign),
            testing: details.testing.map(|value| Told { at, value }),
            ended_reason: text(&details.ended_reason),
            context: details
                .context
                .as_ref()
                .map(|context| Told { at, value: fingerprint(context.to_string().as_bytes()) }),
            ..Self::seen(seen)
        }
    }

    /// That an event happened at `at`, and no more.
    #[must_use]
    pub fn of_time(kind: EventKind, at: Wall, seen: Wall) -> Self {
        Self { times: vec![(kind, Span { first: at, last: at })], ..Self::seen(seen) }
    }

    /// That the platform contradicted, at `at`, what was taken for the call's end.
    #[must_use]
    pub fn of_reopening(at: Wall, seen: Wall) -> Self {
        Self { reopened: Some(at), ..Self::seen(seen) }
    }

    /// What a row of the platform tells.
    #[must_use]
    pub fn of_row(row: &Row, seen: Wall) -> Self {
        let text = |value: &Option<Box<str>>| value.clone().map(|value| Told { at: seen, value });
        Self {
            row_started: row.started_at.map(|at| at.uncut().min(seen)),
            row_connected: row.status.is_connected().then_some(seen),
            row_over: row.status.is_over().then_some(Span { first: seen, last: seen }),
            row_completed: row.status == Status::Completed,
            agent: row.agent.clone().map(|id| Agent { id, at: seen, by_row: true }),
            sid: row.sid.clone().map(|value| Told { at: seen, value }),
            to: text(&row.to),
            from: text(&row.from),
            direction: text(&row.direction),
            testing: row.testing.map(|value| Told { at: seen, value }),
            ..Self::seen(seen)
        }
    }

    /// All that either side knows.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let Self {
            first_seen,
            times,
            row_started,
            row_connected,
            row_over,
            row_completed,
            reopened,
            agent,
            sid,
            to,
            from,
            direction,
            campaign,
            testing,
            ended_reason,
            context,
            operator,
        } = other;
        Self {
            first_seen: self.first_seen.min(first_seen),
            times: join_times(self.times, times),
            row_started: least(self.row_started, row_started),
            row_connected: least(self.row_connected, row_connected),
            row_over: join_spans(self.row_over, row_over),
            row_completed: self.row_completed || row_completed,
            reopened: self.reopened.max(reopened),
            agent: pick(self.agent, agent, Agent::outranks),
            sid: least(self.sid, sid),
            to: least(self.to, to),
            from: least(self.from, from),
            direction: least(self.direction, direction),
            campaign: least(self.campaign, campaign),
            testing: least(self.testing, testing),
            ended_reason: least(self.ended_reason, ended_reason),
            context: least(self.context, context),
            operator: self.operator.max(operator),
        }
    }

    /// First and last time of an event; `None` if it did not come.
    #[must_use]
    pub fn times(&self, kind: EventKind) -> Option<Span> {
        let at = self.times.binary_search_by_key(&kind, |(kind, _)| *kind).ok()?;
        Some(self.times[at].1)
    }

    /// Every event that came, with its times.
    pub fn all_times(&self) -> impl Iterator<Item = (EventKind, Span)> + '_ {
        self.times.iter().copied()
    }

    /// The mark *started*: by webhook, else by active-call's `started_at`.
    #[must_use]
    pub fn started(&self) -> Option<Wall> {
        self.first(EventKind::Started).or(self.row_started)
    }

    /// The mark *connected*: by webhook, or by a row that said `answered`.
    #[must_use]
    pub fn connected(&self) -> Option<Wall> {
        least(self.first(EventKind::Connected), self.row_connected)
    }

    /// The mark *talking*.
    #[must_use]
    pub fn talking(&self) -> Option<Wall> {
        self.first(EventKind::ConversationStarted)
    }

    /// The mark *voicemail*.
    #[must_use]
    pub fn voicemail(&self) -> Option<Wall> {
        self.first(EventKind::VoicemailDetected)
    }

    /// The earliest sign that somebody, or something, answered.
    #[must_use]
    pub fn answered(&self) -> Option<Wall> {
        let joined = self.first(EventKind::ParticipantJoined);
        [self.connected(), self.talking(), self.voicemail(), joined].into_iter().flatten().min()
    }

    /// What `total` counts from: the earliest mark, else the earliest event, else first sight.
    #[must_use]
    pub fn began(&self) -> Wall {
        let marks = [self.started(), self.connected(), self.talking(), self.voicemail()];
        let events = self.times.iter().map(|(_, span)| span.first);
        marks.into_iter().flatten().min().or_else(|| events.min()).unwrap_or(self.first_seen)
    }

    /// Whether the platform's rows have said that the call had begun by then.
    pub(super) fn was_under_way(&self, at: Wall) -> bool {
        self.row_started.is_some_and(|started| started <= at.after(Wall::CUT))
    }

    /// Whether any event was taken in; a call without was found by asking the platform.
    #[must_use]
    pub fn heard_of(&self) -> bool {
        !self.times.is_empty()
    }

    /// When the platform last contradicted an end.
    pub(super) fn reopened(&self) -> Option<Wall> {
        self.reopened
    }

    /// How the call ended, if it did. Ends that the platform has contradicted since are none.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        let holds = |at: &Wall| self.reopened.is_none_or(|reopened| *at > reopened);
        let first = |span: Span| [span.first, span.last].into_iter().find(holds);
        let ended = self.times(EventKind::Ended).and_then(first);
        let not_connected = self.times(EventKind::DidNotConnect).and_then(first);
        if let Some(at) = least(ended, not_connected) {
            return Some(End { at, connected: not_connected.is_none(), by_webhook: true });
        }
        let at = self.row_over.and_then(first)?;
        let connected = self.row_completed || self.answered().is_some();
        Some(End { at, connected, by_webhook: false })
    }

    /// When an end that is told now happened at the earliest: after what contradicted the last one,
    /// be our clock behind.
    #[must_use]
    pub fn after_reopening(&self, now: Wall) -> Wall {
        self.reopened.map_or(now, |reopened| now.max(Wall(reopened.0.saturating_add(1))))
    }

    /// The latest time at which the call was told to have ended, by whichever clock told it.
    #[must_use]
    pub fn last_told_end(&self) -> Option<Wall> {
        let told = [EventKind::Ended, EventKind::DidNotConnect].map(|kind| self.times(kind));
        told.into_iter().chain([self.row_over]).flatten().map(|span| span.last).max()
    }

    /// Whether a row of the platform's would name another agent than the rows before it.
    #[must_use]
    pub fn agent_is_news(&self, row: &Row) -> bool {
        let known = self.agent.as_ref().filter(|agent| agent.by_row).map(|agent| &agent.id);
        row.agent.is_some() && row.agent.as_ref() != known
    }

    /// Whether it is known when the call started, or began to be heard of.
    #[must_use]
    pub fn has_start(&self) -> bool {
        self.heard_of() || self.row_started.is_some()
    }

    /// The agent that owns the call.
    #[must_use]
    pub fn agent(&self) -> Option<&AgentId> {
        self.agent.as_ref().map(|agent| &agent.id)
    }

    /// The provider's sid.
    #[must_use]
    pub fn sid(&self) -> Option<&CallId> {
        self.sid.as_ref().map(|told| &told.value)
    }

    /// The callee's number.
    #[must_use]
    pub fn to(&self) -> Option<&str> {
        self.to.as_ref().map(|told| &*told.value)
    }

    /// The caller's number.
    #[must_use]
    pub fn from(&self) -> Option<&str> {
        self.from.as_ref().map(|told| &*told.value)
    }

    /// `inbound` or `outbound`.
    #[must_use]
    pub fn direction(&self) -> Option<&str> {
        self.direction.as_ref().map(|told| &*told.value)
    }

    /// The campaign's id.
    #[must_use]
    pub fn campaign(&self) -> Option<&str> {
        self.campaign.as_ref().map(|told| &*told.value)
    }

    /// Whether it is a test call.
    #[must_use]
    pub fn testing(&self) -> Option<bool> {
        self.testing.as_ref().map(|told| told.value)
    }

    /// Why it ended, in the platform's words.
    #[must_use]
    pub fn ended_reason(&self) -> Option<&str> {
        self.ended_reason.as_ref().map(|told| &*told.value)
    }

    /// The context's fingerprint, by which its text in the store is told from another's.
    #[must_use]
    pub fn context(&self) -> Option<u64> {
        self.context.as_ref().map(|told| told.value)
    }

    /// The operator's last word.
    #[must_use]
    pub fn operator(&self) -> Option<Act> {
        self.operator
    }

    /// When an operator took the call out of enforcement.
    #[must_use]
    pub fn released(&self) -> Option<Wall> {
        self.operator.filter(|act| act.word == Word::Release).map(|act| act.at)
    }

    /// Whether an event that bears no time tells nothing new: its kind came before, and the event
    /// that undoes it, or that it undoes, has not come since (spec §4).
    #[must_use]
    pub fn repeats(&self, kind: EventKind) -> bool {
        let Some(span) = self.times(kind) else {
            return false;
        };
        let other = kind.counterpart().or_else(|| kind.undoes()).and_then(|kind| self.times(kind));
        other.is_none_or(|other| other.last <= span.last)
    }

    fn first(&self, kind: EventKind) -> Option<Wall> {
        self.times(kind).map(|span| span.first)
    }

    /// Every instant that a limit may count from.
    pub(super) fn instants(&self) -> impl Iterator<Item = Wall> + '_ {
        let events = self.times.iter().flat_map(|(_, span)| [span.first, span.last]);
        let operator = self.operator.map(|act| match act.word {
            Word::Deadline(at) => at,
            Word::End | Word::Release => act.at,
        });
        [Some(self.first_seen), self.row_started, self.row_connected, operator]
            .into_iter()
            .flatten()
            .chain(events)
    }
}

impl Agent {
    fn outranks(&self, other: &Self) -> bool {
        match (self.by_row, other.by_row) {
            (true, false) => true,
            (false, true) => false,
            (true, true) => (other.at, &self.id) <= (self.at, &other.id),
            (false, false) => (self.at, &self.id) <= (other.at, &other.id),
        }
    }
}

/// Whether an event's own time may be believed at all: neither older than `max_age` nor more than
/// a minute ahead (spec §4).
#[must_use]
pub fn is_believable(at: Wall, now: Wall, max_age: Duration) -> bool {
    const AHEAD: Duration = Duration::from_secs(60);
    now.before(max_age) <= at && at <= now.after(AHEAD)
}

/// FNV-1a, 64 bits: stable over builds, since it is stored.
pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
