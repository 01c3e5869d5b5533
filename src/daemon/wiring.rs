//! From the config to what the parts are made of.

use std::sync::Arc;

use axum::http::HeaderName;
use secrecy::SecretString;

use crate::{
    config::{
        Admin, Config, Env, Identity, RequiredHeader, SecretError, SecretSource, SignatureEncoding,
        SignatureHeader, SignaturePrefix, TlsError, Webhook, WebhookScheme, on_certificate,
    },
    engine::{TokenReader, Tuning},
    http::{
        admin::Access,
        health::Details,
        verify::{Encoding, Scheme, Signature, Verifier},
        webhook::Settings,
    },
    model::{health::TokenSource, time::Wall},
};

/// The environment, as the daemon keeps it for reading secrets anew.
pub(super) type SharedEnv = Arc<dyn Env + Send + Sync>;

/// Reads a secret.
pub(super) fn secret(source: &SecretSource, env: &dyn Env) -> Result<SecretString, SecretError> {
    Ok(SecretString::from(source.read(env)?.expose()))
}

/// Reads the platform's token whenever it is asked to.
pub(super) fn token_reader(source: SecretSource, env: SharedEnv) -> TokenReader {
    Arc::new(move || secret(&source, &*env).map_err(|error| error.to_string()))
}

/// Where a token comes from, as health's sentences tell it.
pub(super) fn token_source(source: &SecretSource) -> TokenSource {
    match source {
        SecretSource::Env(_) => TokenSource::Env,
        SecretSource::File(_) => TokenSource::File,
        SecretSource::Credential(_) => TokenSource::Credential,
    }
}

/// What webhooks are verified and read by.
pub(super) fn webhook_settings(webhook: &Webhook, env: &dyn Env) -> Result<Settings, SecretError> {
    let optional = |source: &Option<SecretSource>| {
        source.as_ref().map(|source| secret(source, env)).transpose()
    };
    let require_header = match &webhook.require_header {
        None => None,
        Some(RequiredHeader { name, value }) => Some((header_name(name), secret(value, env)?)),
    };
    let signature = Signature {
        header: match &webhook.signature_header {
            SignatureHeader::Any => None,
            SignatureHeader::Named(name) => Some(header_name(name)),
        },
        encoding: match webhook.signature_encoding {
            SignatureEncoding::Auto => Encoding::Auto,
            SignatureEncoding::Hex => Encoding::Hex,
            SignatureEncoding::Base64 => Encoding::Base64,
        },
        prefix: match &webhook.signature_prefix {
            SignaturePrefix::Auto => None,
            SignaturePrefix::Text(text) => Some(text.clone()),
        },
    };
    let verifier = Verifier {
        secret: optional(&webhook.secret)?,
        previous_secret: optional(&webhook.previous_secret)?,
        scheme: match webhook.scheme {
            WebhookScheme::Body => Scheme::Body(signature),
            WebhookScheme::StandardWebhooks => Scheme::StandardWebhooks,
        },
        require_header,
        allow_unsigned: webhook.allow_unsigned,
    };
    Ok(Settings { verifier, pointers: webhook.fields.clone() })
}

/// What a reload may change besides the policy.
pub(super) fn tuning(config: &Config) -> Tuning {
    Tuning {
        quota: (config.platform.requests.count, config.platform.requests.window),
        reconcile_every: config.enforcement.reconcile_every,
        adopt: config.enforcement.adopt.clone(),
        pointers: config.webhook.fields.clone(),
        history: config.store.history,
    }
}

/// What opens the admin API.
pub(super) fn access(admin: &Admin, env: &dyn Env) -> Result<Access, SecretError> {
    Ok(Access::new(&secret(&admin.token, env)?, admin.hosts.clone()))
}

/// The certificate to show, if one is named; what is to be said about it is logged.
pub(super) fn identity(
    config: &Config,
    env: &dyn Env,
    now: Wall,
) -> Result<Option<Identity>, TlsError> {
    let identity = config.identity(env)?;
    let advice = identity.as_ref().map(|identity| on_certificate(config, identity, now));
    for advice in advice.into_iter().flatten() {
        tracing::warn!("{advice}");
    }
    Ok(identity)
}

/// Who may see metrics, and health's details.
pub(super) fn details(config: &Config, access: Option<&Access>) -> Details {
    if config.server.open_metrics || config.server.listen.ip().is_loopback() {
        Details::Open
    } else {
        Details::Operator(access.map(|access| access.token.clone()))
    }
}

fn header_name(name: &str) -> HeaderName {
    HeaderName::from_bytes(name.as_bytes()).expect("the config takes header names alone")
}
