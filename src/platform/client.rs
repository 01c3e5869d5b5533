//! The client: addresses, headers, limits; one request a method.

use std::{
    error::Error,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use reqwest::{
    Method, RequestBuilder, Response, Url,
    header::{ACCEPT, AUTHORIZATION, HeaderValue},
    redirect, retry,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{
    PlatformError,
    answer::{self, Reply},
    wire,
};
use crate::model::{
    ids::AgentId,
    platform::{Answer, DeliveryPage, Failure, Meter, Page, Row},
    time::Wall,
};

/// The most that is read of an answer about one call, in bytes (spec §7).
const ANSWER_BYTES: usize = 64 << 10;

/// The most that is read of a list, in bytes: a page has up to 100 rows, and the documented row is
/// below 1 KiB; ten times that leaves room for rows that grow.
const LIST_BYTES: usize = 1 << 20;

/// The most that is read of a delivery log, in bytes: a page repeats 100 bodies.
const LOG_BYTES: usize = 8 << 20;

/// How long an idle connection is kept. Servers close theirs after a minute or more; being first
/// keeps a request from meeting a close under way.
const IDLE: Duration = Duration::from_secs(20);

/// Tells wall time, for answers that name an instant and bear no `Date` to measure it against.
pub type WallClock = Arc<dyn Fn() -> Wall + Send + Sync>;

/// What a client is made from.
pub struct Options<'a> {
    /// `platform.base_url`.
    pub base_url: &'a str,
    /// `platform.token`.
    pub token: &'a SecretString,
    /// `platform.timeout`: the longest that one request may take, body included.
    pub timeout: Duration,
    /// The wall clock.
    pub clock: WallClock,
}

/// A handle on the platform; clones share connections and token.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Arc<RwLock<HeaderValue>>,
    clock: WallClock,
}

/// Which rows of the platform's list to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Only those of this status, by the platform's word.
    pub status: Option<String>,
    /// Only those with this phone number or provider's `sid`.
    pub search: Option<String>,
    /// Only those of this agent.
    pub agent: Option<AgentId>,
    /// The page, from 1.
    pub page: u32,
    /// Rows a page, at most 100.
    pub per_page: u32,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self { status: None, search: None, agent: None, page: 1, per_page: 100 }
    }
}

impl Client {
    /// Makes a client; asks nothing yet.
    ///
    /// # Errors
    ///
    /// Address, token or the system's certificates cannot be used.
    pub fn new(options: &Options<'_>) -> Result<Self, PlatformError> {
        let base = base(options.base_url)?;
        Ok(Self {
            http: http(&base, options.timeout)?,
            base,
            token: Arc::new(RwLock::new(bearer(options.token)?)),
            clock: Arc::clone(&options.clock),
        })
    }

    /// Uses another token from the next request on, in every clone.
    ///
    /// # Errors
    ///
    /// The token cannot be sent; the old one stays.
    pub fn set_token(&self, token: &SecretString) -> Result<(), PlatformError> {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = bearer(token)?;
        Ok(())
    }

    /// Asks the platform to end a call. `call_sid` is the call's id, or its sid.
    pub async fn end_call(&self, agent: &AgentId, call_sid: &str) -> (Answer, Meter) {
        let request = self
            .request(Method::POST, &["agents", agent.as_str(), "end-call"])
            .json(&json!({ "call_sid": call_sid }));
        let (reply, meter) = self.send(request, ANSWER_BYTES).await;
        let answer = match reply {
            Ok(reply) => answer::end_call(&reply),
            Err(failure) => Answer::Failed(failure),
        };
        (answer, meter)
    }

    /// The calls that an agent has under way with a number; none is an answer too.
    pub async fn active_call(
        &self,
        agent: &AgentId,
        phone: &str,
    ) -> (Result<Vec<Row>, Failure>, Meter) {
        if matches!(phone, "" | "." | "..") {
            // No address can hold these as a segment of its path: they would ask something else.
            let failure = Failure::Other {
                status: 0,
                message: format!("{phone:?} is no phone number to ask for"),
            };
            return (Err(failure), Meter::default());
        }
        let request = self.request(Method::GET, &["agents", agent.as_str(), "active-call", phone]);
        let (reply, meter) = self.send(request, ANSWER_BYTES).await;
        let rows = reply.and_then(|reply| answer::active_call(&reply, agent));
        (rows, meter)
    }

    /// One page of the platform's list of calls.
    pub async fn calls(&self, query: &ListQuery) -> (Result<Page, Failure>, Meter) {
        let ListQuery { status, search, agent, page, per_page } = query;
        let mut pairs = vec![("page", page.to_string()), ("per_page", per_page.to_string())];
        pairs.extend(status.clone().map(|status| ("status", status)));
        pairs.extend(search.clone().map(|search| ("search", search)));
        pairs.extend(agent.as_ref().map(|agent| ("agent_id", agent.to_string())));
        let request = self.request(Method::GET, &["calls"]).query(&pairs);
        let (reply, meter) = self.send(request, LIST_BYTES).await;
        let page = reply.and_then(|reply| {
            let body = reply.value()?;
            wire::page(body, query).ok_or_else(|| reply.unreadable("no list of calls in the body"))
        });
        (page, meter)
    }

