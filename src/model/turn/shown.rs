//! What the platform shows of a call: rows of its lists and look-ups, or none.

use std::time::Duration;

use super::Turn;
use crate::model::{
    call::Listed,
    change::Note,
    facts::Facts,
    outcome::{Ended, Outcome},
    platform::{Failure, Row, Status},
    trail::What,
};

impl Turn<'_> {
    pub(super) fn take_lookup(&mut self, found: Result<Option<&Row>, &Failure>, jitter: f64) {
        let now = self.now.mono;
        if self.call.ended.is_some() {
            return;
        }
        self.call.stop.looked_up(found.err());
        if found.is_ok() {
            self.call.listed.start_asked = self.call.listed.start_asked.saturating_add(1);
        }
        match found {
            Ok(Some(row)) => {
                self.call.trail.push(self.now.wall, What::Shown(row.status));
                self.show(row);
            }
            Ok(None) => {
                self.call.trail.push(self.now.wall, What::NotShown);
                self.call.stop.goes_on(false, false, now);
                self.call.questions.answered(now);
            }
            Err(failure) => {
                self.notes.push(Note::LookupFailed(failure.clone()));
                self.call.questions.failed(now, jitter);
            }
        }
    }

    /// A page of a list showed the call, whether it was asked for or not.
    pub(super) fn take_row(&mut self, row: &Row, listing: bool) {
        self.call.listed.shown |= listing;
        if let Some(ended) = self.call.ended {
            return self.weigh(ended, row, listing);
        }
        let was_asked = self.call.questions.is_under_way();
        let before = self.call.facts.clone();
        if self.call.version == 0 {
            self.call.trail.push(self.now.wall, What::Adopted(row.status));
            self.notes.push(Note::Adopted);
        }
        self.show(row);
        if was_asked || (self.call.version > 0 && self.call.facts != before) {
            self.call.trail.push(self.now.wall, What::Shown(row.status));
        }
    }

    /// A row shows a call that is over by our books. Only the platform revives a call: by a row
    /// that changed well after the recorded end, or by two listings running (spec §5).
    fn weigh(&mut self, ended: Ended, row: &Row, listing: bool) {
        const WELL_AFTER: Duration = Duration::from_secs(30);
        let is_released = ended.outcome == Outcome::Released;
        if row.status.is_over() || row.status.is_waiting() || is_released || !listing {
            return;
        }
        self.call.listed.revived = self.call.listed.revived.saturating_add(1);
        let changed_since = row.updated_at.is_some_and(|at| at > ended.at.after(WELL_AFTER));
        if !changed_since && self.call.listed.revived < Listed::REVIVED {
            return;
        }
        let now = self.now.wall;
        // Whatever told the end is contradicted, be our clock behind the one that told it.
        let at = self.call.facts.last_told_end().map_or(now, |told| told.max(now));
        let reopening = Facts::of_reopening(at, now);
        self.call.facts = self.call.facts.clone().join(reopening);
        self.call.stop = self.call.stop.anew();
        self.call.ended = None;
        self.call.disputed = true;
        self.call.listed = Listed { shown: true, ..Listed::default() };
        self.call.trail.push(now, What::Reopened(ended.outcome));
        self.notes.push(Note::Reopened { fell: ended.outcome });
        self.show(row);
    }

    /// A complete listing lacks the call: that proves nothing, but twice is worth a question.
    pub(super) fn miss(&mut self) {
        self.call.listed.revived = 0;
        if self.call.ended.is_none() {
            self.call.listed.missed = self.call.listed.missed.saturating_add(1);
        }
    }

    /// A row showed the call.
    fn show(&mut self, row: &Row) {
        let now = self.now;
        let agent_before = self.call.facts.agent().cloned();
        // A row repeats what rows before it said: that is no news.
        let told = Row {
            agent: row.agent.clone().filter(|_| self.call.facts.agent_is_news(row)),
            ..row.clone()
        };
        let facts = &self.call.facts;
        let seen = if row.status.is_over() { facts.after_reopening(now.wall) } else { now.wall };
        self.call.facts = facts.clone().join(Facts::of_row(&told, seen));
        self.call.quiet_since = None;
        self.call.listed.missed = 0;
        if !row.status.is_over() {
            self.call.unproven = false;
            for (kind, at) in std::mem::take(&mut self.call.doubts) {
                self.call.facts = self.call.facts.clone().join(Facts::of_time(kind, at, now.wall));
            }
            if row.status == Status::Ringing {
                self.call.ringing_shown = Some(now.mono);
            }
            let is_sid = self.call.facts.sid().is_some_and(|sid| *sid == row.id);
            let target = Some(&row.id).filter(|id| **id != self.call.id && !is_sid);
            let elsewhere = target != self.call.stop.target.as_ref()
                || agent_before.as_ref() != self.call.facts.agent();
            self.call.stop.target = target.cloned();
            self.call.stop.goes_on(elsewhere, true, now.mono);
        }
        self.call.questions.answered(now.mono);
    }
}
