//! Advice on `server.tls`: whether who connects would take the certificate.

use url::Url;

use super::{Advice, List};
use crate::{
    config::{Config, Identity, SecretSource},
    model::time::Wall,
};

const CERTIFICATE: &str = "server.tls.certificate";
const RENEW: &str = "renew it, then `systemctl reload callwarden`";

/// Advice on the certificate of `server.tls`, as it is `now`.
#[must_use]
pub fn on_certificate(config: &Config, identity: &Identity, now: Wall) -> Vec<Advice> {
    let mut list = List(Vec::new());
    if let Some((from, until)) = identity.validity() {
        on_time(&mut list, from, until, now);
    }
    let host = config.server.public_url.as_ref().and_then(Url::host_str);
    if let Some(host) = host.filter(|host| !identity.is_for(host)) {
        list.warn(
            CERTIFICATE,
            format!("it is not for {host}, which `server.public_url` names: nobody would take it"),
            format!("get one for {host}, or correct `public_url`"),
        );
    }
    list.0
}

/// A certificate that is renewed in time never has less than a tenth of its time left.
fn on_time(list: &mut List, from: Wall, until: Wall, now: Wall) {
    if now < from {
        let found = format!("it does not hold before {from}: nobody takes it until then");
        list.warn(CERTIFICATE, found, "see whether this machine's clock is right");
    } else if now > until {
        list.warn(CERTIFICATE, format!("it expired at {until}: nobody takes it any more"), RENEW);
    } else if until.since(now) < until.since(from) / 10 {
        list.warn(CERTIFICATE, format!("it expires at {until}"), RENEW);
    }
}

/// Advice on what is beside the certificate.
pub(super) fn on_tls(list: &mut List, config: &Config) {
    let Some(tls) = &config.server.tls else { return };
    if let Some(url) = config.server.public_url.as_ref().filter(|url| url.scheme() == "http") {
        list.warn(
            "server.public_url",
            format!("{url} is no https://, and the listener speaks TLS alone"),
            "write https://",
        );
    }
    match &tls.key {
        SecretSource::File(_) => {}
        SecretSource::Credential(name) => list.hint(
            "server.tls.key",
            format!("systemd copies the credential {name} once, when the daemon starts"),
            "restart after a renewal, which refuses nobody; a reload would find the old key",
        ),
        SecretSource::Env(name) => list.hint(
            "server.tls.key",
            format!("${name} stays as it was at the start: a renewal needs a restart"),
            "take { file = \"PATH\" }, which is read again on reload",
        ),
    }
}
