//! A reload with many live calls: how long it takes to reach them all, how that grows, and what
//! webhooks feel of it meanwhile.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    daemon::Home,
    load::Sender,
    scenes::{ENDED, NOWHERE, STARTED, report, track},
};

/// Connections that webhooks come on.
const CONNECTIONS: u32 = 16;
/// What rules ask for.
const CONTEXT: &str = r#","context":{"plan":"gold","seat":7}"#;
/// Reloads over which webhooks are measured.
const ROUNDS: usize = 8;

pub(crate) async fn reload(
    binary: &Path,
    calls: usize,
    rules: usize,
    rate: u32,
) -> anyhow::Result<()> {
    let home = Home::new(NOWHERE, "100/min", "total = \"12h\"")?;
    let plain = home.config()?;
    let mut daemon = home.start(binary).await?;
    let (addr, mut tracked) = (daemon.addr, 0);
    for more in [calls / 4, calls / 2, calls] {
        track(&daemon, tracked..more, CONTEXT).await?;
        tracked = more;
        for rules in [rules / 10, rules, rules * 10] {
            // The first reads the field from the store.
            home.write(&with_rules(&plain, rules, "plan", 10))?;
            daemon.reload().await?;
            home.write(&with_rules(&plain, rules, "plan", 11))?;
            let took = daemon.reload().await?;
            report(&format!("seconds for {tracked} calls, {rules} rules"), took.as_secs_f64());
        }
    }
    home.write(&with_rules(&plain, rules, "seat", 10))?;
    let took = daemon.reload().await?;
    report("seconds where a new field is read", took.as_secs_f64());

    home.write(&with_rules(&plain, rules, "plan", 11))?;
    daemon.reload().await?;
    let (mut spans, mut busy, mut usual) = (Vec::new(), Vec::new(), Vec::new());
    // In turns, so that what else befalls the machine befalls both alike.
    for round in 0..ROUNDS {
        home.write(&with_rules(&plain, rules, "plan", 10 + round % 2))?;
        let (span, took) = load(addr, rate, daemon.reload()).await?;
        busy.extend(took);
        let resting = async {
            sleep(span).await;
            Ok(())
        };
        usual.extend(load(addr, rate, resting).await?.1);
        spans.push(span);
    }
    let all: Duration = spans.iter().sum();
    busy.sort_unstable();
    usual.sort_unstable();
    report("seconds for a reload under load", all.as_secs_f64() / ROUNDS as f64);
    for (part, name) in [(0.5, "p50"), (0.99, "p99"), (1.0, "max")] {
        let (usual, busy) = (at(&usual, part), at(&busy, part));
        report(&format!("webhook {name}, usual, ms"), usual * 1e3);
        report(&format!("webhook {name}, while reloading, ms"), busy * 1e3);
        report(&format!("webhook {name}, against usual"), busy / usual);
    }
    daemon.kill().await
}

/// A config with rules of which none but the last matches, and gives each call so many hours.
fn with_rules(config: &str, rules: usize, field: &str, hours: usize) -> String {
    let mut text = config.to_owned();
    for rule in 1..rules {
        write!(
            text,
            "[[rule]]\nname = \"rule {rule}\"\n\
             when = {{ direction = \"outbound\", to = [\"+49{rule}*\", \"+4915*{rule}\"], \
             context.{field} = \"plan-{rule}\" }}\nlimits = {{ total = \"9h\" }}\n"
        )
        .expect("writing to a String never fails");
    }
    text + &format!("[[rule]]\nname = \"the rest\"\nlimits = {{ total = \"{hours}h\" }}\n")
}

/// Webhooks at an even rate while `work` lasts: what it came to, and how long after it ought to have
/// been sent each was answered.
async fn load<T>(
    addr: SocketAddr,
    rate: u32,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(T, Vec<Duration>)> {
    let stop = Arc::new(AtomicBool::new(false));
    let (began, round) = (Instant::now(), fastrand::u32(..));
    let mut senders = JoinSet::new();
    for sender in 0..CONNECTIONS {
        let stop = Arc::clone(&stop);
        senders.spawn(async move {
            let mut connection = Sender::connect(addr).await?;
            let mut took = Vec::new();
            let mut due = began + Duration::from_secs(1) * sender / rate;
            for call in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                sleep_until(due).await;
                let id = format!("busy-{round:08x}-{sender}-{}", call / 2);
                let event = if call % 2 == 0 { STARTED } else { ENDED };
                let status = connection.send_with(&id, event, CONTEXT).await?;
                anyhow::ensure!(status == 200, "answered {status}");
                took.push(due.elapsed());
                due += Duration::from_secs(1) * CONNECTIONS / rate;
            }
            Ok(took)
        });
    }
    let worked = work.await?;
    stop.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    while let Some(took) = senders.join_next().await {
        all.extend(took??);
    }
    Ok((worked, all))
}

/// The time within which so large a part of them was answered, in seconds.
fn at(sorted: &[Duration], part: f64) -> f64 {
    let place = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(place.saturating_sub(1)).map_or(f64::NAN, Duration::as_secs_f64)
}
