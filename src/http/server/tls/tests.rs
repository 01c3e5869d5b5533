//! Over real sockets: handshakes that come, come late, or are none.

use std::{collections::BTreeMap, fs, time::Duration};

use axum::{Router, routing::get};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::CertificateDer,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client};
use tokio_util::task::TaskTracker;

use super::*;
use crate::{
    config::{self, SecretSource},
    http::server::serve,
};

const HELLO: &[u8] = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
/// Longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(20);

/// An authority, and clients that trust it.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), root }
    }

    /// A new certificate for localhost.
    fn identity(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, pem: String| {
            let path = folder.path().join(name);
            fs::write(&path, pem).unwrap();
            path
        };
        let tls = config::Tls {
            certificate: write("certificate", certificate.pem()),
            key: SecretSource::File(write("key", key.serialize_pem())),
        };
        Identity::read(&tls, &BTreeMap::new()).unwrap()
    }

    async fn connect(&self, stream: TcpStream) -> io::Result<client::TlsStream<TcpStream>> {
        self.connect_by(rustls::ALL_VERSIONS, stream).await
    }

    async fn connect_by(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        stream: TcpStream,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect("localhost".try_into().unwrap(), stream).await
    }
}

struct Running {
    address: std::net::SocketAddr,
    authority: Authority,
    tls: Tls,
    stop: CancellationToken,
    connections: TaskTracker,
    server: JoinHandle<()>,
}

async fn start(limits: Limits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let authority = Authority::new();
    let tls = Tls::new(&authority.identity());
    let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
    let app = Router::new().route("/hello", get(|| async { "hello" }));
    let served =
        serve(listener, app, limits, Some(tls.clone()), connections.clone(), stop.clone(), || {});
    let server = TaskTracker::new().spawn(served);
    Running { address, authority, tls, stop, connections, server }
}

impl Running {
    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn connect(&self) -> client::TlsStream<TcpStream> {
        self.authority.connect(self.tcp().await).await.unwrap()
    }
}

/// All that comes until the server closes, which it must do by `close_notify`.
async fn rest(mut stream: client::TlsStream<TcpStream>) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("closed in time");
    read.expect("an end, not a cut");
    String::from_utf8(bytes).unwrap()
}

fn certificate_of(stream: &client::TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

fn quick_heads() -> Limits {
    Limits { head: Duration::from_millis(100), ..Limits::new(64) }
}

#[tokio::test]
async fn http_1_1_is_spoken_by_both_versions_and_its_end_is_told() {
    let running = start(Limits::new(64)).await;
    let request = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for version in [&TLS12, &TLS13] {
        let tcp = running.tcp().await;
        let mut stream = running.authority.connect_by(&[version], tcp).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.protocol_version(), Some(version.version));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
        stream.write_all(request).await.unwrap();
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    }
}

#[tokio::test]
async fn who_shakes_no_hands_is_closed() {
    let running = start(quick_heads()).await;
    for spoken in [&b""[..], b"\x16\x03\x01"] {
        let mut silent = running.tcp().await;
        silent.write_all(spoken).await.unwrap();
        let mut bytes = Vec::new();
        timeout(PATIENCE, silent.read_to_end(&mut bytes)).await.expect("closed in time").unwrap();
        assert_eq!(bytes, b"");
    }
}

#[tokio::test]
async fn plain_http_is_closed_at_once() {
    // No time-out could be the reason.
    let running = start(Limits { head: 10 * PATIENCE, ..Limits::new(64) }).await;
    let mut plain = running.tcp().await;
    plain.write_all(HELLO).await.unwrap();
    let mut bytes = Vec::new();
    // A reset, where the server had not read all, is a close too.
    drop(timeout(PATIENCE, plain.read_to_end(&mut bytes)).await.expect("closed in time"));
    assert!(!bytes.starts_with(b"HTTP"), "{bytes:?}");
}

#[tokio::test]
async fn who_is_silent_after_the_handshake_is_told_that_it_is_over() {
    let running = start(quick_heads()).await;
    assert_eq!(rest(running.connect().await).await, "");
    let mut kept = running.connect().await;
    kept.write_all(HELLO).await.unwrap();
    assert!(rest(kept).await.ends_with("hello"));
}

#[tokio::test]
async fn handshakes_count_as_connections() {
    let running = start(Limits::new(2)).await;
    let silent = [running.tcp().await, running.tcp().await];
    while running.connections.len() < 2 {
        tokio::task::yield_now().await;
    }
    let mut waiting = Box::pin(running.connect());
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    tokio::task::yield_now().await;
    assert_eq!(running.connections.len(), 2);
    drop(silent);
    timeout(PATIENCE, waiting).await.expect("its turn comes");
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections() {
    let running = start(Limits::new(64)).await;
    let mut old = running.connect().await;
    let first = certificate_of(&old);
    running.tls.renew(&running.authority.identity());
    let new = running.connect().await;
    assert_ne!(certificate_of(&new), first);
    old.write_all(HELLO).await.unwrap();
    let mut answer = [0; 12];
    old.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200", "the old connection goes on");
}

/// Who connects before a stop and shakes hands after it is answered: a restart refuses nobody.
#[tokio::test]
async fn a_stop_answers_who_has_connected() {
    let running = start(Limits { linger: PATIENCE, ..Limits::new(64) }).await;
    let stream = running.tcp().await;
    while running.connections.is_empty() {
        tokio::task::yield_now().await;
    }
    running.stop.cancel();
    let mut stream = running.authority.connect(stream).await.unwrap();
    stream.write_all(HELLO).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.contains("connection: close") && answer.ends_with("hello"), "{answer}");
    timeout(PATIENCE, running.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_who_is_silent() {
    let limits = Limits { linger: Duration::from_millis(10), ..Limits::new(64) };
    let running = start(Limits { drain: 10 * PATIENCE, ..limits }).await;
    let silent = running.tcp().await;
    while running.connections.is_empty() {
        tokio::task::yield_now().await;
    }
    running.stop.cancel();
    timeout(PATIENCE, running.server).await.expect("it does not wait").unwrap();
    drop(silent);
}
