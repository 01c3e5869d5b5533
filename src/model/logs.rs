//! The platform's delivery logs: whose are read and how far back, and which of the deliveries in
//! them are taken in as if they had come (spec §8).
//!
//! ```text
//! begin ─▶ Webhooks(agent) ─▶ Deliveries(agent, webhook, 1) ─▶ … ─▶ Webhooks(the next) ─▶ … ─▶ done
//!            │ failed            │ failed
//!            └───────────────────┴──▶ the agent waits for another begin; the next one's turn
//! ```
//!
//! An agent's logs are read when a listing showed a call of it that no webhook had told of, once
//! after a start if it has a call, and as long as deliveries to it fail. What could not be read is
//! wanted still.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::{
    call::Call,
    event::CallName,
    ids::{AgentId, CallId},
    listing::Adopted,
    platform::{Delivered, DeliveryPage},
    time::Wall,
};

/// Pages of one webhook's log that are read at a time; logs are kept for 30 days.
pub const MOST_PAGES: u32 = 5;

/// What to ask the platform for next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The webhooks of an agent.
    Webhooks(AgentId),
    /// A page of the log of one of them, from 1.
    Deliveries {
        /// The agent.
        agent: AgentId,
        /// The webhook's id.
        webhook: String,
        /// Which page.
        page: u32,
    },
}

impl Step {
    /// Whose logs it is about.
    #[must_use]
    pub fn agent(&self) -> &AgentId {
        match self {
            Self::Webhooks(agent) | Self::Deliveries { agent, .. } => agent,
        }
    }
}

/// What a call wants of the logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    agent: AgentId,
    /// From when on.
    since: Wall,
    /// Its names, where all that was ever delivered of it is wanted, and not what failed alone.
    names: Vec<CallId>,
}

/// What was read of the logs, and what is yet to be read.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// Whether the agents of all calls were wanted, once after the start.
    has_begun: bool,
    wanted: BTreeMap<AgentId, Wanted>,
    /// The agents whose turn is yet to come.
    turns: VecDeque<AgentId>,
    reading: Option<Reading>,
    read: HashMap<AgentId, Read>,
}

/// What is wanted of an agent's logs.
#[derive(Clone, Debug, Default)]
struct Wanted {
    since: Wall,
    calls: HashSet<CallId>,
}

/// The reading of one agent's logs.
#[derive(Clone, Debug)]
struct Reading {
    agent: AgentId,
    wanted: Wanted,
    /// The webhooks that are left, the present one first; none until they are known.
    webhooks: VecDeque<String>,
    page: u32,
    /// The deliveries that it came by.
    seen: HashSet<String>,
    newest: Wall,
    fails: bool,
}

/// What the last reading of an agent's logs left.
#[derive(Clone, Debug, Default)]
struct Read {
    /// The deliveries that were taken in, as far as they may be seen again.
    taken: HashSet<String>,
    /// When the newest was first tried, by the platform's clock.
    newest: Wall,
    /// Whether the newest delivery to one of the webhooks had not succeeded.
    fails: bool,
}

impl Logs {
    /// What this call wants of the logs, if anything. `adopted`: the calls that the last listing
    /// showed first, and when each was placed, if it told that.
    #[must_use]
    pub fn wants(&self, call: &Call, adopted: &Adopted) -> Option<Want> {
        let facts = &call.facts;
        let agent = facts.agent().filter(|_| call.ended.is_none())?;
        let is_unread = !facts.heard_of() || adopted.contains_key(&call.id);
        let fails = self.read.get(agent).filter(|read| read.fails);
        let since = match fails {
            _ if is_unread || !self.has_begun => {
                let placed = adopted.get(&call.id).copied().flatten();
                placed.or_else(|| facts.started()).unwrap_or_default()
            }
            Some(read) => read.newest,
            None => self.wanted.get(agent)?.since,
        };
        let names = [Some(&call.id), facts.sid()].into_iter().flatten();
        let names = names.filter(|_| is_unread).cloned().collect();
        Some(Want { agent: agent.clone(), since, names })
    }

    /// A round begins, with all that calls [want](Self::wants). What no call wants any more is
    /// dropped.
    pub fn begin(&mut self, wants: impl IntoIterator<Item = Want>) {
        let mut before = std::mem::take(&mut self.wanted);
        for Want { agent, since, names } in wants {
            let known = before.remove(&agent);
            let new = Wanted { since, calls: HashSet::new() };
            let wanted = self.wanted.entry(agent).or_insert_with(|| known.unwrap_or(new));
            wanted.since = wanted.since.min(since);
            wanted.calls.extend(names);
        }
        self.has_begun = true;
        let Self { wanted, turns, reading, .. } = self;
        reading.take_if(|reading| !wanted.contains_key(&reading.agent));
        turns.retain(|agent| wanted.contains_key(agent));
        let is_in_hand =
            |agent: &AgentId| reading.as_ref().is_some_and(|known| known.agent == *agent);
        let new = wanted.keys().filter(|agent| !is_in_hand(agent) && !turns.contains(agent));
        let new: Vec<_> = new.cloned().collect();
        turns.extend(new);
    }

