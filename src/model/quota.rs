//! When a request may leave: never more than N in any window of a length, a pause after a 429, and
//! even spacing where the platform says that less is left than we thought (spec §7 *Quota*). The
//! dispatcher owns the one [`Window`] of the platform's quota; a second one may bound what listings
//! take of it ([`Share::of`](super::queue::Share::of)).
//!
//! The promise is kept as the platform may see it. A request reaches the platform somewhere between
//! the instant it was let go and the instant its answer came; it therefore counts from the first
//! until one span after the second, and no jitter of the network can squeeze N + 1 requests into a
//! window.

mod ledger;
mod pace;
mod pause;
mod unwritten;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use super::{
    platform::{Failure, Meter},
    time::Mono,
};
use ledger::Ledger;
pub use ledger::REMEMBERED;
use pace::{Pace, Reading};
use pause::Pause;
pub use unwritten::Unwritten;

/// A request that was not heard of for this long is lost, though nobody said so: its task died. Far
/// beyond any `platform.timeout`.
const LOST_AFTER: Duration = Duration::from_secs(300);

/// What [`Window::poll`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// A request may leave now.
    Go,
    /// None may leave now. Worth asking again at this instant, which is later than now, and
    /// whenever an answer came.
    Until(Mono),
}

/// A request under way, as the quota knows it. It must be handed back, however the request ends:
/// to [`answered`](Window::answered), [`refused`](Window::refused), [`lost`](Window::lost) or
/// [`unsent`](Window::unsent). One that is dropped counts as lost after five minutes.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the request counts until its slot is handed back"]
pub struct Slot {
    /// In the order in which requests were let go.
    number: u64,
    /// When it was let go.
    sent: Mono,
    /// How many requests had left our window by then.
    cleared: u64,
}

/// The quota: at most N requests in any window of a length, and what the platform says of it.
///
/// Memory is bounded by some 8,200 entries, besides what is under way.
#[derive(Clone, Debug)]
pub struct Window {
    most: u32,
    ledger: Ledger,
    /// When each request under way was let go, by its number.
    under_way: BTreeMap<u64, Mono>,
    next_number: u64,
    last_sent: Mono,
    pause: Option<Pause>,
    pace: Option<Pace>,
}

impl Window {
    /// At most `most` requests in any window of length `span`. With `most` = 0, a share too small
    /// to be divided, nothing leaves.
    #[must_use]
    pub fn new(most: u32, span: Duration) -> Self {
        Self {
            most,
            ledger: Ledger::new(span),
            under_way: BTreeMap::new(),
            next_number: 0,
            last_sent: Mono(i64::MIN),
            pause: None,
            pace: None,
        }
    }

    /// Counts requests of an earlier life, from the store (spec §7 *Requests recorded in the store
    /// count after a restart*). Each is given by the latest instant at which it may have arrived:
    /// its answer's or, where none is recorded, `now`. What lies in the future (a clock was set
    /// back) counts as of `now`.
    pub fn restore(&mut self, now: Mono, at: impl IntoIterator<Item = Mono>) {
        self.ledger.merge(at.into_iter().map(|at| at.min(now)));
        self.turn(now);
    }

    /// Another quota, by a reload or because instances share it out anew. What counts, counts on:
    /// with fewer, nothing leaves until enough has cleared.
    ///
    /// A longer span counts what the shorter one had let go of, up to [`REMEMBERED`].
    pub fn reconfigure(&mut self, most: u32, span: Duration, now: Mono) {
        self.most = most;
        self.ledger.set_span(span, now);
    }

    /// Whether a request may leave now. Amortised O(1).
    pub fn poll(&mut self, now: Mono) -> Poll {
        self.turn(now);
        let told = match (&self.pause, &self.pace) {
            (Some(pause), _) => self.probe_may_leave(pause),
            (None, Some(pace)) => pace.opens(self.under_way.len(), self.last_sent),
            (None, None) => now,
        };
        let at = self.window_opens(now).max(told);
        if at <= now { Poll::Go } else { Poll::Until(at) }
    }

    /// A request leaves now; it should do so only where [`poll`](Self::poll) just said
    /// [`Go`](Poll::Go), but counts in any case. The first after a pause is its probe.
    pub fn sent(&mut self, now: Mono) -> Slot {
        self.turn(now);
        let number = self.next_number;
        self.next_number += 1;
        self.last_sent = self.last_sent.max(now);
        self.under_way.insert(number, now);
        if let Some(pause) = &mut self.pause {
            pause.probe.get_or_insert(number);
        }
        Slot { number, sent: now, cleared: self.ledger.cleared() }
    }

