//! Every limit ends its call: at its deadline, never before (spec §1, §6).

use std::time::Duration;

use callwarden::sim::{Extra, Fate, Micros, Script, Span};
use serde_json::Value;

use crate::harness::{ConfigFile, Daemon, Platform, micros};

/// The limit under test.
const LIMIT: Duration = Duration::from_millis(800);
/// By then a stop must have left, on a machine that does much else.
const BOUND: Duration = Duration::from_secs(10);

fn millis(span: u64) -> Span {
    Duration::from_millis(span).into()
}

fn config(sim: &Platform) -> ConfigFile {
    ConfigFile::new().platform(sim).set("enforcement.reconcile_every", "0s")
}

/// The first request for a call left once its limit was over, and soon.
#[track_caller]
fn assert_on_time(sim: &Platform, call: &str, mark: Micros, limit: Duration) {
    let left = sim.end_calls(call).first().expect("it was stopped").at;
    let deadline = mark + micros(limit);
    assert!(left >= deadline, "{} us before the deadline", deadline - left);
    assert!(left <= deadline + micros(BOUND), "{} us late", left - deadline);
}

/// Stops one call and checks that the limit `name` did it, counted from the event `mark`.
async fn stopped_by(name: &str, script: Script, mark: &str) -> Value {
    let sim = Platform::start().await;
    let config = config(&sim).set(&format!("limits.{name}"), "800ms");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    let call = sim.place(script);
    let stopped = daemon.until_outcome(&call, "stopped").await;
    assert_eq!(stopped["limit"], name, "{stopped:#}");
    assert_on_time(&sim, &call, sim.happened(&call, mark), LIMIT);
    assert_eq!(sim.call(&call).unwrap().ended_by, Some(callwarden::sim::EndedBy::EndCall));
    daemon.stop().await;
    stopped
}

#[tokio::test]
async fn total_counts_from_the_start() {
    stopped_by("total", Script::default(), "phone_call_started").await;
}

#[tokio::test]
async fn connected_counts_from_the_answer() {
    let script = Script { rings: millis(300), ..Script::default() };
    stopped_by("connected", script, "phone_call_connected").await;
}

#[tokio::test]
async fn talking_counts_from_the_conversation() {
    let script = Script { talks_after: Some(millis(300)), ..Script::default() };
    stopped_by("talking", script, "conversation_started").await;
}

#[tokio::test]
async fn voicemail_counts_from_its_detection() {
    let script =
        Script { talks_after: None, voicemail_after: Some(millis(300)), ..Script::default() };
    stopped_by("voicemail", script, "voicemail_detected").await;
}

#[tokio::test]
async fn no_conversation_counts_from_the_answer_while_nobody_talks() {
    let script = Script { talks_after: None, ..Script::default() };
    stopped_by("no_conversation", script, "phone_call_connected").await;
}

#[tokio::test]
async fn after_counts_from_the_event() {
    let left = Extra { after: millis(200), event: "event_participant_left".to_owned() };
    let script = Script { events: vec![left], ..Script::default() };
    stopped_by("after.participant_left", script, "participant_left").await;
}

/// Runs a call under a limit that must not strike, beside a longer `total` that must.
async fn spared(limit: &str, script: Script, during: impl AsyncFnOnce(&Platform, &str)) -> Value {
    const TOTAL: Duration = Duration::from_secs(3);
    let sim = Platform::start().await;
    let config = config(&sim).set(&format!("limits.{limit}"), "800ms").set("limits.total", "3s");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    let call = sim.place_tracked(script).await;
    during(&sim, &call).await;
    let stopped = daemon.until_outcome(&call, "stopped").await;
    assert_eq!(stopped["limit"], "total", "{stopped:#}");
    assert_on_time(&sim, &call, sim.happened(&call, "phone_call_started"), TOTAL);
    daemon.stop().await;
    stopped
}

#[tokio::test]
async fn a_conversation_ends_no_conversation() {
    let script = Script { talks_after: Some(millis(100)), ..Script::default() };
    spared("no_conversation", script, async |_, _| ()).await;
}

