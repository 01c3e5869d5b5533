//! Layer 4: the commands (spec §2), a file each, and the one table from errors to exit codes.

mod api;
mod calls;
mod check;
mod completions;
mod demo;
mod exit;
mod explain;
pub mod healthcheck;
mod history;
mod init;
mod man;
mod run;
mod sheet;
mod sim;
mod store;
mod test;

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::LazyLock,
};

use clap::{Args, Parser, Subcommand};

pub use self::exit::Exit;
use crate::{
    config::{Config, ConfigErrors, ProcessEnv, load},
    store::Store,
    telemetry::log::LogFormat,
};

/// Ends phone calls which outstay their time limit.
#[derive(Debug, Parser)]
#[command(name = "callwarden", version, long_version = long_version(), disable_help_subcommand = true)]
#[command(after_help = "Example, with no account needed:\n  callwarden demo")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the daemon.
    #[command(after_help = "Example:\n  callwarden run --config /etc/callwarden/callwarden.toml")]
    Run(run::Arguments),
    /// Shows the real daemon at work against the simulated platform; no account needed.
    #[command(after_help = "Example:\n  callwarden demo --calls 60 --seconds 20")]
    Demo(demo::Arguments),
    /// Runs the simulated platform alone, to try a policy or an integration against.
    #[command(after_help = sim::EXAMPLE)]
    Sim(sim::Arguments),
    /// Validates the config and the secrets it names, and says what it amounts to.
    #[command(after_help = "Example:\n  callwarden check --config callwarden.toml --deny-warnings")]
    Check(check::Arguments),
    /// Says what is read from a webhook's body, which rule and limit hold for its call, and why.
    #[command(after_help = explain::EXAMPLE)]
    Explain(explain::Arguments),
    /// Runs cases that say what the policy is to do.
    #[command(after_help = test::EXAMPLE)]
    Test(test::Arguments),
    /// Shows calls of the running daemon, and ends, extends or releases them.
    #[command(after_help = calls::EXAMPLE)]
    Calls(calls::Arguments),
    /// Shows how calls ended, newest first.
    #[command(after_help = history::EXAMPLE)]
    History(history::Arguments),
    /// Salvages a damaged store.
    #[command(after_help = store::EXAMPLE)]
    Store(store::Arguments),
    /// Prints the commented example config, which is also the defaults.
    #[command(after_help = "Example:\n  callwarden init > callwarden.toml")]
    Init,
    /// Asks the configured listener whether the daemon is ready.
    #[command(after_help = healthcheck::EXAMPLE)]
    Healthcheck(ConfigPath),
    /// Prints the completion script of a shell.
    #[command(after_help = completions::EXAMPLE)]
    Completions(completions::Arguments),
    /// Prints the man page.
    #[command(after_help = man::EXAMPLE)]
    Man,
}

/// Where the config is.
#[derive(Clone, Debug, Args)]
struct ConfigPath {
    /// The config file.
    #[arg(
        long,
        value_name = "PATH",
        env = "CALLWARDEN_CONFIG",
        default_value = "/etc/callwarden/callwarden.toml"
    )]
    config: PathBuf,
}

/// How the log looks.
#[derive(Clone, Copy, Debug, Args)]
struct LogOptions {
    /// auto, human, json or journald.
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    log_format: LogFormat,
}

impl ConfigPath {
    fn load(&self) -> Result<Config, ConfigErrors> {
        load(&self.config, &ProcessEnv)
    }
}

/// Runs the command that `arguments` name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let ended = match cli.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Sim(arguments) => sim::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Calls(arguments) => calls::run(&arguments),
        Command::History(arguments) => history::run(&arguments),
        Command::Store(arguments) => store::run(&arguments),
        Command::Init => init::run(),
        Command::Healthcheck(config) => ask_for_health(&config),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man => man::run(),
    };
    ended.unwrap_or_else(|error| told(&error)).into()
}

/// What `--version` tells; `-V` is the number alone.
fn long_version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{} (revision {}, {}, SQLite {})",
            env!("CARGO_PKG_VERSION"),
            env!("CALLWARDEN_REVISION"),
            env!("CALLWARDEN_RUSTC"),
            Store::sqlite_version(),
        )
    });
    &TEXT
}

/// Help and version are no errors; what is wrong on the command line is said with exit code 2.
fn usage(error: &clap::Error) -> ExitCode {
    // Nowhere to say it: the code must do.
    error.print().unwrap_or_default();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Fine.into() }
}

/// Says what went wrong, on stderr.
fn told(error: &anyhow::Error) -> Exit {
    let mut stderr = anstream::stderr();
    let told = match error.downcast_ref::<ConfigErrors>() {
        Some(errors) => {
            let colours =
                anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
            writeln!(stderr, "{}", errors.render(colours).trim_end())
        }
        None => {
            let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
            writeln!(stderr, "callwarden: {}", chain.join(": "))
        }
    };
    // Nowhere to say it: the code must do.
    told.unwrap_or_default();
    exit::of(error)
}

fn ask_for_health(config: &ConfigPath) -> anyhow::Result<Exit> {
    let config = config.load()?;
    let asked = runtime()?.block_on(healthcheck::run(&config.server, &mut io::stdout()))?;
    Ok(if asked { Exit::Fine } else { Exit::No })
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

#[cfg(test)]
mod tests;
