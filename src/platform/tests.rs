//! The client against a server of a few lines, which reads a request and writes exact bytes.

mod lists;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use secrecy::SecretString;

use super::{Client, ListQuery, Options};
use crate::model::{
    ids::AgentId,
    platform::{Answer, Failure, Meter, Page, Row, Status},
    time::Wall,
};

/// Our clock, an hour ahead of the `Date` in answers: 2024-01-15T12:00:00Z.
const NOW: Wall = Wall(1_705_320_000_000_000);
const DATE: &str = "Date: Mon, 15 Jan 2024 11:00:00 GMT\r\n";
const THEIR_NOW: i64 = 1_705_316_400;

const GOODBYE: &str = r#"{"success":true,"data":{"id":"call-uuid-123","status":"completed"}}"#;

/// What the server does with one request.
enum Act {
    /// Writes this, and waits for the next request.
    Say(String),
    /// Writes this, and closes.
    SayAndClose(String),
    /// Waits for the client to go away.
    Nothing,
}

struct Server {
    url: String,
    requests: mpsc::Receiver<String>,
}

impl Server {
    /// Meets each request with the next act, on as many connections as it takes.
    fn new(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/api/v1/", listener.local_addr().unwrap());
        let (heard, requests) = mpsc::channel();
        thread::spawn(move || {
            let mut acts = acts.into_iter().peekable();
            while acts.peek().is_some() {
                let (stream, _) = listener.accept().unwrap();
                serve(stream, &mut acts, &heard);
            }
        });
        Self { url, requests }
    }

    fn client(&self) -> Client {
        client(&self.url)
    }

    fn request(&self) -> String {
        self.requests.recv_timeout(Duration::from_secs(5)).unwrap()
    }
}

