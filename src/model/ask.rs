//! What a call has to ask the platform, and when (spec §4, §6, §7, §8).
//!
//! A question stays until what gave rise to it is gone; the call derives that anew at each change.
//! One look-up answers all that are open.

use std::time::Duration;

use super::{stop::back_off, time::Mono};

/// Why the platform is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Whether it still rings: no stop for `ringing` leaves without that (spec §6).
    Ringing,
    /// Which agent owns it (spec §4).
    Agent,
    /// What became of a call whose stop was answered 409.
    NotActive,
    /// What became of a call whose stop was answered 404.
    NotFound,
    /// Whether an accepted stop was carried out.
    Confirm,
    /// Whether an event's own time, by which the call would be overdue, is to be believed.
    OwnTime,
    /// Whether a call known by an old event alone is active.
    Shown,
    /// What became of a call after an error or a disconnect.
    Silence,
    /// What became of a call that two listings lack.
    Unlisted,
    /// When a call that a listing showed first has started.
    Start,
}

impl Why {
    /// Every reason.
    pub(super) const ALL: [Self; 10] = [
        Self::Ringing,
        Self::Agent,
        Self::NotActive,
        Self::NotFound,
        Self::Confirm,
        Self::OwnTime,
        Self::Shown,
        Self::Silence,
        Self::Unlisted,
        Self::Start,
    ];

    /// How the look-up is ranked: as part of the stop, as its confirmation, or after those.
    #[must_use]
    pub fn urgency(self) -> Urgency {
        match self {
            Self::Ringing | Self::Agent => Urgency::Stop,
            Self::NotActive | Self::NotFound | Self::Confirm => Urgency::Confirm,
            Self::OwnTime | Self::Shown | Self::Silence | Self::Unlisted | Self::Start => {
                Urgency::Other
            }
        }
    }

    /// How long to wait after the `nth` answer that showed no row of the call.
    fn after_nothing(self, nth: u32) -> Duration {
        let seconds = match (self, nth) {
            (Self::Ringing, _) => 5,
            (Self::Agent, 1) => 1,
            (Self::Agent, 2) | (_, 1) => 5,
            (_, 2) | (Self::Agent, 3) => 15,
            // Nobody shows the call: ask more seldom, but soon enough once the platform is well again.
            (Self::Shown | Self::Silence | Self::Unlisted | Self::Start, nth) => {
                60 * u64::from(nth - 2).min(4)
            }
            _ => 60,
        };
        Duration::from_secs(seconds)
    }
}

/// What a look-up is to the call's stop (spec §7 *Quota*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// The stop waits for it.
    Stop,
    /// It tells whether the stop was carried out.
    Confirm,
    /// Neither.
    Other,
}

/// The open questions of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Questions {
    open: Vec<Question>,
    /// The look-up that was asked for.
    under_way: Option<Urgency>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Question {
    why: Why,
    /// When it is due.
    at: Mono,
    /// Not before this, by the pace of the answers so far.
    paced: Mono,
    tries: u32,
}

impl Questions {
    /// Opens and closes questions: `arises` says from when on each is to be asked, `None` where it
    /// is not. A question that was open keeps its pace.
    pub(super) fn settle(&mut self, arises: impl Fn(Why) -> Option<Mono>) {
        let known = std::mem::take(&mut self.open);
        let question = |why| {
            let at = arises(why)?;
            let known = known.iter().copied().find(|known| known.why == why);
            Some(match known {
                // Asked already: the pace of its answers holds.
                Some(known) if known.tries > 0 => Question { at: known.paced.max(at), ..known },
                Some(_) | None => Question { why, at, paced: at, tries: 0 },
            })
        };
        self.open = Why::ALL.into_iter().filter_map(question).collect();
    }

    /// When the next look-up is due. While one is under way, only a more urgent one is.
    pub(super) fn due(&self) -> Option<Mono> {
        let ranks = |why: Why| self.under_way.is_none_or(|known| why.urgency() < known);
        self.open.iter().filter(|question| ranks(question.why)).map(|question| question.at).min()
    }

    /// Starts a look-up if one is due; says how urgent it is.
    pub(super) fn start(&mut self, now: Mono) -> Option<Urgency> {
        self.due().filter(|due| *due <= now)?;
        self.under_way = self.open.iter().filter(|q| q.at <= now).map(|q| q.why.urgency()).min();
        self.under_way
    }

    /// Whether a question is open whose look-up has been due.
    pub(super) fn has_asked(&self, why: Why, now: Mono) -> bool {
        self.open.iter().any(|question| question.why == why && question.at <= now)
    }

    /// Whether a look-up is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// The look-up is over and showed a row, or none: those who asked wait before they ask again.
    pub(super) fn answered(&mut self, now: Mono) {
        self.again(now, |question| question.why.after_nothing(question.tries));
    }

