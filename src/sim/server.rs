//! The listener: HTTP/1.1 over axum, with connections that can be cut.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, response::Response};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tower::ServiceExt;

use super::{answer::Cut, shared::Shared};

/// Accepts until the sim stops.
pub(super) async fn run(shared: Arc<Shared>, listener: TcpListener, router: Router) {
    loop {
        let accepted = tokio::select! {
            () = shared.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = connection(Arc::clone(&shared), stream, peer, router.clone());
                shared.tasks.spawn(connection);
            }
            // Out of file descriptors, most likely: some will come free.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr, router: Router) {
    // Answers are small and awaited.
    stream.set_nodelay(true).ok();
    let service = service_fn(|request| answer(router.clone(), request, peer));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(60));
    let serving = http.serve_connection(TokioIo::new(stream), service);
    // How a connection ends is the client's affair: the history holds what it asked.
    shared.stopping.run_until_cancelled(serving).await.map(Result::ok);
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response, io::Error> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = router.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {});
    match response.extensions().get::<Cut>() {
        // An error makes hyper drop the connection without a word.
        Some(Cut) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut by a fault")),
        None => Ok(response),
    }
}
