//! What every request to the platform passes: it is recorded, befallen by faults, counted against
//! the quota, and asked for its token. Only then does the API see it.

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use http_body_util::{BodyExt, Limited};
use tokio::time::sleep;

use super::{
    answer::{self, Refusal},
    clock::{self, Micros},
    fault::{FaultKind, Interference, Scope},
    faults::Occasion,
    journal::{self, RequestRecord},
    limiter::Ticket,
    shared::Shared,
    world::World,
};

/// Tells the API that a call asked to end goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ineffective;

/// What is known of a request before it is handled.
struct Visit {
    seq: u64,
    delay: Duration,
    interference: Option<Interference>,
}

pub(super) async fn gate(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let (visit, request) = receive(&shared, request).await;
    let seq = visit.seq;
    // In a task of its own: as with the real platform, a client that hangs up undoes nothing.
    let passing = shared.tasks.spawn(pass(Arc::clone(&shared), visit, request, next));
    let response = passing.await.unwrap_or_else(|_| answer::cut());
    shared.act(|world| world.answered(seq, &response));
    response
}

/// Reads and records a request.
async fn receive(shared: &Arc<Shared>, request: Request) -> (Visit, Request) {
    let arrived = clock::now();
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, 1 << 20).collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let visit = shared.act(|world| world.receive(&parts, &body, arrived));
    (visit, Request::from_parts(parts, Body::from(body)))
}

/// Lets a request pass, as far as faults let it and until the sim stops.
async fn pass(shared: Arc<Shared>, visit: Visit, request: Request, next: Next) -> Response {
    let passing = async {
        sleep(visit.delay).await;
        let wants_json = accepts_json(request.headers());
        let response = hinder_or_handle(&shared, &visit, request, next).await;
        let response = unkind(shared.act(|world| world.reshape(response)), wants_json);
        spoil(visit.interference, response).await
    };
    shared.stopping.run_until_cancelled(passing).await.unwrap_or_else(answer::cut)
}

async fn hinder_or_handle(
    shared: &Arc<Shared>,
    visit: &Visit,
    mut request: Request,
    next: Next,
) -> Response {
    if visit.interference == Some(Interference::Ineffective) {
        request.extensions_mut().insert(Ineffective);
    }
    let path = request.uri().path();
    let hindrance = |one| shared.act(|world| world.hinder(one, path));
    match visit.interference.and_then(hindrance) {
        Some(instead) => instead,
        None => handle(shared, visit.seq, request, next).await,
    }
}

