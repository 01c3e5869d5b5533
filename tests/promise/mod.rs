//! The promise, as predicates over what the platform saw of each call: what judges the histories of
//! process tests (`tests/it/mixed/checker.rs`) and the worlds of the simulator alike. They know
//! nothing of how it came about; what is excused is in the data.

use std::collections::VecDeque;

use callwarden::model::outcome::Outcome;

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
    /// What our books say became of it, and since when; `None` while they say that it goes on, or
    /// know nothing of it.
    pub(crate) outcome: Option<(Outcome, Instant)>,
    /// Whether our books must know of it by the end of the run.
    pub(crate) is_known: bool,
    /// Whether the platform told something false: of its end, of times, of a call that goes on; or our
    /// clock was wrong.
    pub(crate) is_misled: bool,
}

/// The daemon was killed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Death {
    pub(crate) at: Instant,
    /// What happened since then may not be on record.
    pub(crate) unrecorded_since: Instant,
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

/// Outcomes that are not true, by the platform's own record of the call: it had not ended by then, or
/// it ended otherwise. `cut` is how far apart the clocks may be. After a death the daemon cannot know of
/// a request that was not on record; and where the intent was, it cannot know that none had left.
pub(crate) fn untrue(lives: &[Life], deaths: &[Death], cut: Instant) -> Vec<String> {
    /// How far ahead the intent is on record (spec §7).
    const AHEAD: Instant = 1_000_000;
    /// How long a request may be on its way.
    const ON_ITS_WAY: Instant = 1_000_000;
    let of_life = |life: &Life| {
        let (outcome, since) = life.outcome.filter(|_| !life.is_misled)?;
        let ended = life.ended.filter(|(at, _)| *at <= since.saturating_add(cut));
        let was_asked = !life.requests.is_empty();
        let intended = life.due_from.map_or(Instant::MIN, |due| due.saturating_sub(AHEAD + cut));
        let may_have_asked = deaths.iter().any(|death| (intended..=since).contains(&death.at));
        let is_forgotten = |asked: Instant| {
            let forgets =
                |death: &Death| (death.unrecorded_since..=death.at + ON_ITS_WAY).contains(&asked);
            deaths.iter().any(forgets)
        };
        let by_request = ended.is_some_and(|(_, by_request)| by_request)
            && !life.requests.iter().any(|(asked, _)| is_forgotten(*asked));
        let is_true = match outcome {
            Outcome::Completed | Outcome::NotConnected | Outcome::Observed => {
                ended.is_some() && !by_request
            }
            Outcome::Stopped => ended.is_some() && (was_asked || may_have_asked),
            Outcome::Raced => ended.is_some(),
            Outcome::Failed => was_asked,
            Outcome::Released => true,
        };
        (!is_true)
            .then(|| format!("{}: {} since {since}, in truth {life:?}", life.id, outcome.name()))
    };
    lives.iter().filter_map(of_life).collect()
}

/// Calls that were over by `by`, and still go on by our books when the run is over.
pub(crate) fn left_open(lives: &[Life], by: Instant) -> Vec<String> {
    let over = lives.iter().filter(|life| life.ended.is_some_and(|(at, _)| at <= by));
    let open = over.filter(|life| life.is_known && life.outcome.is_none());
    open.map(|life| format!("{}: over, and no outcome tells", life.id)).collect()
}

/// Whom a first request overtakes: of those `waiting`, the first by (deadline, id) that comes before
/// the one that `leaves`.
pub(crate) fn overtaken<P: Ord>(leaves: &P, waiting: impl IntoIterator<Item = P>) -> Option<P> {
    waiting.into_iter().filter(|place| place < leaves).min()
}

/// The requests that arrived within the last minute, which no window here is longer than, and when
/// each had left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window(pub(crate) VecDeque<(Instant, Instant)>);

impl Window {
    /// A request arrives that had left then; says how many did within `span`, by a quota that is in
    /// force `since` then. None, if all of them had left by then: under another quota there may have
    /// been more, and none leaves until enough of them are past.
    pub(crate) fn arrives(
        &mut self,
        (at, left): (Instant, Instant),
        span: Instant,
        since: Instant,
    ) -> usize {
        const KEPT: Instant = 60_000_000;
        debug_assert!(span <= KEPT, "{span} is longer than what is kept");
        while self.0.front().is_some_and(|(first, _)| first + KEPT <= at) {
            self.0.pop_front();
        }
        self.0.push_back((at, left));
        let within = || self.0.iter().rev().take_while(|(known, _)| known + span > at);
        if within().all(|(_, left)| *left <= since) { 0 } else { within().count() }
    }
}
