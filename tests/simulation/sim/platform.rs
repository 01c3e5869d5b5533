//! The platform's side of a request: what it does, what it answers, and what becomes of that on the
//! way back.

use std::time::Duration;

use callwarden::model::{
    ids::{AgentId, CallId},
    logs::Step,
    lookup::Query,
    platform::{Answer, DeliveryPage, Failure, Page, Row, Status},
};

use super::{
    SECOND, Time,
    account::Left,
    daemon::Ask,
    scenario::Fault,
    world::{Coming, World},
};

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    token: u64,
    left: Time,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    EndCall { agent: AgentId, target: CallId },
    Look(Query),
    List { status: &'static str, page: u32 },
    Read(Step),
}

/// What it brought.
#[derive(Debug)]
pub(super) enum Brought {
    EndCall(Answer),
    Page(Result<Page, Failure>),
    Webhooks(Result<Vec<String>, Failure>),
    Deliveries(Result<DeliveryPage, Failure>),
}

/// What comes back of it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) brought: Brought,
    /// When the platform answered and what it had left, if that came through.
    pub(super) answered: Option<(Time, Option<Left>)>,
}

/// How long we wait for an answer.
const TIMEOUT: Time = 10 * SECOND;
/// How far back a lagging list shows things.
const LAG: Time = 25 * SECOND;

impl Wire {
    pub(super) fn of(ask: &Ask, token: u64, left: Time) -> Self {
        let what = match ask {
            Ask::EndCall { agent, target, .. } => {
                What::EndCall { agent: agent.clone(), target: target.clone() }
            }
            Ask::Look { query, .. } => What::Look(query.clone()),
            Ask::List { status, page, .. } => What::List { status, page: *page },
            Ask::Read { step, .. } => What::Read(step.clone()),
        };
        Self { token, left, what }
    }

    fn fails(&self, failure: Failure) -> Brought {
        match self.what {
            What::EndCall { .. } => Brought::EndCall(Answer::Failed(failure)),
            What::Look(_) | What::List { .. } => Brought::Page(Err(failure)),
            What::Read(Step::Webhooks(_)) => Brought::Webhooks(Err(failure)),
            What::Read(Step::Deliveries { .. }) => Brought::Deliveries(Err(failure)),
        }
    }
}

impl World {
    /// Carries a request to the platform.
    pub(super) fn carry(&mut self, life: u64, number: u64, wire: Wire) {
        if self.strikes(Fault::Unreachable) {
            let reply = Reply { brought: wire.fails(Failure::Network), answered: None };
            return self.expect_in(1_000, Coming::Answer(life, number, Box::new(reply)));
        }
        let takes = self.rng.i64(1_000..200_000);
        self.expect_in(takes, Coming::Arrives(life, number, Box::new(wire)));
    }

    /// A request arrives: the platform acts, and answers.
    pub(super) fn arrives(&mut self, life: u64, number: u64, wire: &Wire) {
        // What an earlier life let go is no longer counted by anybody.
        if self.lives_on(life)
            && let Some(seen) = self.truth.request_arrives(self.time, wire.left)
        {
            self.record.broken("no window holds more requests than the quota", || seen);
        }
        if self.lives_on(life) {
            self.takes_of_what_is_left(wire.left);
        }
        let (spent, left) = self.account();
        let refused = spent.map(|spent| wire.fails(spent)).or_else(|| self.refuse(wire));
        if let What::EndCall { target, .. } = &wire.what
            && let Some(nth) = self.index.get(target)
        {
            self.truth.requests.entry(*nth).or_default().push((self.time, false));
        }
        let brought = refused.unwrap_or_else(|| match &wire.what {
            What::EndCall { agent, target } => {
                let answer = self.end(agent, target);
                let nth = self.index.get(target);
                let asked = nth.and_then(|nth| self.truth.requests.get_mut(nth)?.last_mut());
                if let Some((_, taken)) = asked {
                    *taken = answer == Answer::Accepted;
                }
                Brought::EndCall(answer)
            }
            What::Look(query) => Brought::Page(Ok(self.look(query))),
            What::List { status: "in-progress", .. } if self.scenario.says_answered => {
                let message = "The selected status is invalid.".to_owned();
                wire.fails(Failure::Other { status: 422, message })
            }
            What::List { status, page } => {
                Brought::Page(Ok(self.page_of(*page, |row| Status::read(status) == row.status)))
            }
            What::Read(Step::Webhooks(agent)) => Brought::Webhooks(self.webhooks_of(agent)),
            What::Read(Step::Deliveries { agent, webhook, page }) => {
                Brought::Deliveries(Ok(self.log_page(agent, webhook, *page)))
            }
        });
        let mut takes = self.rng.i64(1_000..400_000);
        if self.strikes(Fault::SlowAnswer) {
            takes = self.rng.i64(0..2 * TIMEOUT);
        }
        let (takes, brought, answered) = if takes >= TIMEOUT {
            (TIMEOUT, wire.fails(Failure::Timeout), None)
        } else if self.strikes(Fault::LostAnswer) {
            (takes, wire.fails(Failure::Cut), None)
        } else {
            (takes, brought, Some((self.time, left)))
        };
        let reply = Reply { brought, answered };
        self.expect_in(takes, Coming::Answer(life, number, Box::new(reply)));
    }

