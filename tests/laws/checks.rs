//! The laws, checked at every step of a virtual world.

use callwarden::model::{
    call::Call,
    change::{Change, Effect, Event, Note, Received},
    outcome::{ConfirmedBy, FailReason, Outcome},
    platform::{Answer, Failure, Row},
};

use super::world::World;

const SECOND: i64 = 1_000_000;

/// What was really told and answered: the evidence that outcomes are held against.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Witness {
    end_was_told: bool,
    row_was_over: bool,
    accepted: bool,
    /// An answer was lost: the request may have worked.
    lost: bool,
    not_active_after_lost: bool,
    /// When the platform first answered for this stop, and nothing was in the way since.
    answered: Option<i64>,
    /// The last word of the platform was about the token or the address.
    misled: bool,
    /// It said that it does not know the call, or showed no row or no agent: the long pauses are allowed.
    not_shown: bool,
    under_way: u32,
    outcomes: u32,
    heard: u32,
    /// A crash or a step of the clock: "exactly" is a matter of the clock that is believed.
    disturbed: bool,
}

impl Witness {
    pub(crate) fn see(&mut self, event: &Event<'_>, before: &Call, change: &Change, time: i64) {
        match event {
            Event::Heard(heard) => self.end_was_told |= heard.kind.ends_call(),
            Event::Answered { answer, .. } => {
                self.under_way -= 1;
                self.answer(answer, before, time);
            }
            Event::LookedUp { found, .. } if before.ended.is_none() => {
                self.row_was_over |= matches!(found, Ok(Some(row)) if row.status.is_over());
                let tells_agent = |row: &Row| row.agent.is_some();
                self.not_shown |= matches!(found, Ok(row) if !row.is_some_and(tells_agent));
                self.misled = matches!(found, Err(failure) if is_about_us(failure));
            }
            Event::LookedUp { .. }
            | Event::Woke
            | Event::PolicyChanged { .. }
            | Event::Operator(_)
            | Event::Sending
            | Event::Shown { .. }
            | Event::Unlisted
            | Event::Restored { .. }
            | Event::Joined(_) => {}
        }
        for note in &change.notes {
            match note {
                Note::StopBegan(_) if !self.accepted => self.answered = None,
                Note::Ended { refined: None, .. } => self.outcomes += 1,
                _ => {}
            }
        }
        self.under_way += sends(change);
    }

    fn answer(&mut self, answer: &Answer, before: &Call, time: i64) {
        self.misled = false;
        match answer {
            Answer::Accepted => self.accepted = true,
            Answer::NotActive => {
                self.not_active_after_lost |= self.lost && before.facts.answered().is_some();
            }
            Answer::NotFound => self.not_shown = true,
            Answer::Failed(failure) => {
                self.lost |= failure.answer_lost();
                self.misled = is_about_us(failure);
                return;
            }
        }
        self.answered.get_or_insert(time);
    }

    /// What was under way, or may have been, has lost its answer.
    pub(crate) fn crashed(&mut self, saved: &Call) {
        self.lost |= saved.stop.is_under_way() || saved.stop.intent.is_some();
        self.under_way = 0;
        self.misled = true;
        self.disturbed = true;
    }
}

