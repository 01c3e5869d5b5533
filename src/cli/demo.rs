//! `callwarden demo`: the real daemon against the simulated platform, in one process, over real
//! HTTP and a real SQLite file (spec §2). What happens is shown while it happens; at the end the
//! [judge] compares what callwarden promised with what the platform saw.
//!
//! | file | is |
//! |---|---|
//! | `cast` | the calls, and what each of them does |
//! | `stage` | daemon and platform, put together in a temporary directory |
//! | `scene` | how things stand, at one look |
//! | `screen`, `lines` | the two ways to show scenes: a table that redraws, a line for each thing |
//! | `judge`, `summary` | whether the promise was kept, and the closing words |

mod cast;
mod judge;
mod lines;
mod scene;
mod screen;
mod stage;
mod summary;

use std::{
    io::{self, IsTerminal as _, Write},
    time::Duration,
};

use clap::Args;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::{
    cast::Cast, judge::Verdict, lines::Lines, scene::Scene, screen::Screen, stage::Stage,
    summary::Summary,
};
use super::{Exit, LogOptions, run::settings, runtime, sim::stop_asked_for};
use crate::{
    config::{Env as _, ProcessEnv},
    daemon::{Daemon, Ended},
    telemetry::log,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// About how long it takes; every limit is a part of it.
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u64).range(5..=3600))]
    seconds: u64,
    /// How many calls there are.
    #[arg(long, value_name = "N", default_value_t = 48)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=500))]
    calls: u16,
    /// Leaves daemon and platform running afterwards, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// The log is off unless RUST_LOG is set; then it goes to stderr.
    #[command(flatten)]
    log: LogOptions,
}

/// How often to look.
const TICK: Duration = Duration::from_millis(100);
/// How long after its time the demo waits for what is still missing.
const PATIENCE: Duration = Duration::from_secs(8);

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let is_logged = ProcessEnv.var("RUST_LOG").is_ok();
    if is_logged {
        log::init(&settings(arguments.log))?;
    }
    let view = View::for_stdout(is_logged);
    runtime()?.block_on(perform(arguments, view, &mut io::stdout()))
}

/// How scenes are shown.
enum View {
    Screen(Screen),
    Lines(Lines),
}

impl View {
    /// The table where it can be redrawn, and no log writes into it.
    fn for_stdout(is_logged: bool) -> Self {
        let is_dumb = ProcessEnv.var("TERM").is_ok_and(|term| term == "dumb");
        let log_disturbs = is_logged && io::stderr().is_terminal();
        if io::stdout().is_terminal() && !is_dumb && !log_disturbs {
            let colours = anstream::AutoStream::choice(&io::stdout());
            Self::Screen(Screen::new(colours != anstream::ColorChoice::Never))
        } else {
            Self::Lines(Lines::default())
        }
    }

    fn show(&mut self, scene: &Scene, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Screen(screen) => screen.show(scene, out),
            Self::Lines(lines) => lines.show(scene, out),
        }
    }

    fn close(&mut self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Screen(screen) => screen.close(out),
            Self::Lines(_) => Ok(()),
        }
    }
}

async fn perform(
    arguments: &Arguments,
    mut view: View,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let cast = Cast::new(arguments.calls, Duration::from_secs(arguments.seconds));
    let (stage, daemon) = Stage::set(&cast).await?;
    write!(out, "{}", opening(&stage, &cast))?;

    let stop = CancellationToken::new();
    // Nobody reloads a demo.
    let (_reload, reloads) = mpsc::channel(1);
    let running = daemon.run(stop.clone(), reloads);
    tokio::pin!(running);
    let played = tokio::select! {
        _ = &mut running => anyhow::bail!("the daemon ended before the demo did"),
        played = play(&stage, &cast, arguments.keep, &mut view, out) => played,
    };
    // Also where showing failed: a terminal is left with its cursor, a daemon in order.
    let closed = view.close(out);
    stop.cancel();
    let ended = running.await;
    stage.leave().await;

    let exit = played?;
    closed?;
    if ended != Ended::Clean {
        anyhow::bail!("the daemon did not stop in order");
    }
    Ok(exit)
}

/// The play, from the first call to the verdict; with `keep` until the user has seen enough.
async fn play(
    stage: &Stage,
    cast: &Cast,
    keep: bool,
    view: &mut View,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    stage.begin(cast);
    let watched = tokio::select! {
        scene = watch(stage, cast, view, out) => Some(scene?),
        asked = stop_asked_for() => asked.map(|()| None)?,
    };
    view.close(out)?;
    let Some(scene) = watched else {
        writeln!(out, "\nInterrupted before the last call was over: no verdict.")?;
        return Ok(Exit::No);
    };
    let verdict = Verdict::on(&stage.records(cast, &scene), stage.limits());
    let summary = Summary { verdict: &verdict, scene: &scene, proofs: stage.proofs().await? };
    write!(out, "{summary}")?;
    if keep {
        write!(out, "{}", while_kept(stage)?)?;
        out.flush()?;
        stop_asked_for().await?;
    }
    Ok(if verdict.is_kept() { Exit::Fine } else { Exit::No })
}

/// Shows scene after scene, until every call is over or patience is.
async fn watch(
    stage: &Stage,
    cast: &Cast,
    view: &mut View,
    out: &mut impl Write,
) -> anyhow::Result<Scene> {
    let mut before = Vec::new();
    loop {
        let scene = stage.look(cast, &before).await?;
        view.show(&scene, out)?;
        let is_over = scene.is_over() && stage.is_flushed();
        if is_over || scene.at > cast.lasts() + PATIENCE {
            return Ok(scene);
        }
        before = scene.calls;
        tokio::time::sleep(TICK).await;
    }
}

fn opening(stage: &Stage, cast: &Cast) -> String {
    format!(
        "callwarden demo: {} calls in about {} s.\n  \
         daemon    {}, the real one, over HTTP and SQLite\n  \
         platform  {}, simulated: slow, refuses some requests,\n            \
         sends webhooks twice and loses some\n  \
         limits    {}\n\n",
        cast.parts().len(),
        cast.lasts().as_secs(),
        stage.daemon_url(),
        stage.platform_url(),
        summary::limits(stage.limits()),
    )
}

fn while_kept(stage: &Stage) -> anyhow::Result<String> {
    let (daemon, platform) = (stage.daemon_url(), stage.platform_url());
    Ok(format!(
        "\nStill running, until Ctrl-C:\n  \
         health     curl -s {daemon}/health\n  \
         metrics    curl -s {daemon}/metrics\n  \
         admin API  curl -s -H \"Authorization: Bearer $(cat {token})\" {admin}/api/history\n  \
         new call   curl -s --json '{{\"rings\":\"1s\"}}' {platform}/sim/calls\n",
        token = stage.admin_token_path().display(),
        admin = stage.admin_url(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_demo_keeps_the_promise_and_says_so() {
        let arguments = Arguments {
            seconds: 5,
            calls: 30,
            keep: false,
            log: LogOptions { log_format: log::LogFormat::Auto },
        };
        let mut out = Vec::new();
        let exit = perform(&arguments, View::Lines(Lines::default()), &mut out).await.unwrap();
        let told = String::from_utf8(out).unwrap();
        assert_eq!(exit, Exit::Fine, "{told}");
        assert!(told.contains("The promise was kept."), "{told}");
        assert!(told.contains("by lookup"), "{told}");
    }
}
