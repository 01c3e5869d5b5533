//! A store that fails while the daemon runs, or as it starts (spec §8).

use std::{fs, time::Duration};

use callwarden::sim::{Script, Wait};
use rusqlite::Connection;

use crate::harness::{Answer, ConfigFile, Daemon, Home, Platform, webhook_event};

/// What the daemon says at ERROR while its store fails.
const FAILS: &str = "the store fails";
/// And where it could not even be read at the start.
const UNREAD: &str = "the store cannot be read: starting without its calls";

fn config(sim: &Platform) -> ConfigFile {
    ConfigFile::new()
        .platform(sim)
        .set("enforcement.reconcile_every", "0s")
        .set("limits.total", "1s")
        .limitable()
}

async fn post(daemon: &Daemon, kind: &str, call: &str) -> Answer {
    daemon.webhook().json(&webhook_event(kind, call)).send().await
}

#[track_caller]
fn assert_refused_for_now(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    let seconds: u64 = answer.header("retry-after").expect("Retry-After").parse().unwrap();
    assert!((1..=60).contains(&seconds));
}

/// Writes fail for good here: no file may grow. What was refused is enforced and, once the store
/// works again, durable.
#[tokio::test]
async fn a_store_that_fails_holds_no_stop_back_and_heals() {
    let sim = Platform::start().await;
    let mut daemon = Daemon::start(config(&sim)).await;
    daemon.expect_error(FAILS);
    let call = sim.place_tracked_by(&daemon, "before").await;
    daemon.limit_files(Some(0));
    let later = sim.place_silent("during").await;
    assert_refused_for_now(&post(&daemon, "phone_call_started", &later).await);
    daemon.until_check("store", "fail").await;
    assert_eq!(daemon.get("/health").await.status, 503);
    assert_eq!(daemon.get("/livez").await.status, 200);
    // Deadlines go on, of both.
    sim.until_over(&call).await;
    sim.until_over(&later).await;
    assert_refused_for_now(&post(&daemon, "phone_call_ended", &later).await);
    daemon.until_outcome(&later, "stopped").await;

    daemon.limit_files(None);
    let mended = Duration::from_secs(5);
    let healing = tokio::time::timeout(mended, daemon.until_check("store", "pass")).await;
    assert!(healing.is_ok(), "not healed within {mended:?}");
    assert_eq!(post(&daemon, "phone_call_started", "after").await.result(), "tracked");
    let home = daemon.kill().await;
    let daemon = Daemon::start_in(home, config(&sim)).await;
    daemon.until_outcome(&later, "stopped").await;
    assert_eq!(post(&daemon, "phone_call_ended", &later).await.result(), "late");
    daemon.stop().await;
}

