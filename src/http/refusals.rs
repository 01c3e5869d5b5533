//! Repeated refusals in the log: a line a second, with a count of what it stands for (spec §9).

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::model::time::Mono;

/// The least time between two lines.
const EVERY: Duration = Duration::from_secs(1);

/// Lets one line a second through and counts the others.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Mono>,
    held: u64,
}

impl Throttle {
    /// How many refusals a line written now stands for, this one included; `None`: write none.
    pub(super) fn admit(&self, now: Mono) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.held += 1;
        if state.last.is_some_and(|last| now.since(last) < EVERY) {
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_second_stands_for_all_since_the_last() {
        let throttle = Throttle::default();
        let at = |millis: i64| throttle.admit(Mono(millis * 1000));
        assert_eq!(at(0), Some(1));
        assert_eq!(at(1), None);
        assert_eq!(at(999), None);
        assert_eq!(at(1000), Some(3));
        assert_eq!(at(2500), Some(1));
    }
}
