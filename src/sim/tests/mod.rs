//! The sim over real sockets: what the contract says, and what each fault makes of it.

mod deliveries;
mod faults;
mod platform;

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    http::{HeaderMap, Method, Request},
};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    Script, Sim, SimOptions, Wait, WebhookTarget,
    courier::{self, Client},
};

const SOON: Duration = Duration::from_secs(10);

/// A sim and a client of its.
struct Bench {
    sim: Sim,
    client: Client,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Bench {
    async fn new(faults: &[&str]) -> Self {
        Self::with(faults, SimOptions::default()).await
    }

    async fn with(faults: &[&str], options: SimOptions) -> Self {
        let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        let options = SimOptions { faults, seed: Some(1), ..options };
        Self { sim: Sim::start(options).await.unwrap(), client: courier::client() }
    }

    /// Places a call that is answered at once, and waits for that.
    async fn answered(&self, script: Script) -> String {
        let call = self.sim.control().place(Script { rings: span("0s"), ..script });
        self.until(Wait::Status { call: call.clone(), status: "answered".to_owned() }).await;
        call
    }

    async fn until(&self, what: Wait) {
        assert!(self.sim.control().wait(&what, SOON).await, "in vain: {what:?}");
    }

    async fn api(&self, method: Method, path: &str, body: Value) -> Reply {
        self.try_api(method, path, body).await.unwrap()
    }

    async fn get(&self, path: &str) -> Reply {
        self.api(Method::GET, path, Value::Null).await
    }

    async fn end_call(&self, agent: &str, call: &str) -> Reply {
        let path = format!("/agents/{agent}/end-call");
        self.api(Method::POST, &path, json!({"call_sid": call})).await
    }

    async fn try_api(&self, method: Method, path: &str, body: Value) -> Result<Reply, String> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.sim.base_url()))
            .header("Authorization", "Bearer a-token")
            .header("Accept", "application/json")
            .body(Full::from(body))
            .unwrap();
        self.send(request).await
    }

    async fn control(&self, method: Method, path: &str, body: Value) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.sim.control_url()))
            .body(Full::from(body.to_string()))
            .unwrap();
        self.send(request).await.unwrap()
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply, String> {
        let response = self.client.request(request).await.map_err(|error| error.to_string())?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

fn span(text: &str) -> super::Span {
    text.parse().unwrap()
}

/// Takes webhooks in; answers 500 as long as told so.
struct Receiver {
    url: String,
    failures: Arc<std::sync::atomic::AtomicU32>,
    inbox: tokio::sync::mpsc::UnboundedReceiver<(String, HeaderMap, String)>,
}

impl Receiver {
    async fn new(sim: &Sim) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        let (sender, inbox) = tokio::sync::mpsc::unbounded_channel();
        let failures = Arc::new(AtomicU32::new(0));
        let left = Arc::clone(&failures);
        let take = async move |uri: axum::http::Uri, headers: HeaderMap, body: String| {
            let less = |n: u32| n.checked_sub(1);
            if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
                return axum::http::StatusCode::INTERNAL_SERVER_ERROR;
            }
            sender.send((uri.path().to_owned(), headers, body)).unwrap();
            axum::http::StatusCode::OK
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook/{{agent_id}}/{{event}}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(take);
        let server = super::server::run(Arc::clone(&sim.shared), listener, router);
        sim.shared.tasks.spawn(server);
        Self { url, failures, inbox }
    }

    fn target(&self) -> WebhookTarget {
        WebhookTarget::new(self.url.as_str(), Some("a-secret-of-ours"))
    }

    async fn next(&mut self) -> (String, HeaderMap, String) {
        tokio::time::timeout(SOON, self.inbox.recv()).await.unwrap().unwrap()
    }
}
