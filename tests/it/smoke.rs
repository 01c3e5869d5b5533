//! The harness itself: a call from its start to its stop, over the real thing.

use callwarden::sim::{Script, Wait};

use crate::harness::{ConfigFile, Daemon, Platform};

#[tokio::test]
async fn a_call_past_its_total_is_stopped() {
    let sim = Platform::start().await;
    let config = ConfigFile::new().platform(&sim).set("limits.total", "500ms");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    let call = sim.place(Script::default());
    sim.until(Wait::Status { call: call.clone(), status: "over".to_owned() }).await;
    daemon.until_outcome(&call, "stopped").await;
    daemon.stop().await;
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    assert_eq!(daemon.event("phone_call_started", "c1").await, "tracked");
    let home = daemon.kill().await;
    let daemon = Daemon::start_in(home, ConfigFile::new()).await;
    assert_eq!(daemon.call("c1").await["state"], "live");
    daemon.stop().await;
}

#[tokio::test]
async fn a_store_that_another_one_has_is_code_74_and_its_pid_is_named() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let mut other = Daemon::spawn(daemon.home().clone(), ConfigFile::new());
    other.expect_error("cannot start");
    let (code, log) = other.exit().await;
    assert_eq!(code, 74);
    let told = log.iter().find(|line| line.is_error()).unwrap();
    assert!(told.text.contains(&daemon.pid().to_string()), "{}", told.text);
    daemon.stop().await;
}

#[tokio::test]
async fn a_stop_goes_on_until_the_platform_takes_it() {
    let sim = Platform::start().await;
    let config = ConfigFile::new().platform(&sim).set("limits.total", "500ms");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    sim.fault("server-error,scope=end-call");
    let call = sim.place_tracked(Script::default()).await;
    daemon.until_state(&call, "stopping").await;
    sim.until(Wait::EndCalls { call: Some(call.clone()), count: 2 }).await;
    sim.clear_fault("server-error");
    daemon.until_outcome(&call, "stopped").await;
    daemon.stop().await;
}