#[tokio::test]
async fn a_store_that_another_program_locks_is_a_store_that_fails() {
    let sim = Platform::start().await;
    let mut daemon = Daemon::start(config(&sim)).await;
    daemon.expect_error(FAILS);
    let other = Connection::open(daemon.home().store()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let call = sim.place_silent("during").await;
    assert_refused_for_now(&post(&daemon, "phone_call_started", &call).await);
    daemon.until_check("store", "fail").await;
    sim.until_over(&call).await;
    other.execute_batch("ROLLBACK").unwrap();
    daemon.until_check("store", "pass").await;
    assert_eq!(post(&daemon, "phone_call_ended", &call).await.result(), "ended");
    daemon.until_outcome(&call, "stopped").await;
    daemon.stop().await;
}

/// Those too who came while the commit was failing: the platform would wait for them in vain.
#[tokio::test]
async fn whoever_waits_when_the_store_fails_is_told_at_once() {
    let mut daemon = Daemon::start(ConfigFile::new()).await;
    daemon.expect_error(FAILS);
    let other = Connection::open(daemon.home().store()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting = async {
        let mut posts = tokio::task::JoinSet::new();
        for n in 0..16 {
            let event = webhook_event("phone_call_started", &format!("call-{n}"));
            let webhook = daemon.webhook().json(&event);
            posts.spawn(async move { webhook.send().await });
        }
        while let Some(answer) = posts.join_next().await {
            assert_refused_for_now(&answer.unwrap());
        }
    };
    // SQLite waits 2 s for the lock, and a webhook would wait 10 s for a commit.
    let all = tokio::time::timeout(Duration::from_secs(8), waiting).await;
    assert!(all.is_ok(), "one waits for a commit that is not made");
    other.execute_batch("ROLLBACK").unwrap();
    daemon.until_check("store", "pass").await;
    daemon.stop().await;
}

/// A commit that takes long: the intent is waited for a tenth of a second, and no longer.
#[tokio::test]
async fn a_slow_store_holds_no_stop_back() {
    let sim = Platform::start().await;
    let mut daemon = Daemon::start(config(&sim).set("limits.total", "3s")).await;
    daemon.expect_error(FAILS);
    let call = sim.place_silent("slow").await;
    assert_eq!(post(&daemon, "phone_call_started", &call).await.result(), "tracked");
    let deadline = crate::harness::micros_of(&daemon.call(&call).await["deadline"]);
    // Held from before the intent is written until the request has left; SQLite waits up to 2 s.
    let other = Connection::open(daemon.home().store()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    sim.until_end_calls(&call, 1).await;
    other.execute_batch("ROLLBACK").unwrap();
    let left = sim.end_calls(&call)[0].at;
    assert!(left + 1000 >= deadline, "too early");
    assert!(left < deadline + 1_000_000, "{} us late", left - deadline);
    daemon.stop().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_written_at_the_start_is_started_on_and_heals() {
    let sim = Platform::start().await;
    let call = sim.place_silent("listed").await;
    let home = Home::new();
    // No file of the store may have a byte.
    let config = || config(&sim).set("enforcement.reconcile_every", "1s");
    let daemon = Daemon::start_expecting(home, config().file_limit(0), &[FAILS, UNREAD]).await;
    daemon.until_check("store", "fail").await;
    assert_refused_for_now(&post(&daemon, "phone_call_started", "by-webhook").await);
    // Calls are taken from the platform, and stopped.
    sim.until_over(&call).await;
    daemon.limit_files(None);
    daemon.until_check("store", "pass").await;
    assert_eq!(post(&daemon, "phone_call_started", "later").await.result(), "tracked");
    let home = daemon.kill().await;
    let daemon = Daemon::start_in(home, config()).await;
    for known in ["listed", "by-webhook", "later"] {
        assert!(!daemon.call(known).await.is_null(), "{known} is lost");
    }
    daemon.stop().await;
}

/// A store with calls in it that cannot be read at first: none of them is forgotten.
#[tokio::test]
async fn a_degraded_start_takes_its_calls_up_once_the_store_works() {
    let sim = Platform::start().await;
    let call = sim.place_silent("known").await;
    let config = || config(&sim).set("limits.total", "5s");
    let daemon = Daemon::start(config()).await;
    assert_eq!(post(&daemon, "phone_call_started", &call).await.result(), "tracked");
    let home = daemon.kill().await;
    let daemon = Daemon::start_expecting(home, config().file_limit(0), &[FAILS, UNREAD]).await;
    daemon.until_check("store", "fail").await;
    daemon.limit_files(None);
    daemon.until_check("store", "pass").await;
    daemon.until("the call is stopped", async || sim.call(&call).unwrap().is_over()).await;
    let ended = post(&daemon, "phone_call_ended", &call).await.result();
    assert_eq!(ended, "ended");
    daemon.until_outcome(&call, "stopped").await;
    daemon.stop().await;
}

impl Platform {
    /// An answered call that sends no webhooks.
    async fn place_silent(&self, id: &str) -> String {
        let rings = Duration::ZERO.into();
        let script = Script { id: Some(id.to_owned()), rings, silent: true, ..Script::default() };
        let call = self.place(script);
        self.until(Wait::Status { call: call.clone(), status: "answered".to_owned() }).await;
        call
    }

    /// Such a call, told to `daemon`.
    async fn place_tracked_by(&self, daemon: &Daemon, id: &str) -> String {
        let call = self.place_silent(id).await;
        assert_eq!(daemon.event("phone_call_started", &call).await, "tracked");
        call
    }
}

#[tokio::test]
async fn a_file_that_lost_all_it_held_is_told_of_and_a_new_one_is_not() {
    let lost = "the store's file is there without a byte";
    let home = Home::new();
    fs::write(home.store(), "").unwrap();
    let daemon = Daemon::start_in(home, ConfigFile::new()).await;
    assert!(!daemon.log_text().contains(lost), "{}", daemon.log_text());
    let home = daemon.stop().await;
    fs::write(home.store(), "").unwrap();
    let daemon = Daemon::start_in(home, ConfigFile::new()).await;
    assert_eq!(daemon.until_logged(lost).await.json["level"], "WARN");
    daemon.stop().await;
}
