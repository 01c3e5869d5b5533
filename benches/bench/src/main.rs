//! The one benchmark command: the real binary as a process, under load from this one, over loopback.
//! What it prints is what `benches/README.md` tells; nothing here judges.

#![expect(
    clippy::disallowed_methods,
    reason = "it measures from outside: the daemon's clock and supervisor are none of its own"
)]

mod daemon;
mod load;
mod reload;
mod scenes;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures callwarden. Build it first: cargo build --release
#[derive(Debug, Parser)]
struct Cli {
    /// The binary to measure.
    #[arg(long, default_value = "target/release/callwarden")]
    binary: PathBuf,
    #[command(subcommand)]
    scene: Scene,
}

#[derive(Debug, Subcommand)]
enum Scene {
    /// Lateness of many deadlines within one second.
    Lateness {
        /// How many calls.
        #[arg(long, default_value_t = 1_000)]
        calls: usize,
    },
    /// Webhooks a second, each answered once it is durable, and the daemon's CPU time for each.
    Webhooks {
        /// Connections at a time.
        #[arg(long, default_value_t = 64)]
        connections: usize,
        /// Seconds of load.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Memory per live call, and seconds from start to ready with all of them.
    Calls {
        /// How many live calls.
        #[arg(long, default_value_t = 100_000)]
        calls: usize,
    },
    /// Answers lost over kills -9 under load: none may be.
    Kills {
        /// How many kills.
        #[arg(long, default_value_t = 30)]
        kills: usize,
    },
    /// A burst of stops through a narrow quota: refusals, and the last stop against the ideal.
    Burst {
        /// How many stops at once.
        #[arg(long, default_value_t = 220)]
        calls: usize,
    },
    /// A reload's way to every live call, its growth, and what webhooks feel of it.
    Reload {
        /// How many live calls.
        #[arg(long, default_value_t = 100_000)]
        calls: usize,
        /// How many rules.
        #[arg(long, default_value_t = 100)]
        rules: usize,
        /// Webhooks a second meanwhile.
        #[arg(long, default_value_t = 500)]
        rate: u32,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { binary, scene } = Cli::parse();
    match scene {
        Scene::Lateness { calls } => scenes::lateness(&binary, calls).await,
        Scene::Webhooks { connections, seconds } => {
            scenes::webhooks(&binary, connections, seconds).await
        }
        Scene::Calls { calls } => scenes::calls(&binary, calls).await,
        Scene::Kills { kills } => scenes::kills(&binary, kills).await,
        Scene::Burst { calls } => scenes::burst(&binary, calls).await,
        Scene::Reload { calls, rules, rate } => reload::reload(&binary, calls, rules, rate).await,
    }
}
