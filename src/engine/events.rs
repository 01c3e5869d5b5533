//! What a change tells: its log line and its metrics, together, and nowhere else.

use std::sync::Arc;

use tracing::{debug, error, info, warn};

use super::{calls::Changed, clock::Clock, signs::Signs};
use crate::{
    model::{
        call::Call,
        change::Note,
        ids::{CallId, masked},
        outcome::{Ended, Outcome},
        platform::Answer,
        promise::Breach,
    },
    telemetry::{
        log::escaped,
        metrics::{Invariant, Metrics},
    },
};

/// Tells of changes.
pub(super) struct Events {
    pub(super) metrics: Arc<Metrics>,
    pub(super) signs: Arc<Signs>,
    pub(super) clock: Clock,
}

impl Events {
    /// Tells of a change: one line for each decision.
    pub(super) fn tell(&self, changed: &Changed) {
        for note in &changed.notes {
            self.note(&changed.call, note);
        }
        if let Some(breach) = changed.breach {
            self.broken(&changed.call.id, breach);
        }
    }

    /// Tells of what must never be.
    pub(super) fn broken(&self, id: &CallId, breach: Breach) {
        self.metrics.invariant_violated(match breach {
            Breach::OverdueWithoutStop => Invariant::OverdueWithoutStop,
            Breach::EarlyRequest => Invariant::EarlyRequest,
            Breach::NoWakeup => Invariant::NoWakeup,
            Breach::SecondOutcome => Invariant::SecondOutcome,
        });
        error!(
            call.id = %escaped(id.as_str()), breach = ?breach,
            "the promise is broken: please report this with the call's history"
        );
    }

    fn note(&self, call: &Call, note: &Note) {
        let id = escaped(call.id.as_str());
        let to = call.facts.to().map(masked);
        let to = to.as_deref().unwrap_or_default();
        match note {
            Note::Taken { kind, received, delay } => {
                if let Some(delay) = delay {
                    self.metrics.webhook_delay(*delay);
                    self.signs.webhook_took(*delay, self.clock.now().mono);
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
                "the call is past its deadline: stopping it"
            ),
            Note::StopTakenBack => info!(
                call.id = %id, call.to = to,
                "the call's deadline has moved: its stop is taken back"
            ),
            Note::Sent { lateness, attempt } => {
                if let Some(lateness) = lateness {
                    self.metrics.stop_lateness(*lateness);
                }
                info!(
                    call.id = %id, attempt,
                    stop.lateness_ms = lateness.map(|late| late.as_secs_f64() * 1e3),
                    "end-call request sent"
                );
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
        Some(reason) => tracing::error!(
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
