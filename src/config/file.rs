//! The config file's sections (spec §3), read from TOML's spanned table with every mistake kept.

use std::path::Path;

use crate::model::{
    decode::pointers::{Field, Pointers},
    policy::{Adopt, Limits, Rules},
};

use super::{
    checked::{
        Admin, Config, Enforcement, Origin, Platform, RequiredHeader, Server, SignatureEncoding,
        SignatureHeader, SignaturePrefix, Store, StoreUrl, Tls, Webhook, WebhookScheme,
    },
    cross,
    document::{self, Document},
    duration::{self, DAY, HOUR, MINUTE, SECOND},
    env::Env,
    error::ConfigErrors,
    leaf,
    mistake::Mistake,
    reader::Section,
    rule,
};

/// Reads a config file's `text`, refusing the keys listed as `unsupported`.
pub(super) fn parse(
    path: &Path,
    text: String,
    unsupported: &[&str],
    env: &dyn Env,
) -> Result<Config, ConfigErrors> {
    let Document { content, source, secrets, places } =
        document::read(path, text, unsupported, env, config)?;
    let sections = content.expect("a section that could not be read has left an error");
    Ok(Config {
        server: sections.server,
        admin: sections.admin,
        platform: sections.platform,
        webhook: sections.webhook,
        store: sections.store,
        enforcement: sections.enforcement,
        limits: sections.limits,
        rules: sections.rules,
        origin: Origin { source, secrets, places },
    })
}

/// What a file says, without the file.
struct Sections {
    server: Server,
    admin: Option<Admin>,
    platform: Platform,
    webhook: Webhook,
    store: Store,
    enforcement: Enforcement,
    limits: Limits,
    rules: Rules,
}

/// `None` only where a mistake was reported.
fn config(root: &mut Section<'_, '_, '_>) -> Option<Sections> {
    let server = root.section("server", server);
    let admin = root.optional_section("admin", admin);
    let platform = root.section("platform", platform);
    let webhook = root.section("webhook", webhook);
    let store = root.section("store", store);
    let enforcement = root.section("enforcement", enforcement);
    let limits = root.section("limits", limits);
    let rules = rule::rules(root);
    cross::check(
        root,
        &cross::Parts {
            server: &server,
            admin: admin.as_ref().and_then(Option::as_ref),
            webhook: &webhook,
            enforcement: &enforcement,
        },
    );
    Some(Sections {
        server,
        admin: match admin {
            Some(admin) => Some(admin?),
            None => None,
        },
        platform: platform?,
        webhook,
        store: store?,
        enforcement,
        limits,
        rules,
    })
}

fn server(part: &mut Section<'_, '_, '_>) -> Server {
    Server {
        listen: part.or("listen", ([127, 0, 0, 1], 8080).into(), leaf::address),
        public_url: part.optional("public_url", leaf::web_url),
        max_calls: part.or("max_calls", 1_000_000, leaf::count(1..=100_000_000)),
        max_connections: part.or("max_connections", 1024, leaf::count(1..=1_000_000)),
        tls: part.optional_section("tls", tls).flatten(),
        open_metrics: part.or("open_metrics", false, leaf::boolean),
    }
}

fn tls(part: &mut Section<'_, '_, '_>) -> Option<Tls> {
    let certificate = part.required(
        "certificate",
        "the path of a PEM file",
        "certificate = \"/etc/callwarden/cert.pem\"",
        leaf::path,
    );
    let key = part.required_key("key");
    Some(Tls { certificate: certificate?, key: key? })
}

fn admin(part: &mut Section<'_, '_, '_>) -> Option<Admin> {
    let listen = part.required(
        "listen",
        "the address of the operators' listener",
        "listen = \"127.0.0.1:8081\"",
        leaf::address,
    );
    let token = part.required_secret("token");
    let hosts = part.list("hosts", "a list of host names", leaf::host);
    Some(Admin { listen: listen?, token: token?, hosts: hosts.unwrap_or_default() })
}

