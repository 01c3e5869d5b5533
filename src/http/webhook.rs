//! The webhook endpoint: limits, proof, reading, taking in, and the table of answers (spec §4).

mod body;

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{ConnectInfo, RawPathParams, Request, State},
    http::{HeaderMap, Response, StatusCode, header},
    response::IntoResponse,
    routing::{MethodFilter, MethodRouter, on},
};
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use self::body::Unread;
use super::{
    server,
    verify::{Proof, Verifier, header_names},
};
use crate::{
    engine::{Engine, Refusal, clock::Clock},
    model::{
        change::Received,
        decode::{Decoded, PathNames, ReadError, What, decode, pointers::Pointers},
        event::Heard,
        health::Delivery,
        time::Moment,
    },
    telemetry::{
        log::{Throttle, escaped},
        metrics::Metrics,
    },
};

/// What a reload may change.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How a webhook proves where it comes from.
    pub verifier: Verifier,
    /// Where its fields are (`[webhook.fields]`).
    pub pointers: Pointers,
}

/// The bounds of a request's body.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// So many bytes.
    pub bytes: usize,
    /// From the head to the last byte.
    pub within: Duration,
}

impl Default for BodyLimits {
    /// 1 MiB within 10 s.
    fn default() -> Self {
        Self { bytes: 1 << 20, within: Duration::from_secs(10) }
    }
}

/// The routes under `/webhooks/talkover`; a slash at the end does no harm.
///
/// Events are taken in by tasks of `tasks`, so that a client that hangs up undoes nothing. What
/// `settings` holds when a body is whole applies to it.
pub fn router(
    engine: Engine,
    metrics: Arc<Metrics>,
    settings: watch::Receiver<Arc<Settings>>,
    tasks: TaskTracker,
) -> Router {
    let teller = engine.clone();
    routes(Webhooks {
        clock: engine.clock().clone(),
        ingest: Box::new(move |heard| {
            let engine = engine.clone();
            Box::pin(async move { engine.ingest(heard).await })
        }),
        answered: Box::new(move |delivery| teller.webhook_answered(delivery)),
        metrics,
        settings,
        tasks,
        limits: BodyLimits::default(),
        throttles: Throttles::default(),
    })
}

fn routes(webhooks: Webhooks) -> Router {
    Router::new()
        .route("/webhooks/talkover", deliveries())
        .route("/webhooks/talkover/", deliveries())
        .route("/webhooks/talkover/{agent}", deliveries())
        .route("/webhooks/talkover/{agent}/", deliveries())
        .route("/webhooks/talkover/{agent}/{event}", deliveries())
        .route("/webhooks/talkover/{agent}/{event}/", deliveries())
        .with_state(Arc::new(webhooks))
}

/// The three methods that the platform can be told to use; any other is 405 with `Allow`.
fn deliveries() -> MethodRouter<Arc<Webhooks>> {
    let methods = MethodFilter::POST.or(MethodFilter::PUT).or(MethodFilter::PATCH);
    on(methods, receive).fallback(other_method)
}

async fn other_method() -> Response<Body> {
    server::error(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "webhooks come by POST, PUT or PATCH",
    )
}

type Ingest = Box<dyn Fn(Heard) -> BoxFuture<'static, Result<Received, Refusal>> + Send + Sync>;

/// What the endpoint works with.
struct Webhooks {
    ingest: Ingest,
    /// Told of every answer, for health.
    answered: Box<dyn Fn(Delivery) + Send + Sync>,
    clock: Clock,
    metrics: Arc<Metrics>,
    settings: watch::Receiver<Arc<Settings>>,
    tasks: TaskTracker,
    limits: BodyLimits,
    throttles: Throttles,
}

/// A line a second for each way to be refused.
#[derive(Default)]
struct Throttles {
    unread: Throttle,
    unauthorized: Throttle,
    unreadable: Throttle,
    unavailable: Throttle,
}

