//! Layer 4: the daemon. `build` puts it together and opens what it needs, `run` turns until a
//! signal or a fault, and drains in order (spec §8, §12).

mod drain;
mod reload;
pub mod sockets;
mod status;
mod supervise;
pub mod systemd;
mod wiring;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use self::{
    reload::Reloader,
    sockets::{Inherited, InheritedError, Role},
    supervise::{Supervisor, Task},
    wiring::SharedEnv,
};
use crate::{
    config::{Config, Database, SecretError, StoreUrlError, TlsError},
    engine::{Engine, Parts, clock::Clock},
    http::{admin, health, metrics, server, webhook},
    platform::{self, Client, PlatformError},
    store::{Store, StoreError, is_hollow},
    telemetry::{
        liveness::{Latch, Liveness, Pulse, Readiness},
        metrics::{Build, Metrics},
    },
};

/// How long to wait for a predecessor that still holds the store (spec §8).
const PREDECESSOR: Duration = Duration::from_secs(15);
/// A listener that shows no sign of life for so long is dead.
const LISTENER_SILENT: Duration = Duration::from_secs(5);

/// Why the daemon cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A secret cannot be read.
    #[error("a secret that the config names cannot be read")]
    Secret(#[from] SecretError),
    /// `store.url` is a secret that is none of a store.
    #[error(transparent)]
    StoreUrl(#[from] StoreUrlError),
    /// TLS cannot be spoken with what `server.tls` names.
    #[error("server.tls: {0}")]
    Tls(#[from] TlsError),
    /// The store is not to be started with.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The platform's address, token or certificates cannot be used.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// A listener cannot be opened.
    #[error("{key} = {listen} cannot be listened on; free the port, or correct {key}")]
    Listen {
        /// Its key in the config.
        key: &'static str,
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A listener that systemd passes cannot be used.
    #[error(transparent)]
    Inherited(#[from] InheritedError),
}

/// A daemon whose listeners are open and whose calls are loaded.
pub struct Daemon {
    engine: Engine,
    webhooks: Listener,
    admin: Option<Listener>,
    reloader: Reloader,
    readiness: Readiness,
    liveness: Liveness,
    /// Webhooks that are being taken in.
    deliveries: TaskTracker,
    recovering: Latch,
}

/// A listener, and what it serves.
struct Listener {
    task: Task,
    socket: TcpListener,
    app: axum::Router,
    tls: Option<server::Tls>,
    limits: server::Limits,
    pulse: Pulse,
}

impl Daemon {
    /// Opens store and listeners, and loads the calls.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what is in the way.
    pub async fn build(config: Config, env: SharedEnv) -> Result<Self, StartError> {
        Self::build_on(config, env, Clock::system(), Inherited::default()).await
    }

    /// Like [`build`](Self::build), by this clock, and on listeners that were inherited where there
    /// are.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what is in the way.
    pub async fn build_on(
        config: Config,
        env: SharedEnv,
        clock: Clock,
        mut inherited: Inherited,
    ) -> Result<Self, StartError> {
        systemd::status("waiting for the store, then loading its calls");
        let token = wiring::secret(&config.platform.token, &*env)?;
        let settings = wiring::webhook_settings(&config.webhook, &*env)?;
        let access = match &config.admin {
            Some(admin) => Some(wiring::access(admin, &*env)?),
            None => None,
        };
        let tls =
            wiring::identity(&config, &*env, clock.now().wall)?.as_ref().map(server::Tls::new);
        let Database::Sqlite(path) = config.store.url.database(&*env)?;
        let wall = clock.clone();
        let client = Client::new(&platform::Options {
            base_url: config.platform.base_url.as_str(),
            token: &token,
            timeout: config.platform.timeout,
            clock: Arc::new(move || wall.now().wall),
        })?;
        if is_hollow(&path) {
            warn!(
                store.file = %path.display(),
                "the store's file is there without a byte, though an earlier life had it: what it held \
                 is lost, unless a backup is restored; the platform's active calls are found again"
            );
        }
        let store = Store::open(&path, PREDECESSOR).await?;
        let socket = listen(&mut inherited, Role::Webhook, config.server.listen).await?;
        let admin_socket = match &config.admin {
            Some(admin) => Some(listen(&mut inherited, Role::Admin, admin.listen).await?),
            None => {
                inherited.decline(Role::Admin);
                None
            }
        };

        let all_metrics = Arc::new(Metrics::new(Build::CURRENT));
        all_metrics.config_loaded(clock.now().wall, config.config_hash());
        let engine = Engine::new(Parts {
            policy: config.policy(),
            max_calls: config.server.max_calls,
            tuning: wiring::tuning(&config),
            store,
            client,
            token_reader: wiring::token_reader(config.platform.token.clone(), Arc::clone(&env)),
            token,
            token_source: wiring::token_source(&config.platform.token),
            clock,
            metrics: Arc::clone(&all_metrics),
        });
        let readiness = Readiness::default();
        let recovering = readiness.hold("calls are being loaded from the store");
        engine.recover().await?;

        let liveness = Liveness::default();
        let deliveries = TaskTracker::new();
        let (settings, told) = watch::channel(Arc::new(settings));
        let details = wiring::details(&config, access.as_ref());
        let probes = health::Probes {
            engine: engine.clone(),
            liveness: liveness.clone(),
            readiness: readiness.clone(),
            details: details.clone(),
        };
        let app =
            webhook::router(engine.clone(), Arc::clone(&all_metrics), told, deliveries.clone())
                .merge(health::router(probes))
                .merge(metrics::router(engine.clone(), details));
        let limits =
            server::Limits::new(u32::try_from(config.server.max_connections).unwrap_or(u32::MAX));
        let listener = |task, socket, app, tls, name| Listener {
            task,
            socket,
            tls,
            app: server::catching_panics(app, panic_counter(&all_metrics)),
            limits,
            pulse: liveness.pulse(name, LISTENER_SILENT, engine.clock().now().mono),
        };
        let webhooks =
            listener(Task::WebhookListener, socket, app, tls.clone(), "webhook listener");
        let admin = admin_socket.zip(access.clone()).map(|(socket, access)| {
            let app = admin::router(engine.clone(), access, deliveries.clone());
            listener(Task::AdminListener, socket, app, None, "admin listener")
        });
        let reloader = Reloader {
            env,
            started: config.clone(),
            running: config,
            engine: engine.clone(),
            settings,
            access,
            tls,
        };
        Ok(Self { engine, webhooks, admin, reloader, readiness, liveness, deliveries, recovering })
    }

    /// Where webhooks, health and metrics are taken.
    ///
    /// # Errors
    ///
    /// The system does not tell.
    pub fn addr(&self) -> io::Result<SocketAddr> {
        self.webhooks.socket.local_addr()
    }

    /// Where the admin API is taken; `None` if it is off.
    ///
    /// # Errors
    ///
    /// The system does not tell.
    pub fn admin_addr(&self) -> io::Result<Option<SocketAddr>> {
        self.admin.as_ref().map(|admin| admin.socket.local_addr()).transpose()
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Turns until `stop`, or until a loop dies; then drains, within ten seconds. Each message of
    /// `reloads` has the config read anew.
    pub async fn run(self, stop: CancellationToken, mut reloads: mpsc::Receiver<()>) -> Ended {
        let Self {
            engine,
            webhooks,
            admin,
            mut reloader,
            readiness,
            liveness,
            deliveries,
            recovering,
        } = self;
        let supervisor = Supervisor::default();
        let stages = drain::Stages::default();
        let requests = TaskTracker::new();
        let connections = TaskTracker::new();

        let loops = engine.loops(requests.clone(), &liveness);
        let (calls, writes) = (stages.calls.clone(), stages.writes.clone());
        supervisor.spawn(Task::Persist, writes.clone(), loops.persist.run(writes));
        supervisor.spawn(Task::Timer, calls.clone(), loops.timer.run(calls.clone()));
        supervisor.spawn(Task::Dispatcher, calls.clone(), loops.dispatcher.run(calls));
        let turning = stages.calls.clone();
        supervisor.spawn(Task::Reconcile, turning.clone(), loops.reconcile.run(turning));
        for listener in [Some(webhooks), admin].into_iter().flatten() {
            announce(&listener);
            let Listener { task, socket, app, tls, limits, pulse } = listener;
            let accept = stages.accept.clone();
            let clock = engine.clock().clone();
            let beat = move || pulse.beat(clock.now().mono);
            let connections = connections.clone();
            let served = server::serve(socket, app, limits, tls, connections, accept.clone(), beat);
            supervisor.spawn(task, accept, served);
        }
        if let Some(every) = systemd::watchdog_every() {
            let feed = watchdog(engine.clone(), liveness.clone(), every, stages.writes.clone());
            supervisor.spawn(Task::Watchdog, stages.writes.clone(), feed);
        }
        drop(recovering);
        systemd::ready();
        if systemd::is_there() {
            let tell = status::tell(engine.clone(), stages.accept.clone());
            supervisor.spawn(Task::Status, stages.accept.clone(), tell);
        }
        info!("ready");

        let reloading = async {
            while reloads.recv().await.is_some() {
                reloader.reload().await;
            }
            // Nobody will ask for a reload any more.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = supervisor.fatal() => {}
            () = reloading => {}
        }
        // First of all, so that who reads that it drains never finds it ready.
        let draining = readiness.hold("draining");
        if !supervisor.is_fatal() {
            info!("asked to stop: draining");
        }
        systemd::stopping();
        systemd::status("draining: answering and writing what is under way");
        let clean =
            drain::drain(&engine, &stages, &supervisor, &deliveries, &connections, &requests).await;
        drop(draining);
        match (supervisor.is_fatal(), clean) {
            (true, _) => Ended::Fault,
            (false, true) => Ended::Clean,
            (false, false) => Ended::Unclean,
        }
    }
}

/// How the daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As told, with nothing left undone.
    Clean,
    /// As told, but the log names what did not finish.
    Unclean,
    /// A loop died.
    Fault,
}

async fn listen(
    inherited: &mut Inherited,
    role: Role,
    listen: SocketAddr,
) -> Result<TcpListener, StartError> {
    let opened = match inherited.take(role, listen)? {
        Some(passed) => TcpListener::from_std(passed),
        None => TcpListener::bind(listen).await,
    };
    opened.map_err(|source| StartError::Listen { key: role.key(), listen, source })
}

fn announce(listener: &Listener) {
    let what = match listener.task {
        Task::AdminListener => "the admin API",
        _ => "webhooks, health and metrics",
    };
    match listener.socket.local_addr() {
        Ok(addr) => {
            let scheme = if listener.tls.is_some() { "https" } else { "http" };
            info!(listen = %addr, url = %format_args!("{scheme}://{addr}"), "listening for {what}");
        }
        Err(error) => warn!(%error, "listening for {what}, but where the system does not tell"),
    }
}

fn panic_counter(metrics: &Arc<Metrics>) -> impl Fn() + Clone + Send + Sync + 'static {
    let metrics = Arc::clone(metrics);
    move || metrics.panic()
}

/// Feeds systemd's watchdog while every loop turns; a failing store starves it not.
async fn watchdog(engine: Engine, liveness: Liveness, every: Duration, stop: CancellationToken) {
    loop {
        let late = liveness.late(engine.clock().now().mono);
        if late.is_empty() {
            systemd::watchdog();
        } else {
            warn!(?late, "loops that do not turn: the watchdog is not fed");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}
