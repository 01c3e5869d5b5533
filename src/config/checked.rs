//! The config as the rest of the program sees it (spec §3): once a [`Config`] exists, it is right.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sha2::{Digest, Sha256};
use url::Url;

use crate::model::{
    decode::pointers::Pointers,
    policy::{Adopt, Enforcement as StopPolicy, Limits, Policy, Rules},
};

use super::{
    certificate::{Identity, TlsError},
    env::Env,
    error::{ConfigError, ConfigErrors, Source},
    leaf,
    mistake::Mistake,
    secret::{Secret, SecretError, SecretSource},
};

/// A whole config file, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[admin]`; off when it is absent.
    pub admin: Option<Admin>,
    /// `[platform]`
    pub platform: Platform,
    /// `[webhook]`
    pub webhook: Webhook,
    /// `[store]`
    pub store: Store,
    /// `[enforcement]`
    pub enforcement: Enforcement,
    /// `[limits]`
    pub limits: Limits,
    /// `[[rule]]`
    pub rules: Rules,
    /// The file it was read from.
    pub origin: Origin,
}

impl Config {
    /// What decisions about calls rest on.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            limits: self.limits.clone(),
            rules: self.rules.clone(),
            enforcement: StopPolicy {
                confirm_within: self.enforcement.confirm_within,
                give_up_after: self.enforcement.give_up_after,
            },
            max_age: self.webhook.max_age,
        }
    }

    /// The file that it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.origin.source.path
    }

    /// The file's hash, for `callwarden_config_hash`: 48 bits, which a float holds exactly.
    #[must_use]
    pub fn config_hash(&self) -> u64 {
        let digest = Sha256::digest(self.origin.source.text.as_bytes());
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&digest[..6]);
        u64::from_be_bytes(bytes)
    }

    /// The certificate and key that `server.tls` names, as they are now; `None` without that key.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when they can't be had, or don't belong together.
    pub fn identity(&self, env: &dyn Env) -> Result<Option<Identity>, TlsError> {
        self.server.tls.as_ref().map(|tls| Identity::read(tls, env)).transpose()
    }

    /// Reads every secret that the file names, and the certificate, to tell at once what can't be had.
    ///
    /// # Errors
    ///
    /// All that is wrong with any of them, each with its place in the file.
    pub fn check_secrets(&self, env: &dyn Env) -> Result<(), ConfigErrors> {
        let mut errors: Vec<_> = self
            .origin
            .secrets
            .iter()
            .filter_map(|named| {
                let mistake = match named.source.read(env) {
                    Ok(secret) if named.key == "store.url" => {
                        leaf::database(secret.expose(), env).err()?
                    }
                    Ok(_) => return None,
                    Err(error) => Mistake::Secret(named.source.clone(), error),
                };
                Some(ConfigError::at(
                    &self.origin.source,
                    named.key.clone(),
                    named.span.clone(),
                    mistake,
                ))
            })
            .collect();
        errors.extend(self.identity(env).err().map(|error| {
            let key = error.config_key().to_owned();
            let Origin { source, places, .. } = &self.origin;
            match places.get(&key).cloned() {
                Some(span) => ConfigError::at(source, key, span, Mistake::Tls(error)),
                None => ConfigError::of_file(&source.path, key, Mistake::Tls(error)),
            }
        }));
        ConfigErrors::unless_empty(errors)
    }
}

/// `[server]`: the listener for webhooks, health and metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Where it listens; port 0 picks one.
    pub listen: SocketAddr,
    /// How the platform reaches us.
    pub public_url: Option<Url>,
    /// The most calls without outcome that are tracked.
    pub max_calls: usize,
    /// The most connections open at once.
    pub max_connections: usize,
    /// What TLS is spoken with; plain HTTP without it.
    pub tls: Option<Tls>,
    /// Whether metrics and details of health need no admin token off loopback.
    pub open_metrics: bool,
}

/// `server.tls`: what TLS is spoken with.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// The PEM file of the certificate and, below it, those that lead to its authority.
    pub certificate: PathBuf,
    /// Its private key, as PEM.
    pub key: SecretSource,
}

/// `[admin]`: the listener for operators.
#[derive(Clone, Debug, PartialEq)]
pub struct Admin {
    /// Where it listens; port 0 picks one.
    pub listen: SocketAddr,
    /// The operators' bearer token.
    pub token: SecretSource,
    /// Host names besides loopback that the page may be opened under, in lower case.
    pub hosts: Vec<String>,
}

