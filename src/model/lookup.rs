//! Looking one call up: the steps by which the platform is asked for a call's row, since it has no
//! address for a single call (its pages *get-active-call*, *list-calls*; spec §7, §8).

use std::{collections::VecDeque, time::Duration};

use super::{
    call::Call,
    ids::{AgentId, CallId},
    platform::{Failure, Page, Row, Status},
    time::{Mono, Wall},
};

/// One request of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// `GET /agents/{agent}/active-call/{phone}`: the quickest, and it has `started_at`.
    ActiveCall {
        /// Whose call it is.
        agent: AgentId,
        /// The other party's number.
        phone: Box<str>,
    },
    /// `GET /calls?status=ringing`, one page.
    Ringing {
        /// Counted from 1.
        page: u32,
    },
    /// `GET /calls`, one page of all there are: where many calls wait for an answer.
    Recent {
        /// Counted from 1.
        page: u32,
    },
    /// `GET /calls?search=`, one page. It is documented for numbers and sids, and tried for ids.
    Search {
        /// What to look for.
        text: Box<str>,
        /// Counted from 1.
        page: u32,
    },
    /// `GET /agents/{agent}/calls`, one page: for a call of which nothing else is known.
    OfAgent {
        /// Whose calls.
        agent: AgentId,
        /// Counted from 1.
        page: u32,
    },
}

/// A look-up in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    id: CallId,
    sid: Option<CallId>,
    agent: Option<AgentId>,
    began: Wall,
    steps: VecDeque<Query>,
    /// The search for the call's id found nothing.
    id_not_found: bool,
    /// An active call of the same agent and number under another id, begun at the same time.
    other: Option<Row>,
}

/// What an answer means for its look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It showed the call.
    Found(Box<Row>),
    /// It did not: there is more to ask, or nothing more, and then nothing was found.
    GoesOn,
    /// It told nothing, and no other question would.
    Failed(Failure),
}

impl Lookup {
    /// How far the start of a call under another id may be from ours to be the same call.
    const SAME_START: Duration = Duration::from_secs(30);

    /// The look-up of `call`. `sweep` is the page of all calls to begin with, where many wait;
    /// `finds_ids` says whether the platform's search is known not to find calls by their id.
    #[must_use]
    pub fn of(call: &Call, sweep: Option<u32>, finds_ids: bool, now: Mono) -> Self {
        let facts = &call.facts;
        let other_party = match facts.direction() {
            Some("inbound") => facts.from(),
            _ => facts.to(),
        };
        let search = |text: &str| Query::Search { text: text.into(), page: 1 };
        let mut steps = VecDeque::new();
        steps.extend(sweep.map(|page| Query::Recent { page }));
        // One page of ringing calls answers for all that ask; who is not on it rings no more.
        steps.extend(call.asks_whether_it_rings(now).then_some(Query::Ringing { page: 1 }));
        if let (Some(agent), Some(phone)) = (facts.agent(), other_party) {
            steps.push_back(Query::ActiveCall { agent: agent.clone(), phone: phone.into() });
        }
        let id = search(call.id.as_str());
        let (first, last) = if finds_ids { (Some(id), None) } else { (None, Some(id)) };
        steps.extend(first);
        steps.extend(facts.sid().filter(|sid| **sid != call.id).map(|sid| search(sid.as_str())));
        steps.extend(other_party.map(search));
        steps.extend(last);
        if let (None, Some(agent)) = (other_party, facts.agent()) {
            steps.push_back(Query::OfAgent { agent: agent.clone(), page: 1 });
        }
        if other_party.is_none() && facts.agent().is_none() && facts.sid().is_none() {
            // Known by an id alone, which search may not find.
            steps.push_back(Query::Recent { page: 1 });
        }
        Self {
            id: call.id.clone(),
            sid: facts.sid().cloned(),
            agent: facts.agent().cloned(),
            began: facts.began(),
            steps,
            id_not_found: false,
            other: None,
        }
    }

    /// The next request; `None` when all were made.
    pub fn next_query(&mut self) -> Option<Query> {
        self.steps.pop_front()
    }

    /// The question could not be put now: it comes first next time.
    fn ask_again(&mut self, query: Query) {
        self.steps.push_front(query);
    }

    /// Whether there is more to ask.
    fn has_more(&self) -> bool {
        !self.steps.is_empty()
    }

