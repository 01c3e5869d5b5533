//! Calls that a listing shows first (spec §8 *Reconciliation*, `enforcement.adopt`).

use std::time::Duration;

use callwarden::sim::{Script, Wait};
use rustix::process::Signal;
use serde_json::json;
use toml::Value;

use crate::{
    harness::{Daemon, Platform},
    operating::send,
    reconciling::passes,
    seen::{self, SECOND, listed, silent, unlisted},
};

const ADOPTED: &str = "callwarden_calls_adopted_total";

fn of(agent: &str) -> Script {
    Script { agent: agent.to_owned(), ..silent() }
}

#[tokio::test]
async fn a_call_found_by_listing_counts_from_when_it_started() {
    let sim = Platform::start().await;
    let call = sim.place(silent());
    // It has been ringing and talking for a while when we come.
    let other = Daemon::start(unlisted(&sim)).await;
    sim.until(Wait::Status { call: call.clone(), status: "answered".into() }).await;
    let home = other.stop().await;
    let daemon = Daemon::start_in(home, listed(&sim).set("limits.total", "4s")).await;
    sim.until(Wait::Status { call: call.clone(), status: "over".into() }).await;
    let told = sim.call(&call).unwrap();
    let deadline = told.dialled_at.unwrap() + 4 * SECOND;
    let stopped = told.hangup_accepted_at.unwrap();
    assert!(stopped >= deadline, "{} µs early", deadline - stopped);
    let shown = daemon.until_outcome(&call, "stopped").await;
    assert!(shown["history"].to_string().contains("adopted"), "{shown:#}");
    assert!(shown["history"].as_array().unwrap().iter().all(|entry| entry["by"] != "webhook"));
    daemon.stop().await;
}

#[tokio::test]
async fn adopt_says_which_calls_are_taken_on() {
    let list = Value::Array(vec!["agent-2".into()]);
    let cases = [("all".into(), vec!["agent-1", "agent-2", "agent-3"]), (list, vec!["agent-2"])];
    for (adopt, agents) in cases {
        let sim = Platform::start().await;
        let calls = ["agent-1", "agent-2", "agent-3"].map(|agent| (agent, sim.place(of(agent))));
        let config = listed(&sim).set("enforcement.adopt", adopt).set("limits.total", "3s");
        let daemon = Daemon::start(config).await;
        sim.until(Wait::Over { count: agents.len() }).await;
        let adopted = daemon.metrics().await.value(ADOPTED);
        assert_eq!(adopted, agents.len() as f64);
        for (agent, call) in calls {
            assert_eq!(!daemon.call(&call).await.is_null(), agents.contains(&agent), "{agent}");
        }
        daemon.stop().await;
    }
}

/// Caught: taken on anew under its id, the call lost what the store had under its sid, a release
/// among it, and was ended (simulator, seed 2180).
#[tokio::test]
async fn a_listed_call_is_the_one_that_the_store_has_under_its_sid() {
    let sim = Platform::start().await;
    let call = sim.place(silent());
    sim.until(Wait::Status { call: call.clone(), status: "answered".into() }).await;
    let sid = sim.call(&call).unwrap().sid;
    let daemon = Daemon::start(unlisted(&sim)).await;
    let started =
        json!({"event": "event_phone_call_started", "call_sid": sid, "agent_id": "agent-1"});
    assert_eq!(daemon.webhook().json(&started).send().await.result(), "tracked");
    let released = send(&daemon, "POST", &format!("/api/calls/{sid}/release"), "{}").await;
    assert_eq!(released.status, 200);
    // It lies in the store alone after a restart.
    let config = listed(&sim).set("limits.total", "1s");
    let daemon = Daemon::start_in(daemon.stop().await, config).await;
    daemon.until("a listing shows it", async || daemon.call(&call).await["id"] == *call).await;
    daemon.until("it listed", async || passes(&daemon).await >= 2.0).await;
    assert_eq!(daemon.call(&call).await["state"], "released");
    assert_eq!(daemon.metrics().await.value(ADOPTED), 0.0);
    assert!(seen::accepted(&sim).is_empty(), "it was let go");
    daemon.stop().await;
}

#[tokio::test]
async fn known_agents_are_those_heard_of_by_webhook() {
    let sim = Platform::start().await;
    let config = listed(&sim).set("enforcement.adopt", "known");
    let daemon = Daemon::start(config).await;
    let ours = sim.place(of("agent-1"));
    let theirs = sim.place(of("agent-2"));
    sim.until(Wait::Requests { endpoint: Some("lists".into()), count: 12 }).await;
    assert_eq!(daemon.metrics().await.value(ADOPTED), 0.0);
    daemon.event("phone_call_started", "another").await;
    daemon.until_state(&ours, "live").await;
    assert!(daemon.call(&theirs).await.is_null());
    // That outlives the call, and a restart.
    assert_eq!(daemon.event("phone_call_ended", "another").await, "ended");
    let home = daemon.stop().await;
    let config = listed(&sim).set("enforcement.adopt", "known");
    let daemon = Daemon::start_in(home, config).await;
    let next = sim.place(of("agent-1"));
    daemon.until_state(&next, "live").await;
    daemon.stop().await;
}

fn rules(agent: &str) -> Value {
    let text = format!(
        r#"rule = [{{ name = "theirs", when = {{ agent = {agent} }}, limits = {{ total = "1h" }} }}]"#
    );
    toml::from_str::<toml::Table>(&text).unwrap()["rule"].clone()
}

#[tokio::test]
async fn known_agents_are_those_that_a_rule_names() {
    for named in [r#""agent-1""#, r#"["other", "agent-1"]"#, r#""*-1""#] {
        let sim = Platform::start().await;
        let known = listed(&sim).set("enforcement.adopt", "known");
        let config = known.clone().set("rule", rules(named));
        let daemon = Daemon::start(config.clone()).await;
        let theirs = sim.place(of("agent-2"));
        let ours = sim.place(of("agent-1"));
        daemon.until_state(&ours, "live").await;
        assert!(daemon.call(&theirs).await.is_null(), "{named}");
        // A restart knows them still, and a reload those of the new rules.
        let daemon = Daemon::start_in(daemon.stop().await, config).await;
        let next = sim.place(of("agent-1"));
        daemon.until_state(&next, "live").await;
        assert!(daemon.call(&theirs).await.is_null(), "{named}");
        daemon.home().write(&known.set("rule", rules(r#""agent-2""#)));
        daemon.signal(Signal::HUP);
        daemon.until_state(&theirs, "live").await;
        let forgotten = sim.place(of("agent-1"));
        let later = sim.place(of("agent-2"));
        daemon.until_state(&later, "live").await;
        assert!(daemon.call(&forgotten).await.is_null(), "{named}");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn a_delayed_call_is_never_cut_by_its_creation() {
    let sim = Platform::start().await;
    let hour = sim.place(Script { delay: Duration::from_secs(3600).into(), ..silent() });
    let soon = sim.place(Script { delay: Duration::from_secs(5).into(), ..silent() });
    let daemon = Daemon::start(listed(&sim).set("limits.total", "2s")).await;
    sim.until(Wait::Status { call: soon.clone(), status: "over".into() }).await;
    let told = sim.call(&soon).unwrap();
    let deadline = told.dialled_at.unwrap() + 2 * SECOND;
    assert!(told.hangup_accepted_at.unwrap() >= deadline, "it was cut early");
    assert!(!sim.call(&hour).unwrap().is_over());
    assert!(daemon.call(&hour).await.is_null(), "what has not rung is nobody's yet");
    assert_eq!(seen::accepted(&sim).len(), 1);
    daemon.stop().await;
}
