//! How things stand at one look, and what there is to read from it. Pure.

use std::{sync::Arc, time::Duration};

use crate::model::{
    call::State,
    health::Status,
    policy::{Limit, Limits},
    time::Wall,
    view::{CallView, HistoryEntry},
};

/// How things stand.
pub(super) struct Scene {
    /// How long the demo has been going on.
    pub(super) at: Duration,
    /// How long it takes, about.
    pub(super) lasts: Duration,
    /// The daemon's wall clock.
    pub(super) now: Wall,
    /// How many calls there will be.
    pub(super) planned: usize,
    /// The calls that callwarden knows, by number.
    pub(super) calls: Vec<Seen>,
    /// The limits in force.
    pub(super) limits: Limits,
    /// The daemon's health.
    pub(super) health: Status,
    /// What health says is wrong.
    pub(super) trouble: Option<String>,
    /// Webhooks that were answered 2xx.
    pub(super) webhooks: usize,
}

/// A call as callwarden sees it.
#[derive(Clone)]
pub(super) struct Seen {
    /// Its number, from 1.
    pub(super) number: usize,
    /// What it does, in a few words that follow its number.
    pub(super) title: &'static str,
    /// What the admin API shows of it.
    pub(super) view: Arc<CallView>,
}

impl Scene {
    /// Whether every call has its outcome.
    pub(super) fn is_over(&self) -> bool {
        self.count(State::Ended) == self.planned
    }

    /// How many calls stand there.
    pub(super) fn count(&self, state: State) -> usize {
        self.calls.iter().filter(|seen| seen.view.summary.state == state).count()
    }

    /// The calls within their limits, with their deadlines, the next one first.
    pub(super) fn deadlines(&self) -> Vec<(Wall, &Seen)> {
        let live = self.calls.iter().filter(|seen| seen.view.summary.state == State::Live);
        let mut live: Vec<_> =
            live.filter_map(|seen| Some((seen.view.summary.deadline?, seen))).collect();
        live.sort_by_key(|(deadline, seen)| (*deadline, seen.number));
        live
    }

    /// The calls whose stop is under way, the oldest first.
    pub(super) fn stops(&self) -> Vec<&Seen> {
        let under_way = [State::Stopping, State::Confirming];
        let stops = self.calls.iter().filter(|seen| under_way.contains(&seen.view.summary.state));
        let mut stops: Vec<_> = stops.collect();
        stops.sort_by_key(|seen| (seen.view.summary.deadline, seen.number));
        stops
    }

    /// The calls that are over, with when that was recorded, the latest first.
    pub(super) fn ended(&self) -> Vec<(Wall, &Seen)> {
        let ended = self.calls.iter().filter_map(|seen| Some((seen.entry("ended")?.at, seen)));
        let mut ended: Vec<_> = ended.collect();
        ended.sort_by_key(|(at, seen)| (std::cmp::Reverse(*at), seen.number));
        ended
    }

    /// How long after the demo's begin something happened.
    pub(super) fn since_begin(&self, at: Wall) -> Duration {
        self.at.saturating_sub(self.now.since(at))
    }

    /// The length of a limit of that name.
    pub(super) fn span(&self, limit: &str) -> Option<Duration> {
        span(&self.limits, Limit::from_name(limit)?)
    }

    /// A limit with its length: `talking 6s`.
    pub(super) fn told(&self, limit: &str) -> String {
        match self.span(limit) {
            Some(span) => format!("{limit} {}", seconds(span)),
            None => limit.to_owned(),
        }
    }
}

impl Seen {
    /// Whether it has its outcome.
    pub(super) fn is_over(&self) -> bool {
        self.view.summary.state == State::Ended
    }

    /// How long after the deadline the first request to end it left; `None` before.
    pub(super) fn lateness(&self) -> Option<Duration> {
        Some(self.entry("end_call_requested")?.at.since(self.view.summary.deadline?))
    }

    fn entry(&self, what: &str) -> Option<&HistoryEntry> {
        self.view.history.iter().find(|entry| entry.what == what)
    }
}

/// The length of a limit, if there is one.
pub(super) fn span(limits: &Limits, limit: Limit) -> Option<Duration> {
    match limit {
        Limit::Total => limits.total,
        Limit::Ringing => limits.ringing,
        Limit::Connected => limits.connected,
        Limit::Talking => limits.talking,
        Limit::Voicemail => limits.voicemail,
        Limit::NoConversation => limits.no_conversation,
        Limit::After(kind) => {
            limits.after.iter().find(|(of, _)| *of == kind).map(|(_, span)| *span)
        }
        Limit::Until | Limit::Operator => None,
    }
}

/// A limit's length: `1.5s`, `90s`.
pub(super) fn seconds(span: Duration) -> String {
    format!("{}s", (span.as_secs_f64() * 1e3).round() / 1e3)
}

/// A short while as people read it beside others: `0.8 ms`, `12 ms`.
pub(super) fn millis(span: Duration) -> String {
    let ms = span.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{ids::CallId, view::Summary};

    /// A call at second 0 of wall time, with what happened in it.
    pub(in super::super) fn seen(
        number: usize,
        state: State,
        happened: &[(u64, &'static str, Option<&str>)],
    ) -> Seen {
        let history = happened.iter().map(|(ms, what, detail)| HistoryEntry {
            at: Wall(0).after(Duration::from_millis(*ms)),
            what,
            by: "callwarden",
            detail: detail.map(str::to_owned),
        });
        let summary = Summary {
            id: CallId::parse(&format!("demo-{number:02}")).unwrap(),
            agent: None,
            to: None,
            direction: None,
            campaign: None,
            state,
            outcome: (state == State::Ended).then_some("stopped"),
            deadline: Some(Wall(0).after(Duration::from_secs(6))),
            limit: Some("talking".to_owned()),
            rule: None,
            provisional: false,
            attempts: 0,
        };
        let view = CallView { summary, marks: BTreeMap::new(), history: history.collect() };
        Seen { number, title: "talks on and on", view: Arc::new(view) }
    }

    /// Five seconds in: one call live, one stopping, one over.
    pub(in super::super) fn scene() -> Scene {
        let stop = [
            (3000, "event_phone_call_started", None),
            (6000, "stop_began", Some("limit talking")),
            (6001, "end_call_requested", Some("request 1")),
        ];
        let answer = (6040, "end_call_answered", Some("server error (503)"));
        let ended = [(6300, "event_phone_call_ended", None), (6301, "ended", Some("stopped"))];
        Scene {
            at: Duration::from_millis(5500),
            lasts: Duration::from_secs(20),
            now: Wall(0).after(Duration::from_millis(5500)),
            planned: 5,
            calls: vec![
                seen(1, State::Live, &[(3100, "event_phone_call_started", None)]),
                seen(2, State::Stopping, &[&stop[..], &[answer]].concat()),
                seen(3, State::Ended, &[&stop[..], &ended[..]].concat()),
            ],
            limits: Limits { talking: Some(Duration::from_secs(6)), ..Limits::default() },
            health: Status::Warn,
            trouble: Some("the platform answers 503".to_owned()),
            webhooks: 12,
        }
    }

    #[test]
    fn a_scene_knows_who_is_where() {
        let scene = scene();
        assert_eq!(scene.deadlines().len(), 1);
        assert_eq!(scene.stops().len(), 1);
        let ended = scene.ended();
        assert_eq!(ended[0].0, Wall(6_301_000));
        assert_eq!(ended[0].1.lateness(), Some(Duration::from_millis(1)));
        assert!(!scene.is_over());
    }
}
