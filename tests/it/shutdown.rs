//! SIGTERM, and what systemd is told (spec §8, §12).

use std::{os::unix::net::UnixDatagram, time::Duration};

use callwarden::sim::Script;
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{Answer, ConfigFile, Daemon, Home, Platform, webhook_event};

const WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn what_is_in_flight_at_sigterm_is_answered_and_kept() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let bytes = daemon.webhook().json(&webhook_event("phone_call_started", "in-flight")).bytes();
    let (head, rest) = bytes.split_at(bytes.len() - 10);
    let mut stream = TcpStream::connect(daemon.addr()).await.unwrap();
    stream.write_all(head).await.unwrap();
    // Taken on once the daemon waits for the rest; only then is it told to stop.
    let metrics = daemon.metrics().await;
    assert!(metrics.value("process_start_time_seconds") > 0.0);
    daemon.signal(Signal::TERM);
    daemon.until_logged("asked to stop").await;
    stream.write_all(rest).await.unwrap();
    let mut answer = Vec::new();
    timeout(WITHIN, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!(Answer::parse(&answer).expect("an answer").result(), "tracked");
    let home = timeout(WITHIN, daemon.ended_clean()).await.expect("it ends within 10 s");
    let daemon = Daemon::start_in(home, ConfigFile::new()).await;
    assert_eq!(daemon.call("in-flight").await["state"], "live");
    daemon.stop().await;
}

#[tokio::test]
async fn a_stop_under_way_at_sigterm_is_carried_on_by_the_successor() {
    let sim = Platform::with_faults(&["hang,scope=end-call"]).await;
    let config = || {
        ConfigFile::new()
            .platform(&sim)
            .set("enforcement.reconcile_every", "0s")
            .set("platform.timeout", "30s")
            .set("limits.total", "500ms")
    };
    let daemon = Daemon::start(config()).await;
    sim.deliver_to(&daemon);
    let call = sim.place(Script::default());
    sim.until_end_calls(&call, 1).await;
    daemon.signal(Signal::TERM);
    let home = timeout(WITHIN, daemon.ended_clean()).await.expect("it ends within 10 s");
    sim.set_faults(Vec::new());
    let daemon = Daemon::start_in(home, config()).await;
    sim.deliver_to(&daemon);
    daemon.until_outcome(&call, "stopped").await;
    daemon.stop().await;
}

#[tokio::test]
async fn readyz_says_while_it_drains_that_it_does() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    assert_eq!(daemon.get("/readyz").await.body, "ok\n");
    // A connection that is open keeps its listener's word.
    let mut stream = TcpStream::connect(daemon.addr()).await.unwrap();
    let bytes = daemon.webhook().json(&webhook_event("phone_call_started", "open")).bytes();
    stream.write_all(&bytes[..20]).await.unwrap();
    daemon.get("/readyz").await;
    daemon.signal(Signal::TERM);
    daemon.until_logged("asked to stop").await;
    drop(stream);
    timeout(WITHIN, daemon.ended_clean()).await.expect("it ends within 10 s");
}

/// One datagram; the test fails if none comes.
fn told(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).expect("systemd is told in time");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// Datagrams until one says this.
fn told_until(socket: &UnixDatagram, word: &str) {
    while !told(socket).lines().any(|line| line == word) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemd_is_told_ready_watchdog_and_stopping() {
    let home = Home::new();
    let path = home.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    let config = ConfigFile::new()
        .env("NOTIFY_SOCKET", path.to_str().unwrap())
        .env("WATCHDOG_USEC", "600000");
    let daemon = Daemon::start_in(home, config).await;
    told_until(&socket, "READY=1");
    for _ in 0..3 {
        told_until(&socket, "WATCHDOG=1");
    }
    daemon.signal(Signal::TERM);
    told_until(&socket, "STOPPING=1");
    daemon.ended_clean().await;
}

/// It hears nothing: its queue holds a dozen words or so, and the thirteenth once held a thread up.
#[tokio::test]
async fn a_systemd_that_does_not_listen_holds_nothing_up() {
    let sim = Platform::start().await;
    let home = Home::new();
    let path = home.path().join("notify");
    let _deaf = UnixDatagram::bind(&path).unwrap();
    let config = ConfigFile::new()
        .platform(&sim)
        .set("limits.total", "2s")
        .env("NOTIFY_SOCKET", path.to_str().unwrap())
        .env("WATCHDOG_USEC", "40000");
    let daemon = Daemon::start_in(home, config).await;
    sim.deliver_to(&daemon);
    let call = sim.place(Script::default());
    daemon.until_logged("systemd could not be told").await;
    for n in 0..20 {
        assert_eq!(daemon.event("phone_call_started", &format!("call-{n}")).await, "tracked");
    }
    daemon.until_outcome(&call, "stopped").await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_store_never_starves_the_watchdog() {
    let home = Home::new();
    let path = home.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    let config = ConfigFile::new()
        .env("NOTIFY_SOCKET", path.to_str().unwrap())
        .env("WATCHDOG_USEC", "600000")
        .limitable();
    let mut daemon = Daemon::start_in(home, config).await;
    daemon.expect_error("the store fails");
    daemon.limit_files(Some(0));
    daemon.webhook().json(&webhook_event("phone_call_started", "one")).send().await;
    daemon.until_check("store", "fail").await;
    socket.set_nonblocking(true).unwrap();
    while socket.recv(&mut [0; 512]).is_ok() {}
    socket.set_nonblocking(false).unwrap();
    for _ in 0..3 {
        told_until(&socket, "WATCHDOG=1");
    }
    daemon.limit_files(None);
    daemon.until_check("store", "pass").await;
    daemon.stop().await;
}
