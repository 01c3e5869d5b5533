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
