//! From a call to what is shown of it.

use std::collections::BTreeMap;

use super::{CallView, EndedView, HistoryEntry, Summary};
use crate::model::{call::Call, event::EventKind, facts::Facts, ids::masked, time::Wall, trail};

impl Summary {
    /// What is shown of `call` wherever it is shown.
    #[must_use]
    pub fn of(call: &Call) -> Self {
        let facts = &call.facts;
        let deadline = match call.ended {
            Some(ended) => ended.deadline,
            None => call.deadline().map(|due| (due.wall, due.limit)),
        };
        Self {
            id: call.id.clone(),
            agent: facts.agent().cloned(),
            to: facts.to().map(masked),
            direction: facts.direction().map(str::to_owned),
            campaign: facts.campaign().map(str::to_owned),
            state: call.state(),
            outcome: call.ended.map(|ended| ended.outcome.name()),
            deadline: deadline.map(|(at, _)| at),
            limit: deadline.map(|(_, limit)| limit.to_string()),
            rule: call.rule().map(str::to_owned),
            provisional: call.is_provisional(),
            attempts: call.stop.attempts,
        }
    }
}

impl CallView {
    /// What is shown of `call`.
    #[must_use]
    pub fn of(call: &Call) -> Self {
        Self {
            summary: Summary::of(call),
            marks: marks(&call.facts),
            history: call.trail.iter().map(HistoryEntry::of).collect(),
        }
    }
}

impl EndedView {
    /// What is shown of a call that is over; `None` if it is not.
    #[must_use]
    pub fn of(call: &Call) -> Option<Self> {
        let ended = call.ended?;
        let told = call.facts.ended_reason().map(str::to_owned);
        Some(Self {
            call: CallView::of(call),
            ended_at: ended.at,
            ended_by: ended.by(&call.facts).name(),
            confirmed_by: ended.confirmed_by.map(|by| by.name()),
            reason: ended.reason.map(|reason| reason.name().to_owned()).or(told),
            overrun_seconds: ended.overrun_seconds(),
            platform_disagrees: call.disputed,
        })
    }
}

/// The four marks by their names, every other event by its own: its first time, and its last where
/// that is another.
fn marks(facts: &Facts) -> BTreeMap<String, Wall> {
    let marks = [
        ("started", facts.started()),
        ("connected", facts.connected()),
        ("talking", facts.talking()),
        ("voicemail", facts.voicemail()),
    ];
    let mut shown: BTreeMap<String, Wall> =
        marks.into_iter().filter_map(|(name, at)| Some((name.to_owned(), at?))).collect();
    for (kind, span) in facts.all_times() {
        let is_mark = matches!(
            kind,
            EventKind::Started
                | EventKind::Connected
                | EventKind::ConversationStarted
                | EventKind::VoicemailDetected
        );
        if !is_mark {
            shown.insert(kind.short_name().to_owned(), span.first);
        }
        if span.last != span.first {
            shown.insert(format!("{}_last", kind.short_name()), span.last);
        }
    }
    shown
}

impl HistoryEntry {
    fn of(entry: &trail::Entry) -> Self {
        Self {
            at: entry.at,
            what: entry.what.name(),
            by: entry.what.by().name(),
            detail: entry.what.detail(),
        }
    }
}
