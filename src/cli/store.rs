//! `callwarden store`: what is done to the store while no daemon runs.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use clap::{Args, Subcommand};

use super::{ConfigPath, Exit};
use crate::{
    config::{Database, ProcessEnv},
    store::salvage,
    telemetry::log::escaped,
};

pub(super) const EXAMPLE: &str = "\
Example, with the daemon stopped:
  callwarden store recover --config callwarden.toml";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Salvages a damaged SQLite file into a new one, and lists what it could not read.
    #[command(after_help = "\
Example, with the daemon stopped:
  callwarden store recover --to /var/lib/callwarden/salvaged.db

The damaged file is only read. Put the new one in its place by hand, without the old -wal and -shm
files, once you have seen what is missing. Calls that are missing and still active are found again
by asking the platform.")]
    Recover {
        #[command(flatten)]
        config: ConfigPath,
        /// The new file; beside the old one, with .recovered added, where this is left out.
        #[arg(long, value_name = "PATH")]
        to: Option<PathBuf>,
    },
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let What::Recover { config, to } = &arguments.what;
    let config = config.load()?;
    let Database::Sqlite(from) = config.store.url.database(&ProcessEnv)?;
    let to = to.clone().unwrap_or_else(|| {
        let mut name = from.as_os_str().to_owned();
        name.push(".recovered");
        name.into()
    });
    if to.exists() {
        anyhow::bail!("{}: is there already; name another with --to, or remove it", to.display());
    }
    let salvaged = salvage(&from, &to)?;
    let mut out = io::stdout().lock();
    let calls = if salvaged.calls == 1 { "call" } else { "calls" };
    writeln!(out, "{} {calls} salvaged into {}", salvaged.calls, to.display())?;
    for (id, why) in &salvaged.lost {
        writeln!(out, "lost: call {}: {}", escaped(id), escaped(why))?;
    }
    for sentence in &salvaged.unread {
        writeln!(out, "not read: {}", escaped(sentence))?;
    }
    let is_whole = salvaged.lost.is_empty() && salvaged.unread.is_empty();
    Ok(if is_whole { Exit::Fine } else { Exit::No })
}
