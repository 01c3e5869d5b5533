//! One function a check: its thresholds, and the sentence for each way it can be off (spec §9).

use std::time::Duration;

use super::{Check, PlatformTrouble, TokenSource, Vitals};
use crate::model::platform::Failure;

/// A backlog that the quota clears within this is no news (spec §7).
const BACKLOG_AT_MOST: Duration = Duration::from_secs(30);
/// Refusals alone for this long mean that the secret is wrong.
const NOTHING_ACCEPTED_FOR: Duration = Duration::from_secs(5 * 60);
const TIMER_LAG_AT_MOST: Duration = Duration::from_secs(5);
const CLOCK_OFFSET_AT_MOST: f64 = 5.0;

pub(super) fn store(vitals: &Vitals) -> Check {
    match &vitals.store.trouble {
        None => Check::pass(),
        Some(trouble) => Check::fail(format!(
            "no commit has succeeded for {} ({}): free space for the store or mend it; meanwhile \
             webhooks are answered 503 and deadlines are enforced from memory",
            span(vitals.age(trouble.since)),
            trouble.error,
        )),
    }
}

pub(super) fn platform(vitals: &Vitals) -> Check {
    let failing = vitals.platform.trouble.as_ref().map(|trouble| failing(vitals, trouble));
    all([failing, paused(vitals), backlog(vitals), unconfirmed(vitals), given_up(vitals)])
        .with("quota_remaining", vitals.platform.quota_remaining)
}

fn failing(vitals: &Vitals, trouble: &PlatformTrouble) -> Check {
    let lasting = span(vitals.age(trouble.since));
    match &trouble.failure {
        Failure::Unauthorized { status } => Check::fail(format!(
            "the platform has answered {status} for {lasting}: {}",
            match vitals.platform.token {
                TokenSource::File =>
                    "put a valid API token into the file of platform.token; it is read again by \
                     itself",
                TokenSource::Env =>
                    "set the environment variable of platform.token to a valid API token and \
                     restart, for the environment is read once",
                TokenSource::Credential =>
                    "put a valid API token into the credential of platform.token and restart, \
                     for systemd copies it once at start",
            },
        )),
        Failure::Misdirected { status } => Check::fail(format!(
            "the platform's address has answered {status} for {lasting}, but not as its API does \
             (a redirect, HTML or a foreign 404): correct platform.base_url, or take a token of \
             the environment that it names",
        )),
        Failure::RateLimited { .. } => Check::warn(
            "the platform's last answer was 429: lower platform.requests, or find what else \
             spends the account's quota"
                .to_owned(),
        ),
        Failure::ServerError { status } => Check::warn(format!(
            "the platform has answered {status} for {lasting}: stops are repeated until it \
             recovers; if it lasts, ask the platform's support",
        )),
        Failure::Timeout => Check::warn(format!(
            "the platform has not answered within platform.timeout for {lasting}: stops are \
             repeated; check the network and the platform's status page",
        )),
        Failure::Cut => Check::warn(format!(
            "connections to the platform have been cut before an answer for {lasting}: stops are \
             repeated; check the proxies and firewalls on the way",
        )),
        Failure::Network => Check::warn(format!(
            "the platform could not be reached for {lasting}: stops are repeated; check DNS, \
             network, firewall and platform.base_url",
        )),
        Failure::Other { status, message } => Check::warn(format!(
            "the platform has answered {status} for {lasting}, which is not expected \
             ({}): stops are repeated; if it lasts, ask the platform's support",
            if message.is_empty() { "without a message" } else { message },
        )),
    }
}

fn unconfirmed(vitals: &Vitals) -> Option<Check> {
    let (calls, go, them) = match vitals.calls.unconfirmed {
        0 => return None,
        1 => ("1 call".to_owned(), "goes", "it"),
        n => (format!("{n} calls"), "go", "them"),
    };
    Some(Check::warn(format!(
        "{calls} {go} on, as far as is known, though the platform has accepted the stop, for up to \
         {}: the stop is repeated; end {them} at the platform by hand, and tell its support",
        span(vitals.oldest_unconfirmed()),
    )))
}

fn given_up(vitals: &Vitals) -> Option<Check> {
    let (calls, them) = match vitals.platform.failed_stops {
        0 => return None,
        1 => ("1 call".to_owned(), "it"),
        n => (format!("{n} calls"), "them"),
    };
    Some(Check::warn(format!(
        "{calls} could not be stopped, and the stop was given up within the last hour: end {them} \
         at the platform by hand; the history names {them} under outcome failed",
    )))
}

fn paused(vitals: &Vitals) -> Option<Check> {
    let left = vitals.platform.paused_until?.since(vitals.now.mono);
    (!left.is_zero()).then(|| {
        Check::warn(format!(
            "the platform answered 429 and all requests pause for {} more: lower \
             platform.requests, or find what else spends the account's quota",
            span(left),
        ))
    })
}