#[tokio::test]
async fn the_counterpart_ends_after() {
    let extra = |after, event: &str| Extra { after: millis(after), event: event.to_owned() };
    let events = vec![extra(100, "event_participant_left"), extra(300, "event_participant_joined")];
    let script = Script { events, ..Script::default() };
    spared("after.participant_left", script, async |_, _| ()).await;
}

#[tokio::test]
async fn after_counts_from_the_last_time_of_its_event() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(config(&sim).set("limits.after.conversation_ended", "1s")).await;
    sim.deliver_to(&daemon);
    let extra = |after, event: &str| Extra { after: millis(after), event: event.to_owned() };
    let events = vec![
        extra(100, "event_conversation_ended"),
        extra(200, "event_conversation_started"),
        extra(600, "event_conversation_ended"),
    ];
    let call = sim.place(Script { events, ..Script::default() });
    let stopped = daemon.until_outcome(&call, "stopped").await;
    assert_eq!(stopped["limit"], "after.conversation_ended");
    // The end itself emits the event once more.
    let events = sim.call(&call).unwrap().events;
    let second = events.iter().filter(|one| one.event == "event_conversation_ended").nth(1);
    assert_on_time(&sim, &call, second.unwrap().at / 1000 * 1000, Duration::from_secs(1));
    daemon.stop().await;
}

#[tokio::test]
async fn the_earliest_deadline_rules() {
    let sim = Platform::start().await;
    let config = config(&sim)
        .set("limits.connected", "10s")
        .set("limits.talking", "800ms")
        .set("limits.total", "20s");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    let call = sim.place(Script::default());
    let stopped = daemon.until_outcome(&call, "stopped").await;
    assert_eq!(stopped["limit"], "talking");
    daemon.stop().await;
}

#[tokio::test]
async fn a_call_that_still_rings_is_stopped_at_its_deadline_after_a_look() {
    let sim = Platform::start().await;
    let daemon = Daemon::start(config(&sim).set("limits.ringing", "800ms")).await;
    sim.deliver_to(&daemon);
    let call = sim.place(Script { fate: Fate::RingsOn, ..Script::default() });
    let stopped = daemon.until_outcome(&call, "stopped").await;
    assert_eq!(stopped["limit"], "ringing");
    assert_on_time(&sim, &call, sim.happened(&call, "phone_call_started"), LIMIT);
    let left = sim.end_calls(&call)[0].at;
    let looks = sim.requests().into_iter().filter(|one| one.endpoint != "end-call");
    assert!(looks.into_iter().any(|look| look.at < left), "it was not looked up before");
    daemon.stop().await;
}

/// The look is made 5 s ahead.
#[tokio::test]
async fn a_call_that_a_look_shows_answered_is_not_stopped_for_ringing() {
    let vanish = |event: &str| format!("webhooks-vanished,event={event}");
    let faults = [vanish("event_phone_call_connected"), vanish("event_conversation_started")];
    let sim = Platform::with_faults(&faults.each_ref().map(String::as_str)).await;
    let config = config(&sim).set("limits.ringing", "5500ms").set("limits.total", "7s");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    let call = sim.place(Script::default());
    let stopped = daemon.until_outcome(&call, "stopped").await;
    assert_eq!(stopped["limit"], "total", "{stopped:#}");
    assert!(stopped["marks"]["connected"].is_string(), "{stopped:#}");
    let start = sim.happened(&call, "phone_call_started");
    assert_on_time(&sim, &call, start, Duration::from_secs(7));
    daemon.stop().await;
}

#[tokio::test]
async fn a_ringing_stop_waits_until_a_look_is_answered() {
    let faults = ["server-error,scope=active-call", "server-error,scope=lists"];
    let sim = Platform::with_faults(&faults).await;
    let daemon = Daemon::start(config(&sim).set("limits.ringing", "300ms")).await;
    sim.deliver_to(&daemon);
    let call = sim.place(Script { fate: Fate::RingsOn, ..Script::default() });
    daemon.until_state(&call, "stopping").await;
    let asked = sim.requests().len();
    daemon.until("it is asked again", async || sim.requests().len() >= asked + 3).await;
    assert!(sim.end_calls(&call).is_empty(), "it left without an answer");
    sim.set_faults(Vec::new());
    daemon.until_outcome(&call, "stopped").await;
    daemon.stop().await;
}
