//! What was really told and answered of a call: the evidence that its course is held against. Kept
//! beside the call, and stored with it, so that a crash takes both back to the same instant.

use callwarden::model::{
    call::Call,
    change::{Change, Event, Note},
    platform::{Answer, Failure},
    policy::Policy,
    time::{Moment, Mono},
};

use super::reference::Told;

#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    /// The deadline by the sentences of the spec.
    pub(super) told: Told,
    /// Whether `told` has followed everything: it knows nothing of joining and reopening.
    pub(super) lost_track: bool,
    /// What was done under two names was joined.
    pub(super) was_joined: bool,
    /// Something said that the call is over.
    pub(super) end_was_told: bool,
    /// A request was accepted.
    pub(super) accepted: bool,
    /// The answer to a request was lost: it may have worked.
    pub(super) lost: bool,
    /// "Not active" was answered after that.
    pub(super) borne_out: bool,
    /// When the platform first answered for this stop.
    pub(super) answered: Option<Mono>,
    /// The last word was about the token or the address.
    pub(super) misled: bool,
    /// The platform did not know the call, or not its agent: the long pauses are allowed.
    pub(super) not_shown: bool,
    /// A crash, or a restart: what was answered when is not known exactly.
    pub(super) disturbed: bool,
    /// Since when the deadline is what it is, and the agent known.
    pub(super) settled: Mono,
    /// Requests under way.
    pub(super) under_way: u32,
}

impl Books {
    /// An event is about to be applied.
    pub(super) fn before(&mut self, event: &Event<'_>, call: &Call, now: Moment, policy: &Policy) {
        match event {
            Event::Heard(heard) => {
                self.lost_track |= call.ended.is_some();
                self.told.hear(heard, now, policy);
                self.end_was_told |= heard.kind.ends_call();
            }
            Event::Answered { answer, .. } => self.answer(answer, call, now),
            Event::LookedUp { found, .. } if call.ended.is_none() => {
                if let Ok(Some(row)) = found {
                    self.told.show(row, now);
                    self.end_was_told |= row.status.is_over();
                }
                self.not_shown |=
                    matches!(found, Ok(row) if !row.is_some_and(|row| row.agent.is_some()));
                self.misled = matches!(found, Err(failure) if is_about_us(failure));
            }
            Event::Shown { row, .. } if call.ended.is_none() => {
                self.not_shown |= row.agent.is_none();
                self.told.show(row, now);
                self.end_was_told |= row.status.is_over();
            }
            Event::Restored { same_boot } => {
                self.lost |= call.stop.is_under_way() || call.stop.intent.is_some();
                self.misled = true;
                self.disturbed = true;
                self.under_way = 0;
                if !same_boot {
                    self.told.reboot(now);
                }
            }
            Event::Joined(_) => self.lost_track = true,
            Event::LookedUp { .. }
            | Event::Shown { .. }
            | Event::Woke
            | Event::Sending
            | Event::Unlisted
            | Event::LookupDropped => {}
        }
    }

    fn answer(&mut self, answer: &Answer, call: &Call, now: Moment) {
        self.under_way = self.under_way.saturating_sub(1);
        self.misled = false;
        match answer {
            Answer::Accepted => self.accepted = true,
            Answer::NotActive => self.borne_out |= self.lost && call.facts.answered().is_some(),
            Answer::NotFound => self.not_shown = true,
            Answer::Failed(failure) => {
                self.lost |= failure.answer_lost();
                self.misled = is_about_us(failure);
                return;
            }
        }
        self.answered.get_or_insert(now.mono);
    }

    /// It was applied.
    pub(super) fn after(&mut self, event: &Event<'_>, before: &Call, change: &Change, now: Moment) {
        for note in &change.notes {
            match note {
                Note::StopBegan(_) if !self.accepted => self.answered = None,
                Note::Sent { .. } => self.under_way += 1,
                Note::Reopened { .. } => {
                    let told = std::mem::take(&mut self.told);
                    let under_way = self.under_way;
                    *self = Self {
                        told,
                        lost_track: true,
                        settled: now.mono,
                        under_way,
                        ..Self::default()
                    };
                    if let Event::Shown { row, .. } = event {
                        self.not_shown = row.agent.is_none();
                    }
                }
                _ => {}
            }
        }
        let moved = before.deadline() != change.next.deadline()
            || before.facts.agent() != change.next.facts.agent();
        if moved || matches!(event, Event::Restored { .. } | Event::Joined(_)) {
            self.settled = now.mono;
        }
    }

    /// What was known under the call's sid alone.
    pub(super) fn join(&mut self, other: &Self) {
        self.lost_track = true;
        self.was_joined = true;
        self.disturbed = true;
        self.end_was_told |= other.end_was_told;
        self.accepted |= other.accepted;
        self.lost |= other.lost;
        self.borne_out |= other.borne_out;
        self.not_shown |= other.not_shown;
        self.under_way += other.under_way;
    }
}

fn is_about_us(failure: &Failure) -> bool {
    matches!(failure, Failure::Unauthorized { .. } | Failure::Misdirected { .. })
}
