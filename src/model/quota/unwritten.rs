//! Requests that left and are not in the store yet.
//!
//! A request is written behind, so a crash forgets the last few. The store is therefore told ahead
//! how many may leave unwritten, and no more do: a restart counts them all as sent (spec §7
//! *Requests recorded in the store count after a restart*).

use std::time::Duration;

use super::{super::time::Mono, Poll};

/// How long requests wait for others to be written before the store is taken for slow: from then on
/// it holds nothing back, until it has caught up.
const RECORD_WAIT: Duration = Duration::from_millis(100);

/// How many requests are unwritten, and how many may be. The dispatcher asks, whoever writes tells.
#[derive(Clone, Debug, Default)]
pub struct Unwritten {
    count: usize,
    /// How many there may be, as the store knows it.
    most: u32,
    /// How many there should be able to be, where the store does not know it yet.
    wanted: Option<u32>,
    /// Until when requests wait for others to be written.
    until: Option<Mono>,
    store_is_slow: bool,
}

impl Unwritten {
    /// How many may leave unwritten, of at most `quota` in a window: few enough that counting them
    /// all as sent after a crash costs little, enough that a burst need not wait for a commit each.
    #[must_use]
    pub fn most(quota: u32) -> u32 {
        (quota / 10).clamp(1, 32)
    }

    /// From now on so many may be unwritten, and the store is to be told: more than before only once
    /// it [knows](Self::written), fewer at once.
    pub fn allow(&mut self, most: u32) {
        self.wanted = Some(most);
        self.most = self.most.min(most);
    }

    /// Whether a request may leave before others are written. A store that fails, or is slow, holds
    /// nothing back.
    pub fn poll(&mut self, store_fails: bool, now: Mono) -> Poll {
        if store_fails || self.count < usize::try_from(self.most).unwrap_or(usize::MAX) {
            self.store_is_slow = false;
            self.until = None;
        } else if !self.store_is_slow {
            let until = *self.until.get_or_insert_with(|| now.after(RECORD_WAIT));
            if now < until {
                return Poll::Until(until);
            }
            self.store_is_slow = true;
        }
        Poll::Go
    }

    /// A request left.
    pub fn sent(&mut self) {
        self.count += 1;
    }

    /// So many are in the store now; and `most`, if that was written with them.
    pub fn written(&mut self, requests: usize, most: Option<u32>) {
        self.dropped(requests);
        if let Some(most) = most.filter(|_| most == self.wanted) {
            self.most = most;
            self.wanted = None;
        }
    }

    /// So many will never be written.
    pub fn dropped(&mut self, requests: usize) {
        self.count = self.count.saturating_sub(requests);
    }

    /// Whether requests leave though others wait to be written for long.
    #[must_use]
    pub fn store_is_slow(&self) -> bool {
        self.store_is_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Mono = Mono(1_000_000);

    fn may_leave(unwritten: &mut Unwritten) -> bool {
        unwritten.poll(false, NOW) == Poll::Go
    }

    #[test]
    fn a_tenth_of_the_quota_may_be_unwritten_and_1_to_32() {
        let most = [0, 9, 10, 29, 300, 320, 330, u32::MAX].map(Unwritten::most);
        assert_eq!(most, [1, 1, 1, 2, 30, 32, 32, 32]);
    }

    #[test]
    fn requests_leave_as_far_as_the_store_knows_ahead() {
        let mut unwritten = Unwritten::default();
        assert!(!may_leave(&mut unwritten), "the store knows of nothing yet");
        unwritten.allow(2);
        assert!(!may_leave(&mut unwritten), "it is not written yet");
        unwritten.written(0, Some(2));
        unwritten.sent();
        assert!(may_leave(&mut unwritten));
        unwritten.sent();
        assert!(!may_leave(&mut unwritten));
        unwritten.written(1, None);
        assert!(may_leave(&mut unwritten));
        unwritten.allow(1);
        assert!(!may_leave(&mut unwritten), "fewer hold at once");
    }

    #[test]
    fn what_was_wanted_before_allows_nothing() {
        let mut unwritten = Unwritten::default();
        unwritten.allow(5);
        unwritten.allow(0);
        unwritten.written(0, Some(5));
        assert!(!may_leave(&mut unwritten), "the store is about to be told of none");
        unwritten.written(0, Some(0));
        assert!(!may_leave(&mut unwritten));
    }

    #[test]
    fn a_slow_store_holds_requests_back_once_for_a_tenth_of_a_second() {
        let mut unwritten = Unwritten::default();
        unwritten.allow(1);
        unwritten.written(0, Some(1));
        unwritten.sent();
        let until = NOW.after(RECORD_WAIT);
        let just_before = until.before(Duration::from_micros(1));
        assert_eq!(unwritten.poll(false, NOW), Poll::Until(until));
        assert_eq!(unwritten.poll(false, just_before), Poll::Until(until));
        assert_eq!((unwritten.poll(false, until), unwritten.store_is_slow()), (Poll::Go, true));
        unwritten.sent();
        assert_eq!(unwritten.poll(false, until), Poll::Go, "it holds nothing back any more");
        unwritten.written(2, None);
        assert_eq!((unwritten.poll(false, until), unwritten.store_is_slow()), (Poll::Go, false));
        unwritten.sent();
        let again = until.after(RECORD_WAIT);
        assert_eq!(unwritten.poll(false, until), Poll::Until(again), "it has caught up before");
    }

    #[test]
    fn a_failing_store_holds_nothing_back_and_one_that_works_again_does() {
        let mut unwritten = Unwritten::default();
        assert!(matches!(unwritten.poll(false, NOW), Poll::Until(_)));
        assert_eq!(unwritten.poll(true, NOW), Poll::Go);
        let later = NOW.after(RECORD_WAIT);
        assert_eq!(unwritten.poll(false, later), Poll::Until(later.after(RECORD_WAIT)));
    }

    #[test]
    fn what_is_dropped_waits_for_nobody() {
        let mut unwritten = Unwritten::default();
        unwritten.allow(1);
        unwritten.written(0, Some(1));
        unwritten.sent();
        unwritten.dropped(1);
        assert!(may_leave(&mut unwritten));
    }
}
