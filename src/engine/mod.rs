//! Layer 2: all mutable state, all loops. It carries what `model` decides.
//!
//! | file | owns |
//! |---|---|
//! | `calls` | the calls; the one function that writes them |
//! | `wakeups`, `timer` | when which call is to be looked at |
//! | `desk`, `dispatcher` | what waits for the platform, and what is under way |
//! | `ledger`, `persist`, `recover` | what the store has yet to hear of; writing it, reading it back |
//! | `vitals` | the numbers that health and metrics show |
//! | `events` | log lines and metrics of each change |
//! | `feed` | what the stream tells of it, and the last hour |
//! | `kill` | how far the latest kill switches have come |

mod calls;
pub mod clock;
mod desk;
mod dispatcher;
mod events;
mod feed;
mod ingest;
mod kill;
mod ledger;
mod operate;
mod persist;
mod query;
mod reconcile;
mod recover;
mod reload;
mod replay;
mod room;
mod timer;
mod token;
mod vitals;
mod wakeups;

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use secrecy::SecretString;
use tokio_util::task::TaskTracker;

use self::{
    calls::Calls, clock::Clock, desk::Desk, events::Events, feed::Feed, kill::Kills,
    ledger::Ledger, token::Token, vitals::Locked, wakeups::Wakeups,
};
pub(crate) use self::{
    dispatcher::Dispatcher, persist::Persist, reconcile::Reconcile, timer::Timer,
};
pub use self::{
    feed::{Changes, Minute},
    ingest::Refusal,
    kill::{Block, KillError, Killed, Progress},
    operate::OrderError,
    reload::Refused,
    token::TokenReader,
};
use crate::{
    model::{
        decode::pointers::Pointers,
        health::{Delivery, Signs, TokenSource},
        ids::AgentId,
        listing,
        platform::Row,
        policy::{Adopt, Policy},
        queue::Share,
        quota::Window,
        time::Mono,
    },
    platform::Client,
    store::{Store, StoreError},
    telemetry::{liveness::Liveness, log::Throttle, metrics::Metrics},
};

/// The engine: a handle that all share.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

/// What an engine is made of.
pub struct Parts {
    /// Limits and enforcement.
    pub policy: Policy,
    /// `server.max_calls`.
    pub max_calls: usize,
    /// What else a reload may change.
    pub tuning: Tuning,
    /// The store, open or failing.
    pub store: Store,
    /// The platform.
    pub client: Client,
    /// Reads the platform's token anew.
    pub token_reader: TokenReader,
    /// The token that `client` began with.
    pub token: SecretString,
    /// Where the token comes from.
    pub token_source: TokenSource,
    /// The clocks.
    pub clock: Clock,
    /// Every metric.
    pub metrics: Arc<Metrics>,
}

/// What a reload may change besides the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// `platform.requests`: at most so many in any window of this length.
    pub quota: (u32, Duration),
    /// `enforcement.reconcile_every`; `None` is never.
    pub reconcile_every: Option<Duration>,
    /// `enforcement.adopt`.
    pub adopt: Adopt,
    /// `[webhook.fields]`, for events that are read from the platform's logs.
    pub pointers: Pointers,
    /// `store.history`: how long calls that are over are remembered.
    pub history: Duration,
}

/// The engine's loops, for the daemon to spawn.
pub(crate) struct Loops {
    /// Wakes calls.
    pub(crate) timer: Timer,
    /// Lets requests go.
    pub(crate) dispatcher: Dispatcher,
    /// Writes what changed.
    pub(crate) persist: Persist,
    /// Compares the platform's list with ours.
    pub(crate) reconcile: Reconcile,
}

