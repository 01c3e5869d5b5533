//! Webhooks over kept connections, one after the other on each.

use std::net::SocketAddr;

use anyhow::Context as _;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::daemon::SECRET;

/// A connection that webhooks are sent on.
pub(crate) struct Sender {
    stream: BufReader<TcpStream>,
}

impl Sender {
    pub(crate) async fn connect(addr: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends one event, signed, and returns the status of the answer.
    pub(crate) async fn send(&mut self, call: &str, event: &str) -> anyhow::Result<u16> {
        self.send_with(call, event, "").await
    }

    /// The same, with more fields in its body.
    pub(crate) async fn send_with(
        &mut self,
        call: &str,
        event: &str,
        more: &str,
    ) -> anyhow::Result<u16> {
        let body = format!(
            "{{\"event\":\"{event}\",\"call_id\":\"{call}\",\"agent_id\":\"agent-1\",\
             \"to\":\"+4915112345678\",\"direction\":\"outbound\"{more}}}"
        );
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
        mac.update(body.as_bytes());
        let signature = HEXLOWER.encode(&mac.finalize().into_bytes());
        let request = format!(
            "POST /webhooks/talkover HTTP/1.1\r\nHost: localhost\r\nSignature: {signature}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> anyhow::Result<u16> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let status = line.split(' ').nth(1).context("no status")?.parse()?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).await?;
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(told) = header.strip_prefix("content-length:") {
                length = told.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(status)
    }
}
