//! A call's stop: its requests, their answers, and what comes next (spec §7).
//!
//! ```text
//! Idle ──deadline──▶ Request ──▶ Queued ──▶ UnderWay ──2xx──▶ Confirm ──over──▶ outcome
//!   ▲                  ▲  ▲        │           │  │              │
//!   └─deadline moves───┘  └────────┴──retry────┘  └─409, 404─▶ Ask ─active, no row─▶ Request
//! ```
//!
//! Nothing here ends a call: that needs evidence, and is [`super::outcome`]'s to judge.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    ids::CallId,
    outcome::FailReason,
    platform::{Answer, Failure},
    policy::Enforcement,
    time::{Moment, Mono, Wall},
};

/// How far a stop has got. What happened is stored; where it stands is found anew after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The deadline for which the intent to stop is on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Wall>,
    /// When the deadline was found to be passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Wall>,
    /// Requests sent.
    #[serde(default)]
    pub attempts: u32,
    /// When the last one was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Wall>,
    /// When the first request whose answer was lost was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Wall>,
    /// When a request was first accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Wall>,
    /// When the platform first answered for this call, and what that comes to if nothing follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answered: Option<(Wall, FailReason)>,
    /// The id under which the platform shows the call, where it is another than ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<CallId>,
    /// Whether a request is under way: stored, since a crash loses its answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    under_way: bool,
    /// What is to be done next.
    #[serde(skip)]
    pub(super) next: Next,
    #[serde(skip)]
    rungs: Rungs,
    /// Whether a request was answered otherwise than by "too many requests".
    #[serde(skip)]
    reached: bool,
    /// `answered`, on the boot clock.
    #[serde(skip)]
    answered_mono: Option<Mono>,
    /// `accepted`, on the boot clock.
    #[serde(skip)]
    accepted_mono: Option<Mono>,
}

/// What a stop waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// The deadline.
    #[default]
    Idle,
    /// The instant at which the next request is due.
    Request(Mono),
    /// Its turn: the dispatcher has it.
    Queued,
    /// The answer to a request.
    UnderWay,
    /// The call's end; from this instant on the platform is asked for it.
    Confirm(Mono),
    /// What the platform says of a call that it called not active.
    AskNotActive(Mono),
    /// What the platform says of a call that it did not find.
    AskNotFound(Mono),
}

/// How often each kind of answer came in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rungs {
    not_active: u32,
    not_found: u32,
    failed: u32,
    cut: bool,
    /// The last answer, or look-up, was about the token or the address, not about the call.
    misled: bool,
}

/// What an answer says of the call at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing final.
    Open,
    /// It is over, and a request of ours whose answer was lost did it.
    BorneOut,
}

impl Stop {
    /// Whether a request may have gone out for a deadline that was passed.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Whether the call's end, at `at`, is of our making.
    #[must_use]
    pub fn ended_call(&self, at: Wall) -> bool {
        // The platform's clock told `at`, ours the rest: so far apart they count as agreeing.
        const CLOCKS_AGREE: Duration = Duration::from_secs(5);
        self.accepted.is_some() || self.lost.is_some_and(|sent| sent <= at.after(CLOCKS_AGREE))
    }

    /// Whether the next request ranks as the call's first: none before it got past the quota.
    #[must_use]
    pub fn is_first(&self) -> bool {
        !self.reached
    }

    /// When a request was first accepted, on the boot clock.
    #[must_use]
    pub fn accepted_at(&self) -> Option<Mono> {
        self.accepted_mono
    }

    /// Whether both are the same as far as the store knows.
    pub(super) fn is_on_record_as(&self, other: &Self) -> bool {
        let Self {
            intent,
            begun,
            attempts,
            sent,
            lost,
            accepted,
            answered,
            target,
            under_way,
            next: _,
            rungs: _,
            reached: _,
            answered_mono: _,
            accepted_mono: _,
        } = other;
        (self.intent, self.begun, self.attempts, self.sent, self.lost)
            == (*intent, *begun, *attempts, *sent, *lost)
            && (self.accepted, self.answered, &self.target, self.under_way)
                == (*accepted, *answered, target, *under_way)
    }

    /// Whether a request is on its way, or its answer.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// Starts the stop of a deadline that is passed.
    pub(super) fn begin(&mut self, now: Moment) {
        self.begun = Some(now.wall);
        if self.accepted.is_none() {
            // What was answered to a stop that was taken back doesn't count for this one.
            self.forget_answers();
        }
        // One request a call: the answer to one still under way says when the next is due. And what
        // was accepted, though the stop was taken back meanwhile, is being confirmed.
        if self.next == Next::Idle {
            self.next = Next::Request(now.mono);
        }
    }