    /// What to ask for next; `None` when the round is over.
    pub fn next_step(&mut self) -> Option<Step> {
        let turns = &mut self.turns;
        let reading = match &mut self.reading {
            Some(reading) => reading,
            none => none.insert(Reading::of(turns.pop_front()?)),
        };
        let agent = reading.agent.clone();
        Some(match reading.webhooks.front() {
            None => Step::Webhooks(agent),
            Some(webhook) => {
                Step::Deliveries { agent, webhook: webhook.clone(), page: reading.page }
            }
        })
    }

    /// The agent in hand has these webhooks.
    pub fn had_webhooks(&mut self, webhooks: Vec<String>) {
        let Some(reading) = &mut self.reading else { return };
        reading.webhooks = webhooks.into();
        // What is wanted from now on has it read again.
        reading.wanted = self.wanted.get(&reading.agent).cloned().unwrap_or_default();
        self.go_on();
    }

    /// Whether a delivery in the log of the agent in hand is to be taken in: it never reached us, or
    /// its call was found by listing; and it was not before.
    #[must_use]
    pub fn takes(&self, delivered: &Delivered, call: &CallName) -> bool {
        let Some(Reading { agent, wanted, .. }) = &self.reading else { return false };
        let is_wanted = || match call {
            CallName::Id(name) | CallName::Sid(name) => wanted.calls.contains(name),
            CallName::Both { id, sid } => {
                [id, sid].into_iter().any(|name| wanted.calls.contains(name))
            }
        };
        let was_taken =
            || self.read.get(agent).is_some_and(|read| read.taken.contains(&delivered.id));
        (!delivered.succeeded || is_wanted()) && !was_taken()
    }

    /// It was taken in.
    pub fn took(&mut self, delivered: &Delivered) {
        if let Some(reading) = &self.reading {
            let read = self.read.entry(reading.agent.clone()).or_default();
            read.taken.insert(delivered.id.clone());
        }
    }

    /// The page that was asked for came; its deliveries have been looked at.
    pub fn had_page(&mut self, page: &DeliveryPage) {
        let Some(reading) = &mut self.reading else { return };
        let deliveries = &page.deliveries;
        let newest = deliveries.iter().max_by_key(|delivered| delivered.at);
        if let Some(newest) = newest.filter(|_| reading.page == 1) {
            reading.newest = reading.newest.max(newest.at.unwrap_or_default());
            reading.fails |= !newest.succeeded;
        }
        reading.seen.extend(deliveries.iter().map(|delivered| delivered.id.clone()));
        let is_old = |delivered: &Delivered| {
            delivered.at.is_some_and(|at| at.uncut() < reading.wanted.since)
        };
        if deliveries.iter().any(is_old) || reading.page >= page.last_page.min(MOST_PAGES) {
            reading.page = 1;
            reading.webhooks.pop_front();
            self.go_on();
        } else {
            reading.page += 1;
        }
    }

    /// What was asked for could not be had: the agent waits for the next round.
    pub fn failed(&mut self) {
        self.reading = None;
    }

    /// Where no webhook is left, the agent's logs have been read.
    fn go_on(&mut self) {
        let is_done = |reading: &mut Reading| reading.webhooks.is_empty();
        let Some(reading) = self.reading.take_if(is_done) else { return };
        let Reading { agent, wanted: read_for, seen, newest, fails, .. } = reading;
        let read = self.read.entry(agent.clone()).or_default();
        read.taken.retain(|id| seen.contains(id));
        (read.newest, read.fails) = (read.newest.max(newest), fails);
        // Calls that came up meanwhile have it read again.
        let is_read = |wanted: &Wanted| wanted.calls.is_subset(&read_for.calls);
        if self.wanted.get(&agent).is_some_and(is_read) {
            self.wanted.remove(&agent);
        }
    }
}

impl Reading {
    fn of(agent: AgentId) -> Self {
        Self {
            agent,
            wanted: Wanted::default(),
            webhooks: VecDeque::new(),
            page: 1,
            seen: HashSet::new(),
            newest: Wall::default(),
            fails: false,
        }
    }
}

#[cfg(test)]
mod tests;
