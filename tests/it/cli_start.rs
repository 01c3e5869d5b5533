//! §2: how `run`, `healthcheck` and `sim` start, and how they do not.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Command, ConfigFile, Daemon, Home, Request, binary};

#[tokio::test]
async fn a_listener_that_cannot_be_opened_is_code_71() {
    for key in ["server.listen", "admin.listen"] {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = taken.local_addr().unwrap().to_string();
        let config = ConfigFile::new().set(key, listen.as_str());
        let mut daemon = Daemon::spawn(Home::new(), config);
        daemon.expect_error("cannot start");
        let (code, log) = daemon.exit().await;
        assert_eq!(code, 71);
        let line = log.iter().find(|line| line.is_error()).unwrap();
        for told in [key, listen.as_str(), "in use", "free the port"] {
            assert!(line.text.contains(told), "{told}: {}", line.text);
        }
    }
}

#[tokio::test]
async fn the_log_names_the_ports_that_were_picked() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    assert_ne!(daemon.addr().port(), 0);
    assert_ne!(daemon.admin_addr(), daemon.addr());
    assert_eq!(daemon.get("/readyz").await.status, 200);
    daemon.stop().await;
}

#[tokio::test]
async fn without_an_admin_section_there_is_no_admin_listener() {
    let daemon = Daemon::start(ConfigFile::new().remove("admin")).await;
    assert!(!daemon.log_text().contains("admin API"));
    assert_eq!(daemon.get("/api/calls").await.status, 404);
    daemon.stop().await;
}

#[tokio::test]
async fn healthcheck_asks_the_configured_listener() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let home = Home::new();
    let ask = |listen: String| {
        let path = home.write(&ConfigFile::new().set("server.listen", listen.as_str()));
        Command::new_in(&home, &["healthcheck", "--config", path.to_str().unwrap()]).run()
    };
    let addr = daemon.addr();
    let ready = ask(addr.to_string());
    assert_eq!((ready.code, ready.stdout), (0, format!("{addr} is ready\n")));
    let everywhere = ask(format!("0.0.0.0:{}", addr.port()));
    assert_eq!((everywhere.code, everywhere.stdout), (0, format!("{addr} is ready\n")));
    daemon.stop().await;
    let gone = ask(addr.to_string());
    assert_eq!(gone.code, 1);
    assert!(gone.stdout.starts_with(&format!("{addr} is not ready: ")), "{}", gone.stdout);
}

#[tokio::test]
async fn the_simulated_platform_says_where_it_is_and_ends_at_sigterm() {
    let mut child = binary()
        .args(["sim", "--listen", "127.0.0.1:0", "--token", "t", "--agent", "only-one"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let base = line.strip_prefix("the simulated platform is at http://").unwrap();
    let addr = base.strip_suffix("/api/v1").unwrap().parse().unwrap();
    let agents = Request::new("GET", "/api/v1/agents").header("Accept", "application/json");
    assert_eq!(agents.send(addr).await.status, 401);
    let agents = agents.header("Authorization", "Bearer t").send(addr).await;
    assert_eq!(agents.status, 200);
    assert!(agents.body.contains("only-one"), "{}", agents.body);
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_simulated_platform_that_cannot_listen_is_code_71() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let output = Command::new(&["sim", "--listen", &listen]).run();
    assert_eq!(output.code, 71);
    assert!(output.stderr.contains(&listen), "{}", output.stderr);
}
