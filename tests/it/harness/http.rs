//! HTTP by hand: one connection a request, bytes as the test wants them.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::PATIENCE;

/// A request to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In their order, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// As it goes over the wire. `Host`, `Connection`, `Content-Length` are made where none is set.
    pub(crate) fn bytes(&self, addr: SocketAddr) -> Vec<u8> {
        let has = |name: &str| self.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        };
        if !has("host") {
            line("Host", addr.to_string().as_bytes());
        }
        if !has("connection") {
            line("Connection", b"close");
        }
        if !has("content-length") && !has("transfer-encoding") {
            line("Content-Length", self.body.len().to_string().as_bytes());
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    pub(crate) async fn send(&self, addr: SocketAddr) -> Answer {
        let answer = exchange(addr, &self.bytes(addr)).await;
        let shown = || format!("{} {}", self.method, self.target);
        Answer::parse(&answer).unwrap_or_else(|| panic!("no answer to {}: {answer:?}", shown()))
    }

    /// Like [`send`](Self::send), for whom it may be that nobody is there.
    pub(crate) async fn try_send(&self, addr: SocketAddr) -> Option<Answer> {
        let mut stream = TcpStream::connect(addr).await.ok()?;
        stream.write_all(&self.bytes(addr)).await.ok()?;
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.ok()?.ok()?;
        Answer::parse(&answer)
    }
}

/// Sends bytes on a connection of their own and returns all that comes until it is closed.
pub(crate) async fn exchange(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut answer = Vec::new();
    let talk = async {
        // The server may close before all is written; what it said by then is what counts.
        stream.write_all(bytes).await.ok();
        stream.read_to_end(&mut answer).await.ok();
    };
    timeout(PATIENCE, talk).await.expect("the connection stays open");
    answer
}

impl Answer {
    /// `None` where the bytes are no whole answer.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = str::from_utf8(bytes.get(..end)?).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                (name.to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect();
        let mut answer = Self { status, headers, body: String::new() };
        let body = bytes.get(end + 4..)?;
        let body = match answer.header("content-length") {
            Some(length) => body.get(..length.parse().ok()?)?.to_vec(),
            None => body.to_vec(),
        };
        answer.body = String::from_utf8(body).ok()?;
        Some(answer)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {} {}", self.status, self.body))
    }

    /// `result` of a webhook's answer; the test fails unless it is a 200.
    #[track_caller]
    pub(crate) fn result(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.body);
        let json = self.json();
        assert_eq!(json["received"], true);
        json["result"].as_str().unwrap().to_owned()
    }

    /// `error.code` of a refusal.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("{}", self.body)).to_owned()
    }
}
