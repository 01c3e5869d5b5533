//! The run: who calls, and what goes wrong when.
//!
//! The quota is such that the run can be won: 1,000 calls in 45 s, of which some 650 outstay, are
//! 15 stops a second, and one in 14 is asked twice for the platform's faults. A request counts until
//! a second after its answer, so where answers take half a second 60/s lets 40 leave each second. At
//! least half of them are first ones: enough for those 15, and for the 100 calls that a storm and its
//! pause, or a kill and the listing after it, leave behind.

use std::{fs, path::Path, time::Duration};

use callwarden::sim::{Control, Micros, Script, Wait};
use jiff::Timestamp;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::history::{History, What};
use crate::{
    harness::{ConfigFile, Daemon, Platform},
    seen::{SECOND, move_webhook, set_up_webhook},
};

const SEED: u64 = 4;
const CALLS: u64 = 1_000;
const PLACED_WITHIN: Duration = Duration::from_secs(45);
const LIMIT: Duration = Duration::from_secs(6);
const TIMEOUT: Duration = Duration::from_secs(2);
const QUOTA: usize = 60;
const AGENTS: [&str; 3] = ["agent-1", "agent-2", "agent-3"];
const TOKEN: &str = "talq_rotated-0123456789abcdef";
const STORM: &str = "rate-limit=0/3s,hint=body";

/// What goes wrong all the time.
const ALWAYS: [&str; 6] = [
    "webhooks-lost=0.1",
    "webhooks-late=2s..12s,chance=0.1",
    "webhooks-doubled=0.05",
    "server-error=0.05",
    "hang=0.02",
    "error-shape",
];

/// What happens once, and when.
#[derive(Clone, Copy, Debug)]
enum Turn {
    StormBegins,
    StormEnds,
    NewToken,
    Kill,
}

const PLAN: [(u64, Turn); 6] = [
    (10, Turn::StormBegins),
    (13, Turn::StormEnds),
    (20, Turn::NewToken),
    (28, Turn::StormBegins),
    (31, Turn::StormEnds),
    (36, Turn::Kill),
];

/// Where the history is written, and the logs.
pub(super) fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// Runs it all and tells what happened.
pub(super) async fn run() -> History {
    let sim = Platform::with_faults(&[]).await;
    let config = config(&sim);
    let mut stage = Stage {
        daemon: Some(Daemon::start(config.clone()).await),
        config,
        webhooks: Vec::new(),
        history: History::default(),
        logs: Vec::new(),
        sim,
    };
    stage.set_up().await;
    let began = now();
    let mut plan = PLAN.into_iter().map(|(after, turn)| (Duration::from_secs(after), turn));
    let mut next = plan.next();
    let mut rng = fastrand::Rng::with_seed(SEED);
    for nth in 0..CALLS {
        let due = PLACED_WITHIN.mul_f64(nth as f64 / CALLS as f64);
        while let Some((after, turn)) = next.filter(|(after, _)| *after <= due) {
            sleep_until(began + after).await;
            stage.take(turn).await;
            next = plan.next();
        }
        sleep_until(began + due).await;
        stage.sim.place(script(&mut rng));
    }
    stage.finish().await
}

#[expect(clippy::disallowed_methods, reason = "the run keeps its own time, and judges by none")]
fn now() -> Instant {
    Instant::now()
}

fn config(sim: &Platform) -> ConfigFile {
    ConfigFile::new()
        .platform(sim)
        .set("platform.requests", format!("{QUOTA}/s"))
        .set("platform.timeout", format!("{}s", TIMEOUT.as_secs()))
        .set("limits.total", format!("{}s", LIMIT.as_secs()))
        .set("enforcement.confirm_within", "2s")
        .set("enforcement.reconcile_every", "2s")
}

/// Six in ten outstay; the others end by themselves, some of them at about their deadline.
fn script(rng: &mut fastrand::Rng) -> Script {
    let lasts = match rng.u32(..10) {
        0..6 => None,
        6..9 => Some("500ms..4s"),
        _ => Some("4s..7s"),
    };
    Script {
        agent: AGENTS[rng.usize(..AGENTS.len())].to_owned(),
        rings: "50ms..900ms".parse().unwrap(),
        talks_after: rng.bool().then(|| "0s..1s".parse().unwrap()),
        lasts: lasts.map(|lasts| lasts.parse().unwrap()),
        ..Script::default()
    }
}

