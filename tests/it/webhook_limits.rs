//! §4: sizes, times, and how many calls.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{Answer, ConfigFile, Daemon, PATIENCE, exchange};

const MIB: usize = 1 << 20;
const HEAD: &str = "POST /webhooks/talkover HTTP/1.1\r\nHost: h\r\n";

#[tokio::test]
async fn a_body_of_1_mib_is_taken_and_one_byte_more_is_not() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let body = |size: usize| {
        let begin = r#"{"event":"event_phone_call_started","call_id":"big","pad":""#;
        format!("{begin}{}\"}}", "x".repeat(size - begin.len() - 2))
    };
    assert_eq!(daemon.webhook().body(body(MIB)).send().await.result(), "tracked");
    let larger = daemon.webhook().body(body(MIB + 1)).send().await;
    assert_eq!((larger.status, larger.code().as_str()), (413, "too_large"));
    let largest = daemon.webhook().body(body(3 * MIB)).send().await;
    assert_eq!((largest.status, largest.code().as_str()), (413, "too_large"));
    assert_eq!(refusals(&daemon, "too_large").await, 2.0);
    daemon.stop().await;
}

#[tokio::test]
async fn a_body_declared_too_large_is_refused_at_once() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    for head in [
        format!("{HEAD}Content-Length: {}\r\n\r\n", 3 * MIB),
        format!("{HEAD}Content-Length: {}\r\n\r\n", u64::MAX / 2),
        format!("{HEAD}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", 3 * MIB),
    ] {
        // Not a byte of the body is sent, and yet the answer comes.
        let mut stream = TcpStream::connect(daemon.addr()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = answer(&mut stream).await;
        assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"), "{head}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_body_in_chunks_is_refused_once_it_is_too_large() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let mut bytes = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..3 * 16 {
        bytes.extend_from_slice(b"10000\r\n");
        bytes.extend(std::iter::repeat_n(b'x', 0x10000));
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    let answer = Answer::parse(&exchange(daemon.addr(), &bytes).await).unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"));
    assert_eq!(answer.header("connection"), Some("close"));
    daemon.stop().await;
}

#[tokio::test]
async fn a_signed_body_in_chunks_is_taken() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let body = r#"{"event":"event_phone_call_started","call_id":"c1"}"#;
    let signature = crate::harness::sign(
        "hook-0123456789abcdef",
        body.as_bytes(),
        crate::harness::Encoding::Hex,
    );
    let (one, two) = body.split_at(20);
    let chunks = format!("{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n", one.len(), two.len());
    let head = format!("{HEAD}Connection: close\r\nTransfer-Encoding: chunked\r\n");
    let bytes = format!("{head}Signature: {signature}\r\n\r\n{chunks}");
    let answer = Answer::parse(&exchange(daemon.addr(), bytes.as_bytes()).await).unwrap();
    assert_eq!(answer.result(), "tracked");
    daemon.stop().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_event() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let mut stream = TcpStream::connect(daemon.addr()).await.unwrap();
    let cut = format!("{HEAD}Content-Length: 100\r\n\r\n{{\"event\":");
    stream.write_all(cut.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap().ok();
    daemon.until("it is counted", async || refusals(&daemon, "not_json").await == 1.0).await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_slow_is_told_so() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let mut stream = TcpStream::connect(daemon.addr()).await.unwrap();
    let slow = format!("{HEAD}Content-Length: 100\r\n\r\n{{\"event\":");
    stream.write_all(slow.as_bytes()).await.unwrap();
    let answer = answer(&mut stream).await;
    assert_eq!((answer.status, answer.code().as_str()), (408, "too_slow"));
    assert_eq!(refusals(&daemon, "too_slow").await, 1.0);
    daemon.stop().await;
}

#[tokio::test]
async fn slow_heads_hold_nobody_up_and_are_closed_after_10_s() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let begun = tokio::time::sleep(std::time::Duration::from_secs(9));
    let mut slow = Vec::new();
    for i in 0..300 {
        let mut stream = TcpStream::connect(daemon.addr()).await.unwrap();
        // Silent, in the middle of its head, or idle after an answer.
        match i % 3 {
            0 => {}
            1 => stream.write_all(b"POST /webhooks/talk").await.unwrap(),
            _ => {
                stream.write_all(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
                assert_eq!(answer(&mut stream).await.status, 200);
            }
        }
        slow.push(stream);
    }
    assert_eq!(daemon.event("phone_call_started", "c1").await, "tracked");
    begun.await;
    assert_eq!(daemon.event("phone_call_connected", "c1").await, "updated");
    for mut stream in slow {
        let mut rest = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is closed").ok();
        assert_eq!(String::from_utf8_lossy(&rest), "", "without a word");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_refused_and_costs_nobody_else_anything() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let many: String = (0..100).map(|i| format!("X-{i}: v\r\n")).collect();
    let heads = [
        format!("{HEAD}Content-Length: 0\r\n{many}\r\n"),
        format!("{HEAD}Content-Length: 0\r\nX-Long: {}\r\n\r\n", "v".repeat(100_000)),
        format!("POST /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(100_000)),
        "\u{0}\u{1}\u{2}\u{3}\r\n\r\n".to_owned(),
        "POST /webhooks/talkover HTTP/9.9\r\n\r\n".to_owned(),
        format!("{HEAD}Content-Length: many\r\n\r\n"),
        format!("{HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{{}}"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ];
    for head in &heads {
        let answer = exchange(daemon.addr(), head.as_bytes()).await;
        let said = String::from_utf8_lossy(&answer);
        let is_refused = said.is_empty() || said.starts_with("HTTP/1.1 4");
        assert!(is_refused, "{:.60}: {said}", head);
    }
    assert_eq!(daemon.event("phone_call_started", "c1").await, "tracked");
    daemon.stop().await;
}

#[tokio::test]
async fn an_unknown_call_beyond_max_calls_is_put_off_and_nothing_of_it_is_kept() {
    let daemon = Daemon::start(ConfigFile::new().set("server.max_calls", 2)).await;
    assert_eq!(daemon.event("phone_call_started", "c1").await, "tracked");
    assert_eq!(daemon.event("phone_call_started", "c2").await, "tracked");
    let body = json!({"event": "event_phone_call_started", "call_id": "c3"});
    let refused = daemon.webhook().json(&body).send().await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "full"));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=300).contains(&seconds));
    assert_eq!(daemon.call("c3").await, json!(null));
    assert_eq!(daemon.get("/health").await.status, 503);
    assert_eq!(refusals(&daemon, "unavailable").await, 1.0);

    // What is live goes on, and its end makes room.
    assert_eq!(daemon.event("phone_call_connected", "c2").await, "updated");
    assert_eq!(daemon.event("phone_call_ended", "c1").await, "ended");
    assert_eq!(daemon.webhook().json(&body).send().await.result(), "tracked");
    daemon.stop().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_undoes_nothing() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    for i in 0..50 {
        let body = json!({"event": "event_phone_call_started", "call_id": format!("c{i}")});
        let bytes = daemon.webhook().json(&body).bytes();
        let mut stream = TcpStream::connect(daemon.addr()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
    }
    let live = r#"callwarden_calls{state="live"}"#;
    daemon.until("all are tracked", async || daemon.metrics().await.value(live) == 50.0).await;
    daemon.stop().await;
}

/// The next answer on a connection that may stay open.
async fn answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let reading = async {
        loop {
            let mut more = [0; 4096];
            let n = stream.read(&mut more).await.unwrap();
            bytes.extend_from_slice(&more[..n]);
            if let Some(answer) = Answer::parse(&bytes) {
                return answer;
            }
            assert_ne!(n, 0, "it was closed after {:?}", String::from_utf8_lossy(&bytes));
        }
    };
    timeout(PATIENCE, reading).await.expect("an answer")
}

async fn refusals(daemon: &Daemon, result: &str) -> f64 {
    let label = format!("result=\"{result}\"");
    daemon.metrics().await.sum("callwarden_webhooks_total", &[&label])
}
