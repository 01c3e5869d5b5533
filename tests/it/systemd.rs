//! Spec §12: what systemd passes and what it is told; here the test plays systemd.

mod load;

use std::{
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use tokio::time::timeout;

use self::load::{Load, Target};
use crate::harness::{Authority, ConfigFile, Daemon, Home, PATIENCE, Request, with_tls};

/// The sockets that systemd holds open, whatever becomes of the daemon.
struct Sockets {
    webhook: TcpListener,
    admin: TcpListener,
}

impl Sockets {
    fn open() -> Self {
        let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
        Self { webhook: bind(), admin: bind() }
    }

    fn webhook(&self) -> SocketAddr {
        self.webhook.local_addr().unwrap()
    }

    fn admin(&self) -> SocketAddr {
        self.admin.local_addr().unwrap()
    }

    /// Passes both to `command`, which must be the one to know its own process id: a shell that
    /// moves them from where a child is given descriptors to where they are looked for.
    fn passed_to(&self, command: &Command) -> Command {
        let moved = "exec 3<&0 4<&1 0</dev/null 1>/dev/null; \
                     LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=webhook:admin exec \"$0\" \"$@\"";
        let copy = |socket: &TcpListener| OwnedFd::from(socket.try_clone().unwrap());
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(moved).arg(command.get_program()).args(command.get_args()).env_clear();
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(command.get_current_dir().unwrap());
        shell.stdin(copy(&self.webhook)).stdout(copy(&self.admin)).stderr(Stdio::piped());
        shell
    }

    async fn start(&self, home: Home, config: ConfigFile) -> Daemon {
        Daemon::start_as(home, config, |command| self.passed_to(&command)).await
    }
}

/// Where the daemon tells how it is.
struct Notified(tokio::net::UnixDatagram);

impl Notified {
    fn listen(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self(tokio::net::UnixDatagram::from_std(socket).unwrap())
    }

    /// The next word.
    async fn next(&self) -> String {
        let mut word = vec![0; 4096];
        let told = timeout(PATIENCE, self.0.recv(&mut word)).await;
        word.truncate(told.expect("told in time").unwrap());
        String::from_utf8(word).unwrap()
    }

    /// Waits for a word that begins so; returns those before it.
    async fn until(&self, beginning: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let word = self.next().await;
            if word.starts_with(beginning) {
                return before;
            }
            before.push(word);
        }
    }
}

#[tokio::test]
async fn systemd_hears_of_readiness_standing_and_end() {
    let home = Home::new();
    let path = home.path().join("notify");
    let notified = Notified::listen(&path);
    let config = ConfigFile::new()
        .env("NOTIFY_SOCKET", path.to_str().unwrap())
        .env("WATCHDOG_USEC", "200000");
    let daemon = Daemon::start_in(home, config).await;

    let before = notified.until("READY=1\n").await;
    assert_eq!(before[0], "STATUS=waiting for the store, then loading its calls\n");
    notified.until("STATUS=0 calls, 0 stops under way; ").await;
    notified.until("WATCHDOG=1\n").await;
    assert_eq!(daemon.event("phone_call_started", "c1").await, "tracked");
    notified.until("STATUS=1 call, 0 stops under way; ").await;
    notified.until("WATCHDOG=1\n").await;

    daemon.stop().await;
    let last = notified.until("STOPPING=1\n").await;
    assert!(!last.contains(&"READY=1\n".to_owned()), "{last:?}");
    notified.until("STATUS=draining").await;
}