fn serve(stream: TcpStream, acts: &mut impl Iterator<Item = Act>, heard: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        heard.send(request).unwrap();
        match acts.next().unwrap() {
            Act::Say(bytes) => reader.get_mut().write_all(bytes.as_bytes()).unwrap(),
            Act::SayAndClose(bytes) => {
                return reader.get_mut().write_all(bytes.as_bytes()).unwrap();
            }
            Act::Nothing => drop(reader.read(&mut [0])),
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut request = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        request.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.push_str(&String::from_utf8(body).unwrap());
    Some(request)
}

fn client(url: &str) -> Client {
    Client::new(&Options {
        base_url: url,
        token: &SecretString::from("talq_secret"),
        timeout: Duration::from_millis(700),
        clock: Arc::new(|| NOW),
    })
    .unwrap()
}

fn agent() -> AgentId {
    AgentId::parse("agent-1").unwrap()
}

fn http(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

fn json(status: &str, body: &str) -> String {
    http(status, "Content-Type: application/json\r\n", body)
}

/// One after which the connection closes, and which says so: else the next request may be written to
/// it before the close is seen.
fn last_json(status: &str, body: &str) -> Act {
    let headers = "Content-Type: application/json\r\nConnection: close\r\n";
    Act::SayAndClose(http(status, headers, body))
}

async fn end_call(bytes: String) -> (Answer, Meter) {
    let server = Server::new(vec![Act::SayAndClose(bytes)]);
    server.client().end_call(&agent(), "call-1").await
}

async fn answer(bytes: String) -> Answer {
    end_call(bytes).await.0
}

fn misdirected(status: u16) -> Answer {
    Answer::Failed(Failure::Misdirected { status })
}

fn other(status: u16, message: &str) -> Answer {
    let message = message.to_owned();
    Answer::Failed(Failure::Other { status, message })
}

#[tokio::test]
async fn an_end_call_request_is_as_the_page_has_it() {
    let server = Server::new(vec![
        Act::Say(json("200 OK", GOODBYE)),
        Act::SayAndClose(json("200 OK", GOODBYE)),
    ]);
    let client = server.client();
    let (answer, _) = client.end_call(&agent(), "call \"1\"").await;
    assert_eq!(answer, Answer::Accepted);
    let request = server.request().to_lowercase();
    assert!(request.starts_with("post /api/v1/agents/agent-1/end-call http/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nauthorization: bearer talq_secret\r\n"), "{request}");
    assert!(request.contains("\r\naccept: application/json\r\n"), "{request}");
    assert!(request.contains("\r\ncontent-type: application/json\r\n"), "{request}");
    let agent_line = concat!("\r\nuser-agent: callwarden/", env!("CARGO_PKG_VERSION"), "\r\n");
    assert!(request.contains(agent_line), "{request}");
    assert!(request.ends_with(r#"{"call_sid":"call \"1\""}"#), "{request}");

    client.clone().set_token(&SecretString::from("talq_fresh")).unwrap();
    assert!(client.set_token(&SecretString::from("two\nlines")).is_err());
    client.end_call(&agent(), "call-1").await;
    assert!(server.request().contains("Bearer talq_fresh\r\n"));
}

#[tokio::test]
async fn success_is_2xx_json_without_success_false() {
    let accepted = [
        json("200 OK", GOODBYE),
        json("202 Accepted", "{}"),
        json("200 OK", r#"{"success":null}"#),
        http("200 OK", "Content-Type: text/html\r\n", GOODBYE),
    ];
    for bytes in accepted {
        assert_eq!(answer(bytes.clone()).await, Answer::Accepted, "{bytes}");
    }
    let denied = json("200 OK", r#"{"success":false,"message":"later"}"#);
    assert_eq!(answer(denied).await, other(200, "later"));
    let page = http("200 OK", "Content-Type: text/html\r\n", "<html>Login</html>");
    assert_eq!(answer(page).await, misdirected(200));
    assert_eq!(answer(json("200 OK", "  <!DOCTYPE html>")).await, misdirected(200));
    assert_eq!(answer(json("200 OK", "fine")).await, misdirected(200));
    assert_eq!(answer("HTTP/1.1 204 No Content\r\n\r\n".to_owned()).await, misdirected(204));
}

#[tokio::test]
async fn only_a_404_that_speaks_of_the_call_says_that_there_is_none() {
    let not_found = [
        r#"{"success":false,"message":"Call not found for this agent"}"#,
        r#"{"success":false,"message":"CALL NOT FOUND","code":"X"}"#,
        r#"{"error":{"code":"X","message":"Call not found","details":{}}}"#,
        r#"{"success":false,"error":{"message":"call not found"}}"#,
        r#"{"error":"X","message":"Call not found","status_code":404}"#,
        r#"{"message":"Call not found"}"#,
        r#"{"message":"Failed","errors":{"call_sid":["Call not found."]}}"#,
        r#"{"success":false,"errors":["Call not found."]}"#,
        r#"{"code":"X","details":{},"message":"Call not found","existing_call":{"id":"c"}}"#,
    ];
    for body in not_found {
        assert_eq!(answer(json("404 Not Found", body)).await, Answer::NotFound, "{body}");
    }
    let foreign = [
        r#"{"success":false,"message":"Agent not found in this environment."}"#,
        r#"{"message":"The route api/v2/agents could not be found."}"#,
        r#"{"data":"call not found"}"#,
        "<html>call not found</html>",
        "",
    ];
    for body in foreign {
        assert_eq!(answer(json("404 Not Found", body)).await, misdirected(404), "{body}");
    }
}

#[tokio::test]
async fn each_other_status_has_its_meaning() {
    let body = r#"{"success":false,"message":"no"}"#;
    let unauthorized = |status| Answer::Failed(Failure::Unauthorized { status });
    let server_error = |status| Answer::Failed(Failure::ServerError { status });
    let cases = [
        (json("409 Conflict", body), Answer::NotActive),
        (json("409 Conflict", ""), Answer::NotActive),
        (json("409 Conflict", "<html>"), misdirected(409)),
        (json("401 Unauthorized", body), unauthorized(401)),
        (json("403 Forbidden", "<html>"), unauthorized(403)),
        (http("302 Found", "Location: /login\r\n", ""), misdirected(302)),
        (json("500 Internal Server Error", body), server_error(500)),
        (json("502 Bad Gateway", "<html>"), server_error(502)),
        (json("402 Payment Required", body), other(402, "no")),
        (json("422 Unprocessable", r#"{"errors":{"a":["bad a"]}}"#), other(422, "bad a")),
        (json("422 Unprocessable", r#"{"error":{"code":"BAD"}}"#), other(422, "BAD")),
        (json("405 Method Not Allowed", "<html>"), misdirected(405)),
        (json("418 Teapot", "plain"), other(418, "")),
    ];
    for (bytes, expected) in cases {
        assert_eq!(answer(bytes.clone()).await, expected, "{bytes}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Server::new(vec![Act::SayAndClose(json("200 OK", GOODBYE))]);
    let location = format!("Location: {}\r\n", target.url);
    let moved = http("307 Temporary Redirect", &location, "");
    assert_eq!(answer(moved).await, misdirected(307));
    assert!(target.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_pause_is_read_from_wherever_it_is_told() {
    const SECOND: Duration = Duration::from_secs(1);
    let nested = r#"{"error":{"code":"X","message":"m","details":{"retry_after":60}}}"#;
    let text = r#"{"retry_after":"7"}"#;
    let null = r#"{"retry_after":null}"#;
    let absurd = r#"{"retry_after":1000000000}"#;
    let beyond = r#"{"retry_after":1e300}"#;
    let epoch = format!("X-RateLimit-Reset: {}\r\n", THEIR_NOW + 9);
    let our_epoch = format!("X-RateLimit-Reset: {}\r\n", THEIR_NOW + 3_609);
    let our_millis = format!("X-RateLimit-Reset: {}000\r\n", THEIR_NOW + 3_609);
    let date = "Retry-After: Mon, 15 Jan 2024 11:00:08 GMT\r\n";
    let cases = [
        ("", nested, Some(60 * SECOND)),
        ("Retry-After: 3\r\n", text, Some(7 * SECOND)),
        ("Retry-After: 3\r\n", null, Some(3 * SECOND)),
        ("Retry-After: 3\r\nX-RateLimit-Reset: 20\r\n", "", Some(3 * SECOND)),
        ("Retry-After: soon\r\nX-RateLimit-Reset: 20\r\n", "<html>", Some(20 * SECOND)),
        (&format!("{DATE}{date}"), "", Some(8 * SECOND)),
        (&format!("{DATE}{epoch}"), "", Some(9 * SECOND)),
        (&our_epoch, "", Some(9 * SECOND)),
        (&our_millis, "", Some(9 * SECOND)),
        (&epoch, "", Some(Duration::ZERO)),
        ("Retry-After: -3\r\n", r#"{"message":"Rate limit exceeded"}"#, None),
        ("", r#"{"retry_after":"NaN"}"#, None),
        ("", absurd, Some(1_000_000_000 * SECOND)),
        ("", beyond, Some(Duration::MAX)),
    ];
    for (headers, body, pause) in cases {
        let bytes = http("429 Too Many Requests", headers, body);
        let expected = Answer::Failed(Failure::RateLimited { pause });
        assert_eq!(answer(bytes.clone()).await, expected, "{bytes}");
    }
    // Whatever it comes to, it must not overflow.
    let beyond = "X-RateLimit-Reset: 99999999999999999999\r\n";
    answer(http("429 Too Many Requests", beyond, "")).await;
}

#[tokio::test]
async fn the_meter_is_read_from_every_answer() {
    let headers = format!(
        "{DATE}X-RateLimit-Limit: 100\r\nX-RateLimit-Remaining: 41\r\nX-RateLimit-Reset: 12\r\n"
    );
    let expected = Meter {
        limit: Some(100),
        remaining: Some(41),
        reset: Some(Duration::from_secs(12)),
        date: Some(Wall(THEIR_NOW * 1_000_000)),
    };
    for status in ["200 OK", "404 Not Found", "500 Internal Server Error", "302 Found"] {
        assert_eq!(end_call(http(status, &headers, "{}")).await.1, expected, "{status}");
    }
    let odd = "X-RateLimit-Limit: many\r\nX-RateLimit-Remaining: -1\r\nDate: today\r\n";
    assert_eq!(end_call(http("200 OK", odd, "{}")).await.1, Meter::default());
}

#[tokio::test]
async fn a_request_that_gets_no_answer_says_how_far_it_came() {
    let cut = Answer::Failed(Failure::Cut);
    assert_eq!(answer(String::new()).await, cut);
    assert_eq!(answer("HTTP/1.1 200 OK\r\nContent-".to_owned()).await, cut);
    let mid_body = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"success\":true".to_owned();
    assert_eq!(answer(mid_body).await, cut);
    let mid_404 = "HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\n{".to_owned();
    assert_eq!(answer(mid_404).await, cut);
    let mid_503 = "HTTP/1.1 503 Busy\r\nContent-Length: 99\r\n\r\n{".to_owned();
    let busy = Answer::Failed(Failure::ServerError { status: 503 });
    assert_eq!(answer(mid_503).await, busy);

    let silent = Server::new(vec![Act::Nothing]);
    let (answer, _) = silent.client().end_call(&agent(), "call-1").await;
    assert_eq!(answer, Answer::Failed(Failure::Timeout));

    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let (answer, _) = client(&url).end_call(&agent(), "call-1").await;
    assert_eq!(answer, Answer::Failed(Failure::Network));
}

#[tokio::test]
async fn a_connection_closed_while_idle_costs_no_request() {
    let server = Server::new(vec![
        Act::SayAndClose(json("200 OK", GOODBYE)),
        Act::Say(json("200 OK", GOODBYE)),
        Act::SayAndClose(json("200 OK", GOODBYE)),
    ]);
    let client = server.client();
    for _ in 0..3 {
        let (answer, _) = client.end_call(&agent(), "call-1").await;
        assert_eq!(answer, Answer::Accepted);
        server.request();
        // The close is to be seen before the next request is written.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_kept_connection_cut_under_a_request_is_a_cut_and_nothing_is_sent_twice() {
    let server = Server::new(vec![
        Act::Say(json("200 OK", GOODBYE)),
        Act::SayAndClose(String::new()),
        Act::SayAndClose(json("200 OK", GOODBYE)),
    ]);
    let client = server.client();
    assert_eq!(client.end_call(&agent(), "call-1").await.0, Answer::Accepted);
    let (answer, _) = client.end_call(&agent(), "call-1").await;
    assert_eq!(answer, Answer::Failed(Failure::Cut));
    assert_eq!(server.requests.try_iter().count(), 2);
}

#[tokio::test]
async fn a_body_is_read_up_to_its_bound() {
    let long = format!(r#"{{"success":true,"pad":"{}"}}"#, "x".repeat(70_000));
    let expected = other(200, "a body of more than 65536 bytes");
    assert_eq!(answer(json("200 OK", &long)).await, expected);
    assert_eq!(answer(json("409 Conflict", &long)).await, Answer::NotActive);

    let rows = vec![format!(r#"{{"id":"c","to":"{}"}}"#, "1".repeat(900)); 100].join(",");
    let server =
        Server::new(vec![Act::SayAndClose(json("200 OK", &format!(r#"{{"data":[{rows}]}}"#)))]);
    let (page, _) = server.client().calls(&ListQuery::default()).await;
    let page = page.unwrap();
    assert_eq!((page.rows.len(), page.last_page), (100, 2));
}

#[tokio::test]
async fn an_address_or_token_that_cannot_be_used_is_refused() {
    let make = |base_url: &str, token: &str| {
        Client::new(&Options {
            base_url,
            token: &SecretString::from(token),
            timeout: Duration::from_secs(1),
            clock: Arc::new(|| NOW),
        })
        .err()
        .map(|error| error.to_string())
    };
    assert_eq!(make("https://app.talkover.ai/api/v1", "t"), None);
    assert!(make("app.talkover.ai", "t").unwrap().contains("platform.base_url"));
    assert!(make("ftp://x", "t").unwrap().contains("\"ftp://x\""));
    let refused = make("http://127.0.0.1", "hush\u{7f}").unwrap();
    assert!(refused.contains("platform.token") && !refused.contains("hush"));
}
