//! How many calls stand where, which are overdue and which are not confirmed: kept with each change,
//! so that a look at them costs little (spec §9).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::model::{
    call::{Call, State},
    ids::CallId,
    outcome::Outcome,
    time::{Mono, Wall},
};

/// Calls by the instant since which something is amiss with them.
type Line = Mutex<BTreeSet<(Mono, CallId)>>;

/// The count of calls by state.
#[derive(Default)]
pub(super) struct Tally {
    states: [AtomicU64; State::ALL.len()],
    /// Past their deadline, with no request accepted.
    overdue: Line,
    /// With a request accepted, by when that was.
    unconfirmed: Line,
    /// Given up, and when; until evidence of their end comes.
    failed: Mutex<BTreeMap<CallId, Wall>>,
}

impl Tally {
    /// How many calls stand there.
    pub(super) fn count(&self, state: State) -> u64 {
        self.states[state as usize].load(Ordering::Relaxed)
    }

    /// How many are overdue, and the earliest deadline among them.
    pub(super) fn overdue(&self) -> (u64, Option<Mono>) {
        let overdue = self.overdue.lock().unwrap_or_else(PoisonError::into_inner);
        (overdue.len() as u64, overdue.first().map(|(at, _)| *at))
    }

    /// How many calls go on though their stop was accepted `before` then, and the earliest of those
    /// instants.
    pub(super) fn unconfirmed(&self, before: Mono) -> (u64, Option<Mono>) {
        let unconfirmed = self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut long = unconfirmed.iter().map(|(at, _)| *at).take_while(|at| *at < before);
        let oldest = long.next();
        (u64::from(oldest.is_some()) + long.count() as u64, oldest)
    }

    /// How many stops were given up since, their end unseen.
    pub(super) fn failed_since(&self, since: Wall) -> u64 {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|_, at| *at >= since);
        failed.len() as u64
    }

    pub(super) fn enter(&self, state: State) {
        self.states[state as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self, call: &Call) {
        self.states[call.state() as usize].fetch_sub(1, Ordering::Relaxed);
        step(&self.overdue, overdue(call), None);
        step(&self.unconfirmed, unconfirmed(call), None);
    }

    /// A call changed.
    pub(super) fn moved(&self, before: &Call, after: &Call) {
        let (from, to) = (before.state(), after.state());
        if from != to {
            self.states[from as usize].fetch_sub(1, Ordering::Relaxed);
            self.states[to as usize].fetch_add(1, Ordering::Relaxed);
        }
        step(&self.overdue, overdue(before), overdue(after));
        step(&self.unconfirmed, unconfirmed(before), unconfirmed(after));
        self.watch_failed(after);
    }

    /// Remembers a stop given up, until its end is seen.
    pub(super) fn watch_failed(&self, call: &Call) {
        let Some(ended) = call.ended.filter(|ended| ended.outcome == Outcome::Failed) else {
            return;
        };
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if call.facts.end().is_some() {
            failed.remove(&call.id);
        } else {
            failed.insert(call.id.clone(), ended.recorded);
        }
    }
}

fn overdue(call: &Call) -> Option<(Mono, CallId)> {
    let deadline = call.deadline().filter(|_| call.state() == State::Stopping)?;
    Some((deadline.at, call.id.clone()))
}

fn unconfirmed(call: &Call) -> Option<(Mono, CallId)> {
    let accepted = call.stop.accepted_at().filter(|_| call.state() == State::Confirming)?;
    Some((accepted, call.id.clone()))
}

fn step(line: &Line, was: Option<(Mono, CallId)>, is: Option<(Mono, CallId)>) {
    if was != is {
        let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
        was.map(|was| line.remove(&was));
        is.map(|is| line.insert(is));
    }
}