#[tokio::test]
async fn listeners_that_are_passed_replace_those_of_the_config() {
    let sockets = Sockets::open();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let occupied = taken.local_addr().unwrap().to_string();
    // Were it bound all the same, the daemon would end with 71.
    let config = ConfigFile::new().set("server.listen", occupied.clone());
    let daemon = sockets.start(Home::new(), config).await;
    assert_eq!(daemon.addr(), sockets.webhook());
    assert_eq!(daemon.admin_addr(), sockets.admin());
    let told = daemon.until_logged("server.listen is not used").await;
    assert_eq!(told.field("level"), "WARN");
    assert_eq!(told.field("configured"), occupied);
    assert_eq!(daemon.event("phone_call_started", "c1").await, "tracked");
    assert_eq!(daemon.call("c1").await["state"], "live");
    daemon.stop().await;

    // They outlive the daemon; what comes between waits.
    let target = Target::Webhook(sockets.webhook());
    let waiting = target.ask(2);
    let home = Home::new();
    let starting = async {
        let daemon = sockets.start(home, ConfigFile::new()).await;
        daemon.until_state("c2", "live").await;
        daemon
    };
    let (answered, daemon) = tokio::join!(waiting, starting);
    assert_eq!(answered, Some(200));
    daemon.stop().await;
}

#[tokio::test]
async fn what_is_passed_without_use_is_told() {
    let sockets = Sockets::open();
    let daemon = sockets.start(Home::new(), ConfigFile::new().remove("admin")).await;
    let told = daemon.until_logged("systemd passes the listener admin").await;
    assert!(told.text.contains("callwarden-admin.socket"), "{}", told.text);
    daemon.stop().await;
}

#[tokio::test]
async fn sockets_for_the_world_are_refused_where_the_config_says_loopback() {
    let sockets = Sockets { webhook: TcpListener::bind("0.0.0.0:0").unwrap(), ..Sockets::open() };
    let launched = |command| sockets.passed_to(&command);
    let mut daemon = Daemon::launch(Home::new(), ConfigFile::new(), launched);
    daemon.expect_error("cannot start");
    let (code, log) = daemon.exit().await;
    assert_eq!(code, 71);
    assert!(log.iter().any(|line| line.text.contains("ListenStream=")), "{log:?}");
}

/// Five restarts while both listeners are asked; what each of the loads came to.
async fn restarts_under_load(
    sockets: &Sockets,
    home: Home,
    config: ConfigFile,
    targets: [Target; 2],
) -> (Daemon, [load::Done; 2]) {
    let mut home = home;
    let mut daemon = sockets.start(home, config.clone()).await;
    let [first, second] = targets.map(|target| Load::begin(target, 200));
    for _ in 0..5 {
        tokio::join!(first.more(100), second.more(100));
        home = daemon.stop().await;
        daemon = sockets.start(home, config.clone()).await;
    }
    tokio::join!(first.more(100), second.more(100));
    let done = tokio::join!(first.end(), second.end());
    (daemon, done.into())
}

/// The figure of the issue: five restarts at 200 webhooks a second, and as many questions of
/// operators.
#[tokio::test]
async fn a_restart_under_load_refuses_no_webhook_and_no_operator() {
    let sockets = Sockets::open();
    let targets = [Target::Webhook(sockets.webhook()), Target::Admin(sockets.admin())];
    let (daemon, done) =
        restarts_under_load(&sockets, Home::new(), ConfigFile::new(), targets).await;
    for load in &done {
        assert!(load.sent >= 600, "{done:?}");
        assert_eq!(load.refused, 0, "{done:?}");
    }
    let tracked = daemon.metrics().await.value("callwarden_calls{state=\"live\"}");
    assert_eq!(tracked, f64::from(done[0].sent), "{done:?}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_restart_under_load_refuses_nobody_by_tls_either() {
    let sockets = Sockets::open();
    let authority = Arc::new(Authority::new());
    let home = Home::new();
    authority.issue(&home);
    let secure = Target::Secure(sockets.webhook(), Arc::clone(&authority));
    let targets = [secure, Target::Admin(sockets.admin())];
    let config = with_tls(ConfigFile::new());
    let (daemon, done) = restarts_under_load(&sockets, home, config, targets).await;
    for load in &done {
        assert!(load.sent >= 600, "{done:?}");
        assert_eq!(load.refused, 0, "{done:?}");
    }
    let health = Request::new("GET", "/health");
    let calls = authority.send(&health, sockets.webhook()).await.json()["calls"]["live"].clone();
    assert_eq!(calls, done[0].sent, "{done:?}");
    daemon.stop().await;
}