/// `[platform]`: how we reach the platform.
#[derive(Clone, Debug, PartialEq)]
pub struct Platform {
    /// The API's base: https, or http on loopback; no query, no trailing slash in its path.
    pub base_url: Url,
    /// Our bearer token.
    pub token: SecretSource,
    /// Our share of the platform's quota.
    pub requests: Quota,
    /// How long one request may take.
    pub timeout: Duration,
}

/// A number of requests in any window of a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests, 1 at least.
    pub count: u32,
    /// The window: a second, a minute or an hour.
    pub window: Duration,
}

/// `[webhook]`: how webhooks prove where they come from, and what is read from them.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// The key of the signature.
    pub secret: Option<SecretSource>,
    /// A key that is accepted too, while the secret is being rotated.
    pub previous_secret: Option<SecretSource>,
    /// What is signed, and how that is told.
    pub scheme: WebhookScheme,
    /// Which header holds the signature.
    pub signature_header: SignatureHeader,
    /// How the signature is written.
    pub signature_encoding: SignatureEncoding,
    /// What stands before the signature.
    pub signature_prefix: SignaturePrefix,
    /// A header that every webhook must carry.
    pub require_header: Option<RequiredHeader>,
    /// Whether webhooks need no proof when neither `secret` nor `require_header` is there.
    pub allow_unsigned: bool,
    /// Up to which age an event's own time is believed.
    pub max_age: Duration,
    /// Where fields are looked for in a body (`[webhook.fields]`).
    pub fields: Pointers,
}

/// What is signed, and how that is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebhookScheme {
    /// The body, as the `signature_…` keys have it.
    #[default]
    Body,
    /// Id, time and body, as the Standard Webhooks specification has it.
    StandardWebhooks,
}

/// Which header holds the signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SignatureHeader {
    /// A matching signature in any header will do.
    #[default]
    Any,
    /// The header of this name, in lower case.
    Named(String),
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureEncoding {
    /// Either way.
    #[default]
    Auto,
    /// Hexadecimal.
    Hex,
    /// Base64.
    Base64,
}

/// What stands before a signature in its header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SignaturePrefix {
    /// Any of the usual ones, or none.
    #[default]
    Auto,
    /// Exactly this text.
    Text(String),
}

/// A header that every webhook must carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredHeader {
    /// Its name, in lower case.
    pub name: String,
    /// Its whole value.
    pub value: SecretSource,
}

/// `[store]`: where calls are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// Which database.
    pub url: StoreUrl,
    /// How long outcomes are kept, 31 days at least.
    pub history: Duration,
}

/// `store.url`, which may be a secret as it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// Said in the file.
    Plain(Database),
    /// A secret holds the url.
    Secret(SecretSource),
}

impl StoreUrl {
    /// The database, whose url is read if it is a secret.
    ///
    /// # Errors
    ///
    /// [`StoreUrlError`] when there is no such secret, or it is no url of a store.
    pub fn database(&self, env: &dyn Env) -> Result<Database, StoreUrlError> {
        match self {
            Self::Plain(database) => Ok(database.clone()),
            Self::Secret(source) => {
                let url: Secret = source.read(env)?;
                leaf::database(url.expose(), env).map_err(|_| StoreUrlError::NotAStore)
            }
        }
    }
}

/// Why there is no database behind `store.url`.
#[derive(Debug, thiserror::Error)]
pub enum StoreUrlError {
    /// The secret that holds it can't be read.
    #[error("the secret that `store.url` names cannot be had")]
    Secret(#[from] SecretError),
    /// The secret holds something else.
    #[error("the secret that `store.url` names holds no url of a store, such as sqlite:PATH")]
    NotAStore,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// The SQLite file of this path, `$STATE_DIRECTORY` applied.
    Sqlite(PathBuf),
}

/// `[enforcement]`: how limits are enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enforcement {
    /// How long to wait for the end's webhook before asking the platform.
    pub confirm_within: Duration,
    /// How long to go on with a stop that the platform answers but does not carry out.
    pub give_up_after: Duration,
    /// How often the platform's list of calls is compared with ours; `None` is never.
    pub reconcile_every: Option<Duration>,
    /// Which listed calls are taken on.
    pub adopt: Adopt,
    /// The share of the live calls, in percent, that a reload may newly put past their deadline.
    pub surge_limit: u8,
}

/// Where a [`Config`] comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    pub(super) source: Arc<Source>,
    pub(super) secrets: Vec<NamedSecret>,
    /// Where each of its keys is.
    pub(super) places: BTreeMap<String, Range<usize>>,
}

/// A secret's reference in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NamedSecret {
    pub(super) key: String,
    pub(super) span: Range<usize>,
    pub(super) source: SecretSource,
}