async fn handle(shared: &Arc<Shared>, seq: u64, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_health = request.uri().path().ends_with("/health");
    let (ticket, refusal) = shared.act(|world| world.admit(headers, is_health, clock::now()));
    let mut response = match refusal {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    if let Some(ticket) = ticket {
        ticket.mark(response.headers_mut());
    }
    let status = response.status().as_u16();
    shared.act(|world| {
        if let Some(record) = world.requests.entry(seq) {
            record.handled = Some(status);
        }
    });
    response
}

impl World {
    fn receive(&mut self, parts: &Parts, body: &Bytes, at: Micros) -> Visit {
        let path = parts.uri.path();
        let endpoint = endpoint(&parts.method, path);
        let call = (endpoint == Scope::EndCall).then(|| named_call(body)).flatten();
        let occasion = Occasion::Request { endpoint, call: call.as_deref() };
        let mut faults = Vec::new();
        let latency = self.faults.strike(occasion, &mut self.rng, |kind| match kind {
            FaultKind::Latency(span) => Some(*span),
            _ => None,
        });
        let interference = self.faults.strike(occasion, &mut self.rng, |kind| match kind {
            FaultKind::Interfere(interference) => Some(*interference),
            _ => None,
        });
        let delay = latency.map(|(span, text)| {
            faults.push(text);
            span.draw(&mut self.rng)
        });
        let interference = interference.map(|(interference, text)| {
            faults.push(text);
            interference
        });
        let seq = self.requests.add(|seq| RequestRecord {
            seq,
            at,
            method: parts.method.to_string(),
            path: path.to_owned(),
            query: parts.uri.query().map(str::to_owned),
            endpoint: endpoint.as_str(),
            call,
            body: journal::excerpt(body),
            faults,
            handled: None,
            status: None,
            answered_at: None,
        });
        Visit { seq, delay: delay.unwrap_or_default(), interference }
    }

    /// The answer given in place of handling the request; none: it is handled.
    fn hinder(&mut self, interference: Interference, path: &str) -> Option<Response> {
        match interference {
            Interference::Hang | Interference::Cut => Some(answer::cut()),
            Interference::Refuse(refused) => {
                Some(Refusal::of(refused, path, &mut self.rng).into_response())
            }
            Interference::Html => Some(answer::html_page()),
            Interference::HtmlNotFound => Some(answer::foreign_not_found()),
            Interference::Redirect => Some(answer::login_redirect()),
            Interference::SuccessFalse => Some(answer::success_false()),
            Interference::Ineffective
            | Interference::LoseAnswer
            | Interference::LoseAnswerCut
            | Interference::CutBody => None,
        }
    }

    /// Quota first, as Laravel throttles, then the token.
    fn admit(
        &mut self,
        headers: &HeaderMap,
        is_health: bool,
        now: Micros,
    ) -> (Option<Ticket>, Option<Refusal>) {
        let rule = self.faults.habit(|kind| match kind {
            FaultKind::RateLimit(rule) => Some(*rule),
            _ => None,
        });
        let ticket = rule.map(|rule| self.limiter.admit(rule, now));
        let refusal = match ticket.filter(|ticket| ticket.is_refused) {
            Some(ticket) => Some(Refusal::rate_limited(ticket.retry_after())),
            None if is_health || self.knows_token(headers) => None,
            None => Some(Refusal::unauthenticated()),
        };
        (ticket, refusal)
    }

    /// Any token will do unless one is set.
    fn knows_token(&self, headers: &HeaderMap) -> bool {
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        token.is_some_and(|token| self.token.as_deref().map_or(!token.is_empty(), |t| t == token))
    }

    /// Gives a refusal the shape that the faults want, and the answer the date.
    fn reshape(&mut self, mut response: Response) -> Response {
        let shape = self.faults.habit(|kind| match kind {
            FaultKind::ErrorShape(shape) => Some(*shape),
            _ => None,
        });
        let refusal = response.extensions_mut().remove::<Refusal>();
        if let (Some(shape), Some(mut refusal)) = (shape, refusal)
            && !refusal.is_documented
        {
            refusal.shape = shape.unwrap_or_else(|| answer::any_shape(&mut self.rng));
            // The quota's headers stay, the body's own are made anew.
            let mut headers = std::mem::take(response.headers_mut());
            headers.remove(header::CONTENT_LENGTH);
            response = refusal.into_response();
            response.headers_mut().extend(headers);
        }
        let offset = self.faults.habit(|kind| match kind {
            FaultKind::DateOffset(ms) => Some(*ms),
            _ => None,
        });
        if let Some(date) = offset.map(|ms| clock::http_date(clock::now(), ms))
            && let Ok(date) = HeaderValue::from_str(&date)
        {
            response.headers_mut().insert(header::DATE, date);
        }
        response
    }

    fn answered(&mut self, seq: u64, response: &Response) {
        let is_cut = response.extensions().get::<answer::Cut>().is_some();
        if let Some(record) = self.requests.entry(seq).filter(|_| !is_cut) {
            record.status = Some(response.status().as_u16());
            record.answered_at = Some(clock::now());
        }
    }
}

/// A Laravel application takes whoever does not ask for JSON for a browser.
fn unkind(response: Response, wants_json: bool) -> Response {
    match response.status() {
        StatusCode::UNAUTHORIZED | StatusCode::UNPROCESSABLE_ENTITY if !wants_json => {
            answer::login_redirect()
        }
        StatusCode::NOT_FOUND if !wants_json => answer::foreign_not_found(),
        _ => response,
    }
}

/// Spoils an answer on its way out.
async fn spoil(how: Option<Interference>, response: Response) -> Response {
    match how {
        // Until the sim stops; the client gives up before.
        Some(Interference::Hang | Interference::LoseAnswer) => std::future::pending().await,
        Some(Interference::LoseAnswerCut) => answer::cut(),
        Some(Interference::CutBody) => cut_within(response).await,
        _ => response,
    }
}

/// Sends half of the body that the head announces.
async fn cut_within(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let half = body.slice(..body.len() / 2);
    let broken = io::Error::new(io::ErrorKind::ConnectionAborted, "cut within the body");
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    Response::from_parts(parts, Body::from_stream(stream::iter([Ok(half), Err(broken)])))
}

fn accepts_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("/json") || accept.contains("+json"))
}

fn named_call(body: &Bytes) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(body.get("call_sid")?.as_str()?.to_owned())
}

fn endpoint(method: &Method, path: &str) -> Scope {
    let path = path.strip_prefix("/api/v1/").unwrap_or_default();
    let segments: Vec<_> = path.split('/').collect();
    match segments.as_slice() {
        ["health"] => Scope::Health,
        ["calls"] | ["agents", _, "calls"] => Scope::Lists,
        ["agents", _, "end-call"] => Scope::EndCall,
        ["agents", _, "active-call", _] => Scope::ActiveCall,
        ["agents" | "campaigns", _, "call"] if method == Method::POST => Scope::Place,
        ["agents", _, "webhooks", ..] => Scope::Webhooks,
        ["agents" | "campaigns", ..] => Scope::Agents,
        _ => Scope::Unknown,
    }
}
