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

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
};

use super::{
    call::Call,
    event::{CallName, EventKind, Heard, Via},
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
    /// The last listing showed the call first.
    is_new: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// All that was ever delivered of it, from then on, where that is known.
    All(Option<Wall>),
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
    /// What is to be taken in.
    found: Vec<Found>,
}

/// A delivery that is to be taken in.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it tells.
    pub heard: Heard,
    /// The log's id of it.
    pub id: String,
    agent: AgentId,
    webhook: String,
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
    /// How many requests failed, and the webhooks whose logs could not be read.
    failures: u32,
    unread: HashSet<String>,
    /// What is to be taken in once all is read.
    found: Vec<Found>,
}

/// What the last reading of an agent's logs left. Times are the platform's.
#[derive(Clone, Debug, Default)]
struct Read {
    /// The deliveries that were taken in, as far as they may be seen again, and to which webhook
    /// each was.
    taken: HashMap<String, String>,
    /// The webhooks whose logs could not be read.
    unread: HashSet<String>,
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
        let is_new = adopted.contains_key(&call.id);
        let why = if !facts.heard_of() || is_new {
            let placed = adopted.get(&call.id).copied().flatten();
            Why::All(placed.or_else(|| facts.started()))
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
        Some(Want { agent: agent.clone(), names, why, is_new })
    }

    /// A round begins, with all that calls [want](Self::wants). What no call wants any more is
    /// dropped. `all`: these are all the calls there are, and none is yet to come from the store.
    pub fn begin(&mut self, wants: impl IntoIterator<Item = Want>, all: bool) {
        let before = std::mem::take(&mut self.wanted);
        let mut of_new_calls = HashSet::new();
        for Want { agent, names, why, is_new } in wants {
            if is_new {
                of_new_calls.insert(agent.clone());
            }
            let known = before.get(&agent);
            let wanted = self.wanted.entry(agent).or_insert_with(|| {
                let Wanted { failed, again, .. } = known.cloned().unwrap_or_default();
                Wanted { calls: HashMap::new(), failed, again }
            });
            for name in names {
                let since = known.and_then(|known| known.calls.get(&name).copied());
                let since = match (why, since) {
                    (Why::All(all), None) => Some(all.unwrap_or_default()),
                    (Why::All(Some(all)), Some(since)) => Some(since.min(all)),
                    (_, since) => since,
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
        // Calls that nobody has told of come first, once.
        let (first, last): (Vec<_>, Vec<_>) =
            new.cloned().partition(|agent| of_new_calls.contains(agent));
        first.into_iter().rev().for_each(|agent| turns.push_front(agent));
        turns.extend(last);
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
        let mut webhooks = webhooks;
        if let Some(read) = self.read.get(&reading.agent) {
            // Those whose logs fail keep no other back.
            webhooks.sort_by_key(|webhook| read.unread.contains(webhook));
        }
        reading.webhooks = webhooks.into();
        // What is wanted from now on has it read again.
        reading.wanted = self.wanted.get(&reading.agent).cloned().unwrap_or_default();
        self.go_on();
    }

    /// Looks at a delivery in the log of the agent in hand. It is to be taken in if it never reached
    /// us, or its call was found by listing; and if it was not before.
    pub fn look_at(&mut self, delivered: &Delivered, heard: Heard) {
        let Some(reading) = &mut self.reading else { return };
        let Some(webhook) = reading.webhooks.front() else { return };
        let wanted = &reading.wanted;
        let is_wanted = || match &heard.call {
            CallName::Id(name) | CallName::Sid(name) => wanted.calls.contains_key(name),
            CallName::Both { id, sid } => {
                [id, sid].into_iter().any(|name| wanted.calls.contains_key(name))
            }
        };
        let was_taken = || {
            let taken = self.read.get(&reading.agent).map(|read| &read.taken);
            taken.is_some_and(|taken| taken.contains_key(&delivered.id))
        };
        // Pages shift: what was on the last one may be on this one too.
        let is_new = !reading.seen.contains(&delivered.id) && !was_taken();
        if is_new && (!delivered.succeeded || is_wanted()) {
            let Reading { agent, .. } = &*reading;
            let (agent, webhook) = (agent.clone(), webhook.clone());
            reading.found.push(Found { heard, agent, webhook, id: delivered.id.clone() });
        }
    }

    /// What is to be taken in now: all that was found in an agent's logs, the newest first. What
    /// undoes an event is newer than it; were it read later, a call would be stopped for it.
    pub fn found(&mut self) -> Vec<Found> {
        std::mem::take(&mut self.found)
    }

    /// It was taken in.
    pub fn took(&mut self, found: Found) {
        self.read.entry(found.agent).or_default().taken.insert(found.id, found.webhook);
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
        if let Some(webhook) = reading.webhooks.front() {
            // It was not read through.
            reading.newest.remove(webhook);
            reading.unread.insert(webhook.clone());
        }
        if reading.failures > 1 {
            reading.webhooks.clear();
        }
        self.turn_over();
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
        let Reading {
            agent, wanted: read_for, seen, newest, fails, failures, unread, found, ..
        } = reading;
        let is_whole = failures == 0;
        self.hand_out(found, is_whole);
        let read = self.read.entry(agent.clone()).or_default();
        read.newest.extend(newest);
        read.taken.retain(|id, webhook| !is_whole && unread.contains(webhook) || seen.contains(id));
        read.unread = unread;
        if !is_whole {
            read.fails = read.fails.max(fails);
            return;
        }
        read.fails = fails;
        // What came up meanwhile has it read again.
        let Some(wanted) = self.wanted.get_mut(&agent) else { return };
        wanted.calls.retain(|name, _| !read_for.calls.contains_key(name));
        wanted.failed = wanted.failed.filter(|at| read_for.failed.is_none_or(|read| *at < read));
        wanted.again = false;
        if wanted.calls.is_empty() && wanted.failed.is_none() {
            self.wanted.remove(&agent);
        }
    }

    fn hand_out(&mut self, mut found: Vec<Found>, is_whole: bool) {
        // What has happened since may be in the log that could not be read: in doubt the call goes on.
        let may_be_undone =
            |kind: EventKind| kind == EventKind::Connected || kind.counterpart().is_some();
        found.retain(|found| is_whole || !may_be_undone(found.heard.kind));
        found.sort_by_key(|found| {
            let Heard { kind, time, via, .. } = &found.heard;
            let tried = if let Via::Log { tried } = via { *tried } else { None };
            (Reverse(time.or(tried)), may_be_undone(*kind))
        });
        self.found.extend(found);
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
            unread: HashSet::new(),
            found: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
