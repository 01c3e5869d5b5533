//! The admin API's client (spec §2, §10): finds listener and token through the config.

use std::{net::SocketAddr, time::Duration};

use reqwest::{Method, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use thiserror::Error;

use super::healthcheck::reachable;
use crate::{
    config::{Config, ProcessEnv, SecretError},
    model::ids::CallId,
    platform::{PlatformError, no_tls_config},
    telemetry::log::printable,
};

/// A kill switch that blocks new calls may wait 30 s for its turn and then for its answer.
const PATIENCE: Duration = Duration::from_secs(100);

/// Why the API did not do what it was asked.
#[derive(Debug, Error)]
pub(super) enum ApiError {
    #[error("the config has no [admin]: add it with listen and token, and restart the daemon")]
    Off,
    #[error("admin.token cannot be read")]
    Secret(#[from] SecretError),
    #[error("admin.listen leaves the port open, so nobody knows which it is: name one")]
    NoPort,
    #[error(transparent)]
    Tls(#[from] PlatformError),
    #[error("the HTTP client cannot be built")]
    Client(#[source] reqwest::Error),
    #[error("no callwarden answers at {at} (admin.listen): is it running with this config?")]
    Unreachable {
        at: SocketAddr,
        #[source]
        source: reqwest::Error,
    },
    #[error("what answers at {at} (admin.listen) is no callwarden: status {status}")]
    Stranger { at: SocketAddr, status: u16 },
    #[error("{}{}", printable(detail), if *status == 401 { " (has it changed since the daemon read it?)" } else { "" })]
    Refused { status: u16, detail: String },
}

/// A handle on the daemon's admin API.
pub(super) struct Api {
    http: reqwest::Client,
    at: SocketAddr,
    token: SecretString,
}

impl Api {
    pub(super) fn of(config: &Config) -> Result<Self, ApiError> {
        let admin = config.admin.as_ref().ok_or(ApiError::Off)?;
        let token = SecretString::from(admin.token.read(&ProcessEnv)?.expose());
        let at = reachable(admin.listen);
        if at.port() == 0 {
            return Err(ApiError::NoPort);
        }
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(no_tls_config()?)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(PATIENCE)
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(ApiError::Client)?;
        Ok(Self { http, at, token })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.ask(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.ask(Method::POST, path, Some(body)).await
    }

    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.ask(Method::PATCH, path, Some(body)).await
    }

    /// All calls of a list's pages, `most` at most, as one page.
    pub(super) async fn list(
        &self,
        path: &str,
        filter: &[(&str, String)],
        most: usize,
    ) -> Result<Value, ApiError> {
        let mut calls = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let limit = most.saturating_sub(calls.len()).min(1_000);
            let mut query = vec![format!("limit={limit}")];
            query.extend(filter.iter().map(|(key, value)| format!("{key}={}", encoded(value))));
            query.extend(after.iter().map(|after| format!("after={after}")));
            let mut page = self.get(&format!("{path}?{}", query.join("&"))).await?;
            let next = page["next"].as_str().map(str::to_owned);
            if let Some(Value::Array(more)) = page.get_mut("calls").map(Value::take) {
                calls.extend(more);
            }
            if next.is_none() || calls.len() >= most {
                return Ok(serde_json::json!({"calls": calls, "next": next}));
            }
            after = next;
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ApiError> {
        let at = self.at;
        let mut request = self
            .http
            .request(method, format!("http://{at}{path}"))
            .bearer_auth(self.token.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        let unreachable =
            |error: reqwest::Error| ApiError::Unreachable { at, source: error.without_url() };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(unreachable)?;
        let Ok(answer) = serde_json::from_slice::<Value>(&bytes) else {
            return Err(ApiError::Stranger { at, status: status.as_u16() });
        };
        if status.is_success() {
            return Ok(answer);
        }
        match answer["detail"].as_str() {
            Some(detail) => {
                Err(ApiError::Refused { status: status.as_u16(), detail: detail.to_owned() })
            }
            None => Err(ApiError::Stranger { at, status: status.as_u16() }),
        }
    }
}

/// The path of a call, and what comes after.
pub(super) fn call_path(id: &CallId, rest: &str) -> String {
    format!("/api/calls/{}{rest}", encoded(id.as_str()))
}

/// An id on the command line, if a path can name it: a segment `.` or `..`, percent-encoded or not,
/// is a step in the path to every client, and the path of another order may be left.
pub(super) fn call_id(text: &str) -> Result<CallId, String> {
    match text {
        "." | ".." => {
            Err("a URL cannot name this id; name the call by its other id, or its sid".to_owned())
        }
        _ => CallId::parse(text).map_err(|error| error.to_string()),
    }
}

/// Percent-encodes all but letters, digits, `-` and `_`.
fn encoded(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => all.push(char::from(byte)),
            _ => all.push_str(&format!("%{byte:02X}")),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_one_segment() {
        let path = |id, rest| call_path(&call_id(id).unwrap(), rest);
        assert_eq!(path("../a b", "/end"), "/api/calls/%2E%2E%2Fa%20b/end");
        assert_eq!(path("CA-1_x", ""), "/api/calls/CA-1_x");
        assert_eq!([".", "..", ""].map(|id| call_id(id).is_ok()), [false; 3]);
    }
}
