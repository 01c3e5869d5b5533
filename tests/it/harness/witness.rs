//! What the simulated platform saw of calls and stops, and what the admin API says of them.

use std::time::Duration;

use callwarden::sim::{Micros, RequestRecord, Wait};
use jiff::Timestamp;
use serde_json::Value;

use super::{Daemon, Platform};

impl Platform {
    /// The end-call requests for a call, by time.
    pub(crate) fn end_calls(&self, call: &str) -> Vec<RequestRecord> {
        let is_of_call = |record: &RequestRecord| record.call.as_deref() == Some(call);
        self.requests().into_iter().filter(is_of_call).collect()
    }

    /// All requests of a family (`end-call`, `lists`, `active-call`), by time.
    pub(crate) fn requests_to(&self, endpoint: &str) -> Vec<RequestRecord> {
        self.requests().into_iter().filter(|record| record.endpoint == endpoint).collect()
    }

    /// Waits until so many end-call requests for a call came in.
    pub(crate) async fn until_end_calls(&self, call: &str, count: usize) {
        self.until(Wait::EndCalls { call: Some(call.to_owned()), count }).await;
    }

    /// Waits until a call is over.
    pub(crate) async fn until_over(&self, call: &str) {
        self.until(Wait::Status { call: call.to_owned(), status: "over".to_owned() }).await;
    }

    /// When an event first happened in a call, to the millisecond that its webhook tells.
    pub(crate) fn happened(&self, call: &str, event: &str) -> Micros {
        let events = self.call(call).unwrap().events;
        let event = events.iter().find(|one| one.event.strip_prefix("event_") == Some(event));
        event.expect("it happened").at / 1000 * 1000
    }
}

impl Daemon {
    /// A call that is over, as the history shows it.
    pub(crate) async fn ended(&self, call: &str) -> Value {
        let mut found = Value::Null;
        self.until(&format!("{call} is in the history"), async || {
            let history = self.api("/api/history?limit=1000").await.json();
            let calls = history["calls"].as_array().unwrap();
            let of_call = calls.iter().find(|ended| ended["id"] == call);
            found = of_call.cloned().unwrap_or_default();
            !found.is_null()
        })
        .await;
        found
    }

    /// Waits until a check of `/health` has this status; returns its sentence.
    pub(crate) async fn until_check(&self, check: &str, status: &str) -> String {
        let mut seen = Value::Null;
        self.until(&format!("{check} is {status}"), async || {
            seen = self.health().await["checks"][check].clone();
            seen["status"] == status
        })
        .await;
        seen.to_string()
    }
}

/// An instant that the API shows, in microseconds since the epoch.
#[track_caller]
pub(crate) fn micros_of(value: &Value) -> Micros {
    let text = value.as_str().unwrap_or_else(|| panic!("no instant: {value}"));
    text.parse::<Timestamp>().unwrap().as_microsecond().try_into().unwrap()
}

/// A span in microseconds.
pub(crate) fn micros(span: Duration) -> Micros {
    span.as_micros().try_into().unwrap()
}

/// RFC 3339 of now, shifted by so many milliseconds.
pub(crate) fn now_and(millis: i64) -> String {
    let now = Timestamp::now().as_millisecond();
    Timestamp::from_millisecond(now + millis).unwrap().to_string()
}
