//! The account whose quota we share with others: what the platform says is left of it, and what may
//! leave by that.

use std::time::Duration;

use callwarden::model::{
    platform::{Failure, Meter},
    time::Mono,
};

use super::{MINUTE, SECOND, Time, scenario::Fault, world::World};

/// The platform's own window: fixed, and shared with others who take of it evenly.
#[derive(Clone, Debug)]
pub(super) struct Account {
    limit: u32,
    span: Time,
    /// What others take of a whole window.
    others: u32,
    /// Whether it tells when the window is renewed.
    tells_reset: bool,
    /// When the window began, and how much we took of it.
    began: Time,
    ours: u32,
}

/// What the account had left when an answer was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    remaining: u32,
    limit: u32,
    /// The time to the renewal, if it is told.
    reset: Option<Duration>,
    /// When it is renewed.
    renewed: Time,
}

/// By what an answer said: so many may arrive until then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    until: Time,
    left: u32,
    /// When it was told.
    told: Time,
}

impl Account {
    pub(super) fn new(limit: u32, span: Time, others: u32, tells_reset: bool) -> Self {
        Self { limit, span, others, tells_reset, began: 0, ours: 0 }
    }

    /// Counts a request of ours, if any is left for it; and says what is.
    fn takes(&mut self, now: Time) -> (bool, Left) {
        if now >= self.began + self.span {
            (self.began, self.ours) = (now - (now - self.began) % self.span, 0);
        }
        let gone = i64::from(self.others) * (now - self.began) / self.span;
        let used = u32::try_from(gone).unwrap() + self.ours;
        let is_taken = used < self.limit;
        self.ours += u32::from(is_taken);
        let renewed = self.began + self.span;
        let rest = (renewed - now + SECOND - 1) / SECOND;
        let left = Left {
            remaining: self.limit.saturating_sub(used + u32::from(is_taken)),
            limit: self.limit,
            reset: self.tells_reset.then(|| Duration::from_secs(rest.unsigned_abs())),
            renewed,
        };
        (is_taken, left)
    }
}

impl Left {
    pub(super) fn metered(left: Option<Self>, meter: Meter) -> Meter {
        let Some(left) = left else { return meter };
        let Self { remaining, limit, reset, .. } = left;
        Meter { limit: Some(limit), remaining: Some(remaining), reset, ..meter }
    }
}

impl World {
    /// The account counts a request. Says what it has left, and refuses what it has not.
    pub(super) fn account(&mut self) -> (Option<Failure>, Option<Left>) {
        if self.is_healed() {
            return (None, None);
        }
        let now = self.time;
        let Some(account) = &mut self.scenario.account else { return (None, None) };
        let (is_taken, left) = account.takes(now);
        let pause = left.reset;
        ((!is_taken).then_some(Failure::RateLimited { pause }), Some(left))
    }

    /// An answer says what is left. Where that is surely less than our own window has, no more than
    /// that may arrive until the renewal, and one besides.
    pub(super) fn is_told_what_is_left(&mut self, left: Option<Left>, sent: Time, refused: bool) {
        let Some(daemon) = &mut self.daemon else { return };
        if refused {
            // The pause says when.
            daemon.allowances.clear();
            return;
        }
        let tells = |left: &Left| left.reset.is_some() && self.clock.is_steady;
        let Some(left) = left.filter(tells) else { return };
        // What left after something was told, and never arrived, is left still.
        daemon.allowances.retain(|older| older.told > sent);
        // A request counts for one span after its answer; and what the platform counted when this one
        // was let go may have left our window since. A restart counts more than there was.
        let (most, span) = daemon.tuning;
        let counts = |answered: &Option<Mono>| {
            answered.is_none_or(|at| self.clock.time_of(at.after(span * 101 / 100)) > sent)
        };
        let ours = daemon.answered.iter().filter(|answered| counts(answered)).count();
        let is_sure = daemon.life == 1 && !self.scenario.has(Fault::Requota);
        if is_sure && left.remaining as usize + ours < most as usize {
            let Left { remaining, renewed, .. } = left;
            // No hint of the platform's holds any longer.
            let until = renewed.min(self.time + 5 * MINUTE);
            daemon.allowances.push(Allowance { until, left: remaining + 1, told: self.time });
            self.record.sometimes("the platform left us less than we thought");
        }
    }

    /// A request arrives that had left then: each answer that had said how much is left holds for
    /// it, until its window ends.
    pub(super) fn takes_of_what_is_left(&mut self, left: Time) {
        let time = self.time;
        let Some(daemon) = &mut self.daemon else { return };
        daemon.allowances.retain(|allowance| time < allowance.until);
        for allowance in daemon.allowances.iter_mut().filter(|allowance| allowance.told < left) {
            let Some(rest) = allowance.left.checked_sub(1) else {
                let seen = || format!("{allowance:?}");
                return self.record.broken("no more arrives than the platform has left", seen);
            };
            allowance.left = rest;
        }
    }
}
