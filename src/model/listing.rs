//! Reconciliation: one pass over the platform's active calls, and what a row of it means for a call
//! that we do not know (spec §8).

use std::{collections::HashSet, time::Duration};

use super::{
    call::Call,
    ids::{AgentId, CallId},
    platform::{Failure, Page, Row, Status},
    policy::Adopt,
    queue::Share,
    time::Moment,
};

/// The statuses of active calls, in the order in which they are listed: a call that moves on
/// between two pages moves to one that is still to come.
pub const STATUSES: [&str; 4] = ["initiated", "ringing", "answered", "in-progress"];

/// How often a page that cannot be had is asked for before its status is passed over.
const TRIES: u32 = 3;
/// Pages of one status beyond which the platform is not believed.
const MOST_PAGES: u32 = 10_000;

/// One pass over the lists of active calls.
#[derive(Clone, Debug)]
pub struct Pass {
    began: Moment,
    status: usize,
    page: u32,
    tries: u32,
    shown: HashSet<CallId>,
    /// Statuses listed to their end, or refused by the platform.
    done: usize,
    requests: u32,
}

/// How a pass went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// Every status was listed to its last page.
    Complete,
    /// Some were.
    Partial,
    /// None was.
    Failed,
}

impl Pass {
    /// A pass that begins now.
    #[must_use]
    pub fn new(began: Moment) -> Self {
        Self { began, status: 0, page: 1, tries: 0, shown: HashSet::new(), done: 0, requests: 0 }
    }

    /// When it began.
    #[must_use]
    pub fn began(&self) -> Moment {
        self.began
    }

    /// The status and page to ask for next; `None` when the pass is over.
    #[must_use]
    pub fn next_page(&self) -> Option<(&'static str, u32)> {
        STATUSES.get(self.status).map(|status| (*status, self.page))
    }

    /// A page came.
    pub fn heard(&mut self, page: &Page) {
        self.requests += 1;
        self.tries = 0;
        for row in &page.rows {
            self.shown.insert(row.id.clone());
            self.shown.extend(row.sid.clone());
        }
        if self.page < page.last_page.min(MOST_PAGES) && !page.rows.is_empty() {
            self.page += 1;
        } else {
            self.done += 1;
            self.turn_over();
        }
    }

    /// A page could not be had. What the platform refuses is skipped: it does not know the status.
    pub fn failed(&mut self, failure: &Failure) {
        self.requests += 1;
        self.tries += 1;
        match failure {
            Failure::Other { status: 400..=499, .. } => {
                self.done += 1;
                self.turn_over();
            }
            Failure::RateLimited { .. } => self.tries -= 1,
            Failure::Unauthorized { .. }
            | Failure::Misdirected { .. }
            | Failure::ServerError { .. }
            | Failure::Timeout
            | Failure::Cut
            | Failure::Network
            | Failure::Other { .. } => {
                if self.tries >= TRIES {
                    self.turn_over();
                }
            }
        }
    }

    /// How it went.
    #[must_use]
    pub fn passed(&self) -> Passed {
        match self.done {
            0 => Passed::Failed,
            done if done < STATUSES.len() => Passed::Partial,
            _ => Passed::Complete,
        }
    }

    /// How many requests it took.
    #[must_use]
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// Whether so many requests take long at the listings' usual share of a quota of `most` a
    /// `span`: then they get a larger one.
    #[must_use]
    pub fn is_long(&self, most: u32, span: Duration) -> bool {
        const LONG: Duration = Duration::from_secs(120);
        let usual = Share::Tenth.of(most).max(1);
        span.mul_f64(f64::from(self.requests) / f64::from(usual)) > LONG
    }

    /// Whether this pass, once complete, should have shown the call and did not.
    #[must_use]
    pub fn lacks(&self, call: &Call) -> bool {
        let names = [Some(&call.id), call.facts.sid()];
        call.facts.first_seen < self.began.wall
            && !names.into_iter().flatten().any(|name| self.shown.contains(name))
    }

    fn turn_over(&mut self) {
        self.status += 1;
        self.page = 1;
        self.tries = 0;
    }
}

/// How long after the beginning of a pass the next one begins: more often while webhooks come late
/// or not at all.
#[must_use]
pub fn pause(every: Duration, share: Share) -> Duration {
    const OFTEN: Duration = Duration::from_secs(15);
    if share == Share::Half { every.min(OFTEN) } else { every }
}

/// Whether a call that only a row shows is taken on: it rings or was answered, and its agent is one
/// that we look after.
#[must_use]
pub fn is_adopted(row: &Row, adopt: &Adopt, is_known: impl Fn(&AgentId) -> bool) -> bool {
    let is_live = row.status == Status::Ringing || row.status.is_connected();
    let is_ours = match (adopt, &row.agent) {
        (Adopt::All, _) => true,
        (Adopt::Known, Some(agent)) => is_known(agent),
        (Adopt::Agents(agents), Some(agent)) => agents.contains(agent),
        (Adopt::Known | Adopt::Agents(_), None) => false,
    };
    is_live && is_ours
}
