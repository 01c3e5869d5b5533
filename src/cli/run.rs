//! `callwarden run`: the daemon.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::{
    signal::unix::{self, SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{ConfigPath, Exit, LogOptions, exit, runtime};
use crate::{
    config::{Config, Env as _, ProcessEnv, Weight, advice},
    daemon::{Daemon, Ended, sockets::Inherited},
    engine::clock::Clock,
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
    let inherited = Inherited::from_env(&ProcessEnv);
    runtime()?.block_on(serve(config, inherited))
}

/// How the log looks, with what the environment says of it.
pub(super) fn settings(options: LogOptions) -> LogSettings {
    LogSettings {
        format: options.log_format,
        directives: ProcessEnv.var("RUST_LOG").ok(),
        journal_stream: ProcessEnv.var("JOURNAL_STREAM").ok(),
    }
}

async fn serve(config: Config, inherited: Inherited) -> anyhow::Result<Exit> {
    let stop = CancellationToken::new();
    let mut signals = Signals::install().context("signals cannot be listened to")?;
    let daemon = tokio::select! {
        built = Daemon::build_on(config, Arc::new(ProcessEnv), Clock::system(), inherited) => match built {
            Ok(daemon) => daemon,
            Err(failed) => {
                let exit = exit::of_start(&failed);
                error!(error = %chain(&failed), code = exit as u8, "cannot start");
                return Ok(exit);
            }
        },
        () = signals.stop() => return Ok(Exit::Fine),
    };
    // One that waits is enough: it reads the file as it is then.
    let (reload, reloads) = mpsc::channel(1);
    let running = daemon.run(stop.clone(), reloads);
    tokio::pin!(running);
    let ended = loop {
        tokio::select! {
            ended = &mut running => break ended,
            signal = signals.next() => match signal {
                Signal::Stop => stop.cancel(),
                Signal::Reload => {
                    if reload.try_send(()).is_err() {
                        info!("SIGHUP: a reload is waiting already");
                    }
                }
            },
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

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// The signals that the daemon heeds.
struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
}

impl Signals {
    fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }

    /// Resolves when asked to stop; a reload before the start reads what the start reads anyway.
    async fn stop(&mut self) {
        while self.next().await != Signal::Stop {}
    }
}