fn backlog(vitals: &Vitals) -> Option<Check> {
    let platform = &vitals.platform;
    (platform.backlog_clears_in > BACKLOG_AT_MOST).then(|| {
        Check::warn(format!(
            "{} calls past their deadline wait for quota, which takes {} to clear: raise \
             platform.requests as far as the account's quota allows",
            platform.backlog,
            span(platform.backlog_clears_in),
        ))
    })
}

pub(super) fn webhooks(vitals: &Vitals) -> Check {
    let webhooks = &vitals.webhooks;
    let ago = webhooks.last_received.map(|at| vitals.age(at).as_secs());
    let delay = webhooks.delay.map(|delay| delay.as_secs_f64());
    all([all_refused(vitals), full(vitals), late(vitals), unheard_of(vitals)])
        .with("last_received_seconds_ago", ago)
        .with("delay_seconds", delay)
}

fn all_refused(vitals: &Vitals) -> Option<Check> {
    let webhooks = &vitals.webhooks;
    let refused = vitals.age(webhooks.last_refused?);
    let accepted = vitals.age(webhooks.last_accepted.unwrap_or(vitals.started));
    (refused < NOTHING_ACCEPTED_FOR && accepted >= NOTHING_ACCEPTED_FOR).then(|| {
        Check::fail(format!(
            "webhooks come, are refused for their signature, and none was accepted for {}: make \
             webhook.secret the secret that the platform signs with; the log names the headers \
             that were there",
            span(accepted),
        ))
    })
}

fn full(vitals: &Vitals) -> Option<Check> {
    let most = vitals.calls.most;
    (vitals.calls.without_outcome() >= most).then(|| {
        Check::fail(format!(
            "server.max_calls = {most} is reached and webhooks of further calls are answered \
             503: raise it, or find out why so many calls go on",
        ))
    })
}

fn late(vitals: &Vitals) -> Option<Check> {
    let late = vitals.webhooks.late;
    (late > 0).then(|| {
        Check::warn(format!(
            "{} came more than 10 s late within the last 10 minutes: look for failed deliveries \
             in the platform's webhook log, and for what slows the way to server.public_url",
            plural(late, "webhook"),
        ))
    })
}

fn unheard_of(vitals: &Vitals) -> Option<Check> {
    let calls = vitals.webhooks.first_seen_by_listing;
    (calls > 0).then(|| {
        Check::warn(format!(
            "{} of the last 10 minutes became known by listing before any webhook: make sure that \
             each agent's webhooks are enabled and reach server.public_url",
            plural(calls, "call"),
        ))
    })
}

pub(super) fn timer(vitals: &Vitals) -> Check {
    let lag = vitals.timer_lag;
    if lag > TIMER_LAG_AT_MOST {
        Check::fail(format!(
            "the timer runs {} late, and so do stops: give the daemon more CPU, or find what \
             starves it",
            span(lag),
        ))
    } else {
        Check::pass()
    }
    .with("lag_seconds", lag.as_secs_f64())
}

pub(super) fn reconcile(vitals: &Vitals) -> Check {
    let Some(reconcile) = vitals.reconcile else {
        return Check::off();
    };
    let age = vitals.age(reconcile.last_complete.unwrap_or(vitals.started));
    let shown = reconcile.last_complete.map(|_| age.as_secs());
    if age > reconcile.every * 3 + Duration::from_secs(60) {
        Check::warn(format!(
            "the platform's active calls were last listed completely {} ago, so calls whose \
             webhooks were lost may go unseen: look at the platform check, or raise \
             platform.requests",
            span(age),
        ))
    } else if reconcile.unlisted > 0 {
        Check::warn(format!(
            "{} known by webhook did not appear in any listing for 5 minutes: is platform.token \
             one of another environment?",
            plural(reconcile.unlisted, "live call"),
        ))
    } else {
        Check::pass()
    }
    .with("last_complete_seconds_ago", shown)
}

pub(super) fn clock(vitals: &Vitals) -> Check {
    let offset = vitals.clock_offset.map(|offset| offset.as_secs_f64());
    match offset {
        Some(off) if off.abs() > CLOCK_OFFSET_AT_MOST => Check::warn(format!(
            "this machine's clock is {:.1} s {} the platform's: let NTP set it (timedatectl \
             status)",
            off.abs(),
            if off > 0.0 { "behind" } else { "ahead of" },
        )),
        Some(_) | None => Check::pass(),
    }
    .with("offset_seconds", offset)
}

pub(super) fn config(vitals: &Vitals) -> Check {
    match &vitals.config_refused {
        None => Check::pass(),
        Some(why) => Check::warn(format!(
            "the config was to be read anew and was refused, so the old one is in force: {why}; \
             mend the file (callwarden check) and reload"
        )),
    }
}

/// All that was found: none of it hides another.
fn all<const N: usize>(found: [Option<Check>; N]) -> Check {
    found.into_iter().flatten().reduce(Check::and).unwrap_or_else(Check::pass)
}

/// A span to read, in whole seconds: `2m 5s`.
fn span(of: Duration) -> String {
    humantime::format_duration(Duration::from_secs(of.as_secs())).to_string()
}

fn plural(n: u64, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}