    /// What follows from the answer to one of its requests.
    pub fn take(&mut self, query: Query, answer: Result<&Page, &Failure>) -> Heard {
        match answer {
            Ok(page) => match self.heard(&query, page) {
                Some(row) => Heard::Found(Box::new(row)),
                None => Heard::GoesOn,
            },
            Err(Failure::RateLimited { .. }) => {
                self.ask_again(query);
                Heard::GoesOn
            }
            // The platform does not like this question; it may like the next.
            Err(Failure::Other { status: 400..=499, .. }) if self.has_more() => Heard::GoesOn,
            Err(failure) => Heard::Failed(failure.clone()),
        }
    }

    /// What a request brought: the call's row, if it is there.
    fn heard(&mut self, query: &Query, page: &Page) -> Option<Row> {
        let found = page.rows.iter().find(|row| self.is_same_call(row));
        if found.is_none() {
            self.id_not_found |=
                matches!(query, Query::Search { text, .. } if **text == *self.id.as_str());
            self.other = self.other.take().or_else(|| {
                let is_active_call = matches!(query, Query::ActiveCall { .. });
                page.rows.iter().find(|row| is_active_call && self.may_be_same_call(row)).cloned()
            });
            self.turn_page(query, page.last_page);
        }
        found.cloned()
    }

    /// Whether this look-up has shown that the platform's search does not find calls by their id:
    /// it did not, and something else did.
    #[must_use]
    pub fn proves_ids_unsearchable(&self) -> bool {
        self.id_not_found
    }

    /// The row of another id that is in all likelihood the same call, once no row of ours was
    /// found.
    #[must_use]
    pub fn likely(self) -> Option<Row> {
        self.other
    }

    fn is_same_call(&self, row: &Row) -> bool {
        row.id == self.id
            || self.sid.as_ref() == Some(&row.id)
            || row.sid.as_ref().is_some_and(|sid| *sid == self.id || self.sid.as_ref() == Some(sid))
    }

    fn may_be_same_call(&self, row: &Row) -> bool {
        let same_agent = self.agent.is_some() && self.agent == row.agent;
        let same_start = row
            .started_at
            .is_some_and(|at| at.since(self.began).max(self.began.since(at)) <= Self::SAME_START);
        same_agent && same_start && !row.status.is_over() && row.status != Status::Other
    }

    /// Lists may be newest first or oldest first (undocumented): after the first page the last one
    /// is looked at, of ringing calls every page.
    fn turn_page(&mut self, query: &Query, last_page: u32) {
        const MOST_RINGING: u32 = 20;
        let next = match query {
            Query::ActiveCall { .. } | Query::Recent { .. } => None,
            Query::Ringing { page } => {
                (*page < last_page.min(MOST_RINGING)).then(|| Query::Ringing { page: page + 1 })
            }
            Query::Search { text, page } => (*page == 1 && last_page > 1)
                .then(|| Query::Search { text: text.clone(), page: last_page }),
            Query::OfAgent { agent, page } => (*page == 1 && last_page > 1)
                .then(|| Query::OfAgent { agent: agent.clone(), page: last_page }),
        };
        if let Some(next) = next {
            self.steps.push_front(next);
        }
    }
}

/// The pages of the list of all calls that are looked at while many calls wait for an answer: each
/// answers for up to a hundred of them (spec §7 *Confirmation*).
#[derive(Clone, Copy, Debug, Default)]
pub struct Sweep {
    began: Option<Mono>,
    next: u32,
    last_page: Option<u32>,
}

impl Sweep {
    /// From so many waiting calls on, a page is worth more than single questions.
    const MANY: usize = 4;
    /// What a page did not show by then, it will not: the rest is asked for one by one.
    const MOST_PAGES: u32 = 5;
    /// How long before the first page is worth another look.
    const AGAIN: Duration = Duration::from_secs(5);

    /// The page to look at next while `waiting` calls wait.
    pub fn next_page(&mut self, waiting: usize, now: Mono) -> Option<u32> {
        if waiting < Self::MANY {
            return None;
        }
        if self.began.is_none_or(|began| now.since(began) >= Self::AGAIN) {
            *self = Self { began: Some(now), next: 1, last_page: None };
        }
        let most = self.last_page.unwrap_or(1).min(Self::MOST_PAGES);
        let page = (self.next <= most).then_some(self.next)?;
        self.next += 1;
        Some(page)
    }

    /// How many pages there are.
    pub fn heard(&mut self, last_page: u32) {
        self.last_page = Some(last_page);
    }
}
