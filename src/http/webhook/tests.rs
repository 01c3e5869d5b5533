//! Requests over real sockets, and the answer that spec §4 gives to each.

use std::sync::Mutex;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    http::server::{Limits, serve},
    telemetry::metrics::Build,
};

const SECRET: &str = "a secret of this test";
const STARTED: &str = r#"{"event":"event_phone_call_started","call_id":"c","agent_id":"a"}"#;
const PATH: &str = "/webhooks/talkover";
/// Longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    connections: TaskTracker,
    events: TaskTracker,
    answered: Arc<Mutex<Vec<Delivery>>>,
}

/// The endpoint with an engine of this test's own.
async fn start<F>(
    limits: BodyLimits,
    ingest: impl Fn(Heard) -> F + Send + Sync + 'static,
) -> Running
where
    F: Future<Output = Result<Received, Refusal>> + Send + 'static,
{
    let settings = Settings {
        verifier: Verifier { secret: Some(SECRET.into()), ..Verifier::default() },
        pointers: Pointers::default(),
    };
    let (events, answered) = (TaskTracker::new(), Arc::new(Mutex::new(Vec::new())));
    let told = Arc::clone(&answered);
    let app = routes(Webhooks {
        ingest: Box::new(move |heard| Box::pin(ingest(heard))),
        answered: Box::new(move |delivery| told.lock().unwrap().push(delivery)),
        clock: Clock::standing_at(Moment::default()),
        metrics: Arc::new(Metrics::new(Build::CURRENT)),
        settings: watch::channel(Arc::new(settings)).1,
        tasks: events.clone(),
        limits,
        throttles: Throttles::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
    // After a stop nothing keeps a connection open.
    let limits = Limits { linger: Duration::ZERO, drain: Duration::ZERO, ..Limits::new(64) };
    let (tasks, stopped) = (connections.clone(), stop.clone());
    TaskTracker::new().spawn(serve(listener, app, limits, None, tasks, stopped, || {}));
    Running { address, stop, connections, events, answered }
}

async fn start_with(answer: Result<Received, Refusal>) -> Running {
    start(BodyLimits::default(), move |_| async move { answer }).await
}

fn signed(method: &str, path: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())
        .unwrap()
        .chain_update(body)
        .finalize()
        .into_bytes();
    let length = body.len();
    let signature = HEXLOWER.encode(&mac);
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nSignature: {signature}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

impl Running {
    async fn send(&self, request: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        stream
    }

    async fn ask(&self, request: &str) -> String {
        rest(self.send(request.as_bytes()).await).await
    }

    async fn post(&self, path: &str, body: &str) -> String {
        self.ask(&signed("POST", path, body)).await
    }
}

async fn rest(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("answered in time").unwrap();
    answer
}

#[track_caller]
fn is(answer: &str, status: u16, holds: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains(holds), "{answer}");
}

#[tokio::test]
async fn an_event_taken_in_is_answered_with_what_became_of_it() {
    for (received, name) in [
        (Received::Tracked, "tracked"),
        (Received::Updated, "updated"),
        (Received::Ended, "ended"),
        (Received::Duplicate, "duplicate"),
        (Received::Late, "late"),
    ] {
        let running = start_with(Ok(received)).await;
        let answer = running.post(PATH, STARTED).await;
        is(&answer, 200, &format!("\r\n\r\n{{\"received\":true,\"result\":\"{name}\"}}"));
        assert!(answer.contains("content-type: application/json"), "{answer}");
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_to_be_sent_again() {
    let running = start_with(Err(Refusal::NotDurable)).await;
    is(&running.post(PATH, STARTED).await, 503, "retry-after: 5\r\n");
    let running = start_with(Err(Refusal::Full)).await;
    is(&running.post(PATH, STARTED).await, 503, "retry-after: 60\r\n");
}

#[tokio::test]
async fn tests_and_unknown_events_reach_no_engine() {
    let running = start(BodyLimits::default(), |_| async { panic!("reached") }).await;
    for body in [r#"{"event":"webhook.test"}"#, r#"{"event":"campaign.paused"}"#] {
        is(&running.post(PATH, body).await, 200, r#""result":"ignored""#);
    }
}

#[tokio::test]
async fn the_path_fills_what_the_body_lacks_in_every_method() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&heard);
    let running = start(BodyLimits::default(), move |event| {
        keep.lock().unwrap().push(event);
        async { Ok(Received::Tracked) }
    })
    .await;
    let body = r#"{"call_id":"call-uuid","duration":45}"#;
    for method in ["POST", "PUT", "PATCH"] {
        for end in ["", "/"] {
            let path = format!("{PATH}/agent-1/event%5fphone_call_ended{end}");
            is(&running.ask(&signed(method, &path, body)).await, 200, "tracked");
        }
    }
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 6);
    for event in &*heard {
        assert_eq!(event.kind.name(), "event_phone_call_ended");
        assert_eq!(event.agent.as_ref().unwrap().as_str(), "agent-1");
    }
}

#[tokio::test]
async fn other_methods_are_told_which_are_allowed() {
    let running = start_with(Ok(Received::Tracked)).await;
    for path in [PATH.to_owned(), format!("{PATH}/a/b")] {
        let answer = running.ask(&signed("GET", &path, "")).await;
        is(&answer, 405, "method_not_allowed");
        for method in ["POST", "PUT", "PATCH"] {
            assert!(answer.contains(method), "{answer}");
        }
        assert!(answer.contains("\r\nallow: "), "{answer}");
    }
}

#[tokio::test]
async fn a_wrong_signature_is_answered_before_anything_is_told_of_the_body() {
    let running = start_with(Ok(Received::Tracked)).await;
    for body in [STARTED, "not json", "{}"] {
        let request = signed("POST", PATH, body).replace("Signature: ", "Signature: 0");
        is(&running.ask(&request).await, 401, r#"{"error":{"code":"unauthorized""#);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told_where_it_was_looked_for() {
    let running = start_with(Ok(Received::Tracked)).await;
    is(&running.post(PATH, "not json").await, 400, r#"{"code":"not_json""#);
    is(&running.post(PATH, "{}").await, 422, "looked at /event /event_type");
    let answer = running.post(PATH, r#"{"event":"event_recording"}"#).await;
    is(&answer, 422, "looked at /call_id /call/id");
    is(&running.post(&format!("{PATH}/a%2fb"), STARTED).await, 422, "in the path");
    is(&running.post(&format!("{PATH}/%ff"), STARTED).await, 422, "invalid_path");
}

#[tokio::test]
async fn a_body_too_large_by_its_declared_length_is_refused_at_once() {
    let running = start_with(Ok(Received::Tracked)).await;
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
    let mut stream = running.send(head.as_bytes()).await;
    let mut first = [0; 13];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 413 ", "answered before a byte of the body came");
}

#[tokio::test]
async fn a_client_that_sends_a_large_body_to_its_end_gets_its_answer() {
    let running = start_with(Ok(Received::Tracked)).await;
    let body = "x".repeat(8 << 20);
    is(&running.post(PATH, &body).await, 413, r#"{"code":"too_large""#);

    let head = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let request = head + &chunk.repeat(40) + "0\r\n\r\n";
    is(&running.ask(&request).await, 413, r#"{"code":"too_large""#);
}

#[tokio::test]
async fn a_body_of_a_mebibyte_is_not_too_large() {
    let running = start_with(Ok(Received::Tracked)).await;
    let padding = " ".repeat((1 << 20) - STARTED.len());
    is(&running.post(PATH, &format!("{STARTED}{padding}")).await, 200, "tracked");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let limits = BodyLimits { within: Duration::from_millis(50), ..BodyLimits::default() };
    let running = start(limits, |_| async { Ok(Received::Tracked) }).await;
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{{");
    is(&running.ask(&head).await, 408, r#"{"code":"too_slow""#);
}

/// The client resets its connection, and the connection is cut: it is over before the event is taken
/// in. An event that were taken in by the connection's own task would end with it.
#[tokio::test]
async fn a_client_that_hangs_up_undoes_nothing() {
    let (entered, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let taken = Arc::new(Mutex::new(false));
    let (enter, leave, took) = (entered.clone(), go.clone(), taken.clone());
    let running = start(BodyLimits::default(), move |_| {
        let (enter, leave, took) = (enter.clone(), leave.clone(), took.clone());
        async move {
            enter.notify_one();
            leave.notified().await;
            *took.lock().unwrap() = true;
            Ok(Received::Tracked)
        }
    })
    .await;
    let stream = running.send(signed("POST", PATH, STARTED).as_bytes()).await;
    entered.notified().await;
    stream.set_zero_linger().unwrap();
    drop(stream);
    // hyper does not look whether a client is there while it waits for an answer; what ends the
    // connection is the cut.
    running.stop.cancel();
    running.connections.close();
    timeout(PATIENCE, running.connections.wait()).await.expect("the connection ends");
    assert!(!*taken.lock().unwrap());
    go.notify_one();
    running.events.close();
    timeout(PATIENCE, running.events.wait()).await.expect("it is taken in");
    assert!(*taken.lock().unwrap());
}

#[tokio::test]
async fn a_panic_while_taking_in_is_one_500() {
    let running = start(BodyLimits::default(), |_| async { panic!("as this test wants it") }).await;
    for _ in 0..2 {
        is(&running.post(PATH, STARTED).await, 500, r#"{"code":"internal""#);
    }
}

#[tokio::test]
async fn health_is_told_of_every_answer() {
    let running = start_with(Ok(Received::Tracked)).await;
    running.post(PATH, STARTED).await;
    running.post(PATH, r#"{"event":"webhook.test"}"#).await;
    running.post(PATH, "not json").await;
    running.ask(&signed("POST", PATH, STARTED).replace("Signature: ", "Signature: 0")).await;
    let told = running.answered.lock().unwrap();
    assert_eq!(*told, [Delivery::Accepted, Delivery::Accepted, Delivery::Other, Delivery::Refused]);
}
