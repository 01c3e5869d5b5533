//! Whether a webhook comes from the platform (spec §3 `[webhook]`, §4).
//!
//! The header of the platform's signature, its encoding and its prefix are undocumented: unless the
//! config names them, a matching HMAC-SHA256 of the raw body in any header will do. Relays sign
//! after the Standard Webhooks specification. Pure.

#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::model::time::Wall;

/// Bytes of an HMAC-SHA256, and its length in either encoding without padding.
const MAC: usize = 32;
const HEX: usize = 64;
const BASE64: usize = 43;
/// So many texts are tried as a signature; 32 KiB of head hold fewer.
const MAX_CANDIDATES: usize = 1024;
/// A signed timestamp may be so far from now.
const MAX_SKEW: Duration = Duration::from_secs(300);
/// So many header names are told, each up to so many bytes.
const MAX_NAMES: usize = 32;
const MAX_NAME: usize = 64;

/// How a webhook proves where it comes from.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    /// The secret of the HMAC; where there is one, the signature must match.
    pub secret: Option<SecretString>,
    /// The secret before that one, accepted too while it is rotated.
    pub previous_secret: Option<SecretString>,
    /// What is signed, and where the signature is.
    pub scheme: Scheme,
    /// A header that must be there with this value, besides the secret or instead of it.
    pub require_header: Option<(HeaderName, SecretString)>,
    /// Let everything in where there is neither secret nor header.
    pub allow_unsigned: bool,
}

/// What is signed, and where the signature is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// The raw body, as the platform does it.
    Body(Signature),
    /// `webhook-id`, `webhook-timestamp` (5 min) and body, as the Standard Webhooks specification
    /// has it (`scheme = "standard-webhooks"`).
    StandardWebhooks,
}

impl Default for Scheme {
    fn default() -> Self {
        Self::Body(Signature::default())
    }
}

/// Where and how a signature is written; the default finds it wherever it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// The header that carries it; `None` is `any`.
    pub header: Option<HeaderName>,
    /// Its encoding.
    pub encoding: Encoding,
    /// What stands before it, `sha256=` for example; `None` is `auto`.
    pub prefix: Option<String>,
}

/// How the bytes of a signature are written. Case of hex, alphabet and padding of base64 are free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Either.
    #[default]
    Auto,
    /// Hexadecimal.
    Hex,
    /// Base64, standard or URL-safe.
    Base64,
}

/// What a genuine webhook proved itself by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The current secret.
    CurrentSecret,
    /// The previous secret.
    PreviousSecret,
    /// The required header alone.
    Header,
    /// Nothing: unsigned webhooks are allowed.
    Nothing,
}

/// The webhook is not genuine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unauthorized;

impl Verifier {
    /// Judges a webhook by its headers and its raw body, in constant time as to secrets. `now` is
    /// what a signed timestamp is held against.
    ///
    /// # Errors
    ///
    /// [`Unauthorized`] where the signature or the required header is missing or wrong, or where
    /// nothing is required and unsigned webhooks are not allowed.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Wall,
    ) -> Result<Proof, Unauthorized> {
        let header = self.require_header.as_ref();
        if !header.is_none_or(|(name, value)| carries(headers, name, value)) {
            return Err(Unauthorized);
        }
        if self.secret.is_some() || self.previous_secret.is_some() {
            return self.signed(headers, body, now);
        }
        match (header, self.allow_unsigned) {
            (Some(_), _) => Ok(Proof::Header),
            (None, true) => Ok(Proof::Nothing),
            (None, false) => Err(Unauthorized),
        }
    }

    fn signed(&self, headers: &HeaderMap, body: &[u8], now: Wall) -> Result<Proof, Unauthorized> {
        let claim = self.scheme.claim(headers, body, now).ok_or(Unauthorized)?;
        let proves = |secret: &Option<SecretString>| {
            secret.as_ref().is_some_and(|secret| claim.holds(&self.scheme.key(secret)))
        };
        if proves(&self.secret) {
            Ok(Proof::CurrentSecret)
        } else if proves(&self.previous_secret) {
            Ok(Proof::PreviousSecret)
        } else {
            Err(Unauthorized)
        }
    }
}

fn carries(headers: &HeaderMap, name: &HeaderName, value: &SecretString) -> bool {
    let value = value.expose_secret().as_bytes();
    headers.get_all(name).iter().any(|found| same(found.as_bytes(), value))
}

/// What is said to be signed, and what is said to be its signature.
struct Claim<'r> {
    message: Vec<&'r [u8]>,
    macs: Vec<[u8; MAC]>,
}

impl Claim<'_> {
    fn holds(&self, key: &[u8]) -> bool {
        let expected = mac(key, &self.message);
        self.macs.iter().any(|found| same(found, &expected))
    }
}

