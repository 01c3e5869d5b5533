//! Room for calls: how many may be without outcome (spec §3 `max_calls`).

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the calls without outcome, exactly, since that bounds what is taken in.
pub(super) struct Room {
    taken: AtomicUsize,
    most: usize,
}

/// As many calls are without outcome as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self { taken: AtomicUsize::new(0), most }
    }

    /// How many calls are without outcome.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// A call that is unknown wants room.
    pub(super) fn ask(&self) -> Result<(), Full> {
        if self.taken.fetch_add(1, Ordering::Relaxed) < self.most {
            Ok(())
        } else {
            self.leave();
            Err(Full)
        }
    }

    /// A call takes room whether there is any or not: what is live and known is taken on.
    pub(super) fn enter(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// One has its outcome, or is in memory no more.
    pub(super) fn leave(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_gets_no_more_room_than_there_is_and_what_is_known_enters_all_the_same() {
        let room = Room::new(2);
        assert_eq!([room.ask(), room.ask(), room.ask()], [Ok(()), Ok(()), Err(Full)]);
        room.enter();
        assert_eq!(room.taken(), 3);
        room.leave();
        assert_eq!(room.ask(), Err(Full));
        room.leave();
        assert_eq!((room.ask(), room.taken()), (Ok(()), 2));
    }
}
