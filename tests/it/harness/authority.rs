//! A certificate authority of a test's own, and clients that trust it alone.

use std::{net::SocketAddr, path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Answer, ConfigFile, Home, PATIENCE, Request};

/// The authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), root }
    }

    /// Writes a new certificate for localhost and its key where [`with_tls`] looks for them.
    pub(crate) fn issue(&self, home: &Home) {
        self.issue_as(home.path(), |_| {});
    }

    /// Like [`issue`](Self::issue), changed by `change`.
    pub(crate) fn issue_as(&self, folder: &Path, change: impl FnOnce(&mut CertificateParams)) {
        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.join("tls-key"), key.serialize_pem()).unwrap();
    }

    /// What a client that trusts this authority is made with.
    pub(crate) fn trusted(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// A connection, if TLS comes about.
    pub(crate) async fn try_connect(&self, addr: SocketAddr) -> Option<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(addr).await.ok()?;
        let connector = TlsConnector::from(Arc::new(self.trusted()));
        connector.connect(ServerName::from(addr.ip()), stream).await.ok()
    }

    pub(crate) async fn connect(&self, addr: SocketAddr) -> TlsStream<TcpStream> {
        self.try_connect(addr).await.expect("TLS comes about")
    }

    /// Sends a request on a connection of its own, which must end by `close_notify`.
    pub(crate) async fn send(&self, request: &Request, addr: SocketAddr) -> Answer {
        let mut stream = self.connect(addr).await;
        stream.write_all(&request.bytes(addr)).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it is closed").unwrap();
        Answer::parse(&answer).unwrap_or_else(|| panic!("no answer: {answer:?}"))
    }
}

/// The certificate that the other side showed.
pub(crate) fn shown_on(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

/// The config with `server.tls`, whose files an [`Authority`] issues.
pub(crate) fn with_tls(config: ConfigFile) -> ConfigFile {
    config.set("server.tls.certificate", "cert.pem").set_secret("server.tls.key", "tls-key")
}