    /// What the platform answers without looking at the call.
    fn refuse(&mut self, wire: &Wire) -> Option<Brought> {
        let failure = if wire.token != self.token {
            Failure::Unauthorized { status: 401 }
        } else if self.strikes(Fault::TooMany) {
            let pause = self.rng.bool().then(|| Duration::from_secs(self.rng.u64(0..60)));
            Failure::RateLimited { pause }
        } else if self.strikes(Fault::ServerError) {
            Failure::ServerError { status: [500, 502, 503, 504][self.rng.usize(0..4)] }
        } else if self.strikes(Fault::Refused) {
            match [200, 400, 402, 403, 422][self.rng.usize(0..5)] {
                403 => Failure::Unauthorized { status: 403 },
                status => Failure::Other { status, message: "refused".to_owned() },
            }
        } else if self.strikes(Fault::Html) {
            Failure::Misdirected { status: [200, 302, 404][self.rng.usize(0..3)] }
        } else {
            return None;
        };
        Some(wire.fails(failure))
    }

    fn end(&mut self, agent: &AgentId, target: &CallId) -> Answer {
        let now = self.time;
        let nth = self.index.get(target).copied();
        let nth = nth.filter(|nth| self.calls[*nth].agent == *agent);
        let Some(nth) = nth.filter(|nth| self.calls[*nth].exists(now)) else {
            return Answer::NotFound;
        };
        if self.strikes(Fault::FalseNotFound) {
            return Answer::NotFound;
        }
        if self.calls[nth].is_over(now) {
            return Answer::NotActive;
        }
        if self.strikes(Fault::FalseNotActive) {
            self.truth.lies_about(nth);
            return Answer::NotActive;
        }
        if !self.strikes(Fault::IdleHangUp) {
            let at = now + self.rng.i64(SECOND / 10..2 * SECOND);
            self.end_at(nth, at);
        }
        Answer::Accepted
    }

    /// The call ends then, unless it ends before.
    fn end_at(&mut self, nth: usize, at: Time) {
        if self.calls[nth].ends > at {
            self.calls[nth].ends = at;
            self.expect_at(at, Coming::Ends(nth));
        }
    }

    fn look(&mut self, query: &Query) -> Page {
        let is_numbered = |row: &Row, phone: &str| {
            row.to.as_deref() == Some(phone) || row.from.as_deref() == Some(phone)
        };
        match query {
            Query::ActiveCall { agent, phone } => {
                let (time, tells) = (self.time, true);
                let calls = self.calls.iter().filter(|call| call.exists(time));
                let rows = calls.map(|call| (self.said(call.row(time, tells)), call.rings));
                let active = |(row, _): &(Row, Time)| {
                    !row.status.is_over()
                        && row.agent.as_ref() == Some(agent)
                        && is_numbered(row, phone)
                };
                // It tells no more (get-active-call).
                let started = |(row, rings): (Row, Time)| Row {
                    started_at: (rings <= time).then(|| super::life::wall(rings)),
                    sid: None,
                    from: None,
                    direction: None,
                    created_at: None,
                    updated_at: None,
                    ..row
                };
                Page { rows: rows.filter(active).map(started).collect(), ..Page::default() }
            }
            Query::Ringing { page } => self.page_of(*page, |row| row.status == Status::Ringing),
            Query::Recent { page } => self.page_of(*page, |_| true),
            Query::Search { text, page } => {
                let finds_ids = !self.scenario.has(Fault::UnsearchableId);
                self.page_of(*page, |row| {
                    (finds_ids && row.id.as_str() == &**text)
                        || row.sid.as_ref().is_some_and(|sid| sid.as_str() == &**text)
                        || is_numbered(row, text)
                })
            }
            Query::OfAgent { agent, page } => {
                let agent = agent.clone();
                let mut page = self.page_of(*page, |_| true);
                page.rows.retain(|row| row.agent.as_ref().is_none_or(|known| *known == agent));
                page
            }
        }
    }

    /// The row, in the platform's words.
    fn said(&self, row: Row) -> Row {
        match row.status {
            Status::InProgress if self.scenario.says_answered => {
                Row { status: Status::Answered, ..row }
            }
            _ => row,
        }
    }

    /// One page of the calls that `fits`.
    fn page_of(&mut self, page: u32, fits: impl Fn(&Row) -> bool) -> Page {
        let lags = self.strikes(Fault::LaggingList);
        let as_of = if lags { self.time - self.rng.i64(0..LAG) } else { self.time };
        let calls = self.calls.iter().filter(|call| call.exists(as_of));
        let mut rows: Vec<_> = calls.map(|call| self.said(call.row(as_of, true))).collect();
        rows.retain(|row| fits(row));
        if self.scenario.newest_first {
            rows.reverse();
        }
        if self.strikes(Fault::MissingRow) && !rows.is_empty() {
            rows.remove(self.rng.usize(0..rows.len()));
        }
        if self.strikes(Fault::RowWithoutAgent) {
            rows.iter_mut().for_each(|row| row.agent = None);
        }
        let last_page = u32::try_from(rows.len().div_ceil(self.scenario.per_page)).unwrap().max(1);
        let from = (page as usize - 1) * self.scenario.per_page;
        let rows = rows.into_iter().skip(from).take(self.scenario.per_page).collect();
        Page { rows, last_page, unreadable: 0 }
    }

    /// Whether lists show things as they are: rows may slip between pages while calls come and go.
    pub(super) fn lists_are_true(&self) -> bool {
        if self.scenario.calls > self.scenario.per_page {
            return false;
        }
        self.is_healed()
            || ![Fault::LaggingList, Fault::MissingRow, Fault::Refused]
                .iter()
                .any(|fault| self.scenario.has(*fault))
    }
}
