//! Bringing the calls back from the store (spec §8 *Start-up*): the same way after a clean stop, a
//! crash, and a store that could not be read at first.

use std::{sync::atomic::Ordering, time::Duration};

use tracing::{error, info};

use super::{
    Shared,
    persist::{self, Loaded},
};
use crate::{
    model::{
        call::Call,
        health::ALARM,
        ids::CallId,
        listing,
        policy::Adopt,
        quota::{REMEMBERED, Unwritten},
        time::Wall,
    },
    store::{HistoryQuery, JoinedAway, StoreError},
};

/// How long after it was sent a request may have arrived; what counts is when the platform saw it.
const ON_ITS_WAY: Duration = Duration::from_secs(1);
/// Calls read at a time.
const SLICE: usize = 4_096;
/// Calls that are over read at a time: webhooks that ask the store wait for no longer than that.
const BITE: usize = 256;
/// How often a store that cannot be read is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// Loads all calls without outcome, and what else an earlier life left: requests that count
/// against the quota, and stops that failed lately.
pub(super) async fn everything(shared: &Shared) -> Result<(), StoreError> {
    let mut place = None;
    let mut loaded = 0_usize;
    loop {
        let page = shared.store.live(place, SLICE).await?;
        for row in &page.rows {
            match persist::load(row, shared.boot) {
                Ok(call) => {
                    hear_of_its_agent(shared, &call.call);
                    loaded += usize::from(shared.restore(call));
                }
                Err(error) => error!(
                    call.id = ?row.id, %error,
                    "a stored call cannot be read: it is left in the store, and not enforced"
                ),
            }
        }
        place = page.next;
        if place.is_none() {
            break;
        }
    }
    requests(shared).await?;
    alarms(shared).await?;
    shared.is_loaded.store(true, Ordering::Release);
    info!(calls = loaded, "calls loaded from the store");
    Ok(())
}

/// Where the reading of the agents that webhooks told of in an earlier life stands.
#[derive(Debug, Default)]
pub(super) struct Past {
    after: Option<(Wall, CallId)>,
    is_read: bool,
}

impl Past {
    /// Reads what is left, the latest calls first, if it matters which agents are known. Dropped at
    /// any time, it goes on from there later.
    pub(super) async fn read(&mut self, shared: &Shared) {
        while !self.is_read && shared.tuning().adopt == Adopt::Known {
            let began = shared.clock.now().mono;
            let after = self.after.clone();
            let query = HistoryQuery { outcome: None, since: None, after, limit: BITE };
            let Ok(rows) = shared.store.history(query).await else {
                // The store says elsewhere what is wrong with it.
                tokio::time::sleep(RETRY).await;
                continue;
            };
            for call in rows.iter().filter_map(|row| persist::load(row, shared.boot).ok()) {
                hear_of_its_agent(shared, &call.call);
            }
            self.is_read = rows.len() < BITE;
            self.after = rows.last().and_then(|row| Some((row.ended_at?, row.id.clone())));
            shared.rest(began).await;
        }
    }
}

fn hear_of_its_agent(shared: &Shared, call: &Call) {
    if let Some(agent) = listing::heard_agent(call) {
        shared.hear_of(agent);
    }
}

/// Requests of an earlier life count; those too that it may not have come to write.
async fn requests(shared: &Shared) -> Result<(), StoreError> {
    let now = shared.clock.now();
    let (most, _) = shared.tuning().quota;
    let sent = shared.store.requests_since(now.wall.before(REMEMBERED)).await?;
    let unwritten = shared.store.unwritten_requests().await?;
    let written = sent.iter().map(|at| now.mono_of(at.after(ON_ITS_WAY)));
    // Another crash must not forget them: this life has them on record.
    (0..unwritten).for_each(|_| shared.ledger.request(now.wall));
    let unwritten = std::iter::repeat_n(now.mono, unwritten.try_into().unwrap_or(usize::MAX));
    shared.quota().restore(now.mono, written.chain(unwritten));
    shared.ledger.allow_unwritten(Unwritten::most(most));
    Ok(())
}

/// After the store failed: what could not be read then is read now.
pub(super) async fn after_failure(shared: &Shared) -> Result<(), StoreError> {
    if !shared.is_loaded.load(Ordering::Acquire) {
        everything(shared).await?;
    }
    check(shared, &shared.calls.unasked_ids()).await
}

/// Asks the store about those of these calls that were taken in while it could not be asked: what
/// it has must be joined in before they are written.
pub(super) async fn check<'a>(
    shared: &Shared,
    ids: impl IntoIterator<Item = &'a CallId>,
) -> Result<(), StoreError> {
    for id in ids {
        let names = shared.calls.unasked_names(id);
        if names.is_empty() {
            continue;
        }
        let mut stored = Vec::new();
        for name in &names {
            stored.extend(read(shared, name).await?);
        }
        shared.calls.check(id, &stored);
        // What it has under the sid alone is no call of its own any more.
        let is_ours = |loaded: &&Loaded| loaded.call.id != *id && names.contains(&loaded.call.id);
        for Loaded { call, .. } in stored.iter().filter(is_ours) {
            shared.calls.tally.get().joined_away(&call.id);
            shared.ledger.joined_away(JoinedAway { sid: call.id.clone(), id: id.clone() });
        }
    }
    Ok(())
}

/// A call that is not in memory, by its id or sid.
pub(super) async fn read(shared: &Shared, id: &CallId) -> Result<Option<Loaded>, StoreError> {
    let Some(row) = shared.store.find(id).await? else { return Ok(None) };
    match persist::load(&row, shared.boot) {
        Ok(call) => Ok(Some(call)),
        Err(error) => {
            error!(call.id = ?row.id, %error, "a stored call cannot be read: it begins anew");
            Ok(None)
        }
    }
}

async fn alarms(shared: &Shared) -> Result<(), StoreError> {
    let failed = HistoryQuery {
        outcome: Some("failed".to_owned()),
        since: Some(shared.clock.now().wall.before(ALARM)),
        after: None,
        limit: SLICE,
    };
    for row in shared.store.history(failed).await? {
        // One in memory has begun anew while the store could not be read: what becomes of it is told
        // once what the store has is joined in.
        if let Ok(loaded) = persist::load(&row, shared.boot)
            && !shared.calls.contains(&loaded.call.id)
        {
            shared.calls.tally.get().watch(&loaded.call);
        }
    }
    Ok(())
}
