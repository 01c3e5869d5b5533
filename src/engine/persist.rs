//! The write-behind: what changed is written in one commit after another, each taking all that
//! waits (spec §8). While the store fails nothing is dropped, and it is tried every second.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{Shared, calls::Snapshot, ledger::Pending, recover};
use crate::{
    model::{
        call::Call,
        ids::CallId,
        time::{Moment, Mono},
    },
    store::{Batch, Committed, Row, StoreError},
    telemetry::liveness::Pulse,
};

/// Calls written in one commit at most, so that no commit takes long.
const MOST_ROWS: usize = 4_096;
/// How often a failing store is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How often ended calls are let go of, and old ones forgotten.
const SWEEP: Duration = Duration::from_secs(10);
/// How long an ended call stays in memory once its end is durable.
const ENDED_STAYS: Duration = Duration::from_secs(600);
/// Old calls forgotten in one bite.
const PRUNED_AT_ONCE: usize = 500;

/// A call as it is stored, and the boot that its boot times belong to.
#[derive(Deserialize)]
struct Stored {
    boot: u64,
    call: Call,
}

#[derive(Serialize)]
struct Storing<'a> {
    boot: u64,
    call: &'a Call,
}

/// A call read from its row.
pub(super) struct Loaded {
    pub(super) call: Call,
    pub(super) same_boot: bool,
    /// What the store has of its context.
    pub(super) context: Option<String>,
}

/// Reads a call from its row.
pub(super) fn load(row: &Row, boot: u64) -> Result<Loaded, serde_json::Error> {
    let Stored { boot: saved_in, mut call } = serde_json::from_str(&row.body)?;
    call.version = row.version;
    let context = row.context.clone();
    Ok(Loaded { call, same_boot: boot != 0 && saved_in == boot, context })
}

fn row(snapshot: &Snapshot, boot: u64) -> Result<Row, serde_json::Error> {
    let Snapshot { call, context } = snapshot;
    Ok(Row {
        id: call.id.clone(),
        sid: call.facts.sid().cloned(),
        version: call.version,
        outcome: call.ended.map(|ended| ended.outcome.name().to_owned()),
        ended_at: call.ended.map(|ended| ended.recorded),
        deadline: call.deadline().map(|deadline| deadline.wall),
        body: serde_json::to_string(&Storing { boot, call })?,
        context: context.as_deref().map(str::to_owned),
    })
}

/// The loop that writes.
pub(crate) struct Persist {
    shared: Arc<Shared>,
    pulse: Pulse,
    failing_since: Option<Mono>,
}

impl Persist {
    pub(super) fn new(shared: Arc<Shared>, pulse: Pulse) -> Self {
        Self { shared, pulse, failing_since: None }
    }