async fn receive(
    State(webhooks): State<Arc<Webhooks>>,
    names: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
    request: Request,
) -> Response<Body> {
    let begun = webhooks.clock.now();
    let (head, body) = request.into_parts();
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>();
    let arrival = Arrival { webhooks: &webhooks, begun, peer: peer.map(|&ConnectInfo(peer)| peer) };
    let bytes = match body::read(body, webhooks.limits).await {
        Ok(bytes) => bytes,
        Err((unread, rest)) => return arrival.unread(unread, rest, &head.headers),
    };
    let settings = Arc::clone(&webhooks.settings.borrow());
    match settings.verifier.verify(&head.headers, &bytes, begun.wall) {
        Ok(proof) => webhooks.count_proof(proof),
        Err(_) => return arrival.unauthorized(&head.headers),
    }
    let Ok(names) = names else {
        return arrival.bad_path();
    };
    match decode(&bytes, &path_names(&names), &settings.pointers) {
        Ok(decoded) => arrival.decoded(decoded).await,
        Err(error) => arrival.unreadable(&error),
    }
}

fn path_names(names: &RawPathParams) -> PathNames<'_> {
    let name = |key| names.iter().find(|(name, _)| *name == key);
    PathNames {
        agent: name("agent").map(|(_, agent)| agent),
        event: name("event").map(|(_, event)| event),
    }
}

impl Webhooks {
    fn count_proof(&self, proof: Proof) {
        match proof {
            Proof::CurrentSecret => self.metrics.secret_use(false),
            Proof::PreviousSecret => self.metrics.secret_use(true),
            Proof::Header | Proof::Nothing => {}
        }
    }

    fn count(&self, label: &str, result: &str, delivery: Delivery, begun: Moment) {
        (self.answered)(delivery);
        let took = self.clock.now().mono.since(begun.mono);
        self.metrics.webhook(label, result, took);
    }
}

/// One request on its way to an answer.
struct Arrival<'w> {
    webhooks: &'w Arc<Webhooks>,
    begun: Moment,
    peer: Option<SocketAddr>,
}