struct Stage {
    sim: Platform,
    config: ConfigFile,
    daemon: Option<Daemon>,
    webhooks: Vec<(&'static str, String)>,
    history: History,
    /// What the daemons wrote, to be read when something is wrong.
    logs: Vec<String>,
}

impl Stage {
    async fn set_up(&mut self) {
        let rules = What::Began {
            limit: Micros::try_from(LIMIT.as_micros()).unwrap(),
            quota: QUOTA,
            span: SECOND,
            timeout: Micros::try_from(TIMEOUT.as_micros()).unwrap(),
        };
        self.note(rules);
        self.note(What::ProcessUp);
        let url = self.url();
        for agent in AGENTS {
            self.webhooks.push((agent, set_up_webhook(&self.sim, agent, &url).await));
        }
        for fault in ALWAYS {
            self.sim.fault(fault);
            self.note(What::FaultBegan { fault: fault.to_owned() });
        }
    }

    async fn take(&mut self, turn: Turn) {
        match turn {
            Turn::StormBegins => {
                self.sim.fault(STORM);
                self.note(What::FaultBegan { fault: STORM.to_owned() });
            }
            Turn::StormEnds => {
                self.sim.clear_fault("rate-limit");
                self.note(What::FaultEnded { fault: STORM.to_owned() });
            }
            Turn::NewToken => {
                let home = self.daemon.as_ref().unwrap().home().clone();
                fs::write(home.path().join("token.new"), TOKEN).unwrap();
                self.sim.set_token(Some(TOKEN.to_owned()));
                self.note(What::FaultBegan { fault: "another token".to_owned() });
                fs::rename(home.path().join("token.new"), home.path().join("platform-token"))
                    .unwrap();
                self.note(What::FaultEnded { fault: "another token".to_owned() });
            }
            Turn::Kill => {
                let daemon = self.daemon.take().unwrap();
                self.logs.push(daemon.log_text());
                let home = daemon.kill().await;
                self.note(What::ProcessDown);
                self.daemon = Some(Daemon::start_in(home, self.config.clone()).await);
                self.note(What::ProcessUp);
                let url = self.url();
                for (agent, webhook) in &self.webhooks {
                    move_webhook(&self.sim, agent, webhook, TOKEN, &url).await;
                }
            }
        }
    }

    /// Waits until all is over, by the books too, and collects what happened.
    async fn finish(mut self) -> History {
        let all = Wait::Over { count: usize::try_from(CALLS).unwrap() };
        // Should that not be in time, the checker says which calls are left.
        self.sim.wait(&all, Duration::from_secs(35)).await;
        let daemon = self.daemon.take().unwrap();
        let live = async || daemon.api("/api/calls?limit=1").await.json()["calls"].take();
        daemon.until("every call has an outcome", async || live().await == json!([])).await;
        self.note(What::Ended);
        self.logs.push(daemon.log_text());
        let daemon = Daemon::start_in(daemon.stop().await, self.config.clone()).await;
        self.take_books(&daemon).await;
        daemon.stop().await;
        fs::write(folder().join("mixed-daemon.jsonl"), self.logs.concat()).unwrap();
        let sim: &Control = &self.sim;
        self.history.take_in(sim);
        self.history
    }

    /// Notes what the daemon's books say became of each call.
    async fn take_books(&mut self, daemon: &Daemon) {
        let mut next = "/api/history?limit=1000".to_owned();
        loop {
            let page = daemon.api(&next).await.json();
            for call in page["calls"].as_array().unwrap() {
                let mut latest_first = call["history"].as_array().unwrap().iter().rev();
                let at = latest_first.find(|entry| entry["what"] == "ended").unwrap();
                let at: Timestamp = at["at"].as_str().unwrap().parse().unwrap();
                let outcome = serde_json::from_value(call["outcome"].clone()).unwrap();
                let id = call["id"].as_str().unwrap().to_owned();
                let at = Micros::try_from(at.as_microsecond()).unwrap();
                self.history.note(at, What::Booked { call: id, outcome });
            }
            let Some(after) = page["next"].as_str() else { return };
            next = format!("/api/history?limit=1000&after={after}");
        }
    }

    fn url(&self) -> String {
        let addr = self.daemon.as_ref().unwrap().addr();
        format!("http://{addr}/webhooks/talkover/{{agent_id}}/{{event}}")
    }

    fn note(&mut self, what: What) {
        let now = Timestamp::now().as_microsecond();
        self.history.note(Micros::try_from(now).unwrap(), what);
    }
}
