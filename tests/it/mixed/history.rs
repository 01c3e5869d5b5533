//! The history of a run: what happened outside the daemon, as JSON lines in order of time.

use std::{collections::HashMap, fs, path::Path};

use callwarden::{
    model::outcome::Outcome,
    sim::{Call, Control, EndedBy, Micros, RequestRecord},
};
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// When, in microseconds since the epoch, by the platform's clock.
    pub(crate) at: Micros,
    pub(crate) what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// The run began, under these rules.
    Began {
        /// `limits.total`, in microseconds.
        limit: Micros,
        /// `platform.requests`: so many in any window …
        quota: usize,
        /// … of this length.
        span: Micros,
        /// `platform.timeout`.
        timeout: Micros,
    },
    /// A call began to ring.
    CallStarted { call: String },
    /// A call was over.
    CallEnded { call: String, by_request: bool },
    /// A webhook left the platform.
    WebhookSent { delivery: u64, call: String, event: String },
    /// It was answered 2xx.
    WebhookAcked { delivery: u64, call: String, event: String },
    /// A request arrived at the platform: about this call, if it is about one.
    RequestReceived { request: u64, endpoint: String, call: Option<String> },
    /// It was answered; `handled` is what the platform made of it, whatever it told.
    RequestAnswered { request: u64, status: Option<u16>, handled: Option<u16> },
    /// Something began to go wrong.
    FaultBegan { fault: String },
    /// And was well again.
    FaultEnded { fault: String },
    /// The daemon was ready.
    ProcessUp,
    /// The daemon was killed.
    ProcessDown,
    /// The daemon's books say what became of a call; known at the end, told as of then.
    Booked { call: String, outcome: Outcome },
    /// The run was over.
    Ended,
}

/// All that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct History(pub(crate) Vec<Entry>);

impl History {
    pub(crate) fn note(&mut self, at: Micros, what: What) {
        self.0.push(Entry { at, what });
    }

    /// Adds all that the platform saw, and sorts.
    pub(crate) fn take_in(&mut self, sim: &Control) {
        sim.calls().iter().for_each(|call| self.take_call(call));
        // Its user sets webhooks up by other methods; the daemon asks, and ends calls.
        let is_ours =
            |request: &RequestRecord| request.method == "GET" || request.endpoint == "end-call";
        let of_number: HashMap<String, String> =
            sim.calls().into_iter().map(|call| (digits(&call.to), call.id)).collect();
        for request in sim.requests().into_iter().filter(is_ours) {
            let (seq, endpoint) = (request.seq, request.endpoint.to_owned());
            let looked_up = || {
                let (_, number) = request.path.split_once("/active-call/")?;
                of_number.get(&digits(number.trim_start_matches("%2B"))).cloned()
            };
            let call = request.call.clone().or_else(looked_up);
            let received = What::RequestReceived { request: seq, endpoint, call };
            self.note(request.at, received);
            let (status, handled) = (request.status, request.handled);
            // What was never answered took its effect, if any, when it came.
            let at = request.answered_at.unwrap_or(request.at);
            self.note(at, What::RequestAnswered { request: seq, status, handled });
        }
        for sent in sim.deliveries() {
            let (delivery, call, event) = (sent.seq, sent.call.clone(), sent.event.clone());
            self.note(sent.at, What::WebhookSent { delivery, call, event });
            if let (true, Some(at)) = (sent.is_acknowledged(), sent.answered_at) {
                let (delivery, call, event) = (sent.seq, sent.call, sent.event);
                self.note(at, What::WebhookAcked { delivery, call, event });
            }
        }
        self.0.sort_by_key(|entry| entry.at);
    }

    fn take_call(&mut self, call: &Call) {
        let id = || call.id.clone();
        if let Some(at) = call.dialled_at {
            self.note(at, What::CallStarted { call: id() });
        }
        if let Some(at) = call.ended_at {
            let by_request = call.ended_by == Some(EndedBy::EndCall);
            self.note(at, What::CallEnded { call: id(), by_request });
        }
    }

    pub(crate) fn write(&self, path: &Path) {
        let line = |entry: &Entry| serde_json::to_string(entry).unwrap() + "\n";
        fs::write(path, self.0.iter().map(line).collect::<String>()).unwrap();
    }

    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        Self(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }
}

fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}
