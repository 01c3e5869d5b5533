//! What is measured.

use std::{
    collections::HashSet,
    ops::Range,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use callwarden::sim::{Script, Sim, SimOptions, Wait, WebhookTarget};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    daemon::{Daemon, Home, SECRET},
    load::Sender,
};

pub(crate) const STARTED: &str = "event_phone_call_started";
pub(crate) const ENDED: &str = "event_phone_call_ended";
/// Nobody answers here, and nobody is asked.
pub(crate) const NOWHERE: &str = "http://127.0.0.1:9/api/v1";

/// Many deadlines within one second, a platform that answers at once.
pub(crate) async fn lateness(binary: &Path, calls: usize) -> anyhow::Result<()> {
    let sim = Sim::start(SimOptions::default()).await?;
    let home = Home::new(&sim.base_url(), "2000/s", "total = \"5s\"")?;
    let daemon = home.start(binary).await?;
    send_to(&sim, &daemon);
    let pause = Duration::from_secs(1) / u32::try_from(calls)?;
    for _ in 0..calls {
        sim.control().place(Script::default());
        tokio::time::sleep(pause).await;
    }
    let over = Wait::Over { count: calls };
    anyhow::ensure!(
        sim.control().wait(&over, Duration::from_secs(60)).await,
        "not every call was stopped"
    );
    let metrics = daemon.get("/metrics").await?;
    let buckets: Vec<(f64, u64)> = metrics
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix("callwarden_stop_lateness_seconds_bucket{le=\"")?;
            let (bound, count) = rest.split_once("\"} ")?;
            Some((bound.parse().unwrap_or(f64::INFINITY), count.parse().ok()?))
        })
        .collect();
    let all = buckets.last().context("no lateness was measured")?.1;
    let below = |part: f64| {
        let wanted = (part * all as f64).ceil() as u64;
        buckets.iter().find(|(_, count)| *count >= wanted).map_or(f64::NAN, |(bound, _)| *bound)
    };
    report("deadlines", all);
    report("lateness p50, at most ms", below(0.50) * 1e3);
    report("lateness p99, at most ms", below(0.99) * 1e3);
    report("lateness max, at most ms", below(1.0) * 1e3);
    daemon.kill().await?;
    sim.shutdown().await;
    Ok(())
}

