//! `callwarden check`: is the config right, are its secrets there, and what does it amount to.

use std::io::{self, Write as _};

use clap::Args;
use rustix::process::{Resource, getrlimit};

use super::{ConfigPath, Exit};
use crate::{
    config::{ProcessEnv, Weight, advice, amounts_to, on_certificate, print},
    engine::clock::Clock,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigPath,
    /// Prints the effective config, secrets as their references.
    #[arg(long)]
    print: bool,
    /// Ends with 1 where there is a warning.
    #[arg(long)]
    deny_warnings: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = arguments.config.load()?;
    config.check_secrets(&ProcessEnv)?;
    let mut out = io::stdout().lock();
    if arguments.print {
        out.write_all(print(&config).as_bytes())?;
    } else {
        out.write_all(amounts_to(&config).as_bytes())?;
    }
    let mut advice = advice(&config, getrlimit(Resource::Nofile).current);
    if let Some(identity) = config.identity(&ProcessEnv)? {
        advice.extend(on_certificate(&config, &identity, Clock::system().now().wall));
    }
    let mut err = io::stderr().lock();
    for line in &advice {
        writeln!(err, "{line}")?;
    }
    let warned = advice.iter().any(|advice| advice.weight == Weight::Warning);
    Ok(if warned && arguments.deny_warnings { Exit::No } else { Exit::Fine })
}
