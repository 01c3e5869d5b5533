//! Evidence that a stop was carried out, and what it costs (spec §5, §6, §7 *Confirmation*).

use callwarden::sim::Wait;

use crate::{
    harness::{Daemon, Platform},
    seen::{self, accepted, count_with, requests, ringing, talking, unlisted},
};

#[tokio::test]
async fn a_call_still_active_after_an_accepted_stop_is_stopped_again() {
    // Whatever word the platform has for it: what is not known to be over is active.
    for word in ["answered", "in-progress", "bridged"] {
        let sim = Platform::with_faults(&["ineffective,scope=end-call,count=1"]).await;
        sim.fault(&format!("status-as=answered:{word}"));
        let config =
            unlisted(&sim).set("limits.total", "500ms").set("enforcement.confirm_within", "300ms");
        let daemon = Daemon::start(config).await;
        sim.deliver_to(&daemon);
        let call = sim.place(talking());
        sim.until(Wait::Status { call: call.clone(), status: "over".into() }).await;
        assert_eq!(accepted(&sim).len(), 2, "{word}");
        daemon.until_outcome(&call, "stopped").await;
        daemon.stop().await;
    }
}

#[tokio::test]
async fn many_stops_are_confirmed_by_pages() {
    let sim = Platform::with_faults(&[
        "webhooks-vanished,event=event_phone_call_ended",
        "webhooks-vanished,event=event_conversation_ended",
    ])
    .await;
    let config = unlisted(&sim)
        .set("limits.total", "4s")
        .set("platform.requests", "60/s")
        .set("enforcement.confirm_within", "1s");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    let calls: Vec<_> = (0..90).map(|_| sim.place(talking())).collect();
    for call in &calls {
        let call = daemon.until_outcome(call, "stopped").await;
        assert_eq!(call["history"].as_array().unwrap().last().unwrap()["what"], "ended");
    }
    let (pages, singles) = (requests(&sim, "lists").len(), requests(&sim, "active-call").len());
    assert!(pages + singles <= 20, "{pages} pages and {singles} singles confirmed 90 stops");
    assert_eq!(accepted(&sim).len(), 90);
    daemon.stop().await;
}

#[tokio::test]
async fn one_page_tells_of_all_calls_that_still_ring() {
    let sim = Platform::start().await;
    let config = unlisted(&sim).set("limits.ringing", "4s");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    let calls: Vec<_> = (0..40).map(|_| sim.place(ringing())).collect();
    sim.until(Wait::Over { count: 40 }).await;
    let pages = count_with(&sim, "lists", "status=ringing");
    let singles = requests(&sim, "active-call").len();
    assert!((1..=8).contains(&pages) && singles <= 4, "{pages} pages and {singles} singles");
    for call in &calls {
        let call = sim.call(call).unwrap();
        let (rang, stopped) = (call.dialled_at.unwrap(), call.hangup_accepted_at.unwrap());
        assert!(stopped >= rang + 4 * seen::SECOND, "{} µs early", rang + 4_000_000 - stopped);
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_call_that_was_answered_meanwhile_is_not_stopped_for_ringing() {
    let sim = Platform::with_faults(&["webhooks-vanished,event=event_phone_call_connected"]).await;
    let config = unlisted(&sim).set("limits.ringing", "6s").set("limits.connected", "3s");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    let mut script = talking();
    script.rings = std::time::Duration::from_millis(300).into();
    let call = sim.place(script);
    sim.until(Wait::Status { call: call.clone(), status: "over".into() }).await;
    let told = sim.call(&call).unwrap();
    let early = told.answered_at.unwrap() + 3 * seen::SECOND;
    assert!(told.hangup_accepted_at.unwrap() >= early, "its limit is that of a connected call");
    daemon.until_outcome(&call, "stopped").await;
    daemon.stop().await;
}
