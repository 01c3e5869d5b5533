//! The admin API (spec §10): a listener of its own, a bearer token, and problems as RFC 9457 has
//! them. `operate` changes calls, `stream` tells of changes, `page` is for people.

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, Method, Uri, header},
    middleware::{Next, from_fn, map_response},
    response::{IntoResponse, Response},
};

use tokio_util::task::TaskTracker;

pub use self::auth::{Access, AdminToken};
use self::{auth::Door, problem::Problem};
use crate::{engine::Engine, model::time::Mono, telemetry::log::printable};

mod api;
mod auth;
mod body;
mod openapi;
mod operate;
mod page;
mod problem;
mod query;
mod stream;

/// All that is served on `[admin].listen`.
///
/// What operators do runs as tasks of `tasks`, apart from their connections: a client that hangs up
/// undoes nothing.
pub fn router(engine: Engine, access: Access, tasks: TaskTracker) -> Router {
    let clock = engine.clone();
    let now = move || clock.clock().now().mono;
    let routes = api::routes()
        .merge(openapi::routes())
        .with_state(engine.clone())
        .merge(operate::routes(engine.clone(), tasks))
        .merge(stream::routes(engine));
    guarded(routes.merge(page::routes()), access, now)
}

/// `routes` behind the door; what no route takes is a problem like any other.
fn guarded(
    routes: Router,
    access: Access,
    now: impl Fn() -> Mono + Clone + Send + Sync + 'static,
) -> Router {
    let door = Arc::new(Door::new(access));
    let guard = move |request: Request, next: Next| {
        let (uri, headers) = (request.uri(), request.headers());
        // The page's files are the same for everybody and say nothing of calls.
        let admitted = if page::has(uri.path()) {
            door.is_meant(uri, headers)
        } else {
            door.admit(uri, headers, now())
        };
        async move {
            match admitted {
                Ok(()) => next.run(request).await,
                Err(problem) => problem.into_response(),
            }
        }
    };
    routes
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn(guard))
        .layer(map_response(hardened))
}

async fn no_route(uri: Uri) -> Problem {
    Problem::not_found(format!(
        "there is nothing at {}: /api/openapi.json names all there is",
        printable(uri.path()),
    ))
}

async fn no_method(method: Method, uri: Uri) -> Problem {
    Problem::method_not_allowed(format!(
        "{} does not take {}: the header Allow names what it does",
        printable(uri.path()),
        printable(method.as_str()),
    ))
}

/// Answers are for whoever asked, now, and are nothing but what they say they are. A page brings a
/// policy of its own.
async fn hardened(mut response: Response) -> Response {
    const HEADERS: [(header::HeaderName, &str); 6] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests;