/// As many webhooks as are answered durable.
pub(crate) async fn webhooks(
    binary: &Path,
    connections: usize,
    seconds: u64,
) -> anyhow::Result<()> {
    let home = Home::new(NOWHERE, "100/min", "total = \"1h\"")?;
    let daemon = home.start(binary).await?;
    let before = daemon.cpu()?;
    let began = Instant::now();
    let sent = Arc::new(AtomicU64::new(0));
    let until = began + Duration::from_secs(seconds);
    let mut senders = JoinSet::new();
    for sender in 0..connections {
        let (sent, addr) = (Arc::clone(&sent), daemon.addr);
        senders.spawn(async move {
            let mut connection = Sender::connect(addr).await?;
            for call in 0.. {
                let id = format!("call-{:08x}-{sender}-{call}", fastrand::u32(..));
                for event in [STARTED, "event_phone_call_connected", ENDED] {
                    let status = connection.send(&id, event).await?;
                    anyhow::ensure!(status == 200, "answered {status}");
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                if Instant::now() >= until {
                    break;
                }
            }
            Ok(())
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender??;
    }
    let sent = sent.load(Ordering::Relaxed);
    let took = began.elapsed().as_secs_f64();
    let cpu = daemon.cpu()?.saturating_sub(before);
    report("webhooks answered durable", sent);
    report("webhooks a second", sent as f64 / took);
    report("CPU µs a webhook", cpu.as_micros() as f64 / sent as f64);
    daemon.kill().await
}

/// Many live calls: what each costs, and how soon they are back after a kill.
pub(crate) async fn calls(binary: &Path, calls: usize) -> anyhow::Result<()> {
    let home = Home::new(NOWHERE, "100/min", "total = \"12h\"")?;
    let daemon = home.start(binary).await?;
    let empty = daemon.memory()?;
    track(&daemon, 0..calls, "").await?;
    let full = daemon.memory()?;
    report("live calls", calls);
    report("bytes of memory a live call", full.saturating_sub(empty) as f64 / calls as f64);
    daemon.kill().await?;
    let began = Instant::now();
    let daemon = home.start(binary).await?;
    report("seconds from start to ready", began.elapsed().as_secs_f64());
    report(
        "bytes of memory a live call, loaded",
        (daemon.memory()?.saturating_sub(empty)) as f64 / calls as f64,
    );
    report("megabytes of store", std::fs::metadata(home.store())?.len() as f64 / 1e6);
    daemon.kill().await
}

/// Begins the calls of these numbers, `more` in the body of each.
pub(crate) async fn track(
    daemon: &Daemon,
    calls: Range<usize>,
    more: &'static str,
) -> anyhow::Result<()> {
    const CONNECTIONS: usize = 64;
    let mut senders = JoinSet::new();
    for sender in 0..CONNECTIONS {
        let (addr, calls) = (daemon.addr, calls.clone());
        senders.spawn(async move {
            let mut connection = Sender::connect(addr).await?;
            for call in calls.skip(sender).step_by(CONNECTIONS) {
                let id = format!("{:08x}-0000-4000-8000-{call:012x}", fastrand::u32(..));
                let status = connection.send_with(&id, STARTED, more).await?;
                anyhow::ensure!(status == 200, "answered {status}");
            }
            Ok(())
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender??;
    }
    Ok(())
}

/// kill -9 under load, again and again: what was answered 2xx must be in the store.
pub(crate) async fn kills(binary: &Path, kills: usize) -> anyhow::Result<()> {
    let home = Home::new(NOWHERE, "100/min", "total = \"12h\"")?;
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for round in 0..kills {
        let daemon = home.start(binary).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut senders = JoinSet::new();
        for sender in 0..16 {
            let (acknowledged, stop, addr) =
                (Arc::clone(&acknowledged), Arc::clone(&stop), daemon.addr);
            senders.spawn(async move {
                let Ok(mut connection) = Sender::connect(addr).await else { return };
                for call in 0.. {
                    let id = format!("round-{round}-{sender}-{call}");
                    match connection.send(&id, STARTED).await {
                        Ok(200) => acknowledged.lock().expect("no sender panics").push(id),
                        Ok(_) | Err(_) => return,
                    }
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(50..600))).await;
        daemon.kill().await?;
        stop.store(true, Ordering::Relaxed);
        senders.join_all().await;
    }
    // Opened once more by the daemon, as after any crash; then counted in the file itself.
    home.start(binary).await?.kill().await?;
    let store = rusqlite::Connection::open(home.store())?;
    let mut rows = store.prepare("SELECT id FROM calls")?;
    let stored: HashSet<String> =
        rows.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let acknowledged = acknowledged.lock().expect("no sender panics");
    report("kills", kills);
    report("webhooks answered 2xx", acknowledged.len());
    report("of those lost", acknowledged.iter().filter(|id| !stored.contains(*id)).count());
    Ok(())
}

/// A burst of stops through ten requests a second, at a platform that counts as strictly.
pub(crate) async fn burst(binary: &Path, calls: usize) -> anyhow::Result<()> {
    let limit = "rate-limit=10/1s,reset=laravel";
    let faults = vec![limit.parse()?];
    let sim = Sim::start(SimOptions { faults, ..SimOptions::default() }).await?;
    let home = Home::new(&sim.base_url(), "10/s", "total = \"6s\"")?;
    let daemon = home.start(binary).await?;
    send_to(&sim, &daemon);
    let began = Instant::now();
    for _ in 0..calls {
        sim.control().place(Script::default());
    }
    let over = Wait::Over { count: calls };
    anyhow::ensure!(
        sim.control().wait(&over, Duration::from_secs(300)).await,
        "not every call was stopped"
    );
    let requests = sim.control().requests();
    let refused = requests.iter().filter(|request| request.status == Some(429)).count();
    report("stops", calls);
    let ideal = 6.0 + (calls as f64 / 10.0 - 1.0).max(0.0);
    report("seconds to the last", began.elapsed().as_secs_f64());
    report("against a perfect scheduler", began.elapsed().as_secs_f64() / ideal);
    report("refused by 429", refused);
    report("requests a stop", requests.len() as f64 / calls as f64);
    daemon.kill().await?;
    sim.shutdown().await;
    Ok(())
}

fn send_to(sim: &Sim, daemon: &Daemon) {
    let url = format!("http://{}/webhooks/talkover/{{agent_id}}/{{event}}", daemon.addr);
    sim.control().set_webhook(Some(WebhookTarget::new(url, Some(SECRET))));
}

#[expect(clippy::print_stdout, reason = "the one place that tells")]
pub(crate) fn report(what: &str, value: impl std::fmt::Display) {
    println!("{what:<40} {value}");
}
