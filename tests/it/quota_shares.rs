//! The quota as the platform sees it (spec §7 *Quota*).

use std::collections::HashSet;

use callwarden::sim::Wait;

use crate::{
    harness::{Daemon, Platform},
    seen::{self, SECOND, most_at_once, most_in_a_window, talking, unlisted},
};

#[tokio::test]
async fn no_window_holds_more_than_the_quota() {
    let sim = Platform::with_faults(&["latency=0ms..400ms", "rate-limit=20/1s"]).await;
    let config = unlisted(&sim).set("platform.requests", "20/s").set("limits.total", "3s");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    (0..80).for_each(|_| drop(sim.place(talking())));
    sim.until(Wait::Over { count: 80 }).await;
    let seen = sim.requests();
    let most = most_in_a_window(seen.iter().map(|request| request.at).collect(), SECOND);
    assert!(most <= 20, "{most} requests came within a second");
    // Nor did the platform's own window, which looks at them when it handles them.
    assert!(seen.iter().all(|request| request.status != Some(429)));
    daemon.stop().await;
}

#[tokio::test]
async fn at_most_64_requests_are_under_way_and_one_a_call() {
    let sim = Platform::with_faults(&["latency=500ms,scope=end-call"]).await;
    let config = unlisted(&sim).set("platform.requests", "10000/s").set("limits.total", "4s");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    (0..200).for_each(|_| drop(sim.place(talking())));
    sim.until(Wait::Over { count: 200 }).await;
    let seen = sim.requests();
    let spans = |only: Option<&str>| {
        let is_wanted = |call: &Option<String>| only.is_none() || call.as_deref() == only;
        let wanted = seen.iter().filter(|request| is_wanted(&request.call));
        most_at_once(wanted.map(|request| (request.at, request.answered_at.unwrap())))
    };
    let most = spans(None);
    assert!((32..=64).contains(&most), "{most} requests were under way at once");
    assert!(sim.calls().iter().all(|call| spans(Some(&call.id)) <= 1));
    daemon.stop().await;
}

#[tokio::test]
async fn while_all_kinds_wait_each_has_its_share() {
    // Calls that go on: first requests, repeats, confirmations and listings wait all at once.
    let sim = Platform::with_faults(&["ineffective,scope=end-call"]).await;
    let config = seen::listed(&sim)
        .set("platform.requests", "20/s")
        .set("limits.total", "4s")
        .set("enforcement.confirm_within", "100ms");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    (0..120).for_each(|_| drop(sim.place(talking())));
    sim.until(Wait::EndCalls { call: None, count: 5 }).await;
    daemon
        .until("every call was asked to end", async || {
            let asked: HashSet<_> =
                seen::requests(&sim, "end-call").into_iter().filter_map(|r| r.call).collect();
            asked.len() == 120
        })
        .await;
    let mut asked = HashSet::new();
    let (mut firsts, mut repeats, mut looks) = (0, 0, 0);
    let begun = sim.requests().into_iter().skip_while(|request| request.endpoint != "end-call");
    for request in begun {
        match request.call {
            Some(call) if asked.insert(call.clone()) => firsts += 1,
            Some(_) => repeats += 1,
            None => looks += 1,
        }
        if asked.len() == 120 {
            break;
        }
    }
    let all = firsts + repeats + looks;
    assert!(firsts * 2 >= all, "{firsts} first requests of {all}");
    assert!(repeats > 0, "repeats had no share of {all}");
    // A tenth, give or take those that left before anything waited.
    assert!(looks * 12 >= all && looks * 7 <= all, "{looks} look-ups of {all}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_backlog_of_over_30_s_is_told_with_its_number_and_time() {
    let sim = Platform::start().await;
    let config = unlisted(&sim).set("platform.requests", "60/min").set("limits.total", "4s");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    (0..160).for_each(|_| drop(sim.place(talking())));
    let mut message = String::new();
    daemon
        .until("the backlog shows", async || {
            let check = daemon.health().await["checks"]["platform"].clone();
            message = check["message"].as_str().unwrap_or_default().to_owned();
            check["status"] == "warn" && message.contains("wait for quota, which takes ")
        })
        .await;
    let calls: usize = message.split(' ').next().unwrap().parse().unwrap();
    assert!((61..=160).contains(&calls), "{message}");
    let backlog = daemon.metrics().await.value("callwarden_stop_backlog");
    assert!((61.0..=160.0).contains(&backlog), "{backlog}");
    daemon.stop().await;
}

#[tokio::test]
async fn requests_recorded_count_after_a_restart() {
    let sim = Platform::start().await;
    let config = unlisted(&sim).set("platform.requests", "20/min").set("limits.total", "4s");
    let daemon = Daemon::start(config.clone()).await;
    sim.deliver_to(&daemon);
    (0..40).for_each(|_| drop(sim.place(talking())));
    sim.until(Wait::Accepted { call: None, count: 20 }).await;
    daemon
        .until("they are on record", async || {
            daemon.metrics().await.value("callwarden_quota_remaining") == 0.0
        })
        .await;
    let home = daemon.stop().await;
    let daemon = Daemon::start_in(home, config).await;
    let left = daemon.metrics().await.value("callwarden_quota_remaining");
    assert!(left < 1.0, "{left} requests are left");
    assert_eq!(seen::requests(&sim, "end-call").len(), 20);
    daemon.stop().await;
}

#[tokio::test]
async fn fewer_remaining_than_we_thought_spaces_requests_before_any_is_refused() {
    // The account's quota is a fraction of what we were told is ours.
    let sim = Platform::with_faults(&["rate-limit=10/4s,reset=seconds"]).await;
    let config = seen::listed(&sim)
        .set("enforcement.reconcile_every", "1h")
        .set("platform.requests", "1000/s")
        .set("limits.total", "3s");
    let daemon = Daemon::start(config).await;
    sim.until(Wait::Requests { endpoint: Some("lists".into()), count: 4 }).await;
    sim.deliver_to(&daemon);
    (0..20).for_each(|_| drop(sim.place(talking())));
    sim.until(Wait::Over { count: 20 }).await;
    let refused = sim.requests().iter().filter(|request| request.status == Some(429)).count();
    assert!(refused <= 1, "{refused} requests were refused");
    daemon.stop().await;
}