    /// The stop of a call that is live again: nothing was done for it yet, but for a request that is
    /// still under way.
    #[must_use]
    pub(super) fn anew(&self) -> Self {
        let Self { attempts, under_way, sent, .. } = *self;
        let sent = sent.filter(|_| under_way);
        let next = if under_way { Next::UnderWay } else { Next::Idle };
        let target = self.target.clone();
        Self { attempts, target, under_way, sent, next, ..Self::default() }
    }

    /// Whether it leaves the call alone, though its deadline is passed, and nothing is under way.
    pub(super) fn waits(&self) -> bool {
        self.begun.is_some() && self.next == Next::Idle
    }

    /// Leaves the call alone: it is only observed, and what was answered so far leads to nothing.
    /// What is under way stays so, and what was accepted is waited for.
    pub(super) fn wait(&mut self) {
        if self.accepted.is_some() {
            return;
        }
        self.forget_answers();
        if !self.under_way {
            self.next = Next::Idle;
        }
    }

    fn forget_answers(&mut self) {
        self.answered = None;
        self.answered_mono = None;
    }

    /// Takes the stop back: the deadline has moved, and no request was accepted.
    pub(super) fn take_back(&mut self) {
        self.begun = None;
        self.rungs = Rungs::default();
        if !self.under_way {
            self.next = Next::Idle;
        }
    }

    /// The request leaves now.
    pub(super) fn leave(&mut self, now: Moment) {
        self.attempts = self.attempts.saturating_add(1);
        self.sent = Some(now.wall);
        self.under_way = true;
        self.next = Next::UnderWay;
    }

    /// The answer came.
    pub(super) fn take(
        &mut self,
        answer: &Answer,
        chance: Chance,
        now: Moment,
        enforcement: &Enforcement,
    ) -> Verdict {
        self.under_way = false;
        self.reached |= !matches!(answer, Answer::Failed(Failure::RateLimited { .. }));
        self.rungs.misled = matches!(answer, Answer::Failed(failure) if failure.is_misled());
        let mut verdict = Verdict::Open;
        self.next = match answer {
            Answer::Accepted => {
                self.accepted.get_or_insert(now.wall);
                self.accepted_mono.get_or_insert(now.mono);
                self.platform_answered(FailReason::NotConfirmed, now);
                self.rungs = Rungs::default();
                Next::Confirm(now.mono.after(enforcement.confirm_within))
            }
            Answer::NotActive => {
                self.platform_answered(FailReason::NotAccepted, now);
                if self.lost.is_some() && !chance.rings {
                    verdict = Verdict::BorneOut;
                }
                Next::AskNotActive(now.mono)
            }
            Answer::NotFound => {
                self.platform_answered(FailReason::NotFound, now);
                self.rungs.not_found += 1;
                match self.rungs.not_found {
                    1 => Next::Request(now.mono.after(Duration::from_secs(1))),
                    2 => Next::Request(now.mono.after(Duration::from_secs(5))),
                    3 => Next::Request(now.mono.after(Duration::from_secs(15))),
                    _ => Next::AskNotFound(now.mono),
                }
            }
            Answer::Failed(failure) => {
                if failure.answer_lost() {
                    self.lost = self.lost.or(self.sent);
                }
                Next::Request(self.after_failure(failure, chance, now.mono))
            }
        };
        verdict
    }

    fn after_failure(&mut self, failure: &Failure, chance: Chance, now: Mono) -> Mono {
        match failure {
            // The pause is the quota's; the call keeps its place in the queue.
            Failure::RateLimited { .. } => now,
            Failure::Unauthorized { .. } if chance.fresh_token => now,
            Failure::Cut if !self.rungs.cut => {
                self.rungs.cut = true;
                now
            }
            Failure::Unauthorized { .. }
            | Failure::Misdirected { .. }
            | Failure::ServerError { .. }
            | Failure::Timeout
            | Failure::Cut
            | Failure::Network
            | Failure::Other { .. } => {
                self.rungs.failed += 1;
                now.after(back_off(self.rungs.failed, chance.jitter))
            }
        }
    }

    /// A look-up is over; `failure` says why it told nothing.
    pub(super) fn looked_up(&mut self, failure: Option<&Failure>) {
        self.rungs.misled = failure.is_some_and(Failure::is_misled);
    }

