//! What must never be (spec §1), cheap enough to be looked for in production
//! (`callwarden_invariant_violations_total`).

use std::time::Duration;

use super::{call::Call, change::Change, outcome::Outcome, policy::Policy, time::Mono};

/// Something that the promise rules out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Breach {
    /// A call past its deadline has no stop under way.
    OverdueWithoutStop,
    /// A request leaves before the deadline.
    EarlyRequest,
    /// A call that is not over, and has a deadline, waits for nothing.
    NoWakeup,
    /// A second outcome for a call that nobody showed active again.
    SecondOutcome,
}

/// What is wrong with a change; `sends` where a request leaves with it.
#[must_use]
pub fn of_change(before: &Call, change: &Change, sends: bool, now: Mono) -> Option<Breach> {
    let call = &change.next;
    if sends && call.deadline().is_none_or(|deadline| deadline.at > now) {
        return Some(Breach::EarlyRequest);
    }
    let (known, found) = (before.ended?.outcome, call.ended?.outcome);
    let refines = matches!(
        (known, found),
        (Outcome::Completed, Outcome::NotConnected) | (Outcome::Raced, Outcome::Stopped)
    );
    (known != found && !refines).then_some(Breach::SecondOutcome)
}

/// What is wrong with a call at rest.
#[must_use]
pub fn of_call(call: &Call, policy: &Policy, now: Mono) -> Option<Breach> {
    /// Whoever looks may be ahead of the timer.
    const TIMER: Duration = Duration::from_secs(5);
    let deadline = call.deadline().filter(|_| call.ended.is_none())?;
    if deadline.at.after(TIMER) < now && !call.stop.has_begun() {
        return Some(Breach::OverdueWithoutStop);
    }
    let waits = call.is_queued() || call.is_looked_up() || call.stop.is_under_way();
    (!waits && call.wakeup(policy).is_none()).then_some(Breach::NoWakeup)
}