    /// The platform answered, whatever it said but 429. A probe that is answered ends the pause,
    /// and the next one without a hint begins at 5 s again.
    pub fn answered(&mut self, slot: Slot, now: Mono, meter: &Meter) {
        self.count(&slot, now);
        if let Some(pause) = &mut self.pause
            && pause.probe == Some(slot.number)
            && pause.probe_passed(now)
        {
            self.pause = None;
        }
        self.metered(&slot, now, meter);
    }

    /// The platform answered 429: nothing leaves for as long as `hint` says, then one probe.
    ///
    /// A hint holds between 1 s and 5 min. Without one it is 5 s, doubled with each probe that is
    /// refused, up to 60 s; refusals of requests that were let go before the pause extend it, but
    /// double nothing.
    pub fn refused(&mut self, slot: Slot, now: Mono, hint: Option<Duration>) {
        self.count(&slot, now);
        // What was told before no longer tells anything.
        self.pace = None;
        match &mut self.pause {
            None => self.pause = Some(Pause::new(now, hint)),
            Some(pause) if pause.probe == Some(slot.number) => pause.probe_refused(now, hint),
            Some(pause) => pause.extend(now, hint),
        }
    }

    /// No answer came: time-out, a connection cut, a platform out of reach. The request counts, for
    /// it may have arrived. A probe that is lost says nothing of the quota: the next one leaves
    /// after the same pause as an unhinted refusal brings, which is not doubled.
    pub fn lost(&mut self, slot: Slot, now: Mono) {
        self.count(&slot, now);
        self.probe_lost(slot.number, now);
    }

    /// The request is over; `failure` says why it told nothing.
    pub fn settle(&mut self, slot: Slot, failure: Option<&Failure>, meter: &Meter, now: Mono) {
        match failure {
            Some(Failure::RateLimited { pause }) => self.refused(slot, now, *pause),
            Some(Failure::Timeout | Failure::Cut | Failure::Network) => self.lost(slot, now),
            Some(
                Failure::Unauthorized { .. }
                | Failure::Misdirected { .. }
                | Failure::ServerError { .. }
                | Failure::Other { .. },
            )
            | None => self.answered(slot, now, meter),
        }
    }

    /// The request never left after all, as it was no longer wanted; it does not count, and if it
    /// was the probe, the next one is. Not for a platform out of reach: that is
    /// [`lost`](Self::lost).
    pub fn unsent(&mut self, slot: Slot) {
        self.under_way.remove(&slot.number);
        if let Some(pause) = &mut self.pause
            && pause.probe == Some(slot.number)
        {
            pause.probe = None;
        }
    }

    /// Until when a 429 holds everything back; `None` where none does. An instant in the past means
    /// that the probe is awaited.
    #[must_use]
    pub fn paused(&self) -> Option<Mono> {
        self.pause.as_ref().map(|pause| pause.until)
    }

    /// How many requests are left now: by our own window, or by the platform's word where that is
    /// less and its window has not been renewed since (`callwarden_quota_remaining`, spec §9).
    #[must_use]
    pub fn left(&self, now: Mono) -> u32 {
        let told = self.pace.as_ref().and_then(|pace| pace.left(self.under_way.len(), now));
        self.own_left(now).min(told.unwrap_or(u32::MAX))
    }

    /// How many requests our own window has left now, whatever the platform says.
    fn own_left(&self, now: Mono) -> u32 {
        u32::try_from(u64::from(self.most).saturating_sub(self.counted(now))).unwrap_or_default()
    }

    /// How long it will take until `backlog` more requests have left, for the health warning (spec
    /// §7). It foresees that answers come at once, that no more is refused, and that spacing lasts
    /// until the platform's window is renewed. O(4,100) at most, besides the requests spaced.
    #[must_use]
    pub fn time_to_clear(&self, now: Mono, backlog: usize) -> Duration {
        match &self.pace {
            Some(pace) if pace.below && self.pause.is_none() => {
                self.time_to_clear_paced(pace, now, backlog)
            }
            Some(_) | None => self.time_to_clear_freely(now, backlog),
        }
    }

