//! The config file's sections (spec §3), read from TOML's spanned table with every mistake kept.

use std::{ops::Range, path::Path, sync::Arc, time::Duration};

use toml::de::{DeTable, DeValue};

use crate::model::{
    decode::pointers::{Field, Pointers},
    event::EventKind,
    policy::{Adopt, Limits},
};

use super::{
    checked::{
        Admin, Config, Enforcement, Origin, Platform, RequiredHeader, Server, SignatureEncoding,
        SignatureHeader, SignaturePrefix, Store, StoreUrl, Webhook,
    },
    cross,
    duration::{self, DAY, HOUR, MINUTE, SECOND},
    env::Env,
    error::{ConfigError, ConfigErrors, Source},
    leaf,
    mistake::Mistake,
    reader::{Fault, Reader, Section},
};

/// Reads a config file's `text`, refusing the keys listed as `unsupported`.
pub(super) fn parse(
    path: &Path,
    text: String,
    unsupported: &[&str],
    env: &dyn Env,
) -> Result<Config, ConfigErrors> {
    let (table, syntax) = DeTable::parse_recoverable(&text);
    let syntax: Vec<_> = syntax
        .into_iter()
        .map(|error| {
            let span = error.span().unwrap_or(text.len()..text.len());
            (span, error.message().to_owned())
        })
        .collect();
    let mut reader = Reader::new(unsupported, env);
    let config = reader.root(table.get_ref(), config);

    let Reader { mut faults, secrets, hidden, .. } = reader;
    let mut source = Source { path: path.to_owned(), text, hidden };
    if !syntax.is_empty() {
        drop_consequences(&mut faults, &syntax, &source);
        source.hide_assigned(syntax.iter().map(|(span, _)| span.start));
    }
    let source = Arc::new(source);

    let mistakes = faults.into_iter().map(|fault| match fault.span {
        Some(span) => ConfigError::at(&source, fault.key, span, fault.mistake),
        None => ConfigError::of_file(&source.path, fault.key, fault.mistake),
    });
    let errors = syntax
        .into_iter()
        .map(|(span, message)| {
            ConfigError::at(&source, String::new(), span, Mistake::Syntax(message))
        })
        .chain(mistakes)
        .collect();
    ConfigErrors::unless_empty(errors)?;

    let sections = config.expect("a section that could not be read has left an error");
    Ok(Config {
        server: sections.server,
        admin: sections.admin,
        platform: sections.platform,
        webhook: sections.webhook,
        store: sections.store,
        enforcement: sections.enforcement,
        limits: sections.limits,
        origin: Origin { source, secrets },
    })
}

/// Drops what may be wrong only because the parser had to guess: whatever shares a line with an
/// error of syntax, and what is missing or doesn't go together.
fn drop_consequences(faults: &mut Vec<Fault>, syntax: &[(Range<usize>, String)], source: &Source) {
    let broken: Vec<_> = syntax.iter().map(|(span, _)| source.line_at(span.start)).collect();
    faults.retain(|fault| {
        let Some(span) = &fault.span else {
            return false;
        };
        let derived = matches!(fault.mistake, Mistake::Missing { .. } | Mistake::Conflict { .. });
        !derived && !broken.contains(&source.line_at(span.start))
    });
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
    })
}

fn server(part: &mut Section<'_, '_, '_>) -> Server {
    Server {
        listen: part.or("listen", ([127, 0, 0, 1], 8080).into(), leaf::address),
        public_url: part.optional("public_url", leaf::web_url),
        max_calls: part.or("max_calls", 1_000_000, leaf::count(1..=100_000_000)),
        max_connections: part.or("max_connections", 1024, leaf::count(1..=1_000_000)),
        open_metrics: part.or("open_metrics", false, leaf::boolean),
    }
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
    let mut limit = |key| part.optional(key, a_limit);
    let limits = Limits {
        total: limit("total"),
        ringing: limit("ringing"),
        connected: limit("connected"),
        talking: limit("talking"),
        voicemail: limit("voicemail"),
        no_conversation: limit("no_conversation"),
        after: after(part),
    };
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

/// Limits after events, in stored order.
fn after(part: &mut Section<'_, '_, '_>) -> Vec<(EventKind, Duration)> {
    let names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.short_name()).collect();
    let mut after = part.map("after", &names, EventKind::from_short_name, a_limit);
    after.sort_by_key(|(kind, _)| *kind);
    after
}

fn a_limit(value: &DeValue<'_>) -> Result<Duration, Mistake> {
    duration::within(SECOND / 10..=30 * DAY)(value)
}
