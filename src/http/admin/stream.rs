//! `GET /api/stream` (spec §10): server-sent events.
//!
//! | event | data |
//! |---|---|
//! | `hour` | at first: the last hour by minutes |
//! | `tick` | at first and each second: health, states, quota, kill switches, this minute |
//! | `call` | a call each time it changes: CALL without marks and history |
//!
//! There is no snapshot of calls: whoever needs one asks `GET /api/calls` once the stream is open.
//! What a slow reader misses is gone, so it is dropped: it comes again and asks anew.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, Uri, header::CONTENT_TYPE},
    response::Response,
    routing::get,
};
use futures_util::stream;
use serde::Serialize;
use serde_json::json;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast::error::RecvError},
    time::{Interval, MissedTickBehavior, interval},
};

use super::{problem::Problem, query::nothing};
use crate::{
    engine::{Changes, Engine},
    http::server::Stopping,
    model::{call, health::Health},
};

/// So many streams at once.
const AT_MOST: usize = 32;
const TICK: Duration = Duration::from_secs(1);

pub(super) fn routes(engine: Engine) -> Router {
    let streams = Streams { engine, slots: Arc::new(Semaphore::new(AT_MOST)) };
    Router::new().route("/api/stream", get(open)).with_state(streams)
}

#[derive(Clone)]
struct Streams {
    engine: Engine,
    slots: Arc<Semaphore>,
}

async fn open(
    State(streams): State<Streams>,
    Extension(stopping): Extension<Stopping>,
    uri: Uri,
) -> Result<Response, Problem> {
    nothing(&uri)?;
    let Streams { engine, slots } = streams;
    let slot = slots.try_acquire_owned().map_err(|_| {
        Problem::unavailable(format!(
            "{AT_MOST} streams are open, the most there may be: close one"
        ))
    })?;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Listening begins before the answer, so that what is asked for after it has no gap before it.
    let reader = Reader { changes: engine.changes(), engine, stopping, ticks, _slot: slot };
    let hour = event("hour", &reader.engine.last_hour());
    let first = stream::iter([Ok::<_, Infallible>(hour)]);
    let rest = stream::unfold(reader, |mut reader| async {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    });
    let mut response =
        Response::new(Body::from_stream(futures_util::StreamExt::chain(first, rest)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

struct Reader {
    engine: Engine,
    changes: Changes,
    stopping: Stopping,
    ticks: Interval,
    _slot: OwnedSemaphorePermit,
}

impl Reader {
    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            biased;
            () = self.stopping.0.cancelled() => None,
            _ = self.ticks.tick() => Some(event("tick", &tick(&self.engine))),
            change = self.changes.recv() => match change {
                Ok(line) => Some(written("call", &line)),
                Err(RecvError::Lagged(_) | RecvError::Closed) => None,
            },
        }
    }
}

fn tick(engine: &Engine) -> impl Serialize {
    let vitals = engine.vitals();
    let calls = &vitals.calls;
    let states: BTreeMap<_, _> = [
        (call::State::Live, calls.live),
        (call::State::Stopping, calls.stopping),
        (call::State::Confirming, calls.confirming),
        (call::State::Observing, calls.observing),
        (call::State::Released, calls.released),
    ]
    .into_iter()
    .map(|(state, count)| (state.name(), count))
    .collect();
    let platform = &vitals.platform;
    let (most, span) = engine.quota();
    json!({
        "at": vitals.now.wall.to_string(),
        "health": Health::of(&vitals),
        "states": states,
        "quota": {
            "remaining": platform.quota_remaining,
            "of": most,
            "per_seconds": span.as_secs(),
            "backlog": platform.backlog,
            "clears_in_seconds": platform.backlog_clears_in.as_secs(),
        },
        "kills": engine.kills(),
        "minute": engine.this_minute(),
    })
}

fn event(name: &str, data: &impl Serialize) -> Bytes {
    // What has string keys and no floats is always written.
    written(name, &serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned()))
}

/// JSON has no line breaks of its own, so one line of data holds it.
fn written(name: &str, json: &str) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {json}\n\n"))
}
