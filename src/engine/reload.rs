//! Another policy, or other settings, for a daemon that runs (spec §6, §8 *SIGHUP*): whole or not
//! at all, then brought to every live call in slices, so that webhooks keep their speed.

use std::sync::Arc;

use thiserror::Error;
use tracing::{info, warn};

use super::{Engine, Shared, TokenReader, Tuning};
use crate::{
    model::{
        change::Event, ids::CallId, policy::Policy, quota::Unwritten, surge::Surge, time::Mono,
    },
    store::StoreError,
};

/// Calls looked at before others get a turn: about a millisecond's work.
const SLICE: usize = 128;

/// Why a reload is refused.
#[derive(Clone, Debug, Error)]
pub enum Refused {
    /// Too many calls would be past their deadline at once.
    #[error(
        "it would put {newly} of {live} live calls past their deadline at once, more than \
         enforcement.surge_limit = {limit}% allows; to mean it, set surge_limit = \"100%\" in the \
         new file"
    )]
    Surges {
        /// Calls that would newly be past their deadline.
        newly: usize,
        /// Calls without outcome.
        live: usize,
        /// The limit, in percent.
        limit: u8,
    },
    /// The rules name fields of contexts that have to be read from the store.
    #[error("its rules name new fields of the calls' context, and the store cannot be read")]
    Store(#[from] StoreError),
}

impl Engine {
    /// Puts another policy and other settings in force, and looks at every live call anew. Says how
    /// many there were.
    ///
    /// # Errors
    ///
    /// [`Refused`] says why. Nothing is changed then.
    pub async fn reload(
        &self,
        policy: Policy,
        tuning: Tuning,
        surge: Surge,
    ) -> Result<usize, Refused> {
        let shared = &self.0;
        let ids = shared.calls.unended_ids();
        let new_places = {
            let running = shared.calls.policy();
            policy.places().iter().any(|place| !running.places().contains(place))
        };
        let (mut live, mut newly) = (0, 0);
        for slice in ids.chunks(SLICE) {
            let contexts = shared.contexts_if(new_places, slice).await?;
            let began = shared.clock.now().mono;
            for (id, context) in slice.iter().zip(&contexts) {
                let Some(call) = shared.calls.find(id).filter(|call| call.ended.is_none()) else {
                    continue;
                };
                live += 1;
                let now = shared.clock.now();
                newly += usize::from(surge.adds(&call, context.as_deref(), now, &policy));
            }
            shared.rest(began).await;
        }
        if surge.forbids(newly, live) {
            return Err(Refused::Surges { newly, live, limit: surge.percent() });
        }
        let (most, span) = tuning.quota;
        shared.quota().reconfigure(most, span, shared.clock.now().mono);
        shared.ledger.allow_unwritten(Unwritten::most(most));
        shared.set_tuning(tuning);
        shared.calls.set_policy(policy);
        // Those that came meanwhile too; and where contexts are read anew, those that are over: the
        // platform may show one active, and its context holds then as ever.
        let ids = if new_places { shared.calls.ids() } else { shared.calls.unended_ids() };
        for slice in ids.chunks(SLICE) {
            let contexts = shared.contexts_if(new_places, slice).await.unwrap_or_else(|error| {
                warn!(calls = slice.len(), %error, "contexts cannot be read: they count as unknown");
                vec![None; slice.len()]
            });
            let began = shared.clock.now().mono;
            for (id, context) in slice.iter().zip(&contexts) {
                let changed = Event::PolicyChanged { context: context.as_deref() };
                if let Some(changed) = shared.calls.change(id, &changed) {
                    shared.events.tell(&changed);
                }
            }
            shared.rest(began).await;
        }
        info!(calls = live, "the new policy has reached every live call");
        Ok(live)
    }

    /// The last reload was good.
    pub fn config_is_good(&self) {
        self.0.signs.get().config(None);
    }

    /// The last reload was refused; health says why.
    pub fn config_is_refused(&self, why: &str) {
        // One line: the log has all of it.
        let line = why.lines().next().unwrap_or_default();
        self.0.signs.get().config(Some(line.trim_end_matches('.').to_owned()));
    }

    /// From now on the platform's token is read by `reader`.
    ///
    /// # Errors
    ///
    /// It cannot be read or sent; the old one stays in use.
    pub fn reload_token(&self, reader: TokenReader) -> Result<(), String> {
        self.0.token.reload(reader, &self.0.client)
    }

    /// What a reload may change, as it is now.
    #[must_use]
    pub fn tuning(&self) -> Arc<Tuning> {
        self.0.tuning()
    }
}

impl Shared {
    /// Leaves the processor to others for as long as work has gone on: a turn among them alone would
    /// keep one of its cores busy, which webhooks feel where there are few.
    pub(super) async fn rest(&self, began: Mono) {
        tokio::time::sleep(self.clock.now().mono.since(began)).await;
    }

    /// What is kept of these calls' contexts, in their order, if it is wanted: because the policy
    /// reads anything new in them.
    pub(super) async fn contexts_if(
        &self,
        wanted: bool,
        ids: &[CallId],
    ) -> Result<Vec<Option<String>>, StoreError> {
        if !wanted {
            return Ok(vec![None; ids.len()]);
        }
        let unsaved = |id| Some(self.calls.snapshot(id)?.context?.to_string());
        let mut contexts: Vec<_> = ids.iter().map(unsaved).collect();
        let is_asked_for = |(_, known): &(&CallId, &mut Option<String>)| known.is_none();
        let asked: Vec<_> = ids.iter().zip(&mut contexts).filter(is_asked_for).collect();
        let stored = self.store.contexts(asked.iter().map(|(id, _)| (*id).clone()).collect());
        for ((_, context), stored) in asked.into_iter().zip(stored.await?) {
            *context = stored;
        }
        Ok(contexts)
    }
}
