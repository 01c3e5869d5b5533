//! §8 *SIGHUP* and §6: a config read anew, whole or not at all.

use callwarden::sim::{Script, Wait};
use rustix::process::Signal;
use serde_json::json;

use crate::harness::{ConfigFile, Daemon, Platform};

fn trial() -> toml::Value {
    toml::from_str::<toml::Table>(
        r#"rule = [{ name = "trial", when = { context.plan = "trial" }, limits = { total = "1h" } }]"#,
    )
    .unwrap()["rule"]
        .clone()
}

async fn reload(daemon: &Daemon, config: &ConfigFile, said: &str) {
    daemon.home().write(config);
    daemon.signal(Signal::HUP);
    daemon.until_logged(said).await;
}

const IN_FORCE: &str = "the config was read anew, and is in force";
const REFUSED: &str = "the new config is refused";

#[tokio::test]
async fn a_longer_limit_reaches_every_live_call_and_takes_a_waiting_stop_back() {
    let sim = Platform::with_faults(&["server-error,scope=end-call"]).await;
    let config = ConfigFile::new().platform(&sim).set("limits.total", "300ms");
    let daemon = Daemon::start(config.clone()).await;
    sim.deliver_to(&daemon);
    let call = sim.place(Script::default());
    sim.until(Wait::EndCalls { call: Some(call.clone()), count: 1 }).await;
    reload(&daemon, &config.set("limits.total", "1h"), IN_FORCE).await;
    let shown = daemon.until_state(&call, "live").await;
    assert!(shown["history"].to_string().contains("stop_taken_back"), "{shown:#}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_shorter_limit_stops_calls_that_are_past_it_by_now() {
    let sim = Platform::start().await;
    let config = ConfigFile::new().platform(&sim).set("limits.total", "1h");
    let daemon = Daemon::start(config.clone()).await;
    sim.deliver_to(&daemon);
    let call = sim.place(Script::default());
    daemon.until_state(&call, "live").await;
    reload(&daemon, &config.set("limits.total", "100ms"), IN_FORCE).await;
    daemon.until_outcome(&call, "stopped").await;
    daemon.stop().await;
}

#[tokio::test]
async fn rules_that_name_new_fields_find_them_in_the_store() {
    let config = ConfigFile::new();
    let daemon = Daemon::start(config.clone()).await;
    for (call, plan) in [("a", "trial"), ("b", "paid")] {
        let body = json!({
            "event": "event_phone_call_started", "call_id": call, "context": { "plan": plan }
        });
        assert_eq!(daemon.webhook().json(&body).send().await.result(), "tracked");
    }
    reload(&daemon, &config.set("rule", trial()), IN_FORCE).await;
    assert_eq!(daemon.call("a").await["rule"], "trial");
    assert_eq!(daemon.call("b").await["rule"], json!(null));
    daemon.stop().await;
}

#[tokio::test]
async fn a_bad_file_leaves_the_running_config_in_force_and_health_says_why() {
    let config = ConfigFile::new();
    let mut daemon = Daemon::start(config.clone()).await;
    daemon.expect_error(REFUSED);
    assert_eq!(daemon.event("phone_call_started", "a").await, "tracked");
    let before = daemon.call("a").await["deadline"].clone();
    reload(&daemon, &config.clone().set("limits.totall", "1s"), REFUSED).await;
    assert_eq!(daemon.call("a").await["deadline"], before);
    let check = daemon.health().await["checks"]["config"].clone();
    assert_eq!(check["status"], "warn", "{check}");
    assert!(check["message"].as_str().unwrap().contains("totall"), "{check}");
    let successful = "callwarden_config_last_reload_successful";
    assert_eq!(daemon.metrics().await.value(successful), 0.0);

    reload(&daemon, &config, IN_FORCE).await;
    assert_eq!(daemon.health().await["checks"]["config"]["status"], "pass");
    assert_eq!(daemon.metrics().await.value(successful), 1.0);
    daemon.stop().await;
}

#[tokio::test]
async fn a_surge_is_refused_with_its_number_unless_the_new_file_means_it() {
    let sim = Platform::start().await;
    let config = ConfigFile::new().platform(&sim).set("limits.total", "1h");
    let mut daemon = Daemon::start(config.clone()).await;
    daemon.expect_error(REFUSED);
    sim.deliver_to(&daemon);
    let calls: Vec<_> = (0..25).map(|_| sim.place(Script::default())).collect();
    for call in &calls {
        // It rings for 100 ms: once it is answered, the limit to come is passed.
        let is_answered = async || daemon.call(call).await["marks"]["connected"].is_string();
        daemon.until("it is answered", is_answered).await;
    }
    let short = config.set("limits.total", "100ms");
    reload(&daemon, &short, REFUSED).await;
    let line = daemon.until_logged(REFUSED).await;
    assert!(line.text.contains("25 of 25 live calls"), "{}", line.text);
    assert_eq!(daemon.health().await["calls"]["live"], 25);
    reload(&daemon, &short.set("enforcement.surge_limit", "100%"), IN_FORCE).await;
    sim.until(Wait::Over { count: 25 }).await;
    daemon.stop().await;
}
