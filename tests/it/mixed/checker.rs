//! The one judge of a run: a history is brought into the form that `tests/promise` judges, as it
//! judges the simulator's worlds.
//!
//! What is excused is in the history itself: a call is late for as long as it takes, but it must be
//! stopped; nothing else is excused but what the comments here say and why.

use std::collections::{BTreeMap, HashMap};

use callwarden::{model::outcome::Outcome, sim::Micros};

use super::{
    history::{Entry, History, What},
    promise::{self, Death, Instant, Life, Window},
};

/// Webhooks show times in milliseconds, cut.
const CUT: Micros = 1_000;
/// By how much one request may overtake another on its way: each has a connection and a task of its
/// own, on a machine that is busy.
const OVERTAKES: Micros = 1_000_000;

/// How far behind the store may be, on a machine that is busy.
const WRITTEN_WITHIN: Micros = 1_000_000;

/// A sentence of the promise that the history breaks, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) predicate: &'static str,
    pub(crate) detail: String,
}

/// Every breach that a history holds.
pub(crate) fn judge(history: &History) -> Vec<Breach> {
    let run = Run::of(history);
    let (lives, end) = (run.lives(), run.ended.cast_signed());
    let found = [
        ("every call that outstayed is stopped", promise::unstopped(&lives, end)),
        ("none is left", promise::left(&lives, end)),
        ("none is stopped early", promise::early(&lives, CUT.cast_signed())),
        ("an outcome is true", promise::untrue(&lives, &run.deaths, CUT.cast_signed())),
        ("every call that is over gets an outcome", promise::left_open(&lives, end)),
        ("first requests leave by deadline", run.out_of_order()),
        ("no window holds more than the quota", run.over_quota()),
    ];
    let breaches = found.into_iter().flat_map(|(predicate, details)| {
        details.into_iter().map(move |detail| Breach { predicate, detail })
    });
    breaches.collect()
}

/// A history, indexed.
#[derive(Debug, Default)]
struct Run {
    limit: Micros,
    quota: usize,
    span: Micros,
    timeout: Micros,
    ended: Micros,
    calls: BTreeMap<String, Told>,
    /// When each request arrived.
    arrivals: Vec<Micros>,
    /// When the daemon was killed.
    deaths: Vec<Death>,
}

/// What is told of one call.
#[derive(Debug, Default)]
struct Told {
    started: Option<Micros>,
    ended: Option<(Micros, bool)>,
    /// When the daemon acknowledged that it had started.
    heard: Option<Micros>,
    /// When each end-call request arrived, and whether the platform took it.
    requests: Vec<(Micros, bool)>,
    /// When look-ups of it arrived that the platform left without an answer.
    hung: Vec<Micros>,
    /// What the daemon's books say became of it, and since when.
    booked: Option<(Outcome, Micros)>,
}

impl Run {
    fn of(history: &History) -> Self {
        let mut run = Self::default();
        let mut of_call = HashMap::new();
        let mut look_ups = HashMap::new();
        for Entry { at, what } in &history.0 {
            let at = *at;
            match what {
                What::Began { limit, quota, span, timeout } => {
                    (run.limit, run.quota, run.span) = (*limit, *quota, *span);
                    run.timeout = *timeout;
                }
                What::CallStarted { call } => run.call(call).started = Some(at),
                What::CallEnded { call, by_request } => {
                    run.call(call).ended = Some((at, *by_request));
                }
                What::WebhookAcked { call, event, .. } if event == "event_phone_call_started" => {
                    run.call(call).heard.get_or_insert(at);
                }
                What::RequestReceived { request, endpoint, call } => {
                    run.arrivals.push(at);
                    match call {
                        Some(call) if endpoint == "end-call" => {
                            let requests = &mut run.call(call).requests;
                            of_call.insert(*request, (call.clone(), requests.len()));
                            requests.push((at, false));
                        }
                        Some(call) => drop(look_ups.insert(*request, (call.clone(), at))),
                        None => {}
                    }
                }
                What::RequestAnswered { request, handled, status } => {
                    if let Some((call, nth)) = of_call.get(request) {
                        run.call(call).requests[*nth].1 = *handled == Some(200);
                    }
                    if let Some((call, asked)) = look_ups.remove(request)
                        && status.is_none()
                    {
                        run.call(&call).hung.push(asked);
                    }
                }
                What::Booked { call, outcome } => run.call(call).booked = Some((*outcome, at)),
                What::ProcessDown => {
                    let at = at.cast_signed();
                    let unrecorded_since = at - WRITTEN_WITHIN.cast_signed();
                    run.deaths.push(Death { at, unrecorded_since });
                }
                What::Ended => run.ended = at,
                What::WebhookSent { .. }
                | What::WebhookAcked { .. }
                | What::FaultBegan { .. }
                | What::FaultEnded { .. }
                | What::ProcessUp => {}
            }
        }
        run
    }

