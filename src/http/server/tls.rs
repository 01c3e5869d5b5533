//! TLS before a connection's first request (`server.tls`, spec §3, §4): versions 1.2 and 1.3, HTTP/1.1
//! alone, and a certificate that a reload may change for the connections to come.

#[cfg(test)]
mod tests;

use std::{
    io::{self, Write},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::ring,
    server::Acceptor,
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{Limits, deaf::Farewell};
use crate::config::Identity;

/// What a listener speaks TLS with; clones share the certificate.
#[derive(Clone)]
pub struct Tls(watch::Sender<Arc<ServerConfig>>);

impl Tls {
    /// TLS with this certificate.
    #[must_use]
    pub fn new(identity: &Identity) -> Self {
        Self(watch::Sender::new(speaking(identity.certified_key())))
    }

    /// Shows this certificate from now on; open connections keep theirs.
    pub fn renew(&self, identity: &Identity) {
        self.0.send_replace(speaking(identity.certified_key()));
    }

    /// The stream that TLS is spoken on.
    ///
    /// A client has `limits.head` for its handshake. After the stop one that has not begun by
    /// `limits.linger` is left; one under way is the caller's to cut.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        limits: Limits,
        stop: &CancellationToken,
    ) -> io::Result<TlsStream<TcpStream>> {
        let handshake = async {
            let hello = LazyConfigAcceptor::new(Acceptor::default(), stream);
            let start = tokio::select! {
                hello = hello => hello?,
                () = async { stop.cancelled().await; sleep(limits.linger).await } => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            };
            let config = Arc::clone(&self.0.borrow());
            start.into_stream(config).await
        };
        timeout(limits.head, handshake).await?
    }
}

fn speaking(identity: CertifiedKey) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has ciphers for both versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

impl Farewell for TlsStream<TcpStream> {
    /// `close_notify`, if the socket takes it at once: without it a client cannot tell an end from
    /// a cut.
    fn farewell(&mut self) {
        let (socket, session) = self.get_mut();
        session.send_close_notify();
        let mut at_once = AtOnce(socket);
        while session.wants_write() {
            if !session.write_tls(&mut at_once).is_ok_and(|written| written > 0) {
                return;
            }
        }
    }
}

/// Writes what the socket takes without waiting.
struct AtOnce<'s>(&'s TcpStream);

impl Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
