//! What must hold when a world ends: judged by what the platform saw, as any history is.

use callwarden::model::{call::Call, rule::Action};

use super::{
    MINUTE, Time,
    laws::{is_nameless, micros},
    promise::{self, Life},
    rules::{self, Plan},
    scenario::Fault,
    world::World,
};

impl World {
    /// A call as the platform saw it, for the judge of all histories.
    fn life(&self, nth: usize) -> Life {
        let call = &self.calls[nth];
        let plans = &self.scenario.policies;
        let is_ordered = self.scenario.has(Fault::Operator) || self.scenario.has(Fault::KillSwitch);
        let times_are_true = self.clock.is_true && !self.scenario.has(Fault::OldTime);
        let earliest = plans.iter().flat_map(Plan::all_limits);
        let earliest =
            earliest.filter_map(|limits| rules::earliest(&limits, call.rings, call.answered));
        let longest = plans.iter().map(Plan::longest).max().unwrap_or_default();
        let by_itself = call.ends_by_itself == call.ends;
        let kept = self.daemon.as_ref().and_then(|daemon| {
            // Told of under either name, and never under both, it is two calls by our books.
            let is_one = !daemon.calls.contains_key(&call.sid) && !self.store.has_row_of(&call.sid);
            daemon.calls.get(&call.id).filter(|_| is_one)
        });
        Life {
            id: call.id.as_str().to_owned(),
            due_from: earliest.min().filter(|_| times_are_true && !is_ordered).or(Some(Time::MIN)),
            due_by: Some(call.rings + micros(longest)).filter(|_| !self.is_left_alone(&call.id)),
            ended: (call.ends <= self.time).then_some((call.ends, !by_itself)),
            requests: self.truth.requests.get(&nth).cloned().unwrap_or_default(),
            // That none was early a law says after each event.
            outcome: kept.and_then(|kept| Some((kept.call.ended?.outcome, self.time))),
            is_known: kept.is_some_and(|kept| !is_nameless(&kept.call)),
            // What was live again, by the platform's word, began anew.
            is_misled: self.truth.lied_about(nth)
                || !times_are_true
                || kept.is_some_and(|kept| kept.books.was_reopened),
        }
    }

    /// What was over by then our books must know.
    const LONG_AGO: Time = 20 * MINUTE;

    /// Whether the call ended so long ago that our books must know.
    pub(super) fn has_long_ended(&self, nth: usize) -> bool {
        self.calls[nth].is_over(self.time - Self::LONG_AGO)
    }

    /// When the world ends, nothing is left open.
    pub(super) fn nothing_is_left_open(&mut self) {
        let lives: Vec<_> = (0..self.calls.len()).map(|nth| self.life(nth)).collect();
        let unstopped = promise::unstopped(&lives, self.time);
        let long_ago = self.time - Self::LONG_AGO;
        let found = [
            ("no call outlives its limit", promise::left(&lives, self.time)),
            ("every call that outstays is stopped", unstopped),
            ("no request is early, by what the platform saw", promise::early(&lives, 0)),
            (
                "an outcome is true, by what the platform saw",
                promise::untrue(&lives, &self.truth.deaths, 0),
            ),
            ("every call that is over gets an outcome", promise::left_open(&lives, long_ago)),
        ];
        for (law, details) in found {
            if let Some(detail) = details.into_iter().next() {
                self.record.broken(law, || detail);
            }
        }
        let Some(daemon) = &self.daemon else { return };
        let is_open = |call: &Call| {
            let goes_on = self.index.get(&call.id).is_none_or(|nth| !self.has_long_ended(*nth));
            let is_left_alone = call.action() == Action::Observe && goes_on;
            call.ended.is_none() && !is_nameless(call) && !is_left_alone
        };
        if let Some(kept) = daemon.calls.values().find(|kept| is_open(&kept.call)) {
            self.record.broken("every call gets an outcome", || format!("{:?}", kept.call));
        }
    }
}
