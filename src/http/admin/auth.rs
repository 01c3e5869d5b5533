//! Who may use the admin API (spec §10): `Host` and `Origin` say that the request was meant for us,
//! which keeps foreign pages and re-bound names out; the bearer token says that it is an operator's.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use axum::http::{
    HeaderMap, HeaderName, Uri,
    header::{AUTHORIZATION, HOST, ORIGIN},
    uri::Authority,
};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::problem::Problem;
use crate::{
    model::time::Mono,
    telemetry::log::{Throttle, printable},
};

/// What opens the admin API. Clones share it, so that a reload reaches them all.
#[derive(Clone, Debug)]
pub struct Access {
    /// `admin.token`.
    pub token: AdminToken,
    /// `admin.hosts`: names besides loopback under which it may be asked.
    hosts: Arc<RwLock<Vec<String>>>,
}

impl Access {
    /// By this token, under these names besides loopback.
    #[must_use]
    pub fn new(token: &SecretString, hosts: Vec<String>) -> Self {
        Self { token: AdminToken::new(token), hosts: Arc::new(RwLock::new(hosts)) }
    }

    /// From now on by this token, and under these names.
    pub fn replace(&self, token: &SecretString, hosts: Vec<String>) {
        *self.token.0.write().unwrap_or_else(PoisonError::into_inner) =
            digest(token.expose_secret());
        *self.hosts.write().unwrap_or_else(PoisonError::into_inner) = hosts;
    }
}

/// The admin token, kept as a digest: it can be compared, never shown.
#[derive(Clone)]
pub struct AdminToken(Arc<RwLock<[u8; 32]>>);

impl AdminToken {
    /// The token of a secret.
    #[must_use]
    pub fn new(secret: &SecretString) -> Self {
        Self(Arc::new(RwLock::new(digest(secret.expose_secret()))))
    }

    /// Whether a request with these headers bears it. The time it takes tells nothing of the token,
    /// for digests are compared, in constant time.
    #[must_use]
    pub fn borne_by(&self, headers: &HeaderMap) -> bool {
        let ours = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        bearer(headers).is_some_and(|told| digest(told).ct_eq(&ours).into())
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(…)")
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The token in `Authorization: Bearer <token>` (RFC 6750 §2.1), if it is said once.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = only(headers, &AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// Admits requests, or says why not.
#[derive(Debug)]
pub(super) struct Door {
    access: Access,
    refusals: Refusals,
    told: Throttle,
}

impl Door {
    pub(super) fn new(access: Access) -> Self {
        Self { access, refusals: Refusals::default(), told: Throttle::default() }
    }

    /// Whether a request was meant for us, by one of our own pages or by no page at all.
    pub(super) fn is_meant(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let host = self.host(uri, headers)?;
        origin(headers, &host)
    }

    pub(super) fn admit(&self, uri: &Uri, headers: &HeaderMap, now: Mono) -> Result<(), Problem> {
        self.is_meant(uri, headers)?;
        if self.access.token.borne_by(headers) {
            return Ok(());
        }
        if let Some(times) = self.told.admit(now) {
            tracing::warn!(times, "admin request refused: no token or a wrong one");
        }
        Err(self.refusals.refuse(now))
    }

    /// The authority that the request is for, if it is one of ours.
    fn host(&self, uri: &Uri, headers: &HeaderMap) -> Result<Authority, Problem> {
        let told = only(headers, &HOST).and_then(|text| text.parse::<Authority>().ok());
        let Some(authority) = told else {
            return Err(Problem::forbidden(
                "one header Host with a name or an address is needed".to_owned(),
            ));
        };
        // Where the request line names a host too, as to a proxy, both must be ours.
        for named in uri.authority().into_iter().chain([&authority]) {
            if !self.is_ours(named) {
                return Err(Problem::forbidden(format!(
                    "{} is neither loopback nor in admin.hosts: add it there, or ask under \
                     another name",
                    printable(named.as_str()),
                )));
            }
        }
        Ok(authority)
    }

    fn hosts(&self) -> RwLockReadGuard<'_, Vec<String>> {
        self.access.hosts.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ours(&self, authority: &Authority) -> bool {
        let host = authority.host();
        let listed = |name: &String| name.eq_ignore_ascii_case(host);
        !authority.as_str().contains('@') && (is_loopback(host) || self.hosts().iter().any(listed))
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A page of another origin has no business here; whoever is no page says no origin.
fn origin(headers: &HeaderMap, host: &Authority) -> Result<(), Problem> {
    if !headers.contains_key(ORIGIN) {
        return Ok(());
    }
    let told = only(headers, &ORIGIN).unwrap_or_default();
    let authority = told.strip_prefix("http://").or_else(|| told.strip_prefix("https://"));
    match authority {
        Some(authority) if authority.eq_ignore_ascii_case(host.as_str()) => Ok(()),
        Some(_) | None => Err(Problem::forbidden(format!(
            "a page of the origin {} may not use this API, only the one under {} may",
            printable(told),
            printable(host.as_str()),
        ))),
    }
}

/// A header's value as text, if the header is there once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Counts refusals by the second. Beyond ten, a wrong token learns no more than that.
#[derive(Debug, Default)]
struct Refusals(Mutex<Second>);

#[derive(Debug, Default)]
struct Second {
    began: Mono,
    refused: u32,
}

impl Refusals {
    const AT_MOST: u32 = 10;

    fn refuse(&self, now: Mono) -> Problem {
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(second.began) >= Duration::from_secs(1) {
            *second = Second { began: now, refused: 0 };
        }
        second.refused = second.refused.saturating_add(1);
        if second.refused > Self::AT_MOST {
            return Problem::too_many(
                "too many wrong tokens within this second; the right one is always let in"
                    .to_owned(),
            );
        }
        Problem::unauthorized(
            "the admin token is needed: Authorization: Bearer <what admin.token names>".to_owned(),
        )
    }
}
