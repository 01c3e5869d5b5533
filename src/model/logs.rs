//! The platform's delivery logs: whose are read and how far back, and which of the deliveries in
//! them are taken in as if they had come (spec §8).
//!
//! ```text
//! begin ─▶ Webhooks(agent) ─▶ Deliveries(agent, webhook, 1) ─▶ … ─▶ Webhooks(the next) ─▶ … ─▶ done
//!            │ failed            │ failed twice
//!            └───────────────────┴──▶ the agent waits for another begin; the next one's turn
//! ```
//!
//! An agent's logs are read when a listing showed a call of it that no webhook had told of, once
//! after a start if it has a call, and as long as deliveries to it fail. What could not be read is
//! wanted still, by the calls that live.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::{
    call::Call,
    event::CallName,
    ids::{AgentId, CallId},
    listing::Adopted,
    platform::{Delivered, DeliveryPage, Failure},
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
    /// The call's names.
    names: Vec<CallId>,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// All that was ever delivered of it, from then on.
    All(Wall),
    /// What failed since then, while we were down.
    Failed(Wall),
    /// What has failed since the last reading.
    Again,
    /// What it wanted before.
    Still,
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
    /// The names of the calls of which all is wanted, and from when on.
    calls: HashMap<CallId, Wall>,
    failed: Option<Wall>,
    again: bool,
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
    /// When the newest delivery to each webhook was first tried.
    newest: HashMap<String, Wall>,
    fails: Option<Wall>,
    /// How many requests failed.
    failures: u32,
}

/// What the last reading of an agent's logs left. Times are the platform's.
#[derive(Clone, Debug, Default)]
struct Read {
    /// The deliveries that were taken in, as far as they may be seen again.
    taken: HashSet<String>,
    /// When the newest delivery to each webhook was first tried.
    newest: HashMap<String, Wall>,
    /// When the newest to one of them had not succeeded: when it was first tried.
    fails: Option<Wall>,
}

impl Logs {
    /// What this call wants of the logs, if anything. `adopted`: the calls that the last listing
    /// showed first, and when each was placed, if it told that.
    #[must_use]
    pub fn wants(&self, call: &Call, adopted: &Adopted) -> Option<Want> {
        let facts = &call.facts;
        let agent = facts.agent().filter(|_| call.ended.is_none())?;
        let fails = || self.read.get(agent)?.fails;
        let why = if !facts.heard_of() || adopted.contains_key(&call.id) {
            let placed = adopted.get(&call.id).copied().flatten();
            Why::All(placed.or_else(|| facts.started()).unwrap_or_default())
        } else if !self.has_begun {
            Why::Failed(facts.started().unwrap_or_default())
        } else if fails().is_some_and(|at| at.uncut() >= facts.began()) {
            Why::Again
        } else if self.wanted.contains_key(agent) {
            Why::Still
        } else {
            return None;
        };
        let names = [Some(&call.id), facts.sid()].into_iter().flatten().cloned().collect();
        Some(Want { agent: agent.clone(), names, why })
    }

