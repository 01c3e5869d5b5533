//! Another policy, or other settings, for a daemon that runs (spec §6, §8 *SIGHUP*): whole or not
//! at all, then brought to every live call in slices, so that webhooks keep their speed.

use std::{sync::Arc, time::Duration};

use thiserror::Error;
use tracing::{info, warn};

use super::{Engine, Shared, TokenReader, Tuning};
use crate::{
    model::{change::Event, ids::CallId, policy::Policy, quota, surge::Surge},
    store::StoreError,
};

/// Calls looked at before others get a turn.
const SLICE: usize = 256;

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
            for id in slice {
                let context = shared.context_if(new_places, id).await?;
                let Some(call) = shared.calls.find(id).filter(|call| call.ended.is_none()) else {
                    continue;
                };
                live += 1;
                let now = shared.clock.now();
                newly += usize::from(surge.adds(&call, context.as_deref(), now, &policy));
            }
            tokio::task::yield_now().await;
        }
        if surge.forbids(newly, live) {
            return Err(Refused::Surges { newly, live, limit: surge.percent() });
        }
        self.requota(tuning.quota).await;
        shared.set_tuning(tuning);
        shared.calls.set_policy(policy);
        // Those that came meanwhile too.
        let ids = shared.calls.unended_ids();
        for slice in ids.chunks(SLICE) {
            for id in slice {
                let context = shared.context_if(new_places, id).await.unwrap_or_else(|error| {
                    warn!(call.id = ?id, %error, "a call's context cannot be read: it counts as unknown");
                    None
                });
                let changed = Event::PolicyChanged { context: context.as_deref() };
                if let Some(changed) = shared.calls.change(id, &changed) {
                    shared.events.tell(&changed);
                }
            }
            tokio::task::yield_now().await;
        }
        info!(calls = ids.len(), "the new policy has reached every live call");
        Ok(ids.len())
    }

    /// Another share of the platform's quota: what was sent counts on, and what a shorter window
    /// has forgotten is read from the store.
    async fn requota(&self, (most, span): (u32, Duration)) {
        let shared = &self.0;
        let (_, known) = shared.tuning().quota;
        shared.quota().reconfigure(most, span);
        shared.ledger.allow_unwritten(quota::most_unwritten(most));
        if span <= known {
            return;
        }
        let now = shared.clock.now();
        let forgotten = now.mono.before(known);
        match shared.store.requests_since(now.wall.before(span)).await {
            Ok(sent) => {
                let old = sent.iter().map(|at| now.mono_of(*at)).filter(|at| *at < forgotten);
                shared.quota().restore(now.mono, old);
            }
            Err(error) => {
                tracing::warn!(%error, "requests sent before cannot be counted against the quota");
            }
        }
    }

    /// The last reload was good.
    pub fn config_is_good(&self) {
        self.0.signs.config(None);
    }

    /// The last reload was refused; health says why.
    pub fn config_is_refused(&self, why: &str) {
        // One line: the log has all of it.
        let line = why.lines().next().unwrap_or_default();
        self.0.signs.config(Some(line.trim_end_matches('.').to_owned()));
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
    /// What is kept of a call's context, if the new policy reads anything new in it.
    pub(super) async fn context_if(&self, wanted: bool, id: &CallId) -> Result<Option<String>, StoreError> {
        if !wanted {
            return Ok(None);
        }
        match self.calls.snapshot(id).and_then(|snapshot| snapshot.context) {
            Some(unsaved) => Ok(Some(unsaved.to_string())),
            None => self.store.context(id).await,
        }
    }
}