    /// The platform, asked, says that the call goes on, or shows no row of it: what next.
    /// `elsewhere`: it shows the call under an agent or id that we have not tried.
    pub(super) fn goes_on(&mut self, elsewhere: bool, shown: bool, now: Mono) {
        self.next = match self.next {
            _ if elsewhere && !self.under_way && self.has_begun() => Next::Request(now),
            Next::AskNotActive(_) => {
                self.rungs.not_active += 1;
                let wait = match self.rungs.not_active {
                    1 => 1,
                    2 => 5,
                    3 => 15,
                    _ => 30,
                };
                Next::Request(now.after(Duration::from_secs(wait)))
            }
            Next::AskNotFound(_) => Next::Request(now.after(Duration::from_secs(60))),
            Next::Confirm(from) if shown && from <= now => Next::Request(now),
            next => next,
        };
    }

    /// When the stop is given up, and for what reason (spec §5 *failed*). Never while the token or
    /// the address is in trouble.
    #[must_use]
    pub fn gives_up(&self, enforcement: &Enforcement) -> Option<(Mono, FailReason)> {
        let goes_on = self.begun.is_some() || self.accepted.is_some();
        let (_, reason) =
            self.answered.filter(|_| goes_on && !self.rungs.misled && !self.under_way)?;
        Some((self.answered_mono?.after(enforcement.give_up_after), reason))
    }

    /// After a restart: what was under way has lost its answer, and the next step is due now.
    pub(super) fn restored(&mut self, now: Moment, is_due: bool) {
        self.answered_mono = self.answered.map(|(at, _)| now.mono_of(at));
        self.accepted_mono = self.accepted.map(|at| now.mono_of(at));
        if self.under_way {
            self.lost = self.lost.or(self.sent);
            self.under_way = false;
        } else if (self.begun.is_none() || self.attempts == 0) && self.intent.is_some() && is_due {
            // The intent, and perhaps the stop's beginning, is written before a request leaves; what
            // came after is not on record.
            self.lost = self.lost.or(self.intent);
        }
        self.reached = self.attempts > 0;
        // Whether the token is in trouble is not on record: the platform's next word tells.
        self.rungs.misled = self.answered.is_some();
        self.next = match (self.accepted, self.begun) {
            (Some(_), _) => Next::Confirm(now.mono),
            (None, Some(_)) => Next::Request(now.mono),
            (None, None) => Next::Idle,
        };
    }

    /// What was done for the same call under another name is done: the stop that got farther goes
    /// on, and what was accepted or lost under either name counts.
    pub(super) fn join(&mut self, other: &Self, now: Moment) {
        let earliest = |a: Option<Wall>, b: Option<Wall>| a.into_iter().chain(b).min();
        let lost = earliest(self.lost, other.lost);
        let got = |stop: &Self| (stop.accepted.is_some(), stop.attempts);
        let was_under_way = self.under_way;
        if got(other) > got(self) {
            *self = other.clone();
            self.adopted(now);
        }
        if was_under_way || other.under_way {
            // One request a call: the answer to it says when the next is due.
            self.under_way = true;
            self.next = Next::UnderWay;
        }
        self.lost = lost;
    }

    /// After another call's stop was taken over: what waited in the queue waits no more.
    pub(super) fn adopted(&mut self, now: Moment) {
        if self.next == Next::Queued {
            self.next = Next::Request(now.mono);
        }
    }

    /// Nothing more is to be done: the call has an outcome.
    pub(super) fn rest(&mut self) {
        if !self.under_way {
            self.next = Next::Idle;
        }
    }

    fn platform_answered(&mut self, reason: FailReason, now: Moment) {
        let (since, known) = self.answered.unwrap_or((now.wall, reason));
        // What was once accepted is unconfirmed, whatever else is answered since.
        let reason = if known == FailReason::NotConfirmed { known } else { reason };
        self.answered = Some((since, reason));
        self.answered_mono.get_or_insert(now.mono);
    }

    /// Whether the provider's sid is to be tried in place of the id: once, on the ladder's last
    /// rung (the platform's page *end-call* is silent on whether it is taken).
    #[must_use]
    pub fn tries_sid(&self) -> bool {
        self.rungs.not_found == 3
    }
}

/// What comes with an answer from outside the core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// Drawn evenly from [0, 1).
    pub jitter: f64,
    /// Whether the token was read anew since the request left.
    pub fresh_token: bool,
    /// Whether the call was never seen to be answered.
    pub rings: bool,
}

/// Exponential back-off with full jitter, 0.5 s to 30 s (spec §7), after the `nth` failure in a
/// row, counted from 1.
#[must_use]
pub fn back_off(nth: u32, jitter: f64) -> Duration {
    const LEAST: Duration = Duration::from_millis(500);
    const MOST: Duration = Duration::from_secs(30);
    let cap = LEAST.saturating_mul(1 << nth.saturating_sub(1).min(10)).min(MOST);
    cap.mul_f64(jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
