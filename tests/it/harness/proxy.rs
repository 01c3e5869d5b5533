//! A TCP proxy that can be cut and mended: the network between the daemon and the platform.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

/// Forwards to a fixed address from a port of its own, which it keeps while it is cut.
pub(crate) struct Proxy {
    addr: SocketAddr,
    target: SocketAddr,
    running: Option<AbortHandle>,
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        Self { addr, target, running: Some(forward(listener, target)) }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Cuts every connection and refuses new ones.
    pub(crate) async fn cut(&mut self) {
        self.running.take().expect("it runs").abort();
        while TcpStream::connect(self.addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    /// Takes connections again, on the same port.
    pub(crate) async fn mend(&mut self) {
        let listener = TcpListener::bind(self.addr).await.unwrap();
        self.running = Some(forward(listener, self.target));
    }
}

#[expect(clippy::disallowed_methods, reason = "the proxy's own task, which ends with the test")]
fn forward(listener: TcpListener, target: SocketAddr) -> AbortHandle {
    tokio::spawn(async move {
        // Dropped with this task, and its connections with it.
        let mut connections = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            connections.spawn(async move {
                if let Ok(mut far) = TcpStream::connect(target).await {
                    copy_bidirectional(&mut near, &mut far).await.ok();
                }
            });
        }
    })
    .abort_handle()
}
