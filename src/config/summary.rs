//! What a config amounts to, for people.

use crate::model::policy::Limits;

use super::{
    checked::{Config, Database, RequiredHeader, SignatureHeader, StoreUrl, Tls, Webhook},
    duration::shown,
    print::plain_limits,
    secret::SecretSource,
};

/// What a config amounts to, a line for each concern.
#[must_use]
pub fn amounts_to(config: &Config) -> String {
    let Config { server, admin, platform, webhook, store, enforcement, limits, rules, origin: _ } =
        config;
    let mut text = String::new();
    let mut line = |name: &str, what: String| {
        text.push_str(&format!("{name:<10} {what}\n"));
    };
    let tls = server.tls.as_ref().map_or_else(String::new, |Tls { certificate, key }| {
        format!(" by TLS (certificate {}, key from {})", certificate.display(), place(key))
    });
    line("webhooks", format!("on {}{tls}, {}", server.listen, proof(webhook)));
    if let Some(url) = &server.public_url {
        line(
            "way in",
            format!(
                "{}/webhooks/talkover/{{agent_id}}/{{event}}",
                url.as_str().trim_end_matches('/')
            ),
        );
    }
    line(
        "admin",
        admin.as_ref().map_or_else(
            || "off".to_owned(),
            |admin| format!("on {}, token from {}", admin.listen, place(&admin.token)),
        ),
    );
    line(
        "platform",
        format!(
            "{}, token from {}, at most {}, {} for each request",
            platform.base_url,
            place(&platform.token),
            platform.requests,
            shown(platform.timeout)
        ),
    );
    line(
        "store",
        format!(
            "{}, history kept for {}",
            match &store.url {
                StoreUrl::Plain(Database::Sqlite(path)) => format!("SQLite in {}", path.display()),
                StoreUrl::Secret(source) => format!("url from {}", place(source)),
            },
            shown(store.history)
        ),
    );
    line("limits", limits_in_words(limits));
    if rules.iter().next().is_some() {
        let names: Vec<_> = rules.iter().map(|rule| &*rule.name).collect();
        line("rules", format!("{}, then [limits]", names.join(", ")));
    }
    line(
        "stops",
        format!(
            "the platform is asked when no end is heard within {}, given up after {}",
            shown(enforcement.confirm_within),
            shown(enforcement.give_up_after)
        ),
    );
    line("capacity", format!("{} calls, {} connections", server.max_calls, server.max_connections));
    text
}

fn proof(webhook: &Webhook) -> String {
    let mut proofs = Vec::new();
    if let Some(secret) = &webhook.secret {
        let header = match &webhook.signature_header {
            SignatureHeader::Any => "any header".to_owned(),
            SignatureHeader::Named(name) => format!("header {name}"),
        };
        let mut proof = format!("HMAC-SHA256 in {header} (secret from {}", place(secret));
        if let Some(previous) = &webhook.previous_secret {
            proof.push_str(&format!(", the previous one from {}", place(previous)));
        }
        proofs.push(format!("{proof})"));
    }
    if let Some(RequiredHeader { name, value }) = &webhook.require_header {
        proofs.push(format!("header {name} (value from {})", place(value)));
    }
    match proofs.is_empty() {
        true => "taken from anybody".to_owned(),
        false => format!("proven by {}", proofs.join(" and ")),
    }
}

fn place(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("${name}"),
        SecretSource::File(path) => path.display().to_string(),
        SecretSource::Credential(name) => format!("credential {name}"),
    }
}

fn limits_in_words(limits: &Limits) -> String {
    let mut words: Vec<_> =
        plain_limits(limits).map(|(name, limit)| format!("{name} {}", shown(limit))).collect();
    if limits.total.is_none() {
        words.insert(0, "no total".to_owned());
    }
    for (kind, limit) in &limits.after {
        words.push(format!("{} after {}", shown(*limit), kind.short_name()));
    }
    if let Some(until) = &limits.until {
        words.push(format!("until {} in {}", until.time(), until.zone()));
    }
    words.join(", ")
}
