//! The platform's delivery logs: events that never reached us are taken in as if they had come, and
//! calls that a listing showed first get what their webhooks told (spec §8).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tracing::{debug, info};

use super::{Engine, Shared, desk::Lister};
use crate::model::{
    decode::{PathNames, What, decode},
    event::CallName,
    ids::AgentId,
    platform::{Delivered, Failure, Meter},
    time::Wall,
};

/// Pages of one webhook's log that are read at a time; logs are kept for 30 days.
const MOST_PAGES: u32 = 5;

/// What was read of the logs so far.
pub(super) struct Replay {
    shared: Arc<Shared>,
    /// The deliveries that were looked at, by agent, newest first seen; bounded by what is read.
    read: HashMap<AgentId, HashSet<String>>,
    /// Agents whose logs are due although no call of theirs was adopted: once after the start.
    started: bool,
}

impl Replay {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, read: HashMap::new(), started: false }
    }

    /// Reads the logs of every agent that has a call which a listing showed first; after a start,
    /// of every agent that has a call.
    pub(super) async fn run(&mut self) {
        let everyone = !std::mem::replace(&mut self.started, true);
        let (agents, since) = self.wanting(everyone);
        for agent in agents {
            if let Err(failure) = self.read_logs(&agent, since).await {
                debug!(%agent, %failure, "the delivery logs of an agent could not be read");
            }
        }
    }

    /// Whose logs are worth reading, and from when on.
    fn wanting(&self, everyone: bool) -> (HashSet<AgentId>, Wall) {
        let wanting = self.shared.calls.collect(|call| {
            let wants = call.ended.is_none() && (everyone || !call.facts.heard_of());
            let agent = call.facts.agent().filter(|_| wants)?;
            Some((agent.clone(), call.facts.began().min(call.facts.first_seen)))
        });
        let since = wanting.iter().map(|(_, at)| *at).min().unwrap_or_default();
        (wanting.into_iter().map(|(agent, _)| agent).collect(), since)
    }

    async fn read_logs(&mut self, agent: &AgentId, since: Wall) -> Result<(), Failure> {
        let shared = Arc::clone(&self.shared);
        let webhooks = shared.ask_as(Lister::Replay, || shared.client.webhooks(agent)).await?;
        let mut taken = 0_usize;
        for webhook in webhooks {
            for page in 1..=MOST_PAGES {
                let ask = || shared.client.deliveries(agent, &webhook, page);
                let found = shared.ask_as(Lister::Replay, ask).await?;
                let is_old = |delivered: &Delivered| delivered.at.is_some_and(|at| at < since);
                let reaches_back = found.deliveries.iter().any(is_old);
                for delivered in found.deliveries {
                    taken += usize::from(self.take(agent, &delivered).await);
                }
                if reaches_back || page >= found.last_page {
                    break;
                }
            }
        }
        if taken > 0 {
            info!(%agent, taken, "events taken in from the platform's delivery logs");
        }
        Ok(())
    }

    /// Takes a logged event in, if it never reached us or its call was found by listing.
    async fn take(&mut self, agent: &AgentId, delivered: &Delivered) -> bool {
        if !self.read.entry(agent.clone()).or_default().insert(delivered.id.clone()) {
            return false;
        }
        let path = PathNames { agent: Some(agent.as_str()), event: delivered.event.as_deref() };
        let pointers = self.shared.pointers();
        let decoded = decode(delivered.body.as_bytes(), &path, &pointers);
        let Ok(What::Event(mut heard)) = decoded.map(|decoded| decoded.what) else { return false };
        let id = match &heard.call {
            CallName::Id(id) | CallName::Sid(id) | CallName::Both { id, .. } => id,
        };
        let is_adopted = self.shared.calls.find(id).is_some_and(|call| !call.facts.heard_of());
        if delivered.succeeded && !is_adopted {
            return false;
        }
        heard.time = heard.time.or(delivered.at);
        // Not durable now: it is in memory, and enforced; what is logged is read again after a
        // restart.
        Engine(Arc::clone(&self.shared)).ingest(*heard).await.is_ok()
    }
}

impl Shared {
    /// Makes one request of a listing, when the quota gives leave.
    async fn ask_as<T, F>(&self, lister: Lister, ask: impl FnOnce() -> F) -> Result<T, Failure>
    where
        F: Future<Output = (Result<T, Failure>, Meter)>,
    {
        let leave = self.desk.leave_to_list(lister, self.clock.now().mono).await;
        let token = self.token.generation();
        let (answer, meter) = ask().await;
        self.listed(lister, leave, answer.as_ref().err(), &meter, token);
        answer
    }
}