    /// The look-up told nothing.
    pub(super) fn failed(&mut self, now: Mono, jitter: f64) {
        self.again(now, |question| back_off(question.tries, jitter));
    }

    fn again(&mut self, now: Mono, wait: impl Fn(&Question) -> Duration) {
        self.under_way = None;
        for question in self.open.iter_mut().filter(|question| question.at <= now) {
            question.tries += 1;
            question.paced = now.after(wait(question));
            question.at = question.paced;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(questions: &mut Questions, whys: &[Why], at: Mono) {
        questions.settle(|why| whys.contains(&why).then_some(at));
    }

    #[test]
    fn each_question_has_its_rank_and_its_pace() {
        let seconds = |why: Why| [1, 2, 3, 4, 5, 6, 7].map(|nth| why.after_nothing(nth).as_secs());
        let seldom = [5, 15, 60, 120, 180, 240, 240];
        for (why, urgency, pace) in [
            (Why::Ringing, Urgency::Stop, [5; 7]),
            (Why::Agent, Urgency::Stop, [1, 5, 15, 60, 60, 60, 60]),
            (Why::NotActive, Urgency::Confirm, [5, 15, 60, 60, 60, 60, 60]),
            (Why::NotFound, Urgency::Confirm, [5, 15, 60, 60, 60, 60, 60]),
            (Why::Confirm, Urgency::Confirm, [5, 15, 60, 60, 60, 60, 60]),
            (Why::OwnTime, Urgency::Other, [5, 15, 60, 60, 60, 60, 60]),
            (Why::Shown, Urgency::Other, seldom),
            (Why::Silence, Urgency::Other, seldom),
            (Why::Unlisted, Urgency::Other, seldom),
            (Why::Start, Urgency::Other, seldom),
        ] {
            assert_eq!((why.urgency(), seconds(why)), (urgency, pace), "{why:?}");
        }
    }

    #[test]
    fn while_a_look_up_is_under_way_only_a_more_urgent_one_is_due() {
        let mut questions = Questions::default();
        open(&mut questions, &[Why::Confirm], Mono(10));
        assert_eq!((questions.due(), questions.start(Mono(9))), (Some(Mono(10)), None));
        assert_eq!(questions.start(Mono(10)), Some(Urgency::Confirm));
        open(&mut questions, &[Why::Confirm, Why::NotFound, Why::Silence], Mono(10));
        assert_eq!(questions.due(), None, "as urgent, or less");
        open(&mut questions, &[Why::Confirm, Why::Agent], Mono(10));
        assert_eq!(questions.due(), Some(Mono(10)));
        assert_eq!(questions.start(Mono(10)), Some(Urgency::Stop));
        assert!(questions.is_under_way());
        questions.answered(Mono(10));
        assert!(!questions.is_under_way());
    }

    #[test]
    fn a_look_up_is_as_urgent_as_the_most_urgent_question_that_is_due() {
        let mut questions = Questions::default();
        let due = |why| match why {
            Why::Agent => Some(Mono(99)),
            Why::Silence => Some(Mono(5)),
            _ => None,
        };
        questions.settle(due);
        assert_eq!(questions.start(Mono(5)), Some(Urgency::Other));
        let asked = |why, now| questions.has_asked(why, Mono(now));
        assert!(asked(Why::Silence, 5) && asked(Why::Agent, 99));
        assert!(!asked(Why::Agent, 98) && !asked(Why::Confirm, 99));
    }

    #[test]
    fn a_question_asked_keeps_its_pace_and_one_not_asked_yet_follows_what_gave_rise_to_it() {
        let second = 1_000_000;
        let mut questions = Questions::default();
        open(&mut questions, &[Why::Confirm, Why::Silence], Mono(10));
        open(&mut questions, &[Why::Confirm], Mono(3));
        assert_eq!(questions.due(), Some(Mono(3)), "it came nearer");
        questions.start(Mono(3));
        questions.answered(Mono(3));
        open(&mut questions, &[Why::Confirm, Why::Silence], Mono(3));
        assert_eq!(questions.due(), Some(Mono(3)), "another asks for itself");
        open(&mut questions, &[Why::Confirm], Mono(3));
        assert_eq!(questions.due(), Some(Mono(3 + 5 * second)));
        open(&mut questions, &[Why::Confirm], Mono(99 * second));
        assert_eq!(questions.due(), Some(Mono(99 * second)), "no sooner than it arises");
        open(&mut questions, &[Why::Confirm], Mono(3));
        assert_eq!(questions.due(), Some(Mono(3 + 5 * second)), "and by its own pace again");
        questions.start(Mono(6 * second));
        questions.failed(Mono(6 * second), 1.0);
        assert_eq!(questions.due(), Some(Mono(7 * second)), "the second back-off");
        open(&mut questions, &[], Mono(0));
        assert_eq!(questions.due(), None);
    }
}
