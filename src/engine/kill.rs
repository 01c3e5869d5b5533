//! The kill switch (spec §10): many calls are ordered to end at once, and how far that has come.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use thiserror::Error;
use tokio::time::timeout;
use tracing::warn;

use super::{Engine, desk::Lister};
use crate::{
    model::{
        call::{Call, State},
        ids::{AgentId, CallId},
        kill::Selection,
        operator::Order,
        outcome::Outcome,
        platform::Failure,
    },
    telemetry::log::escaped,
};

/// How long the request that blocks new calls may wait for its turn in the quota.
const BLOCK_WITHIN: Duration = Duration::from_secs(30);
/// So many kills are remembered, the latest.
const REMEMBERED: usize = 8;

/// What is to take no new calls before those under way are ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A campaign is paused.
    Campaign(String),
    /// An agent is unpublished.
    Agent(AgentId),
}

/// What a kill switch comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Killed {
    /// By which the stream tells how far it has come; `None` for a dry run.
    pub id: Option<String>,
    /// How many calls it takes.
    pub matched: usize,
    /// How long the quota makes it take until their requests have left.
    pub estimated_seconds: u64,
}

/// Why a kill switch did not do all it was told.
#[derive(Debug, Error)]
pub enum KillError {
    /// New calls could not be blocked; nothing was ended.
    #[error("new calls could not be blocked ({0}): no call was told to end")]
    NotBlocked(Failure),
    /// The request that blocks new calls found no room in the quota; nothing was ended.
    #[error("the quota left no room within {} s to block new calls: no call was told to end", BLOCK_WITHIN.as_secs())]
    NotInTime,
    /// All were told to end, but that is not durable.
    #[error("{0} calls are told to end, but the store fails: it would not survive a restart now")]
    NotDurable(usize),
}

/// How far a kill has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    id: String,
    matched: usize,
    /// Their request has not been accepted yet.
    waiting: usize,
    /// Accepted; the end is awaited.
    confirming: usize,
    ended: usize,
    /// Given up.
    failed: usize,
}

/// The latest kills.
#[derive(Default)]
pub(super) struct Kills(Mutex<VecDeque<Kill>>);

struct Kill {
    id: String,
    matched: usize,
    failed: usize,
    /// Not over yet.
    left: Vec<CallId>,
}

impl Kills {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Kill>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, kill: Kill) {
        let mut kills = self.lock();
        kills.push_back(kill);
        if kills.len() > REMEMBERED {
            kills.pop_front();
        }
    }
}

impl Engine {
    /// Orders all calls that `selection` takes to end now, after `block` takes no new ones. A dry
    /// run only counts.
    ///
    /// # Errors
    ///
    /// [`KillError`] says what was done and what was not.
    pub async fn kill(
        &self,
        selection: &Selection,
        block: Option<&Block>,
        dry_run: bool,
    ) -> Result<Killed, KillError> {
        let shared = &self.0;
        let now = shared.clock.now();
        if let Some(block) = block.filter(|_| !dry_run) {
            self.block(block).await?;
        }
        // Those that wait for quota already are part of the backlog, and what was accepted is only
        // waited for.
        let asks_anew = |call: &Call| !call.is_queued() && call.stop.accepted.is_none();
        let wanted = |call: &Call| {
            selection.takes(call, now.wall).then(|| (call.id.clone(), asks_anew(call)))
        };
        let taken = shared.calls.collect(wanted);
        let new = taken.iter().filter(|(_, asks_anew)| *asks_anew).count();
        let backlog = shared.desk.backlog(now.mono).saturating_add(new);
        let estimated_seconds =
            shared.quota().time_to_clear(now.mono, backlog).as_secs_f64().ceil() as u64;
        let ids: Vec<_> = taken.into_iter().map(|(id, _)| id).collect();
        if dry_run {
            return Ok(Killed { id: None, matched: ids.len(), estimated_seconds });
        }
        let mut left = Vec::with_capacity(ids.len());
        let mut tickets = Vec::new();
        for id in ids {
            // One that has gone its own way meanwhile is none of ours.
            let Some(Ok(changed)) = shared.calls.order(&id, Order::End) else { continue };
            shared.events.tell(&changed);
            tickets.extend(changed.ticket);
            left.push(id);
        }
        let id = format!("{:08x}", fastrand::u32(..));
        let matched = left.len();
        let told = selection.to_string();
        warn!(kill.id = id, matched, selection = %escaped(&told), "an operator pulled the kill switch");
        shared.kills.remember(Kill { id: id.clone(), matched, failed: 0, left });
        let mut is_durable = true;
        for ticket in tickets {
            is_durable &= ticket.made_durable().await;
        }
        if !is_durable {
            return Err(KillError::NotDurable(matched));
        }
        Ok(Killed { id: Some(id), matched, estimated_seconds })
    }

    async fn block(&self, block: &Block) -> Result<(), KillError> {
        let shared = &self.0;
        // One at a time: whoever asks for leave under the same name would take the other's.
        let turn = async {
            let alone = shared.blocking.lock().await;
            let due = shared.clock.now().mono;
            (alone, shared.desk.leave_to_list(Lister::Operator, due).await)
        };
        let (_alone, leave) =
            timeout(BLOCK_WITHIN, turn).await.map_err(|_| KillError::NotInTime)?;
        let token = shared.token.generation();
        let (answer, meter) = match block {
            Block::Campaign(campaign) => shared.client.pause_campaign(campaign).await,
            Block::Agent(agent) => shared.client.unpublish(agent).await,
        };
        shared.listed(Lister::Operator, leave, answer.as_ref().err(), &meter, token);
        answer.map_err(KillError::NotBlocked)
    }

    /// How far the latest kills have come, the oldest first.
    #[must_use]
    pub fn kills(&self) -> Vec<Progress> {
        let shared = &self.0;
        let mut kills = shared.kills.lock();
        kills
            .iter_mut()
            .map(|kill| {
                let (mut waiting, mut confirming) = (0, 0);
                let Kill { failed, left, .. } = kill;
                left.retain(|id| {
                    // What is not in memory any more has long been over.
                    let stands = shared.calls.look(id, |call| (call.state(), call.ended));
                    match stands {
                        None => false,
                        Some((_, Some(ended))) => {
                            *failed += usize::from(ended.outcome == Outcome::Failed);
                            false
                        }
                        Some((State::Confirming, None)) => {
                            confirming += 1;
                            true
                        }
                        Some((_, None)) => {
                            waiting += 1;
                            true
                        }
                    }
                });
                Progress {
                    id: kill.id.clone(),
                    matched: kill.matched,
                    waiting,
                    confirming,
                    ended: kill.matched - kill.left.len() - kill.failed,
                    failed: kill.failed,
                }
            })
            .collect()
    }
}
