//! 429 in all its shapes: for how long everything pauses (spec §7 *Quota*).

use std::time::{Duration, UNIX_EPOCH};

use callwarden::sim::Wait;
use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    harness::{ConfigFile, Daemon, Platform},
    seen::{self, talking, unlisted},
};

/// Epoch seconds, so many from now.
fn epoch_in(seconds: i64) -> u64 {
    u64::try_from(Timestamp::now().as_second() + seconds).unwrap()
}

fn date_in(seconds: i64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(epoch_in(seconds)))
}

/// A platform that answers everything with the same bytes; returns its base URL.
async fn answering(headers: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    let answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n{headers}\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let answers = async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            if stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                stream.write_all(answer.as_bytes()).await.ok();
            }
        }
    };
    spawn(answers);
    url
}

#[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// How long health says that everything pauses after such an answer, once it says so.
async fn pause(headers: &str, body: &str) -> Duration {
    let config = ConfigFile::new()
        .set("platform.base_url", answering(headers, body).await)
        .set("enforcement.reconcile_every", "1h");
    let daemon = Daemon::start(config).await;
    let mut pause = Duration::ZERO;
    daemon
        .until("a pause shows", async || {
            let health = daemon.health().await;
            let message = health["checks"]["platform"]["message"].as_str().unwrap_or_default();
            let Some((_, rest)) = message.split_once("all requests pause for ") else {
                return false;
            };
            let (length, _) = rest.split_once(" more").unwrap();
            pause = humantime::parse_duration(length).unwrap();
            true
        })
        .await;
    daemon.stop().await;
    pause
}

#[track_caller]
fn assert_about(pause: Duration, seconds: u64) {
    // What has passed until health was looked at is off it.
    let least = Duration::from_secs(seconds.saturating_sub(4));
    assert!(least <= pause && pause <= Duration::from_secs(seconds), "{pause:?}, not {seconds} s");
}

const PLAIN: &str = r#"{"success":false,"message":"Rate limit exceeded"}"#;

#[tokio::test]
async fn a_429_pauses_for_its_retry_after_wherever_the_body_has_it() {
    let documented = r#"{"error":{"code":"RATE_LIMIT_EXCEEDED","message":"Slow down","details":{"retry_after":60}}}"#;
    assert_about(pause("", documented).await, 60);
    let on_top = r#"{"success":false,"message":"Slow","details":{"retry_after":"40"}}"#;
    assert_about(pause("", on_top).await, 40);
}

#[tokio::test]
async fn a_429_pauses_for_its_retry_after_header() {
    assert_about(pause("Retry-After: 50\r\n", PLAIN).await, 50);
    let at = date_in(90);
    assert_about(pause(&format!("Retry-After: {at}\r\n"), PLAIN).await, 90);
}

#[tokio::test]
async fn a_429_pauses_until_the_reset_in_seconds_or_as_an_epoch() {
    assert_about(pause("X-RateLimit-Reset: 45\r\n", PLAIN).await, 45);
    let epoch = epoch_in(70);
    assert_about(pause(&format!("X-RateLimit-Reset: {epoch}\r\n"), PLAIN).await, 70);
    // By the platform's own clock, which is an hour behind ours.
    let headers =
        format!("Date: {}\r\nX-RateLimit-Reset: {}\r\n", date_in(-3600), epoch_in(70 - 3600));
    assert_about(pause(&headers, PLAIN).await, 70);
}

#[tokio::test]
async fn a_429_without_a_hint_pauses_for_5_s() {
    assert_about(pause("", PLAIN).await, 5);
    assert_about(pause("", "").await, 5);
}

#[tokio::test]
async fn no_429_pauses_for_more_than_5_min() {
    let absurd = r#"{"error":{"details":{"retry_after":1000000000}}}"#;
    assert_about(pause("", absurd).await, 300);
    assert_about(pause("Retry-After: 1000000000\r\n", PLAIN).await, 300);
    assert_about(pause("X-RateLimit-Reset: 99999999999999\r\n", PLAIN).await, 300);
}

#[tokio::test]
async fn after_a_pause_one_probe_leaves_and_then_the_rest_in_order() {
    let sim = Platform::with_faults(&["rate-limited,scope=end-call,count=3"]).await;
    let config = unlisted(&sim).set("limits.total", "2s");
    let daemon = Daemon::start(config).await;
    sim.deliver_to(&daemon);
    let calls: Vec<_> = (0..30).map(|_| sim.place(talking())).collect();
    sim.until(Wait::Over { count: 30 }).await;
    for call in &calls {
        daemon.until_outcome(call, "stopped").await;
    }
    // Half a second after the last refusal what was under way by then has come; a second after it
    // the probe may.
    let seen = seen::requests(&sim, "end-call");
    let refused = seen.iter().filter(|request| request.status == Some(429));
    let last = refused.filter_map(|request| request.answered_at).max().unwrap();
    let pause = last + 500_000..last + 950_000;
    assert!(seen.iter().all(|request| !pause.contains(&request.at)), "no pause after {last}");
    let limited = daemon.metrics().await;
    let limited = limited.value("callwarden_end_call_requests_total{result=\"rate_limited\"}");
    assert!(limited >= 1.0);
    daemon.stop().await;
}
