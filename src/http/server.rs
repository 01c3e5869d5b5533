//! A listener's loop: connections in, requests to a router, and an orderly end (spec §4, §8 SIGTERM).
//!
//! `axum::serve` leaves a silent client open for ever; here a head has its time, its size and its
//! number of fields, connections have a bound, and nothing ends the loop but the token.

mod deaf;
mod tls;

#[cfg(test)]
mod tests;

use std::{
    any::Any, convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderName, HeaderValue, Request, Response, StatusCode, header::CONNECTION},
    response::IntoResponse,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;
use tower_http::catch_panic::CatchPanicLayer;

use self::deaf::{Farewell, Impatient};
pub use self::tls::Tls;

const MAX_HEADERS: usize = 64;
/// hyper reads as much again before it notices.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// The loop turns at least so often.
const BEAT: Duration = Duration::from_secs(1);
/// How long to wait after a failed accept, doubling from the first to the second.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// What a listener allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// So many connections at once; further ones wait to be accepted (`server.max_connections`).
    pub connections: u32,
    /// From the opening of a connection, or from its last answer, to the end of a request's head;
    /// and from the opening to the end of its handshake, where TLS is spoken.
    pub head: Duration,
    /// So long an answer may wait for a client that does not read.
    pub write: Duration,
    /// From the stop to the end of connections that are idle: what their clients sent before they
    /// could know of it is answered, with `Connection: close`.
    pub linger: Duration,
    /// From then to the cut of connections that are still at it.
    pub drain: Duration,
}

impl Limits {
    /// The limits of spec §4 and §8 with `max_connections` from the config.
    #[must_use]
    pub fn new(max_connections: u32) -> Self {
        Self {
            connections: max_connections,
            head: Duration::from_secs(10),
            write: Duration::from_secs(30),
            linger: Duration::from_millis(250),
            drain: Duration::from_secs(5),
        }
    }
}

/// Serves `app` on `listener` until `stop`; then closes the listener, answers what is in flight, and
/// returns when all connections are closed or `limits.drain` is over.
///
/// With `tls` a handshake comes first; it holds its connection's place among `limits.connections`.
/// `beat` is called as often as the loop turns, at least once a second: the listener's sign of life.
/// Requests carry the peer's address as [`ConnectInfo<SocketAddr>`]. Connections run as tasks of
/// `tasks`, which the caller closes.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    tls: Option<Tls>,
    tasks: TaskTracker,
    stop: CancellationToken,
    beat: impl Fn(),
) {
    let slots = Arc::new(Semaphore::new(limits.connections as usize));
    let mut back_off = BACK_OFF.0;
    loop {
        beat();
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept(&listener, &slots) => accepted,
            () = sleep(BEAT) => continue,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                back_off = BACK_OFF.0;
                let (app, tls, stop) = (app.clone(), tls.clone(), stop.clone());
                let connection = connection(stream, peer, app, limits, tls, stop);
                tasks.spawn(holding(slot, connection));
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted; trying again");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = sleep(back_off) => back_off = BACK_OFF.1.min(back_off * 2),
                }
            }
        }
    }
    drop(listener);
    drained(&slots, limits).await;
}

/// Waits for a free slot first, so that what is beyond the bound waits in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, slot))
}

/// Whether a failed accept tells of the one connection that was to be accepted, not of us.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, InvalidInput,
        NotConnected,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | Interrupted
            | InvalidInput
            | NotConnected
    )
}

async fn holding(slot: OwnedSemaphorePermit, connection: impl Future<Output = ()>) {
    connection.await;
    drop(slot);
}

/// One connection, from its first byte to its last answer.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    limits: Limits,
    tls: Option<Tls>,
    stop: CancellationToken,
) {
    let talk = async {
        let Some(tls) = tls else {
            return requests(stream, peer, app, limits, stop.clone()).await;
        };
        match tls.accept(stream, limits, &stop).await {
            Ok(stream) => requests(stream, peer, app, limits, stop.clone()).await,
            Err(error) => {
                tracing::debug!(client.address = %peer, %error, "no TLS came about");
            }
        }
    };
    tokio::select! {
        () = talk => {}
        () = async { stop.cancelled().await; sleep(limits.linger + limits.drain).await } => {
            tracing::info!(client.address = %peer, "a connection was cut: it outlasted the shutdown");
        }
    }
}

/// The requests of a connection, until its client or the stop ends it.
async fn requests(
    stream: impl AsyncRead + AsyncWrite + Farewell + Unpin + Send + 'static,
    peer: SocketAddr,
    app: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let stopping = stop.clone();
    let answer = service_fn(move |request| answer(app.clone(), peer, request, stopping.clone()));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD_BYTES)
            // Who has said all it had to say may close its side: what it said counts all the same.
            .half_close(true)
            .serve_connection(TokioIo::new(Impatient::new(stream, limits.write)), answer)
    );
    let served = tokio::select! {
        served = connection.as_mut() => served,
        // hyper closes at once what is idle or not read from yet, and a request that lies in the
        // socket unread is then answered by a reset.
        () = stop.cancelled() => match timeout(limits.linger, connection.as_mut()).await {
            Ok(served) => served,
            Err(_) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(client.address = %peer, %error, "a connection ended early");
    }
}

/// With each request: cancelled when its listener is told to stop. An answer that has no end of its
/// own ends then.
#[derive(Clone, Debug)]
pub struct Stopping(pub CancellationToken);

async fn answer(
    mut app: Router,
    peer: SocketAddr,
    request: Request<Incoming>,
    stopping: CancellationToken,
) -> Result<Response<Body>, Infallible> {
    if head_bytes(&request) > MAX_HEAD_BYTES {
        return Ok(error(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head_too_large",
            "the request's head is longer than 32 KiB",
        ));
    }
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    request.extensions_mut().insert(Stopping(stopping.clone()));
    let mut answer = app.call(request).await?;
    if stopping.is_cancelled() {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(answer)
}

/// The length of a request's head as it came, but for blanks that mean nothing.
fn head_bytes(request: &Request<Incoming>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let line = request.method().as_str().len() + target + "  HTTP/1.1\r\n".len();
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len() + value.len() + ": \r\n".len()
    };
    line + request.headers().iter().map(field).sum::<usize>() + "\r\n".len()
}

/// Waits until every slot is free again: then no connection is open.
async fn drained(slots: &Semaphore, limits: Limits) {
    // Connections cut themselves at `limits.drain`; the second is for them to do so.
    let bound = limits.linger + limits.drain + Duration::from_secs(1);
    if timeout(bound, slots.acquire_many(limits.connections)).await.is_err() {
        tracing::warn!("connections were still open when the listener ended");
    }
}

/// Answers a panic in a handler with 500 and calls `on_panic`; without this layer the connection
/// would be closed without a word.
pub fn catching_panics(app: Router, on_panic: impl Fn() + Clone + Send + Sync + 'static) -> Router {
    app.layer(CatchPanicLayer::custom(move |_: Box<dyn Any + Send>| {
        on_panic();
        panicked()
    }))
}

/// The answer to a request on which we panicked.
pub(super) fn panicked() -> Response<Body> {
    error(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "callwarden failed on this request; its log says where",
    )
}

/// An error in the shape of spec §4: `{"error":{"code":…,"message":…}}`.
pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let body = json!({"error": {"code": code, "message": message}});
    (status, Json(body)).into_response()
}