fn platform(part: &mut Section<'_, '_, '_>) -> Option<Platform> {
    part.hide_before_at("base_url");
    let base_url = part
        .optional("base_url", leaf::web_url)
        .or_else(|| url::Url::parse("https://app.talkover.ai/api/v1").ok());
    let token = part.required_secret("token");
    let requests = part.or("requests", leaf::QUOTA, leaf::quota);
    let timeout = part.or("timeout", 10 * SECOND, duration::within(SECOND / 10..=5 * MINUTE));
    Some(Platform { base_url: base_url?, token: token?, requests, timeout })
}

fn webhook(part: &mut Section<'_, '_, '_>) -> Webhook {
    Webhook {
        secret: part.secret("secret"),
        previous_secret: part.secret("previous_secret"),
        scheme: part.or("scheme", WebhookScheme::default(), leaf::scheme),
        signature_header: part.or(
            "signature_header",
            SignatureHeader::default(),
            leaf::signature_header,
        ),
        signature_encoding: part.or(
            "signature_encoding",
            SignatureEncoding::default(),
            leaf::signature_encoding,
        ),
        signature_prefix: part.or(
            "signature_prefix",
            SignaturePrefix::default(),
            leaf::signature_prefix,
        ),
        require_header: part.optional_section("require_header", required_header).flatten(),
        allow_unsigned: part.or("allow_unsigned", false, leaf::boolean),
        max_age: part.or("max_age", 2 * HOUR, duration::within(MINUTE..=30 * DAY)),
        fields: part.section("fields", fields),
    }
}

fn required_header(part: &mut Section<'_, '_, '_>) -> Option<RequiredHeader> {
    let name = part.required(
        "name",
        "the name of a header",
        "name = \"Authorization\"",
        leaf::header_name,
    );
    let value = part.required_secret("value");
    Some(RequiredHeader { name: name?, value: value? })
}

fn fields(part: &mut Section<'_, '_, '_>) -> Pointers {
    let mut pointers = Pointers::default();
    for field in Field::ALL {
        if let Some(places) = part.list(field.key(), "a list of JSON Pointers", leaf::pointer) {
            pointers.replace(field, places);
        }
    }
    pointers
}

fn store(part: &mut Section<'_, '_, '_>) -> Option<Store> {
    let history = part.or("history", 31 * DAY, duration::within(31 * DAY..=3660 * DAY));
    let env = part.env();
    let url = if part.has("url") && !part.is_text("url") {
        part.secret("url").map(StoreUrl::Secret)
    } else {
        part.hide_before_at("url");
        let plain = part
            .optional("url", |value| leaf::database(leaf::text(value, "the url of a store")?, env));
        plain.or_else(|| leaf::database("sqlite:callwarden.db", env).ok()).map(StoreUrl::Plain)
    };
    Some(Store { url: url?, history })
}

fn enforcement(part: &mut Section<'_, '_, '_>) -> Enforcement {
    Enforcement {
        confirm_within: part.or("confirm_within", 30 * SECOND, duration::within(SECOND / 10..=DAY)),
        give_up_after: part.or("give_up_after", HOUR, duration::within(SECOND / 10..=30 * DAY)),
        reconcile_every: part.or(
            "reconcile_every",
            Some(MINUTE),
            duration::within_or_off(SECOND / 10..=DAY),
        ),
        adopt: part.or("adopt", Adopt::All, leaf::adopt),
        surge_limit: part.or("surge_limit", 20, leaf::percent),
    }
}

fn limits(part: &mut Section<'_, '_, '_>) -> Limits {
    let unlimited = part.or("unlimited", false, leaf::boolean);
    if !part.has("total") && !unlimited {
        part.missing(
            "total",
            "the longest a call may go on, which is mandatory",
            "total = \"30m\" (or unlimited = true, if no call is ever to be stopped for its length)",
        );
    }
    let limits = rule::limits(part);
    if unlimited && limits.total.is_some() {
        part.conflict(
            "limits.unlimited",
            Mistake::Conflict {
                found: "`limits.unlimited` and `limits.total` contradict each other".to_owned(),
                expected: "one of them".to_owned(),
                mend: "leave out `unlimited`".to_owned(),
            },
        );
    }
    limits
}