    fn call(&mut self, id: &str) -> &mut Told {
        self.calls.entry(id.to_owned()).or_default()
    }

    /// Each call that rang, and its deadline.
    fn deadlines(&self) -> impl Iterator<Item = (&String, &Told, Micros)> {
        self.calls.iter().filter_map(|(id, told)| Some((id, told, told.started? + self.limit)))
    }

    fn lives(&self) -> Vec<Life> {
        let at = |at: Micros| Instant::try_from(at).expect("this side of the year 290000");
        let life = |(id, told): (&String, &Told)| {
            let due = told.started.map(|started| at(started + self.limit));
            Life {
                id: id.clone(),
                due_from: due,
                due_by: due,
                ended: told.ended.map(|(ended, by_request)| (at(ended), by_request)),
                requests: told.requests.iter().map(|(when, taken)| (at(*when), *taken)).collect(),
                outcome: told.booked.map(|(outcome, since)| (outcome, at(since))),
                is_known: told.heard.is_some() || !told.requests.is_empty(),
                is_misled: false,
            }
        };
        self.calls.iter().map(life).collect()
    }

    /// First requests that came well before that of a call whose deadline was earlier, and that had
    /// waited by then: one heard of in time. A call has one request at a time (spec §7), so one whose
    /// look-up was under way, and got no answer, waits for the time-out.
    fn out_of_order(&self) -> Vec<String> {
        let first = |told: &Told| told.requests.first().map(|(at, _)| *at);
        let asked: Vec<_> = (self.deadlines())
            .filter_map(|(id, told, due)| Some((id, told, due, first(told)?)))
            .collect();
        let was_held = |told: &Told, due: Micros, at: Micros| {
            let holds = |asked: &Micros| *asked <= due && at < asked + self.timeout + OVERTAKES;
            told.hung.iter().any(holds)
        };
        let might_be_first: Vec<_> = asked
            .iter()
            .filter(|(_, told, due, at)| {
                told.heard.is_some_and(|heard| heard + OVERTAKES < *due)
                    && !was_held(told, *due, *at)
            })
            .collect();
        let overtaken = asked.iter().filter_map(|(id, _, due, at)| {
            let waiting = might_be_first.iter().filter(|(.., theirs)| at + OVERTAKES < *theirs);
            let (their_due, them) =
                promise::overtaken(&(*due, *id), waiting.map(|(id, _, due, _)| (due + CUT, *id)))?;
            let by = (due - their_due) / 1_000;
            Some(format!("{them}: {id}, due {by} ms later, came first"))
        });
        overtaken.collect()
    }

    /// Windows of the quota's length in which more requests arrived.
    fn over_quota(&self) -> Vec<String> {
        let mut window = Window::default();
        let mut breaches = Vec::new();
        let mut over_until = 0;
        for at in &self.arrivals {
            let arrived = at.cast_signed();
            let within = window.arrives((arrived, arrived), self.span.cast_signed(), Instant::MIN);
            if within > self.quota && *at >= over_until {
                over_until = at + self.span;
                breaches.push(format!("{within} requests in the window up to {at}"));
            }
        }
        breaches
    }
}