impl World<'_> {
    pub(crate) fn check(&mut self, before: &Call, event: &Event<'_>, change: &Change) {
        self.no_request_is_early(before, change);
        self.the_deadline_is_that_of_the_spec(&change.next);
        self.there_is_always_a_next_step(&change.next);
        self.looking_again_changes_nothing(&change.next);
        self.there_is_one_outcome_and_it_rests_on_evidence(before, change);
        self.results_come_in_their_order(before, event, change);
        self.giving_up_takes_its_time(change);
        self.a_stored_call_loads_as_it_was(&change.next);
    }

    fn a_stored_call_loads_as_it_was(&self, call: &Call) {
        let row = serde_json::to_string(call).unwrap();
        let loaded: Call = serde_json::from_str(&row).unwrap();
        assert_eq!(serde_json::to_string(&loaded).unwrap(), row);
    }

    fn no_request_is_early(&self, before: &Call, change: &Change) {
        if sends(change) == 0 {
            return;
        }
        let now = self.now().mono.0;
        assert!(
            self.told.may_stop(now, &self.policy.limits),
            "a request left early, at {now}: {:#?}, told {:#?}",
            change.next,
            self.told
        );
        assert!(before.ended.is_none(), "a request left for a call that is over");
        assert_eq!(self.witness.under_way, 1, "two requests are under way");
    }

    fn the_deadline_is_that_of_the_spec(&self, call: &Call) {
        let expected = self.told.deadline(&self.policy.limits);
        let found = call.deadline().map(|deadline| deadline.at.0);
        assert!(
            call.ended.is_some() || expected == found,
            "the deadline is {found:?}, expected {expected:?}: {call:#?}, told {:#?}",
            self.told
        );
    }

    fn there_is_always_a_next_step(&self, call: &Call) {
        let now = self.now().mono.0;
        assert_eq!(call.stop.is_under_way(), self.witness.under_way > 0, "{call:#?}");
        let wakes = call.wakeup(&self.policy).map(|at| at.0);
        if call.ended.is_some() {
            assert_eq!(wakes, None, "a call that is over wakes");
            return;
        }
        assert!(wakes.is_none_or(|at| at > now), "hot: wakes at {wakes:?}, it is {now}: {call:#?}");
        let waits = call.is_queued() || call.stop.is_under_way() || call.is_looked_up();
        let Some(deadline) = call.deadline() else { return };
        assert!(waits || wakes.is_some(), "nothing will ever stop it: {call:#?}");
        let pause = if self.witness.not_shown { 60 } else { 30 };
        let is_in_reach = |at: i64| at <= deadline.at.0.max(now + pause * SECOND);
        assert!(
            waits || wakes.is_some_and(is_in_reach),
            "{wakes:?} is too far away, it is {now}: {call:#?}"
        );
    }

    fn looking_again_changes_nothing(&self, call: &Call) {
        let again = call.apply(&Event::Woke, self.now(), &self.policy);
        assert!(again.effects.is_empty(), "effects twice: {:?}, {call:#?}", again.effects);
        assert_eq!(again.next.version, call.version, "a look is on record: {call:#?}");
        assert!(call.ended.is_some() || again.next == *call, "looking twice is not looking once");
    }

    fn there_is_one_outcome_and_it_rests_on_evidence(&self, before: &Call, change: &Change) {
        let outcome = change.next.ended.map(|ended| ended.outcome);
        let witness = self.witness;
        if let Some(known) = before.ended.map(|ended| ended.outcome) {
            let refines = matches!(
                (known, outcome),
                (Outcome::Completed, Some(Outcome::NotConnected))
                    | (Outcome::Raced, Some(Outcome::Stopped))
            );
            assert!(outcome == Some(known) || refines, "{known:?} became {outcome:?}");
        }
        let Some(ended) = change.next.ended else {
            assert!(!witness.end_was_told, "its end was told, and it has no outcome");
            return;
        };
        assert_eq!(witness.outcomes, 1, "an outcome is recorded once");
        let told = witness.end_was_told || witness.row_was_over;
        let borne_out = witness.not_active_after_lost;
        let has_begun = change.next.stop.has_begun() || change.next.stop.attempts > 0;
        let is_borne_out = match ended.outcome {
            Outcome::Completed | Outcome::NotConnected => told && !witness.accepted,
            Outcome::Raced => told && !witness.accepted && has_begun,
            Outcome::Stopped => (told || borne_out) && (witness.accepted || witness.lost),
            // No rule of these plans observes, and no operator is at work.
            Outcome::Observed | Outcome::Released => false,
            Outcome::Failed => witness.answered.is_some() || witness.disturbed,
        };
        assert!(is_borne_out, "{ended:?} rests on nothing: {witness:?}");
        let by_webhook = ended.confirmed_by == Some(ConfirmedBy::Webhook);
        assert!(!by_webhook || witness.end_was_told, "no webhook confirmed {ended:?}");
    }

    fn results_come_in_their_order(&mut self, before: &Call, event: &Event<'_>, change: &Change) {
        let Event::Heard(heard) = event else {
            assert_eq!(change.taken, None);
            return;
        };
        let expected: &[Received] = match (before.ended.is_some(), self.witness.heard) {
            (true, _) => &[Received::Late],
            _ if heard.kind.ends_call() => &[Received::Ended],
            (false, 0) => &[Received::Tracked],
            (false, _) => &[Received::Updated, Received::Duplicate],
        };
        let taken = change.taken.unwrap();
        assert!(expected.contains(&taken), "{taken:?} instead of {expected:?}");
        self.witness.heard += 1;

        let again = change.next.apply(event, self.now(), &self.policy);
        let is_over = change.next.ended.is_some();
        let expected = if is_over { Received::Late } else { Received::Duplicate };
        assert_eq!(again.taken, Some(expected), "the same event, twice");
        assert_eq!(again.next.version, change.next.version, "heard twice is not heard once");
        assert!(is_over || again.next == change.next, "heard twice is not heard once");
    }

    fn giving_up_takes_its_time(&self, change: &Change) {
        let give_up_after = self.policy.enforcement.give_up_after.as_micros();
        let give_up_after = i64::try_from(give_up_after).unwrap();
        let Witness { misled, under_way, disturbed, .. } = self.witness;
        let Some(first) = self.witness.answered.filter(|_| !disturbed) else { return };
        let is_time = first + give_up_after <= self.time;
        let gave_up = change.notes.iter().any(
            |note| matches!(note, Note::Ended { ended, .. } if ended.outcome == Outcome::Failed),
        );
        assert!(!gave_up || (is_time && !misled), "given up too soon: {:#?}", change.next);
        let goes_on = change.next.ended.is_none() && change.next.stop.has_begun();
        let must = goes_on && is_time && !misled && under_way == 0;
        assert!(!must, "not given up in time: {:#?}", change.next);
        let reason = change.next.ended.and_then(|ended| ended.reason);
        assert!(reason != Some(FailReason::NotConfirmed) || self.witness.accepted);
    }
}

fn sends(change: &Change) -> u32 {
    let sent = change.effects.iter().filter(|effect| matches!(effect, Effect::Send { .. }));
    u32::try_from(sent.count()).unwrap()
}

fn is_about_us(failure: &Failure) -> bool {
    matches!(failure, Failure::Unauthorized { .. } | Failure::Misdirected { .. })
}
