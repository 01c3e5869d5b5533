//! A config as the file that says it, which `callwarden check --print` shows: every default is
//! written out, secrets are the references they are.

use std::{fmt, time::Duration};

use crate::model::{
    decode::pointers::{Field, Pointer},
    policy::{Adopt, Limits},
    rule::{Override, Rule, Test, Wanted},
};

use super::{
    checked::{
        Admin, Config, Database, Enforcement, Platform, Quota, RequiredHeader, Server,
        SignatureEncoding, SignatureHeader, SignaturePrefix, Store, StoreUrl, Tls, Webhook,
        WebhookScheme,
    },
    duration::{HOUR, MINUTE, shown},
    quoted,
    unsupported::UNSUPPORTED,
};

/// The config in force as a config file, every default written out; read again, it is the same.
#[must_use]
pub fn print(config: &Config) -> String {
    print_without(config, UNSUPPORTED)
}

/// As [`print()`], without the keys listed as `unsupported`.
pub(super) fn print_without(config: &Config, unsupported: &[&str]) -> String {
    let Config { server, admin, platform, webhook, store, enforcement, limits, rules, origin: _ } =
        config;
    let mut page = Page { text: String::new(), section: "", unsupported };
    print_server(&mut page, server);
    if let Some(admin) = admin {
        print_admin(&mut page, admin);
    }
    print_platform(&mut page, platform);
    print_webhook(&mut page, webhook);
    print_store(&mut page, store);
    print_enforcement(&mut page, enforcement);
    print_limits(&mut page, limits);
    for rule in rules.iter() {
        print_rule(&mut page, rule);
    }
    page.text
}

/// A config file being written.
struct Page<'u> {
    text: String,
    section: &'static str,
    unsupported: &'u [&'u str],
}

impl Page<'_> {
    fn section(&mut self, name: &'static str) {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        self.text.push_str(&format!("{gap}[{name}]\n"));
        self.section = name;
    }

    fn key(&mut self, key: &str, value: impl fmt::Display) {
        let path = format!("{}.{key}", self.section);
        if !self.unsupported.contains(&path.as_str()) {
            self.text.push_str(&format!("{key} = {value}\n"));
        }
    }

    fn text(&mut self, key: &str, value: impl fmt::Display) {
        self.key(key, quoted(&value.to_string()));
    }

    fn span(&mut self, key: &str, value: Duration) {
        self.text(key, shown(value));
    }

    fn list(&mut self, key: &str, items: &[impl AsRef<str>]) {
        let items: Vec<_> = items.iter().map(|item| quoted(item.as_ref())).collect();
        self.key(key, format!("[{}]", items.join(", ")));
    }
}

fn print_server(page: &mut Page<'_>, server: &Server) {
    let Server { listen, public_url, max_calls, max_connections, tls, open_metrics } = server;
    page.section("server");
    page.text("listen", listen);
    if let Some(url) = public_url {
        page.text("public_url", url);
    }
    page.key("max_calls", max_calls);
    page.key("max_connections", max_connections);
    if let Some(Tls { certificate, key }) = tls {
        let certificate = quoted(&certificate.to_string_lossy());
        page.key("tls", inline([("certificate", certificate), ("key", key.to_string())]));
    }
    page.key("open_metrics", open_metrics);
}

fn print_admin(page: &mut Page<'_>, admin: &Admin) {
    let Admin { listen, token, hosts } = admin;
    page.section("admin");
    page.text("listen", listen);
    page.key("token", token);
    page.list("hosts", hosts);
}

fn print_platform(page: &mut Page<'_>, platform: &Platform) {
    let Platform { base_url, token, requests, timeout } = platform;
    page.section("platform");
    page.text("base_url", base_url);
    page.key("token", token);
    page.text("requests", requests);
    page.span("timeout", *timeout);
}

fn print_webhook(page: &mut Page<'_>, webhook: &Webhook) {
    let Webhook {
        secret,
        previous_secret,
        scheme,
        signature_header,
        signature_encoding,
        signature_prefix,
        require_header,
        allow_unsigned,
        max_age,
        fields,
    } = webhook;
    page.section("webhook");
    if let Some(secret) = secret {
        page.key("secret", secret);
    }
    if let Some(secret) = previous_secret {
        page.key("previous_secret", secret);
    }
    match scheme {
        WebhookScheme::Body => {}
        WebhookScheme::StandardWebhooks => page.text("scheme", "standard-webhooks"),
    }
    page.text("signature_header", signature_header);
    page.text("signature_encoding", signature_encoding);
    page.text("signature_prefix", signature_prefix);
    if let Some(RequiredHeader { name, value }) = require_header {
        page.key("require_header", format!("{{ name = {}, value = {value} }}", quoted(name)));
    }
    page.key("allow_unsigned", allow_unsigned);
    page.span("max_age", *max_age);

    page.section("webhook.fields");
    for field in Field::ALL {
        let places: Vec<_> = fields.of(field).iter().map(Pointer::as_str).collect();
        page.list(field.key(), &places);
    }
}