impl Scheme {
    /// `None` where there is nothing to be checked, or it is out of date.
    fn claim<'r>(&self, headers: &'r HeaderMap, body: &'r [u8], now: Wall) -> Option<Claim<'r>> {
        let claim = match self {
            Self::Body(signature) => {
                Claim { message: vec![body], macs: signature.candidates(headers) }
            }
            Self::StandardWebhooks => {
                let id = headers.get("webhook-id")?.as_bytes();
                let time = headers.get("webhook-timestamp")?;
                let at = Wall(time.to_str().ok()?.parse::<i64>().ok()?.checked_mul(1_000_000)?);
                if at.since(now).max(now.since(at)) > MAX_SKEW {
                    return None;
                }
                let signature = Signature {
                    header: Some(HeaderName::from_static("webhook-signature")),
                    encoding: Encoding::Base64,
                    prefix: Some("v1,".to_owned()),
                };
                Claim {
                    message: vec![id, b".", time.as_bytes(), b".", body],
                    macs: signature.candidates(headers),
                }
            }
        };
        (!claim.macs.is_empty()).then_some(claim)
    }

    /// The key of the HMAC: the secret's bytes, or what `whsec_…` encodes.
    fn key(&self, secret: &SecretString) -> Vec<u8> {
        let secret = secret.expose_secret();
        let plain = || secret.as_bytes().to_vec();
        match self {
            Self::Body(_) => plain(),
            Self::StandardWebhooks => secret
                .strip_prefix("whsec_")
                .and_then(|text| BASE64_NOPAD.decode(text.trim_end_matches('=').as_bytes()).ok())
                .unwrap_or_else(plain),
        }
    }
}

impl Signature {
    /// All that may be the signature.
    fn candidates(&self, headers: &HeaderMap) -> Vec<[u8; MAC]> {
        headers
            .iter()
            .filter(|(name, _)| self.header.as_ref().is_none_or(|header| header == *name))
            .flat_map(|(_, value)| self.texts(value))
            .take(MAX_CANDIDATES)
            .flat_map(|text| self.encoding.decode(text))
            .collect()
    }

    /// The runs of characters of a header's value that may end in a signature: all of them, or
    /// those that follow the prefix.
    fn texts<'v>(&self, value: &'v HeaderValue) -> Vec<&'v [u8]> {
        let value = value.as_bytes();
        let starts: Vec<_> = match self.prefix.as_deref().map(str::as_bytes) {
            None => {
                return value.split(|&b| !in_alphabet(b)).filter(long_enough).collect();
            }
            Some([]) => vec![value],
            Some(prefix) => {
                (0..value.len()).filter_map(|at| value.get(at..)?.strip_prefix(prefix)).collect()
            }
        };
        starts
            .into_iter()
            .filter_map(|rest| rest.split(|&b| !in_alphabet(b)).next())
            .filter(|run| matches!(run.len(), HEX | BASE64))
            .collect()
    }
}

impl Encoding {
    /// The signatures that `text` may end in. A prefix such as `sha256-` may stand before it.
    fn decode(self, text: &[u8]) -> impl Iterator<Item = [u8; MAC]> + use<> {
        let hex = last(text, HEX)
            .filter(|_| self != Self::Base64)
            .and_then(|text| HEXLOWER_PERMISSIVE.decode(text).ok());
        let base64 = last(text, BASE64).filter(|_| self != Self::Hex).and_then(|text| {
            BASE64_NOPAD.decode(text).or_else(|_| BASE64URL_NOPAD.decode(text)).ok()
        });
        hex.into_iter().chain(base64).filter_map(|bytes| bytes.try_into().ok())
    }
}

/// Whether a byte belongs to hex or to either base64; padding ends a run.
fn in_alphabet(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

fn long_enough(run: &&[u8]) -> bool {
    run.len() >= BASE64
}

/// The last `count` bytes, if that is all of it or `-` or `_` sets them off.
fn last(text: &[u8], count: usize) -> Option<&[u8]> {
    let (before, last) = text.split_at_checked(text.len().checked_sub(count)?)?;
    matches!(before, [] | [.., b'-' | b'_']).then_some(last)
}

fn mac(key: &[u8], message: &[&[u8]]) -> [u8; MAC] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in message {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Equality that takes the same time wherever two texts of one length differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// The names of the headers that were there, so that the one with the signature can be found: names
/// only, at most 32 of at most 64 bytes (spec §4). Those that every request has are left out.
#[must_use]
pub fn header_names(headers: &HeaderMap) -> Vec<String> {
    const USUAL: [&str; 6] =
        ["host", "accept", "connection", "user-agent", "content-type", "content-length"];
    headers
        .keys()
        .map(HeaderName::as_str)
        .filter(|name| !USUAL.contains(name))
        .take(MAX_NAMES)
        .map(|name| name.chars().take(MAX_NAME).collect())
        .collect()
}
