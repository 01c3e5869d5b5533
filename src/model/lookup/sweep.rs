//! Pages that answer for many look-ups at once: of the ringing calls for those that ask whether they
//! still ring, of all calls for those that wait to be confirmed (spec §7 *Quota*, *Confirmation*).
//!
//! One look-up asks for a page; the others wait for it instead of asking the same, and who is on
//! none of the pages is asked for alone.

use std::time::Duration;

use super::Query;
use crate::model::time::Mono;

/// A list whose pages answer for many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Batch {
    /// The ringing calls.
    Ringing,
    /// All calls.
    Recent,
}

impl Batch {
    /// The request for one of its pages.
    pub(super) fn page(self, page: u32) -> Query {
        match self {
            Self::Ringing => Query::Ringing { page },
            Self::Recent => Query::Recent { page },
        }
    }
}

/// What one look-up does about a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It asks for this page.
    Page(u32),
    /// It waits for the page that is under way.
    Wait,
    /// It is on its own.
    Alone,
}

/// The sweeps of both lists. The dispatcher's desk owns the one value.
#[derive(Clone, Debug)]
pub struct Sweeps {
    ringing: Sweep,
    recent: Sweep,
}

impl Default for Sweeps {
    fn default() -> Self {
        // Whether a call rings is told by one page whoever asks, and asked ahead; all calls are more
        // than those that wait, so a page of them is worth it from a few on, and beyond some pages
        // no more.
        Self {
            ringing: Sweep::new(1, 20, Duration::from_millis(500)),
            recent: Sweep::new(4, 5, Duration::from_secs(2)),
        }
    }
}

impl Sweeps {
    pub(super) fn of(&mut self, batch: Batch) -> &mut Sweep {
        match batch {
            Batch::Ringing => &mut self.ringing,
            Batch::Recent => &mut self.recent,
        }
    }

    /// The answer to a request is there: how many pages there are, `None` if it told nothing.
    pub fn heard(&mut self, query: &Query, last_page: Option<u32>) {
        match query {
            Query::Ringing { .. } => self.ringing.heard(last_page),
            Query::Recent { .. } => self.recent.heard(last_page),
            Query::ActiveCall { .. } | Query::Search { .. } | Query::OfAgent { .. } => {}
        }
    }

    /// Until when those that wait for this list have to wait on.
    pub(super) fn hold(&self, batch: Batch, now: Mono) -> Option<Mono> {
        match batch {
            Batch::Ringing => self.ringing.holds(now),
            Batch::Recent => self.recent.holds(now),
        }
    }
}

/// One look through the pages of a list, then the next.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    /// From so many waiting calls on, a page is worth more than single questions.
    many: usize,
    /// Between the beginnings of two sweeps: those who come meanwhile share the second.
    spacing: Duration,
    /// What these pages did not show is asked for one by one.
    most_pages: u32,
    began: Option<Mono>,
    next: u32,
    last_page: Option<u32>,
    /// When the page under way was asked for.
    asked: Option<Mono>,
}

impl Sweep {
    /// How long a page is waited for: one that hangs must not hold up what waits.
    const PATIENCE: Duration = Duration::from_secs(2);

    fn new(many: usize, most_pages: u32, spacing: Duration) -> Self {
        Self { many, most_pages, spacing, began: None, next: 1, last_page: None, asked: None }
    }

    /// What a look-up does that has taken part in a sweep, or has not, with `waiting` in all.
    pub(super) fn turn(&mut self, took_part: &mut bool, waiting: usize, now: Mono) -> Turn {
        if self.is_under_way(now) {
            *took_part = true;
            return Turn::Wait;
        }
        if !self.has_more() {
            // Who took part in a sweep was not on its pages.
            if *took_part || waiting < self.many {
                return Turn::Alone;
            }
            if self.is_fresh(now) {
                return Turn::Wait;
            }
            (self.began, self.next, self.last_page) = (Some(now), 1, None);
        }
        *took_part = true;
        self.asked = Some(now);
        self.next += 1;
        Turn::Page(self.next - 1)
    }

