//! What is allowed in a config, but probably not meant, or better otherwise.

use std::{fmt, time::Duration};

use crate::model::policy::Limits;

mod rules;
mod tls;

pub use self::tls::on_certificate;
use super::{
    checked::{Config, Server, SignatureEncoding, SignatureHeader, SignaturePrefix, Webhook},
    duration::{SECOND, shown},
    print::plain_limits,
    secret::SecretSource,
};

/// The longest call the platform can be told to cut by itself, in seconds.
const PLATFORM_CAP: u64 = 3600;

/// Open files that are needed besides one for each connection (spec §4).
const OTHER_FILES: u64 = 256;

/// A piece of advice about one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The key, with its sections.
    pub key: String,
    /// Whether something is probably wrong.
    pub weight: Weight,
    /// What is to be said about it.
    pub found: String,
    /// What to do.
    pub mend: String,
}

/// How much weight a piece of advice has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Good to know; `--deny-warnings` lets it pass.
    Hint,
    /// Probably not what is meant.
    Warning,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Hint => "hint",
            Weight::Warning => "warning",
        };
        let Self { key, found, mend, .. } = self;
        write!(f, "{weight}: {key}: {found}; {mend}")
    }
}

/// Advice on a config, where `open_files` is the soft limit of open files if it is known.
#[must_use]
pub fn advice(config: &Config, open_files: Option<u64>) -> Vec<Advice> {
    let mut list = List(Vec::new());
    on_limits(&mut list, &config.limits);
    rules::on_rules(&mut list, config);
    on_server(&mut list, &config.server, open_files);
    tls::on_tls(&mut list, config);
    on_admin(&mut list, config);
    on_webhooks(&mut list, &config.webhook);
    on_rotation(&mut list, config);
    list.0
}

struct List(Vec<Advice>);

impl List {
    fn warn(&mut self, key: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) {
        self.push(Weight::Warning, key.into(), found.into(), mend.into());
    }

    fn hint(&mut self, key: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) {
        self.push(Weight::Hint, key.into(), found.into(), mend.into());
    }

    fn push(&mut self, weight: Weight, key: String, found: String, mend: String) {
        self.0.push(Advice { key, weight, found, mend });
    }
}

fn on_limits(list: &mut List, limits: &Limits) {
    if limits.total.is_none() {
        list.warn(
            "limits.unlimited",
            "a call that reaches no other limit goes on for ever",
            "set `total` if any length is too long",
        );
    }
    let after = limits.after.iter().map(|(kind, limit)| {
        let ends = kind.ends_call();
        (format!("after.{}", kind.short_name()), *limit, ends)
    });
    let all =
        plain_limits(limits).map(|(name, limit)| (name.to_owned(), limit, false)).chain(after);
    for (name, limit, after_the_end) in all {
        let key = format!("limits.{name}");
        if limit < SECOND {
            list.warn(&key, format!("{} is meant for tests", shown(limit)), "set 1s or more");
        }
        if after_the_end {
            list.warn(
                &key,
                "the call is over by then, so this limit never stops anything",
                "leave it out",
            );
        } else if let Some((other, least)) = never_later(limits, &name)
            && limit >= least
        {
            list.warn(
                &key,
                format!("{} is never reached before `{other}` of {}", shown(limit), shown(least)),
                "shorten it or leave it out",
            );
        }
    }
}

/// The shortest limit that starts no later than the one of this name, in a call whose start is known.
fn never_later(limits: &Limits, name: &str) -> Option<(&'static str, Duration)> {
    let starts_connected = matches!(name, "talking" | "voicemail" | "no_conversation");
    let connected = limits.connected.filter(|_| starts_connected);
    let total = limits.total.filter(|_| name != "total");
    [("connected", connected), ("total", total)]
        .into_iter()
        .filter_map(|(name, limit)| Some((name, limit?)))
        .min_by_key(|(_, limit)| *limit)
}

/// A length in seconds, a part of one taken for a whole one.
fn of_whole_seconds(length: Duration) -> u64 {
    length.as_secs() + u64::from(length.subsec_nanos() > 0)
}

fn on_server(list: &mut List, server: &Server, open_files: Option<u64>) {
    let needed = server.max_connections as u64 + OTHER_FILES;
    if let Some(open_files) = open_files.filter(|limit| *limit < needed) {
        list.warn(
            "server.max_connections",
            format!(
                "{} connections need {needed} open files, {open_files} are allowed",
                server.max_connections
            ),
            format!(
                "raise the limit (LimitNOFILE={needed} in the unit, `ulimit -n {needed}`), or \
                 lower this one"
            ),
        );
    }
    if server.public_url.is_none() {
        list.hint(
            "server.public_url",
            "how the platform reaches us is not told, so neither is the URL for its webhooks",
            "set it to the https:// address of this server",
        );
    }
}

fn on_admin(list: &mut List, config: &Config) {
    match &config.admin {
        None => list.hint(
            "admin",
            "there is no listener for operators: calls can be neither listed nor ended by hand",
            "add [admin] with `listen` and `token`",
        ),
        Some(admin) if !admin.listen.ip().is_loopback() => list.warn(
            "admin.listen",
            format!("the token travels to {} in the clear", admin.listen),
            "listen on 127.0.0.1, behind a proxy with TLS or a tunnel",
        ),
        Some(_) => {}
    }
}

fn on_webhooks(list: &mut List, webhook: &Webhook) {
    let proven = webhook.secret.is_some() || webhook.require_header.is_some();
    match (webhook.allow_unsigned, proven) {
        (true, true) => list.warn(
            "webhook.allow_unsigned",
            "webhooks are proven all the same, as `secret` or `require_header` is set",
            "leave it out",
        ),
        (true, false) => list.warn(
            "webhook.allow_unsigned",
            "every program on this machine can begin and end calls here",
            "set `secret`",
        ),
        (false, _) => {}
    }
    let signature_described = webhook.signature_header != SignatureHeader::Any
        || webhook.signature_encoding != SignatureEncoding::Auto
        || webhook.signature_prefix != SignaturePrefix::Auto;
    if webhook.secret.is_none() && signature_described {
        list.warn(
            "webhook.signature_header",
            "without `secret` no signature is looked at",
            "set `secret`, or leave the signature_… keys out",
        );
    }
    if webhook.secret.is_some() && webhook.secret == webhook.previous_secret {
        list.warn("webhook.previous_secret", "it is the same as `secret`", "leave it out");
    }
}

fn on_rotation(list: &mut List, config: &Config) {
    let tokens = [
        ("platform.token", Some(&config.platform.token)),
        ("webhook.secret", config.webhook.secret.as_ref()),
    ];
    for (key, source) in tokens {
        if let Some(SecretSource::Env(name)) = source {
            list.hint(
                key,
                format!("${name} stays as it was at the start: a new value needs a restart"),
                "take { file = \"PATH\" }, which is read again on reload",
            );
        }
    }
}

#[cfg(test)]
mod tests;
