//! `callwarden sim`: the simulated platform alone.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
};

use anyhow::Context as _;
use clap::Args;

use super::{Exit, runtime};
use crate::sim::{Fault, Sim, SimOptions, WebhookTarget};

pub(super) const EXAMPLE: &str = "\
Examples:
  callwarden sim --listen 127.0.0.1:9000 --fault latency=20ms..200ms --fault 5xx=0.05
  callwarden sim --webhook http://127.0.0.1:8080/webhooks/talkover/{agent_id}/{event}

A call is placed, as an application would, by
  curl -H 'Authorization: Bearer any' -H 'Accept: application/json' --json '{\"to\":\"+4915112345678\"}' \\
    http://127.0.0.1:9000/api/v1/agents/agent-1/call
What happened is at http://127.0.0.1:9000/sim/requests";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where it listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// The one good bearer token; without it any will do.
    #[arg(long)]
    token: Option<String>,
    /// A fault in force from the start; may be given more than once.
    #[arg(long = "fault", value_name = "NAME[=VALUE]")]
    faults: Vec<Fault>,
    /// An agent that exists from the start; may be given more than once.
    #[arg(long = "agent", value_name = "ID")]
    agents: Vec<String>,
    /// Where webhooks go, besides those set up through the API; {agent_id}, {event} are filled in.
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// What those webhooks are signed with.
    #[arg(long, value_name = "SECRET", requires = "webhook")]
    webhook_secret: Option<String>,
    /// The same seed draws the same chances.
    #[arg(long)]
    seed: Option<u64>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let usual = SimOptions::default();
    let options = SimOptions {
        listen: arguments.listen,
        token: arguments.token.clone(),
        seed: arguments.seed,
        faults: arguments.faults.clone(),
        agents: if arguments.agents.is_empty() { usual.agents } else { arguments.agents.clone() },
        webhook: arguments
            .webhook
            .as_ref()
            .map(|url| WebhookTarget::new(url, arguments.webhook_secret.as_deref())),
        script: usual.script,
    };
    runtime()?.block_on(serve(options))
}

async fn serve(options: SimOptions) -> anyhow::Result<Exit> {
    let listen = options.listen;
    let sim = match Sim::start(options).await {
        Ok(sim) => sim,
        Err(error) => {
            writeln!(io::stderr(), "callwarden: {listen} cannot be listened on: {error}")?;
            return Ok(Exit::Listener);
        }
    };
    writeln!(io::stdout(), "the simulated platform is at {}", sim.base_url())?;
    writeln!(io::stdout(), "and is controlled at {}", sim.control_url())?;
    stop_asked_for().await.context("signals cannot be listened to")?;
    sim.shutdown().await;
    Ok(Exit::Fine)
}

/// Resolves at SIGINT or SIGTERM.
pub(super) async fn stop_asked_for() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
