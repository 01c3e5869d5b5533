//! Looking one call up: the steps by which the platform is asked for a call's row, since it has no
//! address for a single call (its pages *get-active-call*, *list-calls*; spec §7, §8). Pages that
//! answer for many calls at once are `sweep`'s.

mod sweep;

use std::{collections::VecDeque, ops::RangeInclusive, time::Duration};

use super::{
    call::Call,
    ids::{AgentId, CallId},
    platform::{Failure, Page, Row, Status},
    time::{Mono, Wall},
};

pub use sweep::Sweeps;
use sweep::{Batch, Turn};

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

/// What a look-up does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// This request leaves.
    Ask(Query),
    /// It waits for a page that is under way already, and may answer.
    Wait,
    /// Everything was asked.
    Done,
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

/// A look-up in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    id: CallId,
    sid: Option<CallId>,
    agent: Option<AgentId>,
    direction: Option<Box<str>>,
    to: Option<Box<str>>,
    from: Option<Box<str>>,
    /// When a call under another id must have begun to be this one; `None` if the platform has shown
    /// this one under its own.
    began: Option<RangeInclusive<Wall>>,
    /// The list whose pages answer for others too, while it is worth a look.
    batch: Option<Batch>,
    /// Whether it has taken part in a sweep of that list.
    took_part: bool,
    steps: VecDeque<Query>,
    /// The search for the call's id found nothing.
    id_not_found: bool,
    /// An active call of the same agent and number under another id, begun at the same time.
    other: Option<Row>,
}

impl Lookup {
    /// The look-up of `call`. `confirms` says whether it confirms a stop, which one page does for
    /// many; `finds_ids`, whether the platform's search may find calls by their id.
    #[must_use]
    pub fn of(call: &Call, confirms: bool, finds_ids: bool, now: Mono) -> Self {
        let facts = &call.facts;
        let other_party = match facts.direction() {
            Some("inbound") => facts.from(),
            _ => facts.to(),
        };
        let search = |text: &str| Query::Search { text: text.into(), page: 1 };
        let mut steps = VecDeque::new();
        let sid = facts.sid().filter(|sid| **sid != call.id).map(|sid| search(sid.as_str()));
        // A call that was asked to end is in all likelihood not active any more.
        let (sid_first, sid_later) = if confirms { (sid, None) } else { (None, sid) };
        steps.extend(sid_first);
        let batch = match call.asks_whether_it_rings(now) {
            true => Some(Batch::Ringing),
            false => confirms.then_some(Batch::Recent),
        };
        if let (Some(agent), Some(phone)) = (facts.agent(), other_party) {
            steps.push_back(Query::ActiveCall { agent: agent.clone(), phone: phone.into() });
        }
        let id = search(call.id.as_str());
        let (first, last) = if finds_ids { (Some(id), None) } else { (None, Some(id)) };
        steps.extend(first);
        steps.extend(sid_later);
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
            direction: facts.direction().map(Into::into),
            to: facts.to().map(Into::into),
            from: facts.from().map(Into::into),
            began: (!call.was_listed()).then(|| began(call)),
            batch,
            took_part: false,
            steps,
            id_not_found: false,
            other: None,
        }
    }

    /// What is to be done next; `waiting` look-ups wait that one page might answer for.
    pub fn next_step(&mut self, sweeps: &mut Sweeps, waiting: usize, now: Mono) -> Step {
        if let Some(batch) = self.batch {
            match sweeps.of(batch).turn(&mut self.took_part, waiting, now) {
                Turn::Page(page) => return Step::Ask(batch.page(page)),
                Turn::Wait => return Step::Wait,
                // Who is on none of the pages is asked for alone.
                Turn::Alone => self.batch = None,
            }
        }
        self.steps.pop_front().map_or(Step::Done, Step::Ask)
    }

    /// Until when, at the latest, it has to wait for a page that others share; `None` if it has not.
    #[must_use]
    pub fn held(&self, sweeps: &Sweeps, now: Mono) -> Option<Mono> {
        self.batch.and_then(|batch| sweeps.hold(batch, now))
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

    /// The question could not be put now: it comes first next time.
    fn ask_again(&mut self, query: Query) {
        match query {
            Query::Ringing { .. } | Query::Recent { .. } => self.took_part = false,
            Query::ActiveCall { .. } | Query::Search { .. } | Query::OfAgent { .. } => {
                self.steps.push_front(query);
            }
        }
    }

    /// Whether there is more to ask.
    fn has_more(&self) -> bool {
        self.batch.is_some() || !self.steps.is_empty()
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
        let same_start =
            self.began.as_ref().zip(row.started_at).is_some_and(|(began, at)| began.contains(&at));
        let is_another = differs(self.direction.as_deref(), row.direction.as_deref())
            || differs(self.to.as_deref(), row.to.as_deref())
            || differs(self.from.as_deref(), row.from.as_deref());
        // Which number is the other party's is not known then; many call ours at once.
        let same_party = self.direction.is_some() || (self.from.is_some() && self.from == row.from);
        // Where its sid is known, lists tell it too, and it is proof.
        self.sid.is_none()
            && same_agent
            && same_party
            && same_start
            && !is_another
            && !row.status.is_over()
            && row.status != Status::Other
    }

    /// Lists may be newest first or oldest first (undocumented): after the first page the last one
    /// is looked at. Which page of a shared list comes next is the [`Sweep`](sweep::Sweep)'s to say.
    fn turn_page(&mut self, query: &Query, last_page: u32) {
        let next = match query {
            Query::ActiveCall { .. } | Query::Recent { .. } | Query::Ringing { .. } => None,
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

/// When the call must have begun, by all that was told of it. The same number may be called again
/// within seconds, and a stop that names the wrong call cuts that one off.
fn began(call: &Call) -> RangeInclusive<Wall> {
    /// By how much times of the platform's own clock may differ.
    const CLOCKS_AGREE: Duration = Duration::from_secs(5);
    /// How late the first event, if it tells no time of its own, may have come.
    const LATE: Duration = Duration::from_secs(30);
    let seen = call.facts.first_seen;
    // By the time of its arrival an old event would be of any call that rings now.
    let doubted = call.doubts.iter().map(|(_, at)| *at);
    let began = doubted.fold(call.facts.began(), Wall::min);
    let earliest = if began == seen { LATE } else { CLOCKS_AGREE };
    began.before(earliest)..=began.after(CLOCKS_AGREE)
}

/// Whether both are known, and not the same.
fn differs<T: PartialEq + ?Sized>(ours: Option<&T>, theirs: Option<&T>) -> bool {
    ours.zip(theirs).is_some_and(|(ours, theirs)| ours != theirs)
}

#[cfg(test)]
mod tests;