impl Arrival<'_> {
    /// Counts what is wrong with the request itself; how many a line in the log should stand for,
    /// if one is due.
    fn refused(&self, label: &str, result: &str, throttle: &Throttle) -> Option<u64> {
        self.webhooks.count(label, result, Delivery::Other, self.begun);
        throttle.admit(self.begun.mono)
    }

    /// 413, 408, or 400 where the body broke off.
    fn unread(&self, unread: Unread, rest: Body, headers: &HeaderMap) -> Response<Body> {
        let (status, code, message) = match unread {
            Unread::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "a webhook's body may have 1 MiB")
            }
            Unread::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "too_slow",
                "a webhook's body must be whole within 10 s",
            ),
            Unread::Broken => {
                (StatusCode::BAD_REQUEST, "not_json", "the body broke off before its end")
            }
        };
        let throttle = &self.webhooks.throttles.unread;
        if let Some(count) = self.refused("none", code, throttle) {
            tracing::warn!(
                client.address = self.peer.map(tracing::field::display),
                refusals.count = count,
                refusals.reason = code,
                "webhook refused: {message}",
            );
        }
        let within = match unread {
            Unread::TooLarge => self.webhooks.limits.within,
            Unread::TooSlow | Unread::Broken => Duration::from_secs(1),
        };
        // Who waits for `100 Continue` sends nothing after another answer.
        if !headers.contains_key(header::EXPECT) {
            self.webhooks.tasks.spawn(body::swallow(rest, within));
        }
        let answer = server::error(status, code, message);
        ([(header::CONNECTION, "close")], answer).into_response()
    }

    /// 401, before anything is told of the body.
    fn unauthorized(&self, headers: &HeaderMap) -> Response<Body> {
        self.webhooks.count("none", "unauthorized", Delivery::Refused, self.begun);
        if let Some(count) = self.webhooks.throttles.unauthorized.admit(self.begun.mono) {
            tracing::warn!(
                client.address = self.peer.map(tracing::field::display),
                refusals.count = count,
                webhook.headers = ?header_names(headers),
                "webhook refused: no header carries a valid signature, or the required one is wrong",
            );
        }
        server::error(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "the signature or the required header is missing or wrong",
        )
    }

    /// 422: the names in the path are no UTF-8.
    fn bad_path(&self) -> Response<Body> {
        let throttle = &self.webhooks.throttles.unreadable;
        let message = "agent id and event in the path must be percent-encoded UTF-8";
        if let Some(count) = self.refused("none", "unprocessable", throttle) {
            tracing::warn!(
                client.address = self.peer.map(tracing::field::display),
                refusals.count = count,
                "webhook refused: {message}",
            );
        }
        server::error(StatusCode::UNPROCESSABLE_ENTITY, "invalid_path", message)
    }

    /// 400 or 422, with where each field was looked for.
    fn unreadable(&self, error: &ReadError) -> Response<Body> {
        let (status, result) = match error {
            ReadError::NotJson(_) => (StatusCode::BAD_REQUEST, "not_json"),
            ReadError::NoEvent { .. } | ReadError::NoCall { .. } | ReadError::BadId { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable")
            }
        };
        let message = error.to_string();
        let throttle = &self.webhooks.throttles.unreadable;
        if let Some(count) = self.refused(error.label(), result, throttle) {
            tracing::warn!(
                client.address = self.peer.map(tracing::field::display),
                refusals.count = count,
                refusals.reason = %escaped(&message),
                "webhook refused",
            );
        }
        server::error(status, error.code(), &message)
    }

    async fn decoded(self, decoded: Decoded) -> Response<Body> {
        if decoded.path_mismatch {
            self.webhooks.metrics.path_mismatch();
        }
        match decoded.what {
            What::Event(heard) => self.ingested(*heard).await,
            What::Ignored => {
                self.webhooks.count(decoded.label, "ignored", Delivery::Accepted, self.begun);
                received("ignored")
            }
        }
    }

    /// Takes an event in, apart from the connection.
    async fn ingested(self, heard: Heard) -> Response<Body> {
        let label = heard.kind.name();
        let (webhooks, begun) = (Arc::clone(self.webhooks), self.begun);
        let taken = self.webhooks.tasks.spawn(async move {
            let taken = (webhooks.ingest)(heard).await;
            match taken {
                Ok(result) => webhooks.count(label, result.name(), Delivery::Accepted, begun),
                Err(_) => webhooks.count(label, "unavailable", Delivery::Other, begun),
            }
            taken
        });
        match taken.await {
            Ok(Ok(result)) => received(result.name()),
            Ok(Err(refusal)) => self.unavailable(refusal),
            Err(_) => {
                self.webhooks.metrics.panic();
                self.webhooks.count(label, "unavailable", Delivery::Other, begun);
                server::panicked()
            }
        }
    }

    /// 503: the platform will try again.
    fn unavailable(&self, refusal: Refusal) -> Response<Body> {
        let (seconds, code, message) = match refusal {
            // The store heals within 5 s of its cause (spec §8).
            Refusal::NotDurable => ("5", "not_durable", "the event cannot be stored at present"),
            Refusal::Full => ("60", "full", "server.max_calls calls are being watched"),
        };
        if let Some(count) = self.webhooks.throttles.unavailable.admit(self.begun.mono) {
            tracing::warn!(
                client.address = self.peer.map(tracing::field::display),
                refusals.count = count,
                refusals.reason = code,
                "webhook refused: {message}",
            );
        }
        let answer = server::error(StatusCode::SERVICE_UNAVAILABLE, code, message);
        ([(header::RETRY_AFTER, seconds)], answer).into_response()
    }
}

fn received(result: &str) -> Response<Body> {
    Json(json!({"received": true, "result": result})).into_response()
}
