//! The requests that were answered, for as long as they count.

use std::{collections::VecDeque, time::Duration};

use crate::model::time::Mono;

/// A span is kept to this many parts: an answer's instant is rounded up to the next one, which
/// errs by 0.025 % of the span, on the safe side.
const PARTS: u128 = 4096;

/// Answers by their instant, those of one part together, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    span: Duration,
    /// One part of the span, in microseconds.
    grain: i64,
    runs: VecDeque<Run>,
    total: u64,
    /// How many requests have left the window since the beginning.
    cleared: u64,
}

/// `count` answers up to, and not at, the instant `before`.
#[derive(Clone, Copy, Debug)]
struct Run {
    before: Mono,
    count: u64,
}

impl Ledger {
    pub(super) fn new(span: Duration) -> Self {
        let mut ledger = Self { span, grain: 1, runs: VecDeque::new(), total: 0, cleared: 0 };
        ledger.set_span(span);
        ledger
    }

    pub(super) fn set_span(&mut self, span: Duration) {
        self.span = span;
        self.grain = i64::try_from((span.as_micros() / PARTS).max(1)).unwrap_or(i64::MAX);
    }

    pub(super) fn span(&self) -> Duration {
        self.span
    }

    pub(super) fn cleared(&self) -> u64 {
        self.cleared
    }

    /// An answer came at `at`; if another thread's clock reading overtook it, it counts with that.
    pub(super) fn record(&mut self, at: Mono) {
        self.push(self.round_up(at), 1);
    }

    /// Counts answers of any order besides.
    pub(super) fn merge(&mut self, at: impl Iterator<Item = Mono>) {
        let mut runs = Vec::from(std::mem::take(&mut self.runs));
        runs.extend(at.map(|at| Run { before: self.round_up(at), count: 1 }));
        runs.sort_unstable_by_key(|run| run.before);
        self.total = 0;
        for Run { before, count } in runs {
            self.push(before, count);
        }
    }

    /// Drops what no longer counts.
    pub(super) fn clear(&mut self, now: Mono) {
        while let Some(run) = self.runs.front().copied()
            && !self.counts(&run, now)
        {
            self.runs.pop_front();
            self.total -= run.count;
            self.cleared += run.count;
        }
    }

    /// How many count now.
    pub(super) fn counted(&self, now: Mono) -> u64 {
        let past = self.runs.iter().take_while(|run| !self.counts(run, now));
        self.total - past.map(|run| run.count).sum::<u64>()
    }

    /// When the first of them no longer counts.
    pub(super) fn first_clears(&self) -> Option<Mono> {
        self.runs.front().map(|run| run.before.after(self.span))
    }

    /// When `n` of those that count now no longer do.
    pub(super) fn nth_clears(&self, now: Mono, n: u64) -> Option<Mono> {
        let mut cleared = 0;
        self.runs
            .iter()
            .skip_while(|run| !self.counts(run, now))
            .find(|run| {
                cleared += run.count;
                cleared >= n
            })
            .map(|run| run.before.after(self.span))
    }

    #[cfg(test)]
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }

    fn counts(&self, run: &Run, now: Mono) -> bool {
        now < run.before.after(self.span)
    }

    /// The first instant after `at` that begins a part: strictly after, so that two requests are
    /// never just one span apart.
    fn round_up(&self, at: Mono) -> Mono {
        let part = at.0.div_euclid(self.grain).saturating_add(1);
        Mono(part.saturating_mul(self.grain))
    }

    fn push(&mut self, before: Mono, count: u64) {
        self.total += count;
        match self.runs.back_mut() {
            Some(last) if last.before >= before => last.count += count,
            Some(_) | None => self.runs.push_back(Run { before, count }),
        }
    }
}
