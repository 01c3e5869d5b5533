//! What was really told and answered of a call: the evidence that its course is held against. Kept
//! beside the call, and stored with it, so that a crash takes both back to the same instant.

use callwarden::model::{
    call::Call,
    change::{Change, Event, Note},
    platform::{Answer, Failure},
    time::{Moment, Mono, Wall},
};

use super::{fields::Fields, reference::Told, rules::Plan};

#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    /// The deadline by the sentences of the spec.
    pub(super) told: Told,
    /// What rules ask about.
    pub(super) fields: Fields,
    /// Whether `told` has not followed everything: it knows nothing of joining.
    pub(super) lost_track: bool,
    /// The platform showed it active though it was over by our books.
    pub(super) was_reopened: bool,
    /// When that was, by our clock.
    pub(super) reopened: Option<Wall>,
    /// Something said that the call is over.
    pub(super) end_was_told: bool,
    /// A request was accepted.
    pub(super) accepted: bool,
    /// The answer to a request was lost: it may have worked.
    pub(super) lost: bool,
    /// When the last request was sent, and the first whose answer was lost.
    sent: Option<Wall>,
    pub(super) lost_sent: Option<Wall>,
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
    /// Requests were under way under both of its names when they were found to be one call.
    pub(super) is_doubled: bool,
}

impl Books {
    /// An event is about to be applied.
    pub(super) fn before(&mut self, event: &Event<'_>, call: &Call, now: Moment, plan: &Plan) {
        match event {
            Event::Heard(heard) => {
                self.fields.hear(heard);
                let (fields, is_over) = (&self.fields, call.ended.is_some());
                let is_overdue = |told: &Told| {
                    let deadline = plan.holds(told, fields, now).deadline;
                    !is_over && deadline.is_some_and(|at| at <= now.mono.0)
                };
                self.told.hear(heard, now, plan.policy.max_age, is_overdue);
                self.end_was_told |= heard.kind.ends_call();
            }
            Event::Answered { answer, .. } => self.answer(answer, call, now),
            Event::LookedUp { found, .. } if call.ended.is_none() => {
                if let Ok(Some(row)) = found {
                    self.fields.show(row);
                    self.told.show(row, now);
                    self.end_was_told |= row.status.is_over();
                }
                self.not_shown |=
                    matches!(found, Ok(row) if !row.is_some_and(|row| row.agent.is_some()));
                self.misled = matches!(found, Err(failure) if is_about_us(failure));
            }
            Event::Shown { row, .. } if call.ended.is_none() => {
                self.not_shown |= row.agent.is_none();
                self.fields.show(row);
                self.told.show(row, now);
                self.end_was_told |= row.status.is_over();
            }
            Event::Operator(act) => self.fields.order(*act, now),
            Event::Restored { same_boot, .. } => {
                let may_have_left = call.stop.intent.is_some() && call.ended.is_none();
                self.lost |= call.stop.is_under_way() || may_have_left;
                let lost = call.stop.sent.filter(|_| call.stop.is_under_way());
                self.lost_sent = self.lost_sent.or(lost);
                self.misled = true;
                self.disturbed = true;
                self.under_way = 0;
                if !same_boot {
                    self.told.reboot(now);
                    self.fields.reboot(now);
                }
            }
            Event::LookedUp { .. }
            | Event::Shown { .. }
            | Event::Woke
            | Event::PolicyChanged { .. }
            | Event::Joined(_)
            | Event::Sending
            | Event::Unlisted => {}
        }
    }

    fn answer(&mut self, answer: &Answer, call: &Call, now: Moment) {
        self.under_way = self.under_way.saturating_sub(1);
        self.is_doubled &= self.under_way > 0;
        self.misled = false;
        match answer {
            Answer::Accepted => self.accepted = true,
            Answer::NotActive => self.borne_out |= self.lost && call.facts.answered().is_some(),
            Answer::NotFound => self.not_shown = true,
            Answer::Failed(failure) => {
                self.lost |= failure.answer_lost();
                let lost = self.sent.filter(|_| failure.answer_lost());
                self.lost_sent = self.lost_sent.or(lost);
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
                Note::StopBegan(_) | Note::ObservingBegan(_) if !self.accepted => {
                    self.answered = None;
                }
                Note::Sent { .. } => {
                    self.under_way += 1;
                    self.sent = Some(now.wall);
                }
                Note::Reopened { .. } => {
                    let Self { under_way, is_doubled, .. } = *self;
                    let told = std::mem::take(&mut self.told);
                    let fields = std::mem::take(&mut self.fields);
                    *self = Self {
                        told,
                        fields,
                        lost_track: self.lost_track,
                        was_reopened: true,
                        reopened: Some(now.wall),
                        settled: now.mono,
                        under_way,
                        is_doubled,
                        ..Self::default()
                    };
                    if let Event::Shown { row, .. } = event {
                        self.not_shown = row.agent.is_none();
                        self.fields.show(row);
                        self.told.show(row, now);
                    }
                }
                _ => {}
            }
        }
        if change.next.ended.is_some() {
            self.told.doubted.clear();
            self.told.unproven = false;
        }
        let moved = before.deadline() != change.next.deadline()
            || before.action() != change.next.action()
            || before.facts.agent() != change.next.facts.agent();
        if moved || matches!(event, Event::Restored { .. } | Event::Joined(_)) {
            self.settled = now.mono;
        }
    }

    /// What was known under the call's sid alone.
    pub(super) fn join(&mut self, other: &Self) {
        self.lost_track = true;
        self.fields.join(&other.fields);
        self.was_reopened |= other.was_reopened;
        self.reopened = self.reopened.max(other.reopened);
        self.disturbed = true;
        self.end_was_told |= other.end_was_told;
        self.accepted |= other.accepted;
        self.lost |= other.lost;
        self.lost_sent = self.lost_sent.or(other.lost_sent);
        self.borne_out |= other.borne_out;
        self.not_shown |= other.not_shown;
        self.is_doubled |= other.is_doubled || self.under_way.min(other.under_way) > 0;
        self.under_way += other.under_way;
    }
}

fn is_about_us(failure: &Failure) -> bool {
    matches!(failure, Failure::Unauthorized { .. } | Failure::Misdirected { .. })
}