    /// The webhooks that an agent has (its page *list-agent-webhooks*): their ids.
    pub async fn webhooks(&self, agent: &AgentId) -> (Result<Vec<String>, Failure>, Meter) {
        let request = self.request(Method::GET, &["agents", agent.as_str(), "webhooks"]);
        let (reply, meter) = self.send(request, LIST_BYTES).await;
        (reply.and_then(|reply| answer::webhooks(&reply)), meter)
    }

    /// A page of what was delivered to a webhook (the platform's page *list-webhook-logs*), from 1.
    pub async fn deliveries(
        &self,
        agent: &AgentId,
        webhook: &str,
        page: u32,
    ) -> (Result<DeliveryPage, Failure>, Meter) {
        let path = ["agents", agent.as_str(), "webhooks", webhook, "logs"];
        let request = self
            .request(Method::GET, &path)
            .query(&[("per_page", "100"), ("page", &page.to_string())]);
        let (reply, meter) = self.send(request, LOG_BYTES).await;
        (reply.and_then(|reply| answer::deliveries(&reply, page)), meter)
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.http
            .request(method, address(&self.base, path))
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, token)
    }

    async fn send(&self, request: RequestBuilder, most: usize) -> (Result<Reply, Failure>, Meter) {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return (Err(failure(error)), Meter::default()),
        };
        let reply = receive(response, most, (self.clock)()).await;
        let meter = reply.meter();
        (Ok(reply), meter)
    }
}

/// The TLS settings of every connection that leaves us: the system's certificates (`SSL_CERT_FILE`
/// is honoured), ring.
///
/// # Errors
///
/// The system has no certificates.
pub fn tls_config() -> Result<ClientConfig, PlatformError> {
    let tls = |source| PlatformError::Tls { source };
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .with_platform_verifier()
        .map_err(tls)?
        .with_no_client_auth())
}

fn http(base: &Url, timeout: Duration) -> Result<reqwest::Client, PlatformError> {
    let secure = base.scheme() == "https";
    let tls = if secure { tls_config()? } else { no_tls()? };
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .timeout(timeout)
        // Who cannot even connect within half the time is told apart from who does not answer.
        .connect_timeout(timeout / 2)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .user_agent(concat!("callwarden/", env!("CARGO_PKG_VERSION")));
    if !secure {
        // Plain HTTP is for loopback only (spec §3), where no proxy leads.
        builder = builder.no_proxy();
    }
    builder.build().map_err(|source| PlatformError::Client { source })
}

/// For plain HTTP: trusts nobody, and needs no certificates of the system.
fn no_tls() -> Result<ClientConfig, PlatformError> {
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|source| PlatformError::Tls { source })?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

fn base(url: &str) -> Result<Url, PlatformError> {
    let refuse = |source: Option<Box<dyn Error + Send + Sync>>| PlatformError::BaseUrl {
        url: url.to_owned(),
        source,
    };
    let base = Url::parse(url).map_err(|error| refuse(Some(error.into())))?;
    if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
        return Err(refuse(None));
    }
    Ok(base)
}

fn bearer(token: &SecretString) -> Result<HeaderValue, PlatformError> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
        .map_err(|_| PlatformError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// `base` and then `path`, each part of which stays one segment.
fn address(base: &Url, path: &[&str]) -> Url {
    let mut address = base.clone();
    let mut whole = base.path().trim_end_matches('/').to_owned();
    for segment in path {
        whole.push('/');
        encode(segment, &mut whole);
    }
    address.set_path(&whole);
    address
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn encode(segment: &str, into: &mut String) {
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                into.push(char::from(byte));
            }
            _ => into.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// Reads an answer, its body up to `most` bytes.
async fn receive(mut response: Response, most: usize, now: Wall) -> Reply {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut body = Vec::new();
    let broken = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break None,
            Err(error) => break Some(failure(error)),
        }
        if body.len() > most {
            break Some(Failure::Other {
                status,
                message: format!("a body of more than {most} bytes"),
            });
        }
    };
    Reply::new(status, headers, &body, broken, now)
}

/// What it means that no answer came, or not all of it.
///
/// An idle connection that the server closed is no case: reqwest sees it before the request is
/// written, and takes a new one.
fn failure(error: reqwest::Error) -> Failure {
    let failure = if error.is_connect() || error.is_builder() {
        Failure::Network
    } else if error.is_timeout() {
        Failure::Timeout
    } else {
        Failure::Cut
    };
    let error = error.without_url();
    tracing::debug!(error = &error as &dyn Error, ?failure, "no answer from the platform");
    failure
}
