//! §8, §9: warnings that take minutes to come. The real daemon, store, platform and HTTP, within the
//! test's process and by a clock that the test puts ahead.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use callwarden::{
    config::parse,
    daemon::{self, Ended, sockets::Inherited},
    engine::clock::Clock,
    sim::{Script, Wait},
};
use serde_json::Value;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{
        ConfigFile, GLANCE, Home, PATIENCE, Platform, Request, SECRETS, Webhook, webhook_event,
    },
    seen::{listed, talking},
};

/// A daemon within this process.
struct Daemon {
    addr: SocketAddr,
    clock: Clock,
    stop: CancellationToken,
    ended: JoinHandle<Ended>,
    _home: Home,
}

impl Daemon {
    async fn start(config: ConfigFile) -> Self {
        let home = Home::new();
        let path = home.path().join("callwarden.toml");
        let at = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        // Its working directory is the test's.
        let config = SECRETS
            .iter()
            .fold(config.text(), |text, (name, _)| {
                text.replace(&format!("\"{name}\""), &format!("{:?}", at(name)))
            })
            .replace("sqlite:callwarden.db", &format!("sqlite:{}", at("callwarden.db")));
        let env = Arc::new(BTreeMap::<String, String>::new());
        let config = parse(&path, config, &*env).unwrap();
        let clock = Clock::to_put_ahead();
        let built =
            daemon::Daemon::build_on(config, env, clock.clone(), Inherited::default()).await;
        let built = built.unwrap();
        let (addr, stop) = (built.addr().unwrap(), CancellationToken::new());
        let (_, reloads) = mpsc::channel(1);
        #[expect(clippy::disallowed_methods, reason = "the daemon runs beside the test")]
        let ended = tokio::spawn(built.run(stop.clone(), reloads));
        Self { addr, clock, stop, ended, _home: home }
    }

    async fn check(&self, name: &str) -> Value {
        let health = Request::new("GET", "/health").send(self.addr).await;
        health.json()["checks"][name].clone()
    }

    /// Waits until a check has this status; returns it.
    async fn until_check(&self, name: &str, status: &str) -> Value {
        let mut check = Value::Null;
        let looking = async {
            loop {
                check = self.check(name).await;
                if check["status"] == status {
                    return;
                }
                sleep(GLANCE).await;
            }
        };
        let seen = timeout(PATIENCE, looking).await;
        assert!(seen.is_ok(), "{name} is not {status} in time: {check}");
        check
    }

    /// How many passes over the platform's calls were complete.
    async fn passes(&self) -> u64 {
        const COMPLETE: &str = "callwarden_reconcile_total{result=\"complete\"} ";
        let metrics = Request::new("GET", "/metrics").send(self.addr).await.body;
        let told = metrics.lines().find_map(|line| line.strip_prefix(COMPLETE));
        told.unwrap().parse().unwrap()
    }

    /// Waits until so many more passes were complete.
    async fn until_more_passes(&self, count: u64) {
        let wanted = self.passes().await + count;
        let looking = async {
            while self.passes().await < wanted {
                sleep(GLANCE).await;
            }
        };
        assert!(timeout(PATIENCE, looking).await.is_ok(), "no {count} more passes in time");
    }

    async fn stop(self) {
        self.stop.cancel();
        assert_eq!(self.ended.await.unwrap(), Ended::Clean);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_no_listing_shows_for_5_min_speak_of_a_foreign_token() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(listed(&sim)).await;
    // One call that the platform shows, and one of which webhooks alone tell.
    let url = format!("http://{}/webhooks/talkover/{{agent_id}}/{{event}}", daemon.addr);
    let secret = SECRETS.iter().find(|(name, _)| *name == "webhook-secret").unwrap().1;
    sim.set_webhook(Some(callwarden::sim::WebhookTarget::new(url, Some(secret))));
    sim.place_tracked(talking()).await;
    let event = webhook_event("phone_call_started", "elsewhere");
    assert_eq!(Webhook::to(daemon.addr).json(&event).send().await.result(), "tracked");
    daemon.until_more_passes(3).await;
    daemon.clock.put_ahead(Duration::from_secs(4 * 60));
    daemon.until_more_passes(2).await;
    assert_eq!(daemon.check("reconcile").await["status"], "pass");

    // In two steps, with passes between: the last one must not be a minute old itself.
    daemon.clock.put_ahead(Duration::from_secs(31));
    daemon.until_more_passes(2).await;
    daemon.clock.put_ahead(Duration::from_secs(31));
    let warned = daemon.until_check("reconcile", "warn").await;
    let message = warned["message"].as_str().unwrap();
    assert!(
        message.starts_with("1 live call") && message.contains("another environment"),
        "{message}"
    );

    // The right token shows the call.
    let script = Script { id: Some("elsewhere".to_owned()), silent: true, ..talking() };
    let call = sim.place(script);
    sim.until(Wait::Status { call, status: "answered".to_owned() }).await;
    daemon.until_check("reconcile", "pass").await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_complete_pass_is_told_of_once_it_is_too_old() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(listed(&sim)).await;
    daemon.until_more_passes(1).await;
    sim.fault("server-error,scope=lists");
    assert_eq!(daemon.check("reconcile").await["status"], "pass");
    // 3 × reconcile_every + 60 s.
    daemon.clock.put_ahead(Duration::from_millis(61_500));
    let warned = daemon.until_check("reconcile", "warn").await;
    let message = warned["message"].as_str().unwrap();
    assert!(message.contains("last listed completely 1m"), "{message}");
    sim.clear_fault("server-error");
    daemon.until_check("reconcile", "pass").await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_pass_that_never_completes_is_told_of_too() {
    let sim = Platform::with_faults(&["server-error,scope=lists"]).await;
    let daemon = Daemon::start(listed(&sim).set("enforcement.reconcile_every", "1m")).await;
    assert_eq!(daemon.check("reconcile").await["status"], "pass");
    daemon.clock.put_ahead(Duration::from_secs(3 * 60));
    assert_eq!(daemon.check("reconcile").await["status"], "pass");
    daemon.clock.put_ahead(Duration::from_secs(61));
    daemon.until_check("reconcile", "warn").await;
    daemon.stop().await;
}