    /// Spaced until the renewal; from then on by our own window, in which those spaced count too.
    fn time_to_clear_paced(&self, pace: &Pace, now: Mono, backlog: usize) -> Duration {
        let under_way = self.under_way.len();
        let first = pace.opens(under_way, self.last_sent).max(now);
        let mut after = Self { under_way: BTreeMap::new(), ..self.clone() };
        (0..under_way).for_each(|_| after.ledger.record(now));
        let mut spaced = 0;
        let mut last = now;
        for at in pace.foreseen(under_way, first).take(backlog) {
            after.ledger.record(at);
            spaced += 1;
            last = at;
        }
        let spacing = last.since(now).max(self.time_to_clear_freely(now, spaced));
        if spaced == backlog {
            return spacing;
        }
        let free = now.after(spacing).max(pace.renewed());
        let rest = after.time_to_clear_freely(free, backlog - spaced);
        free.since(now).saturating_add(rest)
    }

    fn time_to_clear_freely(&self, now: Mono, backlog: usize) -> Duration {
        let Some(last) = backlog.checked_sub(1) else {
            return Duration::ZERO;
        };
        let last = u64::try_from(last).unwrap_or(u64::MAX);
        let most = u64::from(self.most);
        if most == 0 {
            return Duration::MAX;
        }
        // What leaves within one span leaves again, one span later, and so on.
        let (rounds, nth) = (last / most, last % most + 1);
        let must_clear = (self.counted(now) + nth).saturating_sub(most);
        let clear = match must_clear {
            0 => now,
            // Beyond what was answered: what is under way, answered now at the earliest.
            _ => (self.ledger.nth_clears(now, must_clear))
                .unwrap_or_else(|| now.after(self.ledger.span())),
        };
        let told = self.pause.as_ref().map_or(now, |pause| pause.until);
        let span = self.ledger.span();
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        (clear.max(told).since(now)).saturating_add(span.saturating_mul(rounds))
    }

    /// What the answer's headers say of the quota (spec §7): with less remaining than our own
    /// window has left, requests are spaced.
    fn metered(&mut self, slot: &Slot, now: Mono, meter: &Meter) {
        let Some(remaining) = meter.remaining else {
            // It says no more; and what it said of a window that is over says nothing of the next.
            self.pace = self.pace.take().filter(|pace| now < pace.renewed());
            return;
        };
        let reading = Reading::new(slot, now, remaining, meter.reset);
        if self.pace.as_ref().is_some_and(|p| p.outweighs(&reading)) {
            return;
        }
        // The platform counted when the request arrived; what has left our window since it was let
        // go may have counted there.
        let cleared = self.ledger.cleared().saturating_sub(slot.cleared);
        let ours = u64::from(self.own_left(now)).saturating_sub(cleared);
        let window_rest =
            (self.ledger.first_clears()).map_or_else(|| self.ledger.span(), |at| at.since(now));
        let below = u64::from(remaining) < ours;
        self.pace = Some(Pace::new(reading, below, window_rest, self.next_number));
    }

    /// Drops what no longer counts, and gives up what was not heard of for long.
    fn turn(&mut self, now: Mono) {
        self.ledger.clear(now);
        while let Some((&number, &sent)) = self.under_way.first_key_value()
            && sent.after(LOST_AFTER) <= now
        {
            self.under_way.remove(&number);
            self.ledger.record(now);
            self.probe_lost(number, now);
        }
    }

    /// From now on the request counts for one span. A slot given up before counts already.
    fn count(&mut self, slot: &Slot, now: Mono) {
        if self.under_way.remove(&slot.number).is_some() {
            self.ledger.record(now);
        }
        self.turn(now);
    }

    fn probe_lost(&mut self, number: u64, now: Mono) {
        if let Some(pause) = &mut self.pause
            && pause.probe == Some(number)
        {
            pause.probe_lost(now);
        }
    }

    /// When the pause lets the next request go: its probe, or the next one if that is lost.
    fn probe_may_leave(&self, pause: &Pause) -> Mono {
        match pause.probe.and_then(|number| self.under_way.get(&number)) {
            Some(sent) => sent.after(LOST_AFTER),
            None => pause.until,
        }
    }

    /// When our own window lets the next request go, or is worth asking again.
    fn window_opens(&self, now: Mono) -> Mono {
        if self.counted(now) < u64::from(self.most) {
            return now;
        }
        let given_up = || (self.under_way.values().next()).map(|sent| sent.after(LOST_AFTER));
        (self.ledger.first_clears())
            .or_else(given_up)
            .unwrap_or_else(|| now.after(self.ledger.span()))
    }

    fn counted(&self, now: Mono) -> u64 {
        self.ledger.counted(now) + self.under_way.len() as u64
    }
}