    /// Until when those that wait have to wait on, if nothing is heard before.
    fn holds(&self, now: Mono) -> Option<Mono> {
        let page = self.asked.filter(|_| self.is_under_way(now)).map(|at| at.after(Self::PATIENCE));
        let began = self.began.filter(|_| !self.has_more() && self.is_fresh(now));
        page.or_else(|| Some(began?.after(self.spacing)))
    }

    fn heard(&mut self, last_page: Option<u32>) {
        self.asked = None;
        match last_page {
            Some(_) => self.last_page = last_page,
            // It told nothing: whoever waits begins anew.
            None => self.began = None,
        }
    }

    fn has_more(&self) -> bool {
        self.began.is_some() && self.next <= self.last_page.unwrap_or(1).min(self.most_pages)
    }

    fn is_fresh(&self, now: Mono) -> bool {
        self.began.is_some_and(|began| now.since(began) < self.spacing)
    }

    fn is_under_way(&self, now: Mono) -> bool {
        self.asked.is_some_and(|asked| now.since(asked) < Self::PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Mono = Mono(90_000_000_000);

    fn sweep(many: usize) -> Sweep {
        Sweep::new(many, 5, Duration::from_secs(1))
    }

    fn later(seconds: u64) -> Mono {
        NOW.after(Duration::from_secs(seconds))
    }

    #[test]
    fn one_asks_for_a_page_and_the_others_wait_for_it() {
        let mut sweep = sweep(4);
        let mut took_part = false;
        assert_eq!(sweep.turn(&mut false, 9, NOW), Turn::Page(1));
        assert_eq!(sweep.turn(&mut took_part, 8, NOW), Turn::Wait);
        sweep.heard(Some(2));
        assert_eq!(sweep.turn(&mut took_part, 7, NOW), Turn::Page(2));
        sweep.heard(Some(2));
        assert_eq!(sweep.turn(&mut took_part, 6, NOW), Turn::Alone, "no page shows it");
    }

    #[test]
    fn few_are_asked_for_one_by_one() {
        assert_eq!(sweep(4).turn(&mut false, 3, NOW), Turn::Alone);
    }

    #[test]
    fn who_comes_after_the_pages_waits_for_the_next_ones() {
        let mut sweep = sweep(1);
        assert_eq!(sweep.turn(&mut false, 1, NOW), Turn::Page(1));
        sweep.heard(Some(1));
        let mut took_part = false;
        assert_eq!(sweep.turn(&mut took_part, 1, NOW), Turn::Wait);
        assert_eq!((sweep.holds(NOW), sweep.holds(later(1))), (Some(later(1)), None));
        assert_eq!(sweep.turn(&mut took_part, 1, later(1)), Turn::Page(1));
    }

    #[test]
    fn a_page_that_hangs_holds_nobody_up() {
        let mut sweep = sweep(1);
        assert_eq!(sweep.turn(&mut false, 1, NOW), Turn::Page(1));
        let mut took_part = false;
        assert_eq!(sweep.turn(&mut took_part, 1, later(1)), Turn::Wait);
        assert_eq!(sweep.turn(&mut took_part, 1, later(2)), Turn::Alone);
    }

    #[test]
    fn who_was_on_no_page_of_a_sweep_waits_for_no_other() {
        let mut sweep = sweep(1);
        let mut took_part = false;
        assert_eq!(sweep.turn(&mut took_part, 1, NOW), Turn::Page(1));
        sweep.heard(Some(1));
        assert_eq!(sweep.turn(&mut took_part, 1, later(9)), Turn::Alone);
        assert_eq!(sweep.turn(&mut false, 1, later(9)), Turn::Page(1), "but others do");
    }

    #[test]
    fn a_page_that_told_nothing_is_asked_for_again_by_who_waits() {
        let mut sweep = sweep(4);
        assert_eq!(sweep.turn(&mut false, 9, NOW), Turn::Page(1));
        sweep.heard(None);
        assert_eq!(sweep.turn(&mut false, 8, NOW), Turn::Page(1));
    }
}