fn print_store(page: &mut Page<'_>, store: &Store) {
    let Store { url, history } = store;
    page.section("store");
    match url {
        StoreUrl::Plain(Database::Sqlite(path)) => {
            page.text("url", format!("sqlite:{}", path.display()));
        }
        StoreUrl::Secret(source) => page.key("url", source),
    }
    page.span("history", *history);
}

fn print_enforcement(page: &mut Page<'_>, enforcement: &Enforcement) {
    let Enforcement { confirm_within, give_up_after, reconcile_every, adopt, surge_limit } =
        enforcement;
    page.section("enforcement");
    page.span("confirm_within", *confirm_within);
    page.span("give_up_after", *give_up_after);
    page.span("reconcile_every", reconcile_every.unwrap_or_default());
    match adopt {
        Adopt::All => page.text("adopt", "all"),
        Adopt::Known => page.text("adopt", "known"),
        Adopt::Agents(agents) => {
            let ids: Vec<_> = agents.iter().map(|agent| agent.as_str()).collect();
            page.list("adopt", &ids);
        }
    }
    page.text("surge_limit", format!("{surge_limit}%"));
}

fn print_limits(page: &mut Page<'_>, limits: &Limits) {
    page.section("limits");
    if limits.total.is_none() {
        page.key("unlimited", true);
    }
    for (name, value) in keys_of_limits(limits) {
        page.key(name, value);
    }
}

/// The limits that are set, as keys and values.
fn keys_of_limits(limits: &Limits) -> Vec<(&'static str, String)> {
    let Limits { after, until, .. } = limits;
    let mut keys: Vec<_> =
        plain_limits(limits).map(|(name, limit)| (name, quoted(&shown(limit)))).collect();
    let after = after.iter().map(|(kind, limit)| (kind.short_name(), quoted(&shown(*limit))));
    let after: Vec<_> = after.collect();
    if !after.is_empty() {
        keys.push(("after", inline(after)));
    }
    if let Some(until) = until {
        let keys_of_until = [("time", quoted(&until.time())), ("timezone", quoted(until.zone()))];
        keys.push(("until", inline(keys_of_until)));
    }
    keys
}

fn inline<K: fmt::Display>(keys: impl IntoIterator<Item = (K, String)>) -> String {
    let keys: Vec<_> = keys.into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", keys.join(", "))
}

fn print_rule(page: &mut Page<'_>, rule: &Rule) {
    let Rule { name, when, limits, own, action } = rule;
    page.section("[rule]");
    page.text("name", name);
    if !when.is_empty() {
        let when = when.iter().map(|asked| (&asked.subject, test(&asked.test)));
        page.key("when", inline(when));
    }
    let limits = keys_of_limits(limits);
    if !limits.is_empty() {
        page.key("limits", inline(limits));
    }
    if let Some(Override { place, at_most }) = own {
        let field = ("field", quoted(&format!("/context{}", place.path.as_str())));
        page.key("override", inline([field, ("at_most", quoted(&shown(*at_most)))]));
    }
    page.text("action", action.name());
}

fn test(test: &Test) -> String {
    let value = |wanted: &Wanted| match wanted {
        Wanted::Text(pattern) => quoted(pattern.as_str()),
        Wanted::Flag(flag) => flag.to_string(),
        Wanted::Number(number) => number.to_string(),
    };
    match test {
        Test::Absent => "{ absent = true }".to_owned(),
        Test::Any(wanted) if wanted.len() == 1 => wanted.iter().map(value).collect(),
        Test::Any(wanted) => {
            let values: Vec<_> = wanted.iter().map(value).collect();
            format!("[{}]", values.join(", "))
        }
    }
}

/// The limits that are set, except those after events and until a time of day.
pub(super) fn plain_limits(limits: &Limits) -> impl Iterator<Item = (&'static str, Duration)> {
    let Limits {
        total,
        ringing,
        connected,
        talking,
        voicemail,
        no_conversation,
        after: _,
        until: _,
    } = *limits;
    [
        ("total", total),
        ("ringing", ringing),
        ("connected", connected),
        ("talking", talking),
        ("voicemail", voicemail),
        ("no_conversation", no_conversation),
    ]
    .into_iter()
    .filter_map(|(name, limit)| Some((name, limit?)))
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = match self.window {
            HOUR => "h",
            MINUTE => "min",
            _ => "s",
        };
        write!(f, "{}/{window}", self.count)
    }
}

impl fmt::Display for SignatureHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Named(name) => name,
        })
    }
}

impl fmt::Display for SignatureEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Hex => "hex",
            Self::Base64 => "base64",
        })
    }
}

impl fmt::Display for SignaturePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Text(text) => text,
        })
    }
}
