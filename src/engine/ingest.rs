//! A webhook's way in: which call it is, the change, and the wait for it to be durable (spec §4).

use std::{sync::Arc, time::Duration};

use tracing::{debug, warn};

use super::{Engine, Shared, ledger::Ticket, persist::Loaded, recover, room::Full};
use crate::{
    model::{
        change::Received,
        context,
        event::{CallName, Heard},
        ids::CallId,
        platform::Row,
        unasked::Unasked,
    },
    store::JoinedAway,
};

/// How long a webhook waits to be durable; the platform gives it 30 s by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why an event was not taken in for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be made durable now. It is kept in memory and enforced; the platform will repeat.
    NotDurable,
    /// `server.max_calls` is reached; nothing is kept.
    Full,
}

impl Engine {
    /// Takes an event in, and returns once all that the answer rests on is durable.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says what became of it.
    pub async fn ingest(&self, heard: Heard) -> Result<Received, Refusal> {
        let taken = self.0.take_in(&heard).await;
        let (received, ticket) = taken.map_err(|Full| Refusal::Full)?;
        let Some(ticket) = ticket else { return Ok(received) };
        match tokio::time::timeout(PATIENCE, ticket.made_durable()).await {
            Ok(true) => Ok(received),
            Ok(false) | Err(_) => Err(Refusal::NotDurable),
        }
    }
}

/// The call that an event belongs to.
struct Resolved {
    id: CallId,
    /// Under which names the store could not be asked whether it knows the call.
    unasked: Unasked,
    /// This event told the id of a call that was known by its sid alone.
    joined: bool,
}

impl Shared {
    /// Takes an event in. What became of it is durable once the ticket says so.
    pub(super) async fn take_in(&self, heard: &Heard) -> Result<(Received, Option<Ticket>), Full> {
        if let Some(agent) = &heard.agent {
            self.hear_of(agent);
        }
        let resolved = self.resolve(&heard.call).await;
        let policy = self.calls.policy();
        let kept = |context| Arc::from(context::kept(context, policy.places()));
        let context = heard.details.context.as_ref().map(kept);
        let changed = self.calls.hear(&resolved.id, heard, context, resolved.unasked)?;
        self.events.tell(&changed);
        // Meanwhile another event may have told that the two names are one call's, or found no room for
        // it and taken the name away.
        match &heard.call {
            CallName::Both { id, sid } if self.calls.id_of(sid).as_ref() != Some(id) => {
                self.name(id, sid);
            }
            CallName::Sid(sid) => {
                if let Some(id) = self.calls.id_of(sid).filter(|id| *id != resolved.id) {
                    self.name(&id, sid);
                }
            }
            CallName::Id(_) | CallName::Both { .. } => {}
        }
        let received = match changed.taken.unwrap_or(Received::Duplicate) {
            Received::Duplicate if resolved.joined => Received::Updated,
            received => received,
        };
        Ok((received, changed.ticket))
    }

    /// Finds the call of that name, and brings it into memory if the store has it.
    async fn resolve(&self, name: &CallName) -> Resolved {
        match name {
            CallName::Id(id) => {
                let asked = self.fetch(id).await;
                let unasked = Unasked::unless(asked, asked);
                Resolved { id: id.clone(), unasked, joined: false }
            }
            CallName::Sid(sid) => {
                // A name may be known of a call that is not in memory.
                let known = self.calls.id_of(sid);
                let asked = self.fetch(known.as_ref().unwrap_or(sid)).await;
                let id = self.calls.id_of(sid).unwrap_or_else(|| sid.clone());
                Resolved { id, unasked: Unasked::unless(asked, asked), joined: false }
            }
            CallName::Both { id, sid } => {
                let (unasked, joined) = self.unite(id, Some(sid), true).await;
                Resolved { id: id.clone(), unasked, joined }
            }
        }
    }

    /// What memory and the store have under either name of a row is one call: brings it into memory.
    /// Says under which names the store could not be asked.
    pub(super) async fn meet(&self, row: &Row) -> Unasked {
        let (unasked, _) = self.unite(&row.id, row.sid.as_ref(), false).await;
        self.calls.doubt(&row.id, unasked);
        unasked
    }

    /// What memory has under either name of a row is one call.
    pub(super) fn know_as_one(&self, row: &Row) {
        if let Some(sid) = row.sid.as_ref().filter(|sid| self.calls.contains(sid)) {
            self.name(&row.id, sid);
        }
    }

    /// Brings into memory what the store has under either name, as one call. Says under which names
    /// the store could not be asked, and whether two calls have become one.
    ///
    /// `is_taken_on`: the call will be in memory whether it is known or not. The name of one that
    /// is not would stay for ever, and hide what the store has under it.
    async fn unite(&self, id: &CallId, sid: Option<&CallId>, is_taken_on: bool) -> (Unasked, bool) {
        let (asked, mut asked_sid, mut joined) = (self.fetch(id).await, true, false);
        let is_news = |sid: &&CallId| self.calls.id_of(sid).as_ref() != Some(id);
        if let Some(sid) = sid.filter(is_news) {
            asked_sid = self.fetch(sid).await;
            let is_known = || self.calls.contains(id) || self.calls.contains(sid);
            joined = (is_taken_on || is_known()) && self.name(id, sid);
        }
        (Unasked::unless(asked, asked_sid), joined)
    }

    /// A call goes by `id`, and by `sid` too. If it was known by its sid until now, what was known
    /// of it becomes part of the call of that id.
    pub(super) fn name(&self, id: &CallId, sid: &CallId) -> bool {
        if id == sid {
            return false;
        }
        // First the alias, so that nothing begins anew under the sid meanwhile.
        self.calls.alias(sid, id);
        let Some(other) = self.calls.take_out(sid) else { return false };
        let changed = self.calls.join(id, &other);
        self.ledger.joined_away(JoinedAway { sid: sid.clone(), id: id.clone() });
        debug!(call.id = ?id, call.sid = ?sid, "a call known by its sid has its id now");
        self.events.tell(&changed);
        true
    }

    /// Puts a call back that the store had; says whether it was not in memory.
    pub(super) fn restore(&self, loaded: Loaded) -> bool {
        let Loaded { call, same_boot, context } = loaded;
        let id = call.id.clone();
        if let Some(sid) = call.facts.sid() {
            self.calls.alias(sid, &id);
        }
        let Some(changed) = self.calls.restore(call, same_boot, context.as_deref()) else {
            return false;
        };
        self.events.tell(&changed);
        // Its id may have been told before it came back.
        if let Some(known) = self.calls.id_of(&id) {
            self.name(&known, &id);
        }
        true
    }

    /// Brings a call into memory if the store has it and memory has not; false where the store
    /// could not be asked.
    pub(super) async fn fetch(&self, id: &CallId) -> bool {
        if self.calls.contains(id) || self.calls.id_of(id).is_some() {
            return true;
        }
        match recover::read(self, id).await {
            Ok(None) => self.is_loaded(),
            Ok(Some(loaded)) => {
                self.restore(loaded);
                true
            }
            Err(error) => {
                if let Some(count) = self.unread.admit(self.clock.now().mono) {
                    warn!(count, %error, "the store cannot be asked whether it knows a call");
                }
                false
            }
        }
    }
}