    /// A round begins, with all that calls [want](Self::wants). What no call wants any more is
    /// dropped. `all`: these are all the calls there are, and none is yet to come from the store.
    pub fn begin(&mut self, wants: impl IntoIterator<Item = Want>, all: bool) {
        let before = std::mem::take(&mut self.wanted);
        for Want { agent, names, why } in wants {
            let known = before.get(&agent);
            let wanted = self.wanted.entry(agent).or_insert_with(|| {
                let Wanted { failed, again, .. } = known.cloned().unwrap_or_default();
                Wanted { calls: HashMap::new(), failed, again }
            });
            for name in names {
                let since = known.and_then(|known| known.calls.get(&name).copied());
                let since = match why {
                    Why::All(all) => since.map_or(Some(all), |since| Some(since.min(all))),
                    Why::Failed(_) | Why::Again | Why::Still => since,
                };
                wanted.calls.extend(since.map(|since| (name, since)));
            }
            match why {
                Why::Failed(at) => wanted.failed = wanted.failed.into_iter().chain([at]).min(),
                Why::Again => wanted.again = true,
                Why::All(_) | Why::Still => {}
            }
        }
        self.has_begun |= all;
        let Self { wanted, turns, reading, .. } = self;
        reading.take_if(|reading| !wanted.contains_key(&reading.agent));
        turns.retain(|agent| wanted.contains_key(agent));
        let is_in_hand =
            |agent: &AgentId| reading.as_ref().is_some_and(|known| known.agent == *agent);
        let new = wanted.keys().filter(|agent| !is_in_hand(agent) && !turns.contains(agent));
        let new: Vec<_> = new.cloned().collect();
        turns.extend(new);
        // Calls that nobody has told of come first.
        turns.make_contiguous().sort_by_key(|agent| wanted[agent].calls.is_empty());
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
            CallName::Id(name) | CallName::Sid(name) => wanted.calls.contains_key(name),
            CallName::Both { id, sid } => {
                [id, sid].into_iter().any(|name| wanted.calls.contains_key(name))
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
        let Some(webhook) = reading.webhooks.front() else { return };
        let deliveries = &page.deliveries;
        reading.seen.extend(deliveries.iter().map(|delivered| delivered.id.clone()));
        let newest = deliveries.iter().filter_map(|delivered| delivered.at).max();
        if let Some(newest) = newest.filter(|_| reading.page == 1) {
            reading.newest.insert(webhook.clone(), newest);
            let failed =
                |delivered: &Delivered| delivered.at == Some(newest) && !delivered.succeeded;
            if deliveries.iter().any(failed) {
                reading.fails = reading.fails.max(Some(newest));
            }
        }
        let before = self.read.get(&reading.agent).and_then(|read| read.newest.get(webhook));
        let since = reading.wanted.since(before.copied());
        let is_old = |delivered: &Delivered| delivered.at.is_some_and(|at| at.uncut() < since);
        if deliveries.iter().any(is_old) || reading.page >= page.last_page.min(MOST_PAGES) {
            self.turn_over();
        } else {
            reading.page += 1;
        }
    }

    /// What was asked for could not be had: it is read in another round, and with the second failure
    /// so is all that is left of the agent's. A 429 changes nothing.
    pub fn failed(&mut self, failure: &Failure) {
        let Some(reading) = &mut self.reading else { return };
        if matches!(failure, Failure::RateLimited { .. }) {
            return;
        }
        reading.failures += 1;
        if reading.failures > 1 {
            self.reading = None;
        } else {
            self.turn_over();
        }
    }

    /// The present webhook's log is done with.
    fn turn_over(&mut self) {
        if let Some(reading) = &mut self.reading {
            reading.page = 1;
            reading.webhooks.pop_front();
            self.go_on();
        }
    }

    /// Where no webhook is left, the agent's logs have been read.
    fn go_on(&mut self) {
        let is_done = |reading: &mut Reading| reading.webhooks.is_empty();
        let Some(reading) = self.reading.take_if(is_done) else { return };
        let Reading { agent, wanted: read_for, seen, newest, fails, failures, .. } = reading;
        let read = self.read.entry(agent.clone()).or_default();
        read.newest.extend(newest);
        if failures > 0 {
            read.fails = read.fails.max(fails);
            return;
        }
        read.fails = fails;
        read.taken.retain(|id| seen.contains(id));
        // Calls that came up meanwhile have it read again.
        let Some(wanted) = self.wanted.get_mut(&agent) else { return };
        wanted.calls.retain(|name, _| !read_for.calls.contains_key(name));
        (wanted.failed, wanted.again) = (None, false);
        if wanted.calls.is_empty() {
            self.wanted.remove(&agent);
        }
    }
}

impl Wanted {
    /// How far back a webhook's log is to be read; `before`: the newest delivery of the last reading.
    fn since(&self, before: Option<Wall>) -> Wall {
        let again = self.again.then(|| before.unwrap_or_default());
        let all = self.calls.values().copied().chain(self.failed).chain(again);
        all.min().unwrap_or_default()
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
            newest: HashMap::new(),
            fails: None,
            failures: 0,
        }
    }
}

#[cfg(test)]
mod tests;
