//! What was answered 2xx outlives kill -9, and so do stops (spec §8).

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use callwarden::sim::{Script, Wait};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    harness::{ConfigFile, Daemon, Platform, Webhook, micros_of, now_and, webhook_event},
    seen::{silent_calls, tell_last_first, unlisted, were_stopped_in_order},
};

/// Posts events of new calls until nobody answers; notes each that was acknowledged.
async fn post_until_killed(daemon: &Daemon, life: usize, acked: &Arc<Mutex<Vec<String>>>) {
    let mut senders = JoinSet::new();
    for sender in 0..8 {
        let addr = daemon.addr();
        let acked = Arc::clone(acked);
        senders.spawn(async move {
            for n in 0.. {
                let call = format!("call-{life}-{sender}-{n}");
                let event = json!({
                    "event": "event_phone_call_started", "call_id": call, "agent_id": "agent-1",
                });
                let request = Webhook::to(addr).json(&event).request();
                match request.try_send(addr).await {
                    Some(answer) if answer.status == 200 => acked.lock().unwrap().push(call),
                    Some(answer) => panic!("{} {}", answer.status, answer.body),
                    None => return,
                }
            }
        });
    }
    while let Some(ended) = senders.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_over_kills_under_load() {
    let config = || ConfigFile::new().set("enforcement.reconcile_every", "0s");
    let acked = Arc::new(Mutex::new(Vec::new()));
    let mut daemon = Daemon::start(config()).await;
    let mut random = fastrand::Rng::new();
    for life in 0..6 {
        // A random instant, told by how much was taken in by then: nothing waits for the clock.
        let enough = acked.lock().unwrap().len() + random.usize(1..120);
        let pid = rustix::process::Pid::from_raw(daemon.pid().try_into().unwrap()).unwrap();
        let killing = async {
            while acked.lock().unwrap().len() < enough {
                tokio::task::yield_now().await;
            }
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        };
        tokio::join!(post_until_killed(&daemon, life, &acked), killing);
        let home = daemon.kill().await;
        daemon = Daemon::start_in(home, config()).await;
        let mut known = std::collections::HashSet::new();
        let mut next = "/api/calls?limit=1000".to_owned();
        loop {
            let page = daemon.api(&next).await.json();
            let calls = page["calls"].as_array().unwrap();
            known.extend(calls.iter().map(|call| call["id"].as_str().unwrap().to_owned()));
            let Some(after) = page["next"].as_str() else { break };
            next = format!("/api/calls?limit=1000&after={after}");
        }
        let acked = acked.lock().unwrap();
        let lost: Vec<_> = acked.iter().filter(|call| !known.contains(*call)).collect();
        assert!(lost.is_empty(), "life {life} lost {lost:?} of {}", acked.len());
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_restart_stops_what_is_overdue_by_deadline_then_id() {
    let sim = Platform::start().await;
    let config = || {
        unlisted(&sim)
            .set("enforcement.confirm_within", "2s")
            .set("platform.requests", "25/s")
            .set("limits.total", "8s")
    };
    let daemon = Daemon::start(config()).await;
    let calls = silent_calls(&sim, 100).await;
    let at: Vec<_> = (0..calls.len()).map(|n| now_and(10 * (n as i64 / 2))).collect();
    tell_last_first(&daemon, &calls, &at).await;
    let last = micros_of(&daemon.call(calls.last().unwrap()).await["deadline"]);
    let home = daemon.kill().await;
    // Down until the last deadline is over.
    let left = last.saturating_sub(micros_of(&json!(now_and(0))));
    tokio::time::sleep(Duration::from_micros(left)).await;
    let daemon = Daemon::start_in(home, config()).await;
    sim.until(Wait::EndCalls { call: None, count: calls.len() }).await;
    were_stopped_in_order(&sim, &calls, 25);
    sim.until(Wait::Over { count: calls.len() }).await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_thousand_calls_due_at_once_are_each_stopped_once() {
    const CALLS: usize = 1_000;
    let sim = Platform::start().await;
    let config = |total| unlisted(&sim).set("limits.total", total);
    let daemon = Daemon::start(config("30m")).await;
    let calls = silent_calls(&sim, CALLS).await;
    let mut senders = JoinSet::new();
    for calls in calls.chunks(CALLS / 8) {
        let (addr, calls) = (daemon.addr(), calls.to_vec());
        senders.spawn(async move {
            for call in calls {
                let event = webhook_event("phone_call_started", &call);
                assert_eq!(Webhook::to(addr).json(&event).send().await.result(), "tracked");
            }
        });
    }
    while let Some(sent) = senders.join_next().await {
        sent.unwrap();
    }
    let home = daemon.stop().await;
    // By the new limit all of them are overdue, or will be within the second.
    let daemon = Daemon::start_in(home, config("1s")).await;
    sim.until(Wait::Over { count: CALLS }).await;
    let mut requests: Vec<_> =
        sim.requests_to("end-call").into_iter().map(|one| one.call.unwrap()).collect();
    assert_eq!(requests.len(), CALLS, "some were asked for twice");
    requests.sort();
    assert_eq!(requests, calls);
    daemon.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_deadlines() {
    let config = || ConfigFile::new().set("limits.connected", "20m");
    let daemon = Daemon::start(config()).await;
    let calls = ["one", "two", "three"];
    for call in calls {
        daemon.event("phone_call_started", call).await;
    }
    daemon.event("phone_call_connected", "two").await;
    let shown = async |daemon: &Daemon| {
        let mut deadlines = Vec::new();
        for call in calls {
            deadlines.push(daemon.call(call).await["deadline"].clone());
        }
        deadlines
    };
    let before = shown(&daemon).await;
    let home = daemon.kill().await;
    let daemon = Daemon::start_in(home, config()).await;
    assert_eq!(shown(&daemon).await, before);
    let home = daemon.stop().await;
    let daemon = Daemon::start_in(home, config()).await;
    assert_eq!(shown(&daemon).await, before);
    daemon.stop().await;
}

/// The context came while the call went by its sid alone, and was written before its id was told.
#[tokio::test]
async fn a_call_joined_into_its_id_keeps_its_context_over_a_restart() {
    let trial = r#"[[rule]]
        name = "trial"
        when = { context.plan = "trial" }
        limits = { total = "10m" }"#;
    let trial: toml::Table = toml::from_str(trial).unwrap();
    let config = || ConfigFile::new().set("rule", trial["rule"].clone());
    let daemon = Daemon::start(config()).await;
    let by_sid = json!({
        "event": "event_phone_call_started", "call_sid": "CA-1", "agent_id": "agent-1",
        "context": { "plan": "trial" },
    });
    assert_eq!(daemon.webhook().json(&by_sid).send().await.result(), "tracked");
    let by_both = json!({
        "event": "event_phone_call_connected", "call_id": "call-1", "call_sid": "CA-1",
        "agent_id": "agent-1",
    });
    assert_eq!(daemon.webhook().json(&by_both).send().await.result(), "updated");
    let shown = async |daemon: &Daemon| {
        let call = daemon.call("CA-1").await;
        [&call["id"], &call["rule"], &call["provisional"]].map(ToString::to_string)
    };
    let before = shown(&daemon).await;
    assert_eq!(before, [r#""call-1""#, r#""trial""#, "false"]);
    let home = daemon.kill().await;
    let daemon = Daemon::start_in(home, config()).await;
    assert_eq!(shown(&daemon).await, before);
    daemon.stop().await;
}

/// Killed while its request is under way: the answer is lost, the call is not.
async fn killed_in_the_middle(fault: &str) -> (Platform, Daemon, String) {
    let no_end = "webhooks-vanished,event=event_phone_call_ended";
    let sim = Platform::with_faults(&[fault, "hangup-latency=0ms", no_end]).await;
    let config =
        || unlisted(&sim).set("enforcement.confirm_within", "500ms").set("limits.total", "500ms");
    let daemon = Daemon::start(config()).await;
    sim.deliver_to(&daemon);
    let call = sim.place(Script::default());
    sim.until_end_calls(&call, 1).await;
    let home = daemon.kill().await;
    let daemon = Daemon::start_in(home, config()).await;
    sim.deliver_to(&daemon);
    (sim, daemon, call)
}

#[tokio::test]
async fn a_stop_killed_before_it_took_effect_is_made_again() {
    let (sim, daemon, call) = killed_in_the_middle("hang,count=1,scope=end-call").await;
    sim.until_over(&call).await;
    // Its end sends no webhook, and the answer is 200: a lookup confirms it.
    let statuses: Vec<_> = sim.end_calls(&call).iter().map(|one| one.handled).collect();
    assert_eq!(statuses, [None, Some(200)]);
    daemon.until_outcome(&call, "stopped").await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_stop_killed_after_it_took_effect_is_stopped_by_the_409() {
    let (sim, daemon, call) = killed_in_the_middle("lost-answer,count=1,scope=end-call").await;
    daemon.until_outcome(&call, "stopped").await;
    let statuses: Vec<_> = sim.end_calls(&call).iter().map(|one| one.handled).collect();
    assert_eq!(statuses, [Some(200), Some(409)]);
    daemon.stop().await;
}

#[tokio::test]
async fn an_outcome_outlives_a_restart() {
    let sim = Platform::start().await;
    let config = || ConfigFile::new().platform(&sim).set("limits.total", "500ms");
    let daemon = Daemon::start(config()).await;
    sim.deliver_to(&daemon);
    let call = sim.place(Script::default());
    daemon.until_outcome(&call, "stopped").await;
    let before = daemon.ended(&call).await;
    let home = daemon.stop().await;
    let daemon = Daemon::start_in(home, config()).await;
    assert_eq!(daemon.ended(&call).await, before);
    assert_eq!(daemon.event("phone_call_connected", &call).await, "late");
    daemon.stop().await;
}

#[tokio::test]
async fn a_copy_can_be_made_while_the_daemon_runs() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    for n in 0..20 {
        assert_eq!(daemon.event("phone_call_started", &format!("call-{n}")).await, "tracked");
    }
    let copy = daemon.home().path().join("copy.db");
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let store = rusqlite::Connection::open_with_flags(daemon.home().store(), flags).unwrap();
    store.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    drop(store);
    daemon.event("phone_call_started", "afterwards").await;
    let home = daemon.kill().await;
    let config = ConfigFile::new().set("store.url", "sqlite:copy.db");
    let daemon = Daemon::start_in(home, config).await;
    let calls = daemon.api("/api/calls").await.json();
    assert_eq!(calls["calls"].as_array().unwrap().len(), 20);
    daemon.stop().await;
}
