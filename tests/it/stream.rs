//! §10 `GET /api/stream`.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{ConfigFile, Daemon, PATIENCE, Request};

fn request(addr: SocketAddr) -> Vec<u8> {
    Request::new("GET", "/api/stream")
        .header("Authorization", "Bearer admin-0123456789abcdef")
        .bytes(addr)
}

struct Stream {
    socket: TcpStream,
    text: String,
}

impl Stream {
    async fn open(daemon: &Daemon) -> Self {
        let mut socket = TcpStream::connect(daemon.admin_addr()).await.unwrap();
        socket.write_all(&request(daemon.admin_addr())).await.unwrap();
        let mut stream = Self { socket, text: String::new() };
        stream.until("\r\n\r\n").await;
        stream
    }

    /// Reads until `text` has come; false if the stream ends before.
    async fn until(&mut self, text: &str) -> bool {
        let reading = async {
            let mut bytes = vec![0; 65_536];
            while !self.text.contains(text) {
                match self.socket.read(&mut bytes).await {
                    Ok(0) | Err(_) => return false,
                    Ok(n) => self.text.push_str(&String::from_utf8_lossy(&bytes[..n])),
                }
            }
            true
        };
        timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("no {text:?} in time"))
    }

    /// The data of the first event of this name that holds `text`.
    fn event(&self, name: &str, text: &str) -> Value {
        let head = format!("event: {name}\n");
        let found =
            self.text.split("\n\n").find(|event| event.contains(&head) && event.contains(text));
        let (_, data) = found.unwrap().split_once("data: ").unwrap();
        serde_json::from_str(data.lines().next().unwrap()).unwrap()
    }
}

#[tokio::test]
async fn it_tells_of_calls_and_ticks_and_ends_at_shutdown() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let mut stream = Stream::open(&daemon).await;
    assert!(stream.text.starts_with("HTTP/1.1 200"), "{}", stream.text);
    assert!(stream.text.to_lowercase().contains("content-type: text/event-stream"));
    assert!(stream.until("event: hour").await);
    assert_eq!(daemon.event("phone_call_started", "c1").await, "tracked");
    assert!(stream.until(r#""id":"c1""#).await);
    let call = stream.event("call", "c1");
    assert_eq!((call["state"].as_str(), call["limit"].as_str()), (Some("live"), Some("total")));
    assert!(call["history"].is_null());
    assert_eq!(daemon.event("phone_call_ended", "c1").await, "ended");
    assert!(stream.until(r#""outcome":"completed""#).await);
    assert!(stream.until("event: tick").await);
    let tick = stream.event("tick", "");
    assert!(tick["health"]["status"].is_string() && tick["quota"]["of"].is_u64(), "{tick}");
    daemon.stop().await;
    assert!(!stream.until("it goes on for ever").await);
}

#[tokio::test]
async fn there_are_32_at_most() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(Stream::open(&daemon).await);
    }
    assert!(streams.iter().all(|stream| stream.text.starts_with("HTTP/1.1 200")));
    assert_eq!(daemon.api("/api/stream").await.status, 503);
    streams.pop();
    daemon
        .until("there is room again", async || {
            Stream::open(&daemon).await.text.starts_with("HTTP/1.1 200")
        })
        .await;
    daemon.stop().await;
}

#[tokio::test]
async fn who_never_reads_is_dropped_and_holds_nobody_up() {
    let daemon = Daemon::start(ConfigFile::new()).await;
    let deaf = Stream::open(&daemon).await;
    for n in 0..200 {
        assert_eq!(daemon.event("phone_call_started", &format!("c{n}")).await, "tracked");
    }
    daemon.stop().await;
    drop(deaf);
}
