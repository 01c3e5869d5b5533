//! What a change tells: its log line and its metrics, together, and nowhere else.

use std::sync::Arc;

use tracing::{debug, error, info, warn};

use super::{calls::Changed, clock::Clock, feed::Feed, vitals::Locked};
use crate::{
    model::{
        call::Call,
        change::Note,
        health::Signs,
        ids::{CallId, masked},
        outcome::{Ended, Outcome},
        platform::Answer,
        promise::Breach,
    },
    telemetry::{
        log::{Throttle, escaped},
        metrics::Metrics,
    },
};

/// Tells of changes.
pub(super) struct Events {
    pub(super) metrics: Arc<Metrics>,
    pub(super) signs: Arc<Locked<Signs>>,
    pub(super) clock: Clock,
    pub(super) feed: Feed,
    /// Of log lines about what must never be.
    pub(super) breaches: Throttle,
}

impl Events {
    /// Tells of a change: one line for each decision.
    pub(super) fn tell(&self, changed: &Changed) {
        for note in &changed.notes {
            self.note(&changed.call, note);
        }
        if let Some(breach) = changed.breach {
            self.breached(&changed.call.id, breach);
        }
        self.feed.changed(&changed.call);
    }

    /// Something has come about that the promise rules out: counted, told, and lived with.
    pub(super) fn breached(&self, id: &CallId, breach: Breach) {
        self.metrics.invariant_violated(breach);
        if let Some(count) = self.breaches.admit(self.clock.now().mono) {
            error!(
                call.id = %escaped(id.as_str()), invariant = breach.name(), count,
                "something happened that must never happen: please report it with this log"
            );
        }
    }

    fn note(&self, call: &Call, note: &Note) {
        let id = escaped(call.id.as_str());
        let to = call.facts.to().map(masked);
        let to = to.as_deref().unwrap_or_default();
        match note {
            Note::Taken { kind, received, delay } => {
                if let Some(delay) = delay {
                    self.metrics.webhook_delay(*delay);
                    self.signs.get().webhook_took(*delay, self.clock.now().mono);
                }
                debug!(
                    call.id = %id, event = kind.name(), result = received.name(),
                    "an event was taken in"
                );
            }
            Note::TimeRefused(kind) => warn!(
                call.id = %id, event = kind.name(),
                "an event's own time lies too far back or ahead: its arrival counts"
            ),
            Note::TimeDoubted(kind) => info!(
                call.id = %id, event = kind.name(),
                "by an event's own time the call is overdue on the spot: asking the platform"
            ),
            Note::StopBegan(deadline) => info!(
                call.id = %id, call.to = to, limit = %deadline.limit, deadline = %deadline.wall,
                rule = call.rule(),
                "the call is past its deadline: stopping it"
            ),
            Note::ObservingBegan(deadline) => info!(
                call.id = %id, call.to = to, limit = %deadline.limit, deadline = %deadline.wall,
                rule = call.rule(),
                "the call is past its deadline: its rule says to observe it, nothing is done"
            ),
            Note::OverrideUnreadable(rule) => {
                self.metrics.override_unreadable();
                warn!(
                    call.id = %id, %rule,
                    "the call's own limit cannot be read: the rule's counts"
                );
            }
            Note::Ordered(act) => info!(
                call.id = %id, call.to = to, order = ?act.word,
                "an operator's word stands above the call's limits"
            ),
            Note::StopTakenBack => info!(
                call.id = %id, call.to = to,
                "the call's deadline has moved: its stop is taken back"
            ),
            Note::Sent { lateness, attempt } => {
                if let Some(lateness) = lateness {
                    self.metrics.stop_lateness(*lateness);
                    self.feed.sent(*lateness);
                }
                match call.stop.accepted {
                    None => info!(
                        call.id = %id, attempt,
                        stop.lateness_ms = lateness.map(|late| late.as_secs_f64() * 1e3),
                        "end-call request sent"
                    ),
                    Some(accepted) => warn!(
                        call.id = %id, call.to = to, attempt, stop.accepted = %accepted,
                        "end-call request sent again: the call goes on though one was accepted"
                    ),
                }
            }
            Note::Answered(answer) => {
                self.metrics.end_call_result(answer.into());
                match answer {
                    Answer::Accepted => info!(call.id = %id, "end-call request accepted"),
                    Answer::NotActive | Answer::NotFound | Answer::Failed(_) => warn!(
                        call.id = %id, answer = %escaped(&answer.to_string()),
                        "end-call request not accepted"
                    ),
                }
            }
            Note::Adopted => {
                self.metrics.call_adopted();
                info!(call.id = %id, call.to = to, "the platform's list shows a call unknown to us");
            }
            Note::Reopened { fell } => {
                self.metrics.call_reopened();
                warn!(
                    call.id = %id, call.to = to, fell = fell.name(),
                    "the platform shows a call active that was over: it is live again"
                );
            }
            Note::LookupFailed(failure) => warn!(
                call.id = %id, answer = %escaped(&failure.to_string()),
                "the platform could not be asked about the call"
            ),
            Note::Ended { ended, refined, confirmed_after } => {
                if refined.is_none() {
                    self.metrics.call_ended(ended.outcome.name());
                    self.feed.ended(ended.outcome);
                    if let Some(overrun) = ended.overrun {
                        self.metrics.overrun(overrun);
                    }
                }
                if let Some(after) = confirmed_after {
                    self.metrics.stop_confirmation(*after);
                }
                tell_of_the_end(call, ended, *refined);
            }
        }
    }
}

