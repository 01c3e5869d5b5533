//! What the simulated platform saw, judged: used by the tests of what leaves us and when.

use callwarden::sim::{Control, Micros, RequestRecord, Script, Wait};
use serde_json::json;

use crate::harness::{Answer, ConfigFile, Daemon, Platform, Request, SECRETS};

/// A second, in the sim's microseconds.
pub(crate) const SECOND: Micros = 1_000_000;

/// A call that talks from the start and goes on until somebody ends it.
pub(crate) fn talking() -> Script {
    Script { rings: std::time::Duration::ZERO.into(), talks_after: None, ..Script::default() }
}

/// A call of which no webhook ever tells.
pub(crate) fn silent() -> Script {
    Script { silent: true, ..talking() }
}

/// Places silent calls that have been answered; their webhooks come by hand.
pub(crate) async fn silent_calls(sim: &Platform, count: usize) -> Vec<String> {
    let script = |n| Script { id: Some(format!("call-{n:03}")), ..silent() };
    let calls: Vec<_> = (0..count).map(|n| sim.place(script(n))).collect();
    for call in &calls {
        sim.until(Wait::Status { call: call.clone(), status: "answered".to_owned() }).await;
    }
    calls
}

/// Tells of the start of these calls at these times, the last one first: deadlines come in another
/// order than their webhooks.
pub(crate) async fn tell_last_first(daemon: &Daemon, calls: &[String], at: &[String]) {
    for (call, at) in calls.iter().zip(at).rev() {
        let event = json!({
            "event": "event_phone_call_started", "call_id": call, "agent_id": "agent-1",
            "timestamp": at,
        });
        assert_eq!(daemon.webhook().json(&event).send().await.result(), "tracked");
    }
}

/// Asserts that the calls were stopped in their order, but for those under way at once, of which
/// any may arrive first.
pub(crate) fn were_stopped_in_order(sim: &Platform, calls: &[String], at_once: usize) {
    let requests = sim.requests_to("end-call");
    let order: Vec<_> = requests.iter().map(|one| one.call.clone().unwrap()).collect();
    for (place, call) in order.iter().enumerate() {
        let due = calls.iter().position(|one| one == call).unwrap();
        assert!(place.abs_diff(due) < at_once, "{call} at {place} of {order:?}");
    }
}

/// A call that rings until somebody ends it.
pub(crate) fn ringing() -> Script {
    Script { fate: callwarden::sim::Fate::RingsOn, ..talking() }
}

/// The usual config against this platform, with nothing listed.
pub(crate) fn unlisted(sim: &Platform) -> ConfigFile {
    ConfigFile::new().platform(sim).set("enforcement.reconcile_every", "0s")
}

/// The usual config against this platform, which is listed every half second.
pub(crate) fn listed(sim: &Platform) -> ConfigFile {
    ConfigFile::new().platform(sim).set("enforcement.reconcile_every", "500ms")
}

/// The requests of one family, by their arrival.
pub(crate) fn requests(sim: &Control, endpoint: &str) -> Vec<RequestRecord> {
    sim.requests().into_iter().filter(|request| request.endpoint == endpoint).collect()
}

/// How many requests of this family had this in their query.
pub(crate) fn count_with(sim: &Control, endpoint: &str, query: &str) -> usize {
    let has = |request: &RequestRecord| request.query.as_deref().unwrap_or("").contains(query);
    requests(sim, endpoint).iter().filter(|request| has(request)).count()
}

/// The most instants that lie in any window of this length.
pub(crate) fn most_in_a_window(mut at: Vec<Micros>, span: Micros) -> usize {
    at.sort_unstable();
    let within = |first: usize| at[first..].partition_point(|later| *later < at[first] + span);
    (0..at.len()).map(within).max().unwrap_or(0)
}

/// The most spans that overlap.
pub(crate) fn most_at_once(spans: impl Iterator<Item = (Micros, Micros)>) -> usize {
    let mut turns: Vec<(Micros, i32)> =
        spans.flat_map(|(from, to)| [(from, 1), (to, -1)]).collect();
    turns.sort_unstable();
    let mut now = 0;
    let overlaps = turns.iter().map(|(_, turn)| {
        now += turn;
        usize::try_from(now).unwrap_or(0)
    });
    overlaps.max().unwrap_or(0)
}

/// The end-call requests that were answered with 2xx.
pub(crate) fn accepted(sim: &Control) -> Vec<RequestRecord> {
    let is_accepted = |request: &RequestRecord| request.status == Some(200);
    requests(sim, "end-call").into_iter().filter(is_accepted).collect()
}

/// Sets up a webhook of an agent through the platform's API, as a user would: its deliveries are in
/// the log. Returns its id.
pub(crate) async fn set_up_webhook(sim: &Platform, agent: &str, url: &str) -> String {
    let events = [
        "event_phone_call_started",
        "event_phone_call_connected",
        "event_phone_call_ended",
        "event_conversation_started",
        "event_conversation_ended",
    ];
    let secret = SECRETS.iter().find(|(name, _)| *name == "webhook-secret").unwrap().1;
    let body = serde_json::json!({
        "name": "callwarden", "webhook_url": url, "webhook_secret": secret, "events": events,
    });
    let token = SECRETS.iter().find(|(name, _)| *name == "platform-token").unwrap().1;
    let path = format!("/agents/{agent}/webhooks");
    let answer = ask(sim, token, "POST", &path, body.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()["data"]["id"].as_str().unwrap().to_owned()
}

/// Has a webhook go elsewhere; whatever faults befall the request, it is made until it is taken.
pub(crate) async fn move_webhook(
    sim: &Platform,
    agent: &str,
    webhook: &str,
    token: &str,
    url: &str,
) {
    let path = format!("/agents/{agent}/webhooks/{webhook}");
    let body = serde_json::json!({"webhook_url": url}).to_string();
    for _ in 0..20 {
        let patience = std::time::Duration::from_secs(2);
        let asking = ask(sim, token, "PUT", &path, body.clone());
        if tokio::time::timeout(patience, asking).await.is_ok_and(|a| a.status == 200) {
            return;
        }
    }
    panic!("the webhook could not be moved");
}

async fn ask(sim: &Platform, token: &str, method: &str, path: &str, body: String) -> Answer {
    let base = sim.base_url();
    let (host, prefix) = base.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut request = Request::new(method, &format!("/{prefix}{path}"))
        .header("Authorization", format!("Bearer {token}"))
        .header("Accept", "application/json")
        .header("Content-Type", "application/json");
    request.body = body.into_bytes();
    request.send(host.parse().unwrap()).await
}
