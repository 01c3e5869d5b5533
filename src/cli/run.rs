//! `callwarden run`: the daemon.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{ConfigPath, Exit, LogOptions, exit, runtime};
use crate::{
    config::{Config, Env as _, ProcessEnv, Weight, advice},
    daemon::{Daemon, Ended},
    telemetry::log::{self, LogSettings},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigPath,
    #[command(flatten)]
    log: LogOptions,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = arguments.config.load()?;
    config.check_secrets(&ProcessEnv)?;
    log::init(&settings(arguments.log))?;
    for advice in advice(&config, None).iter().filter(|it| it.weight == Weight::Warning) {
        warn!("{advice}");
    }
    runtime()?.block_on(serve(&config))
}

/// How the log looks, with what the environment says of it.
pub(super) fn settings(options: LogOptions) -> LogSettings {
    LogSettings {
        format: options.log_format,
        directives: ProcessEnv.var("RUST_LOG").ok(),
        journal_stream: ProcessEnv.var("JOURNAL_STREAM").ok(),
    }
}

async fn serve(config: &Config) -> anyhow::Result<Exit> {
    let stop = CancellationToken::new();
    let signals = Signals::install().context("signals cannot be listened to")?;
    let daemon = tokio::select! {
        built = Daemon::build(config, Arc::new(ProcessEnv)) => match built {
            Ok(daemon) => daemon,
            Err(failed) => {
                let exit = exit::of_start(&failed);
                error!(error = %chain(&failed), code = exit as u8, "cannot start");
                return Ok(exit);
            }
        },
        () = signals.stop() => return Ok(Exit::Fine),
    };
    let running = daemon.run(stop.clone());
    tokio::pin!(running);
    let ended = tokio::select! {
        ended = &mut running => ended,
        () = signals.stop() => {
            stop.cancel();
            running.await
        }
    };
    Ok(match ended {
        Ended::Clean => Exit::Fine,
        Ended::Unclean | Ended::Fault => Exit::No,
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

/// The signals that the daemon heeds.
struct Signals {
    terminate: tokio::sync::Mutex<tokio::signal::unix::Signal>,
    interrupt: tokio::sync::Mutex<tokio::signal::unix::Signal>,
    hangup: tokio::sync::Mutex<tokio::signal::unix::Signal>,
}

impl Signals {
    fn install() -> std::io::Result<Self> {
        let listen = |kind| signal(kind).map(tokio::sync::Mutex::new);
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Resolves at SIGTERM or SIGINT.
    async fn stop(&self) {
        let (mut terminate, mut interrupt, mut hangup) =
            tokio::join!(self.terminate.lock(), self.interrupt.lock(), self.hangup.lock());
        loop {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = interrupt.recv() => return,
                _ = hangup.recv() => {
                    warn!("SIGHUP: this version does not reload; restart it to read the config anew");
                }
            }
        }
    }
}