    /// Writes until told to stop, and then what is left.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut sweep = tokio::time::interval(SWEEP);
        let mut beat = tokio::time::interval(RETRY);
        if let Some(error) = self.shared.store.failure() {
            self.failing(&error);
        }
        loop {
            self.pulse.beat(self.now().mono);
            tokio::select! {
                () = self.shared.ledger.changed(), if self.failing_since.is_none() => {
                    self.write().await;
                }
                _ = beat.tick() => if self.failing_since.is_some() { self.heal().await },
                _ = sweep.tick() => self.sweep().await,
                () = stop.cancelled() => break,
            }
        }
        if self.shared.is_loaded.load(Ordering::Acquire) {
            // No request leaves any more.
            self.shared.ledger.allow_unwritten(0);
        }
        while !self.shared.ledger.is_empty() && self.failing_since.is_none() {
            self.write().await;
        }
        if !self.shared.ledger.is_empty() {
            error!("stopped while the store fails: what changed since is lost from here");
        }
    }

    async fn write(&mut self) {
        let pending = self.shared.ledger.take(MOST_ROWS);
        if let Err(error) = self.commit(pending).await {
            error!(
                error = %error, cause = ?std::error::Error::source(&error),
                "the store fails: webhooks get 503, deadlines go on being enforced from memory"
            );
            self.failing(&error);
        }
    }

    /// Writes all of `pending`, or puts it back.
    async fn commit(&self, pending: Pending) -> Result<(), StoreError> {
        if let Err(error) = recover::check(&self.shared, &pending.dirty).await {
            self.shared.ledger.put_back(pending);
            return Err(error);
        }
        let snapshots: Vec<_> =
            pending.dirty.iter().filter_map(|id| self.shared.calls.snapshot(id)).collect();
        let rows = snapshots.iter().filter_map(|snapshot| match row(snapshot, self.shared.boot) {
            Ok(row) => Some(row),
            Err(error) => {
                error!(call.id = ?snapshot.call.id, %error, "a call cannot be written as JSON");
                None
            }
        });
        let batch = Batch {
            rows: rows.collect(),
            joined_away: pending.joined_away.clone(),
            requests: pending.requests.clone(),
            unwritten_requests: pending.most_unwritten,
        };
        if batch.is_empty() {
            pending.waiters.into_iter().for_each(|waiter| waiter.tell(true));
            return Ok(());
        }
        let began = self.now().mono;
        let done = self.shared.store.commit(batch).await;
        self.shared.metrics.store_commit(self.now().mono.since(began));
        match done {
            Ok(committed) => {
                self.committed(pending, &snapshots, &committed);
                Ok(())
            }
            Err(error) => {
                self.shared.ledger.put_back(pending);
                Err(error)
            }
        }
    }

    fn committed(&self, pending: Pending, snapshots: &[Snapshot], committed: &Committed) {
        self.shared.ledger.written(pending.requests.len(), pending.most_unwritten);
        let refused: HashSet<&CallId> = committed.refused.iter().map(|row| &row.id).collect();
        for row in &committed.refused {
            error!(
                call.id = ?row.id, reason = row.reason,
                "the store refuses a call's row: the call is enforced from memory alone"
            );
        }
        for Snapshot { call, context } in snapshots {
            if !refused.contains(&call.id) {
                self.shared.calls.saved(&call.id, call.version, context.as_ref());
            }
        }
        for waiter in pending.waiters {
            let is_durable = !refused.contains(&waiter.id);
            waiter.tell(is_durable);
        }
    }

    fn failing(&mut self, error: &StoreError) {
        let since = *self.failing_since.get_or_insert_with(|| self.shared.clock.now().mono);
        self.shared.ledger.set_failing(true);
        self.shared.signs.get().store_fails(error.to_string(), since);
    }

    /// Tries a failing store again.
    async fn heal(&mut self) {
        match self.catch_up().await {
            Ok(()) => {
                self.failing_since = None;
                self.shared.ledger.set_failing(false);
                self.shared.signs.get().store_works();
                info!("the store works again, and has all that it lacked");
            }
            Err(error) => self.failing(&error),
        }
    }

    /// Everything that a store which works again may lack is written before the first webhook is
    /// answered 2xx.
    async fn catch_up(&self) -> Result<(), StoreError> {
        self.shared.store.probe().await?;
        recover::after_failure(&self.shared).await?;
        self.shared.calls.unended_ids().iter().for_each(|id| self.shared.ledger.mark(id));
        while !self.shared.ledger.is_empty() {
            self.commit(self.shared.ledger.take(MOST_ROWS)).await?;
        }
        Ok(())
    }

    async fn sweep(&self) {
        let now = self.now().wall;
        self.shared.calls.forget_ended(now.before(ENDED_STAYS));
        if self.failing_since.is_some() {
            return;
        }
        if let Ok(bytes) = self.shared.store.bytes().await {
            self.shared.signs.get().store_has(bytes);
        }
        let before = now.before(self.shared.tuning().history);
        while let Ok(pruned) = self.shared.store.prune(before, PRUNED_AT_ONCE).await {
            if pruned < PRUNED_AT_ONCE || !self.shared.ledger.is_empty() {
                break;
            }
        }
    }

    fn now(&self) -> Moment {
        self.shared.clock.now()
    }
}
