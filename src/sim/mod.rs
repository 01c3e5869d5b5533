//! Talkover, simulated: the telephone platform over real HTTP, with its unkindness and with faults
//! to switch on. For `callwarden sim`, `callwarden demo`, tests and benches (spec §2).
//!
//! It implements the platform's contract by itself and imports nothing of ours, so that one
//! misreading of the contract can't hide on both sides. A [`Sim`] owns its world, its clock and its
//! tasks; [`Control`] pulls its strings, in the process or over HTTP under `/sim`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use callwarden::sim::{Script, Sim, SimOptions, Wait, WebhookTarget};
//!
//! let sim = Sim::start(SimOptions {
//!     faults: vec!["latency=20ms..200ms".parse()?, "lost-answer=0.05".parse()?],
//!     webhook: Some(WebhookTarget::new("http://127.0.0.1:8080/webhooks/talkover", Some("secret"))),
//!     ..SimOptions::default()
//! })
//! .await?;
//! let call = sim.control().place(Script::default());
//! let ended = Wait::Status { call, status: "over".to_owned() };
//! sim.control().wait(&ended, std::time::Duration::from_secs(10)).await;
//! sim.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod api;
mod call;
mod clock;
mod control;
mod control_http;
mod courier;
mod dispatch;
mod fault;
mod fault_table;
mod fault_words;
mod faults;
mod gate;
mod journal;
mod limiter;
mod payload;
mod script;
mod server;
mod shared;
mod span;
#[cfg(test)]
mod tests;
mod timeline;
mod wait;
mod webhook;
mod world;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::Router;
use tokio::net::TcpListener;

pub use self::{
    call::{Call, Change, Emitted, EndedBy, Status},
    clock::Micros,
    control::Control,
    fault::Fault,
    fault_table::{FaultError, KNOWN},
    faults::FaultReport,
    journal::{DeliveryRecord, RequestRecord},
    script::{Direction, Extra, Fate, Script},
    span::{Span, SpanError},
    wait::Wait,
    webhook::{Header, WebhookTarget},
};
use self::{shared::Shared, world::World};

/// How a sim starts.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// Where it listens; port 0 picks one. `127.0.0.1:0` unless said.
    pub listen: SocketAddr,
    /// The one good bearer token; none: any.
    pub token: Option<String>,
    /// Chance repeats itself under the same seed, as far as the order of requests does.
    pub seed: Option<u64>,
    /// The faults in force from the start.
    pub faults: Vec<Fault>,
    /// The agents there are, besides those that placed calls name.
    pub agents: Vec<String>,
    /// Where webhooks go, besides those set up through the platform's API.
    pub webhook: Option<WebhookTarget>,
    /// What calls placed through the platform's API do.
    pub script: Script,
}

/// A running simulated platform.
///
/// Dropping it leaves it running until the runtime ends; [`shutdown`](Self::shutdown) ends it.
pub struct Sim {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            token: None,
            seed: None,
            faults: Vec::new(),
            agents: ["agent-1", "agent-2", "agent-3"].map(str::to_owned).to_vec(),
            webhook: None,
            script: Script::default(),
        }
    }
}

impl Sim {
    /// Opens the listener and starts the clockwork.
    ///
    /// # Errors
    /// The listener can't be opened.
    pub async fn start(options: SimOptions) -> io::Result<Self> {
        let SimOptions { listen, token, seed, faults, agents, webhook, script } = options;
        let listener = TcpListener::bind(listen).await?;
        let addr = listener.local_addr()?;
        let mut world = World::new(seed);
        world.token = token;
        world.script = script;
        world.faults.set(faults);
        agents.iter().for_each(|agent| world.add_agent(agent));
        let sim = Self { addr, shared: Shared::new(world) };
        sim.control().set_webhook(webhook);
        sim.spawn(listener);
        Ok(sim)
    }

    fn spawn(&self, listener: TcpListener) {
        let router = Router::new()
            .nest("/sim", control_http::router(self.control()))
            .fallback_service(api::router(&self.shared));
        let tasks = &self.shared.tasks;
        tasks.spawn(timeline::run(Arc::clone(&self.shared)));
        tasks.spawn(server::run(Arc::clone(&self.shared), listener, router));
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The API's base: `http://127.0.0.1:PORT/api/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/api/v1", self.addr)
    }

    /// The control API's base: `http://127.0.0.1:PORT/sim`.
    pub fn control_url(&self) -> String {
        format!("http://{}/sim", self.addr)
    }

    /// The strings to pull.
    pub fn control(&self) -> Control {
        Control { shared: Arc::clone(&self.shared) }
    }

    /// Cuts every connection, stops the clockwork and waits until all of it has ended.
    pub async fn shutdown(self) {
        self.shared.stopping.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}
