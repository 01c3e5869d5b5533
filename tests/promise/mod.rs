//! The promise, as predicates over what the platform saw of each call: what judges the histories of
//! process tests (`tests/it/mixed/checker.rs`) and the worlds of the simulator alike. They know
//! nothing of how it came about; what is excused is in the data.

use std::collections::VecDeque;

/// An instant, in microseconds of the platform's clock.
pub(crate) type Instant = i64;

/// A call as it really was, and the requests to end it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Life {
    pub(crate) id: String,
    /// No request may arrive before; `None` where none may arrive at all.
    pub(crate) due_from: Option<Instant>,
    /// By then it must have been stopped, unless it ended by itself; `None` where it may go on.
    pub(crate) due_by: Option<Instant>,
    /// When it ended, and whether by a request.
    pub(crate) ended: Option<(Instant, bool)>,
    /// When each end-call request arrived, and whether the platform took it.
    pub(crate) requests: Vec<(Instant, bool)>,
}

/// Calls that were on when they had to be stopped and did not end by themselves, without a request
/// that the platform took. `end` is when the run was over.
pub(crate) fn unstopped(lives: &[Life], end: Instant) -> Vec<String> {
    let outstayed = lives.iter().filter(|life| {
        let by_itself = life.ended.is_some_and(|(_, by_request)| !by_request);
        life.due_by.is_some_and(|due| {
            due < end && !by_itself && life.ended.is_none_or(|(at, _)| at >= due)
        })
    });
    let unstopped = outstayed.filter(|life| !life.requests.iter().any(|(_, taken)| *taken));
    unstopped.map(|life| format!("{}: no request of ours was taken", life.id)).collect()
}

/// Calls that are on past their deadline at the end of the run.
pub(crate) fn left(lives: &[Life], end: Instant) -> Vec<String> {
    let on = lives.iter().filter(|life| life.ended.is_none_or(|(at, _)| at > end));
    let late = on.filter_map(|life| Some((life, life.due_by.filter(|due| *due < end)?)));
    late.map(|(life, due)| {
        format!("{}: alive {} ms past its deadline", life.id, (end - due) / 1_000)
    })
    .collect()
}

/// Requests before the deadline, by more than clocks are cut by.
pub(crate) fn early(lives: &[Life], cut: Instant) -> Vec<String> {
    let of_life = |life: &Life| {
        let due = life.due_from.unwrap_or(Instant::MAX);
        let early = life.requests.iter().find(|(at, _)| at.saturating_add(cut) < due)?;
        Some(format!("{}: asked to end {} ms early", life.id, (due - early.0) / 1_000))
    };
    lives.iter().filter_map(of_life).collect()
}

/// The requests that arrived within the last window of a length.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window(pub(crate) VecDeque<Instant>);

impl Window {
    /// A request arrives; says how many did within `span`.
    pub(crate) fn arrives(&mut self, at: Instant, span: Instant) -> usize {
        while self.0.front().is_some_and(|first| first + span <= at) {
            self.0.pop_front();
        }
        self.0.push_back(at);
        self.0.len()
    }
}
