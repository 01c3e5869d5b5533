//! `callwarden run` as a process.

use std::{
    net::SocketAddr,
    process::{Child, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::{
    Answer, ConfigFile, GLANCE, Home, Line, Metrics, PATIENCE, Request, Webhook, command::binary,
    config::secret, log::Log, webhook,
};

/// A running daemon.
///
/// A test ends it, by [`stop`](Self::stop), [`kill`](Self::kill) or [`exit_code`](Self::exit_code);
/// one that leaves it behind fails.
pub(crate) struct Daemon {
    child: Child,
    home: Home,
    log: Log,
    addr: SocketAddr,
    admin: Option<SocketAddr>,
    expected_errors: Vec<String>,
    is_over: bool,
}

impl Daemon {
    /// Starts one in a folder of its own and waits until it is ready.
    pub(crate) async fn start(config: ConfigFile) -> Self {
        Self::start_in(Home::new(), config).await
    }

    /// Starts one in that folder, on the store that is there, and waits until it is ready.
    pub(crate) async fn start_in(home: Home, config: ConfigFile) -> Self {
        let mut daemon = Self::spawn(home, config);
        let ready = daemon.log.until(|line| line.field("message") == "ready").await;
        assert!(ready.is_some(), "it did not start:\n{}", daemon.log.text());
        for line in daemon.log.lines() {
            let listen = line.field("listen").parse();
            match line.field("message") {
                "listening for the admin API" => daemon.admin = Some(listen.unwrap()),
                message if message.starts_with("listening for") => daemon.addr = listen.unwrap(),
                _ => {}
            }
        }
        assert_ne!(daemon.addr.port(), 0, "no line names the port:\n{}", daemon.log.text());
        daemon
    }

    /// Starts one and waits for nothing: for daemons that are not to come up.
    pub(crate) fn spawn(home: Home, config: ConfigFile) -> Self {
        let path = home.write(&config);
        let mut child = binary()
            .args(["run", "--log-format", "json", "--config"])
            .arg(path)
            .current_dir(home.path())
            .envs(config.env)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Log::follow(child.stderr.take().unwrap());
        Self {
            child,
            home,
            log,
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            admin: None,
            expected_errors: Vec::new(),
            is_over: false,
        }
    }

    /// Where webhooks, health and metrics are, by loopback.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where the admin API is.
    pub(crate) fn admin_addr(&self) -> SocketAddr {
        self.admin.expect("[admin] is in the config")
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A webhook to be sent here.
    pub(crate) fn webhook(&self) -> Webhook {
        Webhook::to(self.addr)
    }

    /// Posts a signed event of `agent-1` (`kind`: `phone_call_started`, …) and returns the result.
    pub(crate) async fn event(&self, kind: &str, call: &str) -> String {
        self.webhook().json(&webhook::event(kind, call)).send().await.result()
    }

    /// `GET` on the public listener.
    pub(crate) async fn get(&self, target: &str) -> Answer {
        Request::new("GET", target).send(self.addr).await
    }

    /// `/health`'s body, whatever its status.
    pub(crate) async fn health(&self) -> Value {
        self.get("/health").await.json()
    }

    pub(crate) async fn metrics(&self) -> Metrics {
        Metrics::parse(&self.get("/metrics").await.body)
    }

    /// `GET` on the admin API, with its token.
    pub(crate) async fn api(&self, target: &str) -> Answer {
        let bearer = format!("Bearer {}", secret("admin-token"));
        Request::new("GET", target).header("Authorization", bearer).send(self.admin_addr()).await
    }

    /// A call as the admin API shows it; null where it is unknown.
    pub(crate) async fn call(&self, id: &str) -> Value {
        let answer = self.api(&format!("/api/calls/{id}")).await;
        if answer.status == 404 { Value::Null } else { answer.json() }
    }

    /// Looks again and again until `is_so`; the test fails if that takes too long.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let looking = async {
            while !is_so().await {
                sleep(GLANCE).await;
            }
        };
        let seen = timeout(PATIENCE, looking).await;
        assert!(seen.is_ok(), "not in time: {what}; the log:\n{}", self.log.text());
    }

    /// Waits until a call has an outcome, which must be this one; returns the call.
    pub(crate) async fn until_outcome(&self, call: &str, outcome: &str) -> Value {
        let mut seen = Value::Null;
        self.until(&format!("{call} has an outcome"), async || {
            seen = self.call(call).await;
            seen["outcome"].is_string()
        })
        .await;
        assert_eq!(seen["outcome"], outcome, "{seen:#}");
        seen
    }

    /// Waits until a call is in a state (`live`, `stopping`, …); returns the call.
    pub(crate) async fn until_state(&self, call: &str, state: &str) -> Value {
        let mut seen = Value::Null;
        self.until(&format!("{call} is {state}"), async || {
            seen = self.call(call).await;
            seen["state"] == state
        })
        .await;
        seen
    }

    /// All lines of the log so far.
    pub(crate) fn log(&self) -> Vec<Line> {
        self.log.lines()
    }

    /// The log as it was written.
    pub(crate) fn log_text(&self) -> String {
        self.log.text()
    }

    /// Waits for a line that holds this text.
    pub(crate) async fn until_logged(&self, text: &str) -> Line {
        let line = self.log.until(|line| line.text.contains(text)).await;
        line.unwrap_or_else(|| panic!("it ended without a line {text:?}:\n{}", self.log.text()))
    }

    /// Announces ERROR lines that hold this text.
    pub(crate) fn expect_error(&mut self, text: &str) {
        self.expected_errors.push(text.to_owned());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// SIGTERM: it must end clean, with nothing left undone and no ERROR that was not announced.
    pub(crate) async fn stop(self) -> Home {
        self.signal(Signal::TERM);
        self.ended_clean().await
    }

    /// Waits for the clean end of a daemon that was told to stop.
    pub(crate) async fn ended_clean(self) -> Home {
        let home = self.home.clone();
        let log = self.log.clone();
        assert_eq!(self.exit_code().await, 0, "an unclean exit; the log:\n{}", log.text());
        home
    }

    /// kill -9.
    pub(crate) async fn kill(mut self) -> Home {
        self.signal(Signal::KILL);
        self.waited_for().await;
        self.judge_log();
        self.home.clone()
    }

    /// Waits until it ends by itself.
    pub(crate) async fn exit_code(mut self) -> i32 {
        let code = self.waited_for().await;
        self.judge_log();
        code.expect("it was ended by a signal")
    }

    /// Like [`exit_code`](Self::exit_code), with the log.
    pub(crate) async fn exit(self) -> (i32, Vec<Line>) {
        let log = self.log.clone();
        (self.exit_code().await, log.lines())
    }

    async fn waited_for(&mut self) -> Option<i32> {
        self.log.ended().await;
        let waiting = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status.code();
                }
                sleep(GLANCE).await;
            }
        };
        let ended = timeout(PATIENCE, waiting).await;
        self.is_over = ended.is_ok();
        ended.unwrap_or_else(|_| panic!("it closed stderr and lives on:\n{}", self.log.text()))
    }

    fn judge_log(&self) {
        let is_expected = |line: &Line| {
            self.expected_errors.iter().any(|expected| line.text.contains(expected.as_str()))
        };
        for line in self.log.lines() {
            let has_panicked = line.text.contains("panicked at");
            let unannounced = line.is_error() && !is_expected(&line);
            assert!(!has_panicked && !unannounced, "the log holds: {}", line.text);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // What matters is that nothing is left: how it ends is nobody's question any more.
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            let log = self.log.text();
            self.log_to_stderr(&log);
        } else {
            panic!("the test left its daemon behind: end it with stop(), kill() or exit_code()");
        }
    }
}

impl Daemon {
    #[expect(clippy::print_stderr, reason = "what the test runner shows of a failed test")]
    fn log_to_stderr(&self, log: &str) {
        eprintln!("the log of {}:\n{log}", self.addr);
    }
}
