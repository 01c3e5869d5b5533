//! How a call leaves us, each outcome on its evidence (spec §5).

use callwarden::sim::{Fate, Script, Span};

use crate::harness::{ConfigFile, Daemon, Platform, micros_of};

const NO_END: &str = "webhooks-vanished,event=event_phone_call_ended";

fn span(text: &str) -> Span {
    text.parse().unwrap()
}

/// Stops after half a second, asks soon, and leaves the listings out of it.
async fn start(sim: &Platform, change: impl FnOnce(ConfigFile) -> ConfigFile) -> Daemon {
    let config = ConfigFile::new()
        .platform(sim)
        .set("enforcement.reconcile_every", "0s")
        .set("enforcement.confirm_within", "300ms")
        .set("limits.total", "500ms");
    let daemon = Daemon::start(change(config)).await;
    sim.deliver_to(&daemon);
    daemon
}

#[tokio::test]
async fn a_call_that_ends_by_itself_is_completed() {
    let sim = Platform::start().await;
    let daemon = start(&sim, |config| config.set("limits.total", "30m")).await;
    let call = sim.place(Script { lasts: Some(span("200ms")), ..Script::default() });
    daemon.until_outcome(&call, "completed").await;
    let ended = daemon.ended(&call).await;
    assert_eq!(ended["confirmed_by"], serde_json::Value::Null);
    assert_eq!(ended["overrun_seconds"], 0);
    assert!(sim.end_calls(&call).is_empty());
    daemon.stop().await;
}

#[tokio::test]
async fn a_call_that_never_connected_is_not_connected() {
    let sim = Platform::start().await;
    let daemon = start(&sim, |config| config.set("limits.total", "30m")).await;
    for fate in [Fate::NoAnswer, Fate::Busy, Fate::Failed] {
        let call = sim.place(Script { fate, ..Script::default() });
        daemon.until_outcome(&call, "not_connected").await;
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_stop_confirmed_by_webhook_is_recorded_so() {
    let sim = Platform::start().await;
    let daemon = start(&sim, |config| config.set("enforcement.confirm_within", "30s")).await;
    let call = sim.place(Script::default());
    daemon.until_outcome(&call, "stopped").await;
    let ended = daemon.ended(&call).await;
    assert_eq!(ended["confirmed_by"], "webhook");
    assert_eq!(ended["ended_by"], "callwarden");
    assert_eq!(sim.end_calls(&call).len(), 1);
    daemon.stop().await;
}

#[tokio::test]
async fn a_stop_whose_webhook_is_lost_is_confirmed_by_lookup() {
    let sim = Platform::with_faults(&[NO_END]).await;
    let daemon = start(&sim, |config| config).await;
    let call = sim.place(Script::default());
    daemon.until_outcome(&call, "stopped").await;
    assert_eq!(daemon.ended(&call).await["confirmed_by"], "lookup");
    daemon.stop().await;
}

#[tokio::test]
async fn a_call_whose_end_comes_before_a_request_is_accepted_is_raced() {
    let sim = Platform::with_faults(&["server-error,scope=end-call"]).await;
    let daemon = start(&sim, |config| config).await;
    let call = sim.place(Script::default());
    sim.until_end_calls(&call, 1).await;
    sim.hang_up(&call);
    daemon.until_outcome(&call, "raced").await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_409_that_a_lookup_bears_out_is_raced() {
    let sim = Platform::with_faults(&[NO_END]).await;
    let daemon = start(&sim, |config| config.set("limits.total", "1s")).await;
    let call = sim.place(Script { lasts: Some(span("100ms")), ..Script::default() });
    daemon.until_outcome(&call, "raced").await;
    let requests = sim.end_calls(&call);
    assert_eq!(requests.len(), 1, "{requests:#?}");
    assert_eq!(requests[0].status, Some(409));
    daemon.stop().await;
}

#[tokio::test]
async fn a_409_of_a_call_that_goes_on_is_no_end() {
    let sim = Platform::with_faults(&["conflict,count=2,scope=end-call"]).await;
    let daemon = start(&sim, |config| config).await;
    let call = sim.place(Script::default());
    // After 1 s, then after 5 s.
    daemon.until_outcome(&call, "stopped").await;
    let at: Vec<_> = sim.end_calls(&call).iter().map(|request| request.at).collect();
    assert_eq!(at.len(), 3);
    assert!(at[1] - at[0] >= 1_000_000 && at[2] - at[1] >= 5_000_000, "{at:?}");
    daemon.stop().await;
}

/// The platform answers so to every request, and the stop is given up.
async fn given_up(fault: &str, reason: &str) {
    let sim = Platform::with_faults(&[fault]).await;
    let mut daemon = start(&sim, |config| config.set("enforcement.give_up_after", "2s")).await;
    daemon.expect_error("the stop failed");
    let call = sim.place(Script::default());
    daemon.until_outcome(&call, "failed").await;
    assert_eq!(daemon.ended(&call).await["reason"], reason);
    let sentence = daemon.until_check("platform", "warn").await;
    assert!(sentence.contains("1 call could not be stopped"), "{sentence}");
    let requests = sim.end_calls(&call);
    let answered = requests[0].answered_at.unwrap();
    let recorded = daemon.ended(&call).await;
    let ended_at = micros_of(&recorded["ended_at"]);
    assert!(ended_at + 1000 >= answered + 2_000_000, "given up too early");
    // Evidence of its end takes the alarm back.
    sim.hang_up(&call);
    daemon.until_check("platform", "pass").await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_stop_that_is_never_accepted_fails_as_not_accepted() {
    given_up("conflict,scope=end-call", "not_accepted").await;
}

#[tokio::test]
async fn a_stop_that_is_never_carried_out_fails_as_not_confirmed() {
    given_up("ineffective", "not_confirmed").await;
}

#[tokio::test]
async fn an_accepted_stop_without_effect_shows_in_health_and_log_long_before_it_is_given_up() {
    let sim = Platform::with_faults(&["ineffective,scope=end-call"]).await;
    let daemon = start(&sim, |config| config.set("enforcement.confirm_within", "1s")).await;
    let call = sim.place(Script::default());
    let sentence = daemon.until_check("platform", "warn").await;
    assert!(sentence.contains("1 call goes on"), "{sentence}");
    daemon.until_logged("end-call request sent again").await;
    // Evidence of its end takes the warning back.
    sim.hang_up(&call);
    daemon.until_check("platform", "pass").await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_stop_of_a_call_nobody_finds_fails_as_not_found() {
    given_up("not-found-call,scope=end-call", "not_found").await;
}

#[tokio::test]
async fn server_errors_alone_never_give_a_stop_up() {
    let sim = Platform::with_faults(&["server-error,scope=end-call"]).await;
    let daemon = start(&sim, |config| config.set("enforcement.give_up_after", "400ms")).await;
    let call = sim.place(Script::default());
    sim.until_end_calls(&call, 4).await;
    assert_eq!(daemon.call(&call).await["state"], "stopping");
    sim.set_faults(Vec::new());
    daemon.until_outcome(&call, "stopped").await;
    daemon.stop().await;
}
