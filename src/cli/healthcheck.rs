//! `callwarden healthcheck` (spec §2): asks the configured listener's `/readyz`, so that a container
//! without curl can be asked how it is.

mod tls;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::config::Server;

/// What its help ends with.
pub(super) const EXAMPLE: &str = "\
It asks over loopback where the daemon listens on all addresses, and by TLS where `server.tls` is \
set. The certificate is taken as it is, expired or for another name: nothing secret is asked or told.

Example:
  callwarden healthcheck --config callwarden.toml";

/// Less than the three seconds after which container health checks commonly give up.
const PATIENCE: Duration = Duration::from_millis(2_500);
const ANSWER_AT_MOST: u64 = 16 * 1024;

/// Asks the daemon that listens as `server` has it whether it is ready, and prints what it says to `out`,
/// on one line. No answer is a `false` too.
///
/// # Errors
///
/// `out` cannot be written to.
pub async fn run(server: &Server, out: &mut impl io::Write) -> io::Result<bool> {
    ask_at(server.listen, server.tls.is_some(), out).await
}

async fn ask_at(listen: SocketAddr, tls: bool, out: &mut impl io::Write) -> io::Result<bool> {
    let address = reachable(listen);
    let (ready, said) = match timeout(PATIENCE, ask(address, tls)).await {
        Ok(Ok(answer)) => judged(&answer),
        Ok(Err(error)) => (false, error.to_string()),
        Err(_) => (false, format!("no answer within {} ms", PATIENCE.as_millis())),
    };
    if ready {
        writeln!(out, "{address} is ready")?;
    } else {
        writeln!(out, "{address} is not ready: {said}")?;
    }
    Ok(ready)
}

/// Where a listener can be asked from here: one on all addresses over loopback.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(address: SocketAddr, tls: bool) -> io::Result<String> {
    if address.port() == 0 {
        return Err(io::Error::other(
            "server.listen leaves the port open, so nobody knows which it is: name one",
        ));
    }
    let stream = TcpStream::connect(address).await?;
    if tls { talk(tls::connect(stream).await?, address).await } else { talk(stream, address).await }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddr,
) -> io::Result<String> {
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_AT_MOST).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Whether an answer says 200, and what its body says, on one line.
fn judged(answer: &str) -> (bool, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status_line = head.lines().next().unwrap_or_default();
    let ready = status_line.starts_with("HTTP/1.1 200 ");
    let reasons: Vec<_> = body.lines().filter(|line| !line.is_empty()).collect();
    let said = match reasons.as_slice() {
        [] => format!("it answered {status_line:?}"),
        reasons => reasons.join("; ").replace(char::is_control, " "),
    };
    (ready, said)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Asks a listener that answers `answer`.
    async fn asked(answer: &'static str) -> (bool, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let n = stream.read(&mut request).await.unwrap();
            assert!(request[..n].starts_with(b"GET /readyz HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        let mut out = Vec::new();
        let everywhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
        let (ready, ()) = tokio::join!(ask_at(everywhere, false, &mut out), serve);
        let line = String::from_utf8(out).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        (ready.unwrap(), line.replace(&address.to_string(), "LISTEN"))
    }

    #[tokio::test]
    async fn it_says_on_one_line_whether_the_daemon_is_ready() {
        let fine = asked("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n").await;
        assert_eq!(fine, (true, "LISTEN is ready\n".to_owned()));
        let busy = asked("HTTP/1.1 503 Service Unavailable\r\n\r\nit drains\ncalls load\n").await;
        let line = "LISTEN is not ready: it drains; calls load\n".to_owned();
        assert_eq!(busy, (false, line));
        let odd = asked("SSH-2.0-x\r\n").await;
        let line = "LISTEN is not ready: it answered \"SSH-2.0-x\"\n".to_owned();
        assert_eq!(odd, (false, line));
    }

    #[tokio::test]
    async fn nobody_there_is_not_ready() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = closed.local_addr().unwrap();
        drop(closed);
        let mut out = Vec::new();
        assert!(!ask_at(address, false, &mut out).await.unwrap());
        assert!(String::from_utf8(out).unwrap().contains("refused"));
    }

    #[test]
    fn a_listener_on_all_addresses_is_asked_over_its_familys_loopback() {
        let at = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(at("[::]:80"), "[::1]:80");
        assert_eq!(at("192.0.2.1:80"), "192.0.2.1:80");
    }
}