/// All that the loops share.
pub(crate) struct Shared {
    calls: Calls,
    wakeups: Arc<Wakeups>,
    desk: Arc<Desk>,
    ledger: Arc<Ledger>,
    quota: Mutex<Window>,
    /// The part of the quota that listings may use.
    listing_part: Mutex<Window>,
    tuning: RwLock<Arc<Tuning>>,
    store: Store,
    /// Whether the store's calls are in memory; false only after a start while it failed.
    is_loaded: AtomicBool,
    /// Agents heard of by webhook.
    heard_agents: Mutex<HashSet<AgentId>>,
    client: Client,
    token: Token,
    token_source: TokenSource,
    clock: Clock,
    /// Which boot of the machine this is.
    boot: u64,
    started: Mono,
    most_calls: usize,
    metrics: Arc<Metrics>,
    signs: Arc<Locked<Signs>>,
    events: Events,
    kills: Kills,
    /// Held by the one who has new calls blocked.
    blocking: tokio::sync::Mutex<()>,
    /// Of log lines about calls that the store could not be asked for.
    unread: Throttle,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("calls", &self.0.calls.len()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Puts an engine together; nothing turns yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts {
            policy,
            max_calls,
            tuning,
            store,
            client,
            token_reader,
            token,
            token_source,
            clock,
            metrics,
        } = parts;
        let (most, span) = tuning.quota;
        let (wakeups, desk, ledger) =
            (Arc::<Wakeups>::default(), Arc::<Desk>::default(), Arc::<Ledger>::default());
        let calls = Calls::new(
            policy,
            max_calls,
            clock.clone(),
            Arc::clone(&wakeups),
            Arc::clone(&desk),
            Arc::clone(&ledger),
        );
        let signs = Arc::<Locked<Signs>>::default();
        Self(Arc::new(Shared {
            calls,
            wakeups,
            desk,
            ledger,
            quota: Mutex::new(Window::new(most, span)),
            listing_part: Mutex::new(Window::new(Share::Tenth.of(most), span)),
            tuning: RwLock::new(Arc::new(tuning)),
            heard_agents: Mutex::default(),
            store,
            is_loaded: AtomicBool::new(false),
            client,
            token: Token::new(token_reader, token),
            token_source,
            boot: clock::boot_id(),
            started: clock.now().mono,
            most_calls: max_calls,
            events: Events {
                metrics: Arc::clone(&metrics),
                signs: Arc::clone(&signs),
                clock: clock.clone(),
                feed: Feed::new(clock.clone()),
                breaches: Throttle::default(),
            },
            kills: Kills::default(),
            blocking: tokio::sync::Mutex::default(),
            clock,
            metrics,
            signs,
            unread: Throttle::default(),
        }))
    }

    /// Loads what an earlier life left. A store that fails now is read once it works.
    ///
    /// # Errors
    ///
    /// The store is damaged, or for another reason not to be started with.
    pub async fn recover(&self) -> Result<(), StoreError> {
        match recover::everything(&self.0).await {
            Err(error) if error.forbids_start() => Err(error),
            Err(error) => {
                tracing::error!(%error, "the store cannot be read: starting without its calls");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// The loops. Requests under way are tracked by `requests`.
    pub(crate) fn loops(&self, requests: TaskTracker, liveness: &Liveness) -> Loops {
        /// How long a loop may be silent: they beat each second.
        const SILENT: Duration = Duration::from_secs(5);
        /// Writing may take long on a slow disk, and a failing store is no reason to restart.
        const WRITING: Duration = Duration::from_secs(120);
        let pulse = |name, most| liveness.pulse(name, most, self.0.clock.now().mono);
        Loops {
            timer: Timer::new(Arc::clone(&self.0), pulse("timer", SILENT)),
            dispatcher: Dispatcher::new(Arc::clone(&self.0), requests, pulse("dispatcher", SILENT)),
            persist: Persist::new(Arc::clone(&self.0), pulse("persist", WRITING)),
            reconcile: Reconcile::new(Arc::clone(&self.0), pulse("reconcile", SILENT)),
        }
    }

    /// Closes the store; what is not written by now is lost.
    pub async fn close(&self) {
        self.0.store.close().await;
    }

    /// A webhook was answered.
    pub fn webhook_answered(&self, delivery: Delivery) {
        self.0.signs.get().webhook(delivery, self.0.clock.now().mono);
    }

    /// The clocks.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Every metric.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// Whether anything was lost on the way from memory to the store: nothing waits to be written.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.0.ledger.is_empty()
    }
}

impl Shared {
    fn quota(&self) -> MutexGuard<'_, Window> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listing_part(&self) -> MutexGuard<'_, Window> {
        self.listing_part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tuning(&self) -> Arc<Tuning> {
        Arc::clone(&self.tuning.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_tuning(&self, tuning: Tuning) {
        *self.tuning.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tuning);
    }

    fn is_adopted(&self, row: &Row) -> bool {
        let (tuning, policy) = (self.tuning(), self.calls.policy());
        listing::is_adopted(row, &tuning.adopt, &policy.rules, &self.heard_agents())
    }

    fn heard_agents(&self) -> MutexGuard<'_, HashSet<AgentId>> {
        self.heard_agents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A webhook told of this agent.
    fn hear_of(&self, agent: &AgentId) {
        let mut heard = self.heard_agents();
        if !heard.contains(agent) {
            heard.insert(agent.clone());
        }
    }

    fn is_loaded(&self) -> bool {
        self.is_loaded.load(Ordering::Acquire)
    }
}
