//! Daemon and platform, put together in a temporary directory: ports that the system picks, secrets
//! in files, webhooks signed.

use std::{
    collections::HashMap,
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tempfile::TempDir;

use super::{
    Daemon,
    cast::Cast,
    judge::{EndedBy, Happened, Record},
    scene::{Scene, Seen},
    summary::Proofs,
};
use crate::{
    config::{Config, ProcessEnv, parse},
    engine::Engine,
    model::{
        event::EventKind,
        health::Health,
        ids::CallId,
        policy::Limits,
        time::{Mono, Wall},
        view::{HistoryFilter, OUTCOMES},
    },
    sim::{self, Sim, SimOptions, WebhookTarget},
};

/// What the demo plays on.
pub(super) struct Stage {
    /// Deleted with all that is in it when the stage is.
    folder: TempDir,
    sim: Sim,
    engine: Engine,
    limits: Limits,
    daemon_url: String,
    admin_url: String,
    began: Mono,
}

const TOKEN: &str = "platform-token";
const SECRET: &str = "webhook-secret";
const ADMIN_TOKEN: &str = "admin-token";

impl Stage {
    /// Starts the platform and builds the daemon, which is yet to run.
    pub(super) async fn set(cast: &Cast) -> anyhow::Result<(Self, Daemon)> {
        let folder = TempDir::with_prefix("callwarden-demo-").context("no temporary directory")?;
        let token = write_secret(&folder.path().join(TOKEN))?;
        let secret = write_secret(&folder.path().join(SECRET))?;
        write_secret(&folder.path().join(ADMIN_TOKEN))?;
        let faults = cast.faults();
        let sim = Sim::start(SimOptions {
            token: Some(token),
            faults: faults.iter().map(|fault| fault.parse()).collect::<Result<_, _>>()?,
            ..SimOptions::default()
        })
        .await
        .context("the simulated platform cannot be started")?;

        let config = config(cast, folder.path(), &sim.base_url())?;
        let limits = config.limits.clone();
        let daemon = Daemon::build(config, Arc::new(ProcessEnv)).await?;
        let daemon_url = format!("http://{}", daemon.addr()?);
        let admin = daemon.admin_addr()?.context("the admin API is off")?;
        let hooks = format!("{daemon_url}/webhooks/talkover/{{agent_id}}/{{event}}");
        sim.control().set_webhook(Some(WebhookTarget::new(hooks, Some(&secret))));
        let engine = daemon.engine().clone();
        let stage = Self {
            folder,
            sim,
            limits,
            daemon_url,
            admin_url: format!("http://{admin}"),
            began: engine.clock().now().mono,
            engine,
        };
        Ok((stage, daemon))
    }

    /// Places every call; each begins when its time has come.
    pub(super) fn begin(&self, cast: &Cast) {
        let control = self.sim.control();
        cast.parts().iter().for_each(|part| drop(control.place(part.script.clone())));
    }

    /// How things stand now. Of calls that were over `before` nothing new is expected.
    pub(super) async fn look(&self, cast: &Cast, before: &[Seen]) -> anyhow::Result<Scene> {
        let control = self.sim.control();
        let over = |number| before.iter().find(|seen| seen.number == number && seen.is_over());
        let mut calls = Vec::new();
        // In order of creation, which is that of the cast.
        for (n, call) in control.calls().iter().take(cast.parts().len()).enumerate() {
            if let Some(seen) = over(n + 1) {
                calls.push(seen.clone());
            } else if call.dialled_at.is_some() {
                // What was not dialled yet is nothing that callwarden could know.
                let view = self.engine.call(&CallId::parse(&call.id)?).await?;
                let title = cast.parts()[n].title;
                calls.extend(view.map(|view| Seen { number: n + 1, title, view: view.into() }));
            }
        }
        let vitals = self.engine.vitals();
        let health = Health::of(&vitals);
        let trouble =
            health.checks.named().into_iter().find_map(|(_, check)| check.message.clone());
        Ok(Scene {
            at: vitals.now.mono.since(self.began),
            lasts: cast.lasts(),
            now: vitals.now.wall,
            planned: cast.parts().len(),
            calls,
            limits: self.limits.clone(),
            health: health.status,
            trouble,
            webhooks: control.deliveries().iter().filter(|it| it.is_acknowledged()).count(),
        })
    }

    /// What became of each call, by what the platform saw; and which outcome callwarden tells.
    pub(super) fn records(&self, cast: &Cast, scene: &Scene) -> Vec<Record> {
        let control = self.sim.control();
        let requests = control.requests();
        let mut told = HashMap::new();
        for delivery in control.deliveries().into_iter().filter(|it| it.is_acknowledged()) {
            let at = wall(delivery.answered_at.unwrap_or(delivery.at));
            told.entry((delivery.call, delivery.event)).or_insert(at);
        }
        let record = |(n, part): (usize, &super::cast::Part)| {
            let call = control.call(&part.id)?;
            let asked = requests.iter().filter(|request| {
                request.endpoint == "end-call" && request.call.as_ref() == Some(&call.id)
            });
            let seen = scene.calls.iter().find(|seen| seen.number == n + 1);
            Some(Record {
                name: format!("#{:02} {}", n + 1, part.title),
                events: call.events.iter().filter_map(|it| happened(it, &call.id, &told)).collect(),
                ended: call.ended_at.zip(call.ended_by).map(|(at, by)| (wall(at), ended_by(by))),
                requests: asked.map(|request| wall(request.at)).collect(),
                outcome: seen.and_then(|seen| seen.view.summary.outcome),
            })
        };
        cast.parts().iter().enumerate().filter_map(record).collect()
    }

    /// What callwarden's store holds of all that.
    pub(super) async fn proofs(&self) -> anyhow::Result<Proofs> {
        let all = HistoryFilter { outcome: None, since: None, limit: 1000, after: None };
        let history = self.engine.history(all).await?.calls;
        let confirmed = |by| history.iter().filter(|call| call.confirmed_by == Some(by)).count();
        let outcomes = OUTCOMES.map(|outcome| {
            (
                outcome,
                history.iter().filter(|call| call.call.summary.outcome == Some(outcome)).count(),
            )
        });
        Ok(Proofs {
            outcomes: outcomes.into_iter().filter(|(_, calls)| *calls > 0).collect(),
            by_webhook: confirmed("webhook"),
            by_lookup: confirmed("lookup"),
            store_bytes: self.bytes_of("callwarden.db"),
            wal_bytes: self.bytes_of("callwarden.db-wal"),
        })
    }

    /// Whether all is written that is known.
    pub(super) fn is_flushed(&self) -> bool {
        self.engine.is_flushed()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn daemon_url(&self) -> &str {
        &self.daemon_url
    }

    pub(super) fn admin_url(&self) -> &str {
        &self.admin_url
    }

    pub(super) fn platform_url(&self) -> String {
        format!("http://{}", self.sim.addr())
    }

    pub(super) fn admin_token_path(&self) -> PathBuf {
        self.folder.path().join(ADMIN_TOKEN)
    }

    /// Ends the platform and deletes the directory.
    pub(super) async fn leave(self) {
        self.sim.shutdown().await;
    }

    fn bytes_of(&self, file: &str) -> u64 {
        fs::metadata(self.folder.path().join(file)).map_or(0, |file| file.len())
    }
}

fn config(cast: &Cast, folder: &Path, base_url: &str) -> anyhow::Result<Config> {
    let path = |name: &str| quoted(&folder.join(name).display().to_string());
    let limits: String = cast
        .limits()
        .map(|(key, limit)| format!("{key} = \"{}\"\n", humantime::format_duration(limit)))
        .collect();
    let text = format!(
        "[server]\n\
         listen = \"127.0.0.1:0\"\n\
         [admin]\n\
         listen = \"127.0.0.1:0\"\n\
         token = {{ file = {} }}\n\
         [platform]\n\
         base_url = {}\n\
         token = {{ file = {} }}\n\
         requests = \"{}/min\"\n\
         [webhook]\n\
         secret = {{ file = {} }}\n\
         [store]\n\
         url = {}\n\
         [enforcement]\n\
         confirm_within = \"{}\"\n\
         [limits]\n\
         {limits}",
        path(ADMIN_TOKEN),
        quoted(base_url),
        path(TOKEN),
        600.max(10 * cast.parts().len()),
        path(SECRET),
        quoted(&format!("sqlite:{}", folder.join("callwarden.db").display())),
        humantime::format_duration(cast.confirm_within()),
    );
    let file = folder.join("callwarden.toml");
    fs::write(&file, &text)?;
    Ok(parse(&file, text, &ProcessEnv)?)
}

/// `text` as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn write_secret(path: &Path) -> anyhow::Result<String> {
    let secret = format!("{:032x}", fastrand::u128(..));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())?;
    Ok(secret)
}

fn wall(at: sim::Micros) -> Wall {
    Wall(i64::try_from(at).unwrap_or(i64::MAX))
}

/// When which event of which call was acknowledged first.
type Told = HashMap<(String, String), Wall>;

/// An event with its time as the platform's webhooks tell it: to the millisecond, cut.
fn happened(emitted: &sim::Emitted, call: &str, told: &Told) -> Option<Happened> {
    let kind = EventKind::from_short_name(emitted.event.strip_prefix("event_")?)?;
    let cut = Duration::from_micros(emitted.at % 1000);
    let told = told.get(&(call.to_owned(), emitted.event.clone())).copied();
    Some(Happened { at: wall(emitted.at).before(cut), kind, told })
}

fn ended_by(by: sim::EndedBy) -> EndedBy {
    match by {
        sim::EndedBy::EndCall => EndedBy::Request,
        sim::EndedBy::Script | sim::EndedBy::Caller => EndedBy::Itself,
    }
}
