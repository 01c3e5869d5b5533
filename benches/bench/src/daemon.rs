//! The daemon as a process: started, asked, killed.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    sync::mpsc,
    time::{Instant, timeout},
};

/// Sixteen bytes, the least that a secret may have.
pub(crate) const SECRET: &str = "0123456789abcdef";

/// A running daemon and its folder.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) addr: SocketAddr,
    /// What it logs once it is ready, and when that was read.
    messages: mpsc::UnboundedReceiver<(Instant, String)>,
}

/// A config in a folder of its own.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    /// A config with this platform, quota and limits, and more lines where they are wanted.
    pub(crate) fn new(platform: &str, requests: &str, limits: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n\
             [platform]\nbase_url = \"{platform}\"\ntoken = {{ env = \"BENCH_SECRET\" }}\n\
             requests = \"{requests}\"\n\
             [webhook]\nsecret = {{ env = \"BENCH_SECRET\" }}\n\
             [store]\nurl = \"sqlite:{}\"\n\
             [enforcement]\nreconcile_every = \"0s\"\n\
             [limits]\n{limits}\n",
            folder.path().join("calls.db").display()
        );
        let home = Self { folder };
        home.write(&config)?;
        Ok(home)
    }

    /// The config as it is.
    pub(crate) fn config(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.folder.path().join("callwarden.toml"))?)
    }

    /// Another config, for the next start or reload.
    pub(crate) fn write(&self, config: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.folder.path().join("callwarden.toml"), config)?)
    }

    /// The store's file.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("calls.db")
    }

    /// Starts the daemon, and waits until it says where it listens and that it is ready.
    pub(crate) async fn start(&self, binary: &Path) -> anyhow::Result<Daemon> {
        let mut child = Command::new(binary)
            .args(["run", "--log-format", "json", "--config"])
            .arg(self.folder.path().join("callwarden.toml"))
            .env("BENCH_SECRET", SECRET)
            .env("RUST_LOG", "callwarden=info,callwarden::engine::events=warn")
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started: build it first", binary.display()))?;
        let stderr = child.stderr.take().context("no stderr")?;
        let mut lines = BufReader::new(stderr).lines();
        let mut addr = None;
        while let Some(line) = lines.next_line().await? {
            let line: serde_json::Value = serde_json::from_str(&line)?;
            let message = line["message"].as_str().unwrap_or_default();
            if message.starts_with("listening for webhooks") {
                addr = line["listen"].as_str().and_then(|listen| listen.parse().ok());
            }
            if message == "ready" {
                let (told, messages) = mpsc::unbounded_channel();
                // Read on, so that a full pipe never holds the daemon up.
                tokio::task::spawn(async move {
                    while let Ok(Some(line)) = lines.next_line().await {
                        let line: serde_json::Value =
                            serde_json::from_str(&line).unwrap_or_default();
                        let message = line["message"].as_str().unwrap_or_default().to_owned();
                        // Nobody listens once the daemon's handle is gone.
                        told.send((Instant::now(), message)).ok();
                    }
                });
                let addr = addr.context("it never said where it listens")?;
                return Ok(Daemon { child, addr, messages });
            }
        }
        bail!("the daemon ended before it was ready")
    }
}

impl Daemon {
    /// kill -9.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    /// SIGHUP; says how long it took until the new policy had reached every call.
    pub(crate) async fn reload(&mut self) -> anyhow::Result<Duration> {
        while self.messages.try_recv().is_ok() {}
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        let began = Instant::now();
        kill_process(pid.context("it has ended")?, Signal::HUP)?;
        loop {
            let next = timeout(Duration::from_secs(300), self.messages.recv()).await?;
            let (at, message) = next.context("it ended")?;
            if message.contains("has reached every live call") {
                return Ok(at - began);
            }
            anyhow::ensure!(!message.contains("refused"), "{message}");
        }
    }

    /// User and system CPU time so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = self.proc("stat")?;
        let (_, fields) = stat.rsplit_once(')').context("an odd /proc/PID/stat")?;
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().unwrap_or_default())
            .sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Resident memory, in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        let status = self.proc("status")?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        let kilobytes: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kilobytes * 1024)
    }

    /// What a GET brings.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.addr).await?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        Ok(body.to_owned())
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        let pid = self.child.id().context("it has ended")?;
        Ok(std::fs::read_to_string(format!("/proc/{pid}/{file}"))?)
    }
}
