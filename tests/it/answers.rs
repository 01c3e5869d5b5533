//! What follows from each answer to an end-call request (spec §7 *Answers*).

use std::{fs, time::Duration};

use callwarden::sim::{Script, Wait};

use crate::harness::{ConfigFile, Daemon, Platform, Proxy};

const END_CALL: &str = "scope=end-call";

fn config(sim: &Platform) -> ConfigFile {
    ConfigFile::new()
        .platform(sim)
        .set("enforcement.reconcile_every", "0s")
        .set("enforcement.confirm_within", "300ms")
        .set("platform.timeout", "1s")
        .set("limits.total", "500ms")
}

async fn start(sim: &Platform) -> Daemon {
    let daemon = Daemon::start(config(sim)).await;
    sim.deliver_to(&daemon);
    daemon
}

fn named(id: &str) -> Script {
    Script { id: Some(id.to_owned()), ..Script::default() }
}

/// A call whose first two requests are answered so is stopped by the third.
#[tokio::test]
async fn no_failure_ends_a_stop() {
    let sim = Platform::start().await;
    let daemon = start(&sim).await;
    let faults = [
        ("forbidden", "403"),
        ("token-expired", "401"),
        ("html", "200"),
        ("redirect", "302"),
        ("not-found-html", "404"),
        ("not-found-route", "404"),
        ("not-found-agent", "404"),
        ("success-false", "200"),
        ("unprocessable", "422"),
        ("payment-required", "402"),
        ("status=418", "418"),
        ("status=500", "500"),
        ("status=503", "503"),
    ];
    for (fault, _) in faults {
        sim.fault(&format!("{fault},count=2,{END_CALL},call=of-{fault}"));
        sim.place(named(&format!("of-{fault}")));
    }
    for (fault, status) in faults {
        let call = format!("of-{fault}");
        daemon.until_outcome(&call, "stopped").await;
        let statuses: Vec<_> =
            sim.end_calls(&call).iter().map(|one| one.status.unwrap().to_string()).collect();
        assert_eq!(statuses, [status, status, "200"], "{fault}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn each_answer_is_counted_by_its_result() {
    let sim = Platform::start().await;
    let daemon = start(&sim).await;
    let results = [
        ("conflict", "not_active"),
        ("not-found-call", "not_found"),
        ("unauthorized", "unauthorized"),
        ("forbidden", "unauthorized"),
        ("rate-limited", "rate_limited"),
        ("html", "misdirected"),
        ("redirect", "misdirected"),
        ("not-found-route", "misdirected"),
        ("status=500", "server_error"),
        ("hang", "timeout"),
        ("unprocessable", "other"),
        ("success-false", "other"),
    ];
    for (fault, result) in results {
        let count = async || {
            let series = format!("callwarden_end_call_requests_total{{result=\"{result}\"}}");
            daemon.metrics().await.value(&series)
        };
        let before = count().await;
        sim.fault(&format!("{fault},count=1,{END_CALL},call=of-{fault}"));
        sim.place(named(&format!("of-{fault}")));
        daemon.until(&format!("{fault} is {result}"), async || count().await > before).await;
    }
    daemon.stop().await;
}

/// Health while every end-call request is answered so, and once they are answered well again.
async fn health_during(fault: &str, status: &str, words: &str) {
    let sim = Platform::with_faults(&[&format!("{fault},{END_CALL}")]).await;
    let daemon = start(&sim).await;
    let call = sim.place(Script::default());
    sim.until_end_calls(&call, 2).await;
    let sentence = daemon.until_check("platform", status).await;
    assert!(sentence.contains(words), "{sentence}");
    assert_eq!(daemon.health().await["calls"]["overdue"], 1);
    sim.set_faults(Vec::new());
    daemon.until_outcome(&call, "stopped").await;
    daemon.until_check("platform", "pass").await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_server_error_is_a_warning_that_names_the_status() {
    health_during("status=502", "warn", "502").await;
}

#[tokio::test]
async fn a_403_is_a_failure() {
    health_during("forbidden", "fail", "403").await;
}

#[tokio::test]
async fn a_page_for_people_is_a_failure() {
    health_during("html", "fail", "platform.base_url").await;
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_is_a_failure() {
    health_during("redirect", "fail", "302").await;
}

#[tokio::test]
async fn a_401_has_the_token_read_anew_and_the_stop_goes_on() {
    let sim = Platform::start().await;
    let daemon = start(&sim).await;
    let call = sim.place_tracked(Script::default()).await;
    sim.set_token(Some("talq_the-next-token-0123456789".to_owned()));
    let sentence = daemon.until_check("platform", "fail").await;
    assert!(sentence.contains("the file of platform.token"), "{sentence}");
    assert!(sim.end_calls(&call).iter().all(|request| request.status == Some(401)));
    let token = daemon.home().path().join("platform-token");
    fs::write(token, "talq_the-next-token-0123456789\n").unwrap();
    daemon.until_outcome(&call, "stopped").await;
    daemon.until_check("platform", "pass").await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_request_without_answer_is_repeated() {
    let sim = Platform::with_faults(&["hang,count=2,scope=end-call"]).await;
    let daemon = start(&sim).await;
    let call = sim.place(Script::default());
    daemon.until_outcome(&call, "stopped").await;
    assert_eq!(sim.end_calls(&call).len(), 3);
    daemon.stop().await;
}

#[tokio::test]
async fn a_cut_connection_is_tried_at_once_again_once() {
    let sim = Platform::start().await;
    let daemon = start(&sim).await;
    let calls: Vec<_> = (0..12).map(|n| format!("cut-{n}")).collect();
    for call in &calls {
        sim.fault(&format!("cut,count=2,{END_CALL},call={call}"));
        sim.place(named(call));
    }
    // The second request leaves at once, the third after a jittered back-off of up to half a
    // second: over all calls that shows.
    let (mut first, mut second) = (0, 0);
    for call in &calls {
        daemon.until_outcome(call, "stopped").await;
        let at: Vec<_> = sim.end_calls(call).iter().map(|request| request.at).collect();
        assert_eq!(at.len(), 3, "{call}");
        first += at[1] - at[0];
        second += at[2] - at[1];
    }
    assert!(first < second, "{first} us and {second} us");
    daemon.stop().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let sim = Platform::with_faults(&["cut-body,count=1,scope=end-call"]).await;
    let daemon = start(&sim).await;
    let call = sim.place(Script::default());
    daemon.until_outcome(&call, "stopped").await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_409_after_a_lost_answer_is_our_own_doing() {
    let faults = [
        "lost-answer,count=1,scope=end-call",
        "hangup-latency=0ms",
        "webhooks-vanished,event=event_phone_call_ended",
    ];
    let sim = Platform::with_faults(&faults).await;
    let daemon = start(&sim).await;
    let call = sim.place(Script::default());
    daemon.until_outcome(&call, "stopped").await;
    let statuses: Vec<_> = sim.end_calls(&call).iter().map(|one| one.handled).collect();
    assert_eq!(statuses, [Some(200), Some(409)]);
    assert_eq!(daemon.ended(&call).await["confirmed_by"], "lookup");
    daemon.stop().await;
}

#[tokio::test]
async fn a_stop_that_was_accepted_and_not_carried_out_is_requested_again() {
    let sim = Platform::with_faults(&["ineffective,count=2,scope=end-call"]).await;
    let daemon = start(&sim).await;
    let call = sim.place(Script::default());
    daemon.until_outcome(&call, "stopped").await;
    let requests = sim.end_calls(&call);
    assert_eq!(requests.len(), 3);
    for pair in requests.windows(2) {
        let waited = pair[1].at - pair[0].answered_at.unwrap();
        assert!(waited >= 300_000, "again after {waited} us, before `confirm_within`");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_platform_out_of_reach_is_tried_until_it_is_back() {
    let sim = Platform::start().await;
    let mut proxy = Proxy::start(sim.addr()).await;
    let base_url = format!("http://{}/api/v1", proxy.addr());
    let daemon = Daemon::start(config(&sim).set("platform.base_url", base_url)).await;
    sim.deliver_to(&daemon);
    let call = sim.place_tracked(Script::default()).await;
    proxy.cut().await;
    let sentence = daemon.until_check("platform", "warn").await;
    assert!(sentence.contains("could not be reached"), "{sentence}");
    assert_eq!(daemon.call(&call).await["outcome"], serde_json::Value::Null);
    proxy.mend().await;
    daemon.until_outcome(&call, "stopped").await;
    daemon.stop().await;
}

/// 404 at 0, 1, 6 and 21 s; then the platform is asked for it, and shows it elsewhere.
#[tokio::test]
async fn a_call_not_found_is_tried_after_1_5_and_15_s_and_then_found_under_another_agent() {
    let sim = Platform::start().await;
    let daemon = start(&sim).await;
    let script = Script { agent: "agent-2".to_owned(), silent: true, ..named("moved") };
    let call = sim.place(script);
    sim.until(Wait::Status { call: call.clone(), status: "answered".to_owned() }).await;
    let number = sim.call(&call).unwrap().to;
    let started = serde_json::json!({
        "event": "event_phone_call_started", "call_id": call, "agent_id": "agent-1", "to": number,
    });
    assert_eq!(daemon.webhook().json(&started).send().await.result(), "tracked");
    sim.until_over(&call).await;
    daemon.until_outcome(&call, "stopped").await;
    let requests = sim.end_calls(&call);
    let paths: Vec<_> = requests.iter().map(|request| request.path.as_str()).collect();
    let [ours, theirs] = ["/api/v1/agents/agent-1/end-call", "/api/v1/agents/agent-2/end-call"];
    assert_eq!(paths, [ours, ours, ours, ours, theirs]);
    let waits = requests.windows(2).map(|pair| Duration::from_micros(pair[1].at - pair[0].at));
    for (waited, least) in waits.zip([1, 5, 15, 0]) {
        let least = Duration::from_secs(least);
        assert!(waited >= least && waited < least + Duration::from_secs(5), "{waited:?}");
    }
    assert_eq!(daemon.call(&call).await["agent"], "agent-2");
    daemon.stop().await;
}