fn tell_of_the_end(call: &Call, ended: &Ended, refined: Option<Outcome>) {
    let id = escaped(call.id.as_str());
    let to = call.facts.to().map(masked);
    let to = to.as_deref().unwrap_or_default();
    let outcome = ended.outcome.name();
    match ended.reason {
        Some(reason) => error!(
            call.id = %id, call.to = to, outcome, reason = reason.name(),
            "the stop failed: end this call at the platform by hand"
        ),
        None => info!(
            call.id = %id, call.to = to, outcome,
            refines = refined.map(Outcome::name),
            confirmed_by = ended.confirmed_by.map(|by| by.name()),
            call.overrun_s = ended.overrun.map(|overrun| overrun.as_secs_f64()),
            "the call is over"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        engine::calls::Calls,
        model::{
            event::{CallName, Details, EventKind, Heard, Via},
            health::Vitals,
            policy::{Enforcement, Limits, Policy, Rules},
            time::{Moment, Mono, Wall},
            unasked::Unasked,
        },
    };

    #[test]
    fn what_must_never_be_is_counted_and_nothing_stops() {
        let start = Moment { wall: Wall(1_700_000_000_000_000), mono: Mono(90_000_000_000) };
        let clock = Clock::standing_at(start);
        let minute = Duration::from_secs(60);
        let policy = Policy {
            limits: Limits { total: Some(minute), ..Limits::default() },
            rules: Rules::default(),
            enforcement: Enforcement { confirm_within: minute, give_up_after: minute },
            max_age: minute,
        };
        let shared = (Arc::default(), Arc::default(), Arc::default());
        let calls = Calls::new(policy, 1, clock.clone(), shared.0, shared.1, shared.2);
        let events = Events {
            metrics: Arc::default(),
            signs: Arc::default(),
            clock: clock.clone(),
            feed: Feed::new(clock.clone()),
            breaches: Throttle::default(),
        };
        let violations = |name| {
            let text = events.metrics.encode(&Vitals::well());
            let line = format!("callwarden_invariant_violations_total{{name=\"{name}\"}} ");
            let count = text.lines().find_map(|known| known.strip_prefix(&line));
            count.expect("the series is there from the start").to_owned()
        };
        let id = CallId::parse("call").unwrap();
        let heard = Heard {
            kind: EventKind::Started,
            call: CallName::Id(id.clone()),
            agent: None,
            time: None,
            details: Details::default(),
            via: Via::Webhook,
        };
        let Ok(changed) = calls.hear(&id, &heard, None, Unasked::default()) else {
            panic!("there is room")
        };
        events.tell(&changed);
        // The timer has not looked for ten seconds.
        clock.set(start.after(minute + Duration::from_secs(10)));
        for (id, breach) in calls.repair().breaches {
            events.breached(&id, breach);
        }
        assert_eq!(violations("overdue_without_stop"), "1");
        events.tell(&Changed { breach: Some(Breach::EarlyRequest), ..changed });
        assert_eq!(violations("early_request"), "1");
        assert_eq!(violations("no_wakeup"), "0");
    }
}
