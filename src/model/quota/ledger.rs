//! The requests that were answered, for as long as they count, or may count again by another span.

use std::{collections::VecDeque, time::Duration};

use crate::model::time::Mono;

/// A span is kept to this many parts: an answer's instant is rounded up to the next one, which
/// errs by 0.025 % of the span, on the safe side.
const PARTS: u128 = 4096;

/// How long answers are remembered: no span is longer (spec §3 `N/h`), so that one which a reload
/// lengthens counts what the old one had let go of.
pub const REMEMBERED: Duration = Duration::from_secs(3600);

/// Answers by their instant, those of one part together, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    span: Duration,
    /// One part of the span, in microseconds.
    grain: i64,
    runs: VecDeque<Run>,
    /// Those that count no more by this span, in parts of what is remembered.
    past: VecDeque<Run>,
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
        Self {
            span,
            grain: grain(span),
            runs: VecDeque::new(),
            past: VecDeque::new(),
            total: 0,
            cleared: 0,
        }
    }

    /// From now on answers count for `span`: those too that no longer did, if that is longer.
    pub(super) fn set_span(&mut self, span: Duration, now: Mono) {
        if span == self.span {
            return;
        }
        self.span = span;
        self.grain = grain(span);
        while let Some(run) = self.past.pop_back() {
            if !self.counts(&run, now) {
                self.past.push_back(run);
                break;
            }
            self.total += run.count;
            self.cleared = self.cleared.saturating_sub(run.count);
            self.runs.push_front(run);
        }
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
            let before = round_up(run.before.before(Duration::from_micros(1)), grain(REMEMBERED));
            push(&mut self.past, Run { before, ..run });
        }
        while self.past.front().is_some_and(|run| run.before.after(REMEMBERED) <= now) {
            self.past.pop_front();
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
        self.runs.len() + self.past.len()
    }

    fn counts(&self, run: &Run, now: Mono) -> bool {
        now < run.before.after(self.span)
    }

    fn round_up(&self, at: Mono) -> Mono {
        round_up(at, self.grain)
    }

    fn push(&mut self, before: Mono, count: u64) {
        self.total += count;
        push(&mut self.runs, Run { before, count });
    }
}

/// One part of a span, in microseconds.
fn grain(span: Duration) -> i64 {
    i64::try_from((span.as_micros() / PARTS).max(1)).unwrap_or(i64::MAX)
}

/// The first instant after `at` that begins a part: strictly after, so that two requests are never
/// just one span apart.
fn round_up(at: Mono, grain: i64) -> Mono {
    let part = at.0.div_euclid(grain).saturating_add(1);
    Mono(part.saturating_mul(grain))
}

fn push(runs: &mut VecDeque<Run>, run: Run) {
    match runs.back_mut() {
        Some(last) if last.before >= run.before => last.count += run.count,
        Some(_) | None => runs.push_back(run),
    }
}
