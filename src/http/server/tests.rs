//! Over real sockets: clients that are slow, silent, many, unlucky or in the middle of something.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::routing::get;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
};

use super::*;

const HELLO: &[u8] = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
/// Longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    connections: TaskTracker,
    server: tokio::task::JoinHandle<()>,
}

async fn start(app: Router, limits: Limits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
    let app = app.route("/hello", get(|| async { "hello" }));
    let server = TaskTracker::new().spawn(serve(
        listener,
        app,
        limits,
        None,
        connections.clone(),
        stop.clone(),
        || {},
    ));
    Running { address, stop, connections, server }
}

async fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// All that comes until the server closes; what came before a reset counts.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    drop(timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("closed in time"));
    String::from_utf8(bytes).unwrap()
}

async fn ask(address: SocketAddr, bytes: &[u8]) -> String {
    rest(send(address, bytes).await).await
}

fn quick_heads() -> Limits {
    Limits { head: Duration::from_millis(100), ..Limits::new(1024) }
}

#[tokio::test]
async fn silent_slow_and_idle_clients_are_closed_without_a_word() {
    let running = start(Router::new(), quick_heads()).await;
    assert_eq!(ask(running.address, b"").await, "");
    assert_eq!(ask(running.address, b"GET /hello HTT").await, "");
    let kept = ask(running.address, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(kept.starts_with("HTTP/1.1 200"), "{kept}");
    assert!(kept.ends_with("\r\n\r\nhello"), "{kept}");
}

#[tokio::test]
async fn three_hundred_slow_heads_hold_nobody_up() {
    let running = start(Router::new(), Limits::new(1024)).await;
    let mut slow = Vec::new();
    for _ in 0..300 {
        slow.push(send(running.address, b"POST / HTTP/1.1\r\nHo").await);
    }
    assert!(ask(running.address, HELLO).await.ends_with("hello"));
    drop(slow);
}

#[tokio::test]
async fn beyond_the_bound_connections_wait_their_turn() {
    let running = start(Router::new(), Limits::new(2)).await;
    let silent = [send(running.address, b"").await, send(running.address, b"").await];
    while running.connections.len() < 2 {
        tokio::task::yield_now().await;
    }
    let waiting = send(running.address, HELLO).await;
    drop(silent);
    assert!(rest(waiting).await.ends_with("hello"));
}

#[tokio::test]
async fn a_head_has_64_fields_and_32_kib() {
    let running = start(Router::new(), Limits::new(8)).await;
    let head = |fields: usize, size: usize| {
        let fields: String =
            (1..fields).map(|i| format!("x-{i}: {}\r\n", "v".repeat(size))).collect();
        format!("GET /hello HTTP/1.1\r\n{fields}Connection: close\r\n\r\n").into_bytes()
    };
    assert!(ask(running.address, &head(64, 1)).await.starts_with("HTTP/1.1 200"));
    assert!(ask(running.address, &head(65, 1)).await.starts_with("HTTP/1.1 431"));
    assert!(ask(running.address, &head(30, 1000)).await.starts_with("HTTP/1.1 200"));
    assert!(!ask(running.address, &head(60, 1000)).await.starts_with("HTTP/1.1 200"));
    let rest = head(2, 0).len();
    assert!(ask(running.address, &head(2, 32 * 1024 - rest)).await.starts_with("HTTP/1.1 200"));
    for size in [32 * 1024 - rest + 1, 40_000, 60_000, 70_000] {
        let answer = ask(running.address, &head(2, size)).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{size}: {answer}");
    }
}

#[tokio::test]
async fn a_panic_is_one_500_and_the_server_goes_on() {
    async fn fail() -> &'static str {
        panic!("as this test wants it")
    }
    let panics = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&panics);
    let app = catching_panics(Router::new().route("/panic", get(fail)), move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let running = start(app, Limits::new(8)).await;
    let request = b"GET /panic HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = ask(running.address, request).await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(answer.contains("{\"error\":{\"code\":\"internal\""), "{answer}");
    assert_eq!(panics.load(Ordering::Relaxed), 1);
    assert!(ask(running.address, HELLO).await.ends_with("hello"));
}

/// A route that says when it is under way, and answers when it is let.
fn waiting_route() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (entered, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, leave) = (Arc::clone(&entered), Arc::clone(&go));
    let handler = move || async move {
        enter.notify_one();
        leave.notified().await;
        "done"
    };
    (Router::new().route("/wait", get(handler)), entered, go)
}

const WAIT: &[u8] = b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn a_stop_answers_what_is_in_flight_and_takes_no_more() {
    let (app, entered, go) = waiting_route();
    let running = start(app, Limits::new(8)).await;
    let in_flight = send(running.address, WAIT).await;
    let idle = send(running.address, b"").await;
    entered.notified().await;
    running.stop.cancel();
    assert_eq!(rest(idle).await, "");
    go.notify_one();
    let answer = rest(in_flight).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
    timeout(PATIENCE, running.server).await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
    assert!(running.connections.is_empty());
}

/// A restart refused the webhooks that a kept connection had just sent.
#[tokio::test]
async fn a_stop_answers_what_an_idle_connection_sends_before_it_can_know() {
    let limits = Limits { linger: PATIENCE, ..Limits::new(8) };
    let running = start(Router::new(), limits).await;
    let mut fresh = send(running.address, b"").await;
    let mut kept = send(running.address, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut first = [0; 512];
    assert_ne!(kept.read(&mut first).await.unwrap(), 0);
    while running.connections.len() < 2 {
        tokio::task::yield_now().await;
    }
    running.stop.cancel();
    // The connections hear of it before they hear of what is sent next.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    for stream in [&mut fresh, &mut kept] {
        stream.write_all(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    }
    for stream in [fresh, kept] {
        let answer = rest(stream).await;
        assert!(answer.contains("connection: close") && answer.ends_with("hello"), "{answer}");
    }
    timeout(PATIENCE, running.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_cuts_what_does_not_end() {
    let (app, entered, _) = waiting_route();
    let limits = Limits { drain: Duration::from_millis(50), ..Limits::new(8) };
    let running = start(app, limits).await;
    let in_flight = send(running.address, WAIT).await;
    entered.notified().await;
    running.stop.cancel();
    assert_eq!(rest(in_flight).await, "");
    timeout(PATIENCE, running.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn handlers_know_who_asks() {
    let handler = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
    let running = start(Router::new().route("/who", get(handler)), Limits::new(8)).await;
    let request = b"GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let stream = send(running.address, request).await;
    let us = stream.local_addr().unwrap().to_string();
    assert!(rest(stream).await.ends_with(&us));
}

#[tokio::test]
async fn a_client_that_never_reads_is_closed() {
    let big = "x".repeat(32 << 20);
    let app = Router::new().route("/big", get(|| async { big }));
    let limits = Limits { write: Duration::from_millis(100), ..Limits::new(8) };
    let running = start(app, limits).await;
    let deaf = send(running.address, b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n").await;
    while running.connections.is_empty() {
        tokio::task::yield_now().await;
    }
    running.connections.close();
    timeout(PATIENCE, running.connections.wait()).await.expect("closed in time");
    drop(deaf);
}
