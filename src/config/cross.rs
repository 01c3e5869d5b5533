//! What must go together in a config file: values that are right alone, but not with others.

use crate::model::decode::pointers::Field;

use super::{
    checked::{Admin, Enforcement, Server, Webhook},
    duration::shown,
    mistake::Mistake,
    reader::Section,
};

/// The sections that are compared.
pub(super) struct Parts<'p> {
    pub(super) server: &'p Server,
    pub(super) admin: Option<&'p Admin>,
    pub(super) webhook: &'p Webhook,
    pub(super) enforcement: &'p Enforcement,
}

/// Reports to `root` what doesn't go together.
pub(super) fn check(root: &mut Section<'_, '_, '_>, parts: &Parts<'_>) {
    proof_of_webhooks(root, parts);
    listeners(root, parts);
    times(root, parts.enforcement);

    let fields = &parts.webhook.fields;
    if fields.of(Field::CallId).is_empty() && fields.of(Field::Sid).is_empty() {
        root.conflict(
            "webhook.fields.call_id",
            conflict(
                "no call could be found: `call_id` and `sid` are both empty",
                "a pointer in one of them",
                "leave out `call_id` to look in the usual places",
            ),
        );
    }
}

fn proof_of_webhooks(root: &mut Section<'_, '_, '_>, parts: &Parts<'_>) {
    let webhook = parts.webhook;
    let proven =
        ["secret", "require_header"].into_iter().any(|key| root.found(&format!("webhook.{key}")));
    if !proven && !webhook.allow_unsigned {
        root.conflict(
            "webhook.secret",
            conflict(
                "nothing proves where webhooks come from: `webhook.secret` is missing",
                "`secret` or `require_header` in [webhook]",
                "add secret = { file = \"/etc/callwarden/webhook-secret\" } under [webhook] \
                 (or allow_unsigned = true, which needs a listener on loopback)",
            ),
        );
    }
    if webhook.allow_unsigned && !parts.server.listen.ip().is_loopback() {
        root.conflict(
            "webhook.allow_unsigned",
            conflict(
                format!(
                    "webhooks would be taken from anybody who reaches {}: `webhook.allow_unsigned` is set",
                    parts.server.listen
                ),
                "a listener on loopback",
                "set `webhook.secret`, or listen = \"127.0.0.1:8080\" under [server]",
            ),
        );
    }
    if root.found("webhook.previous_secret") && !root.found("webhook.secret") {
        root.conflict(
            "webhook.previous_secret",
            conflict(
                "`webhook.previous_secret` stands alone",
                "`secret` beside it",
                "rename it to `secret`",
            ),
        );
    }
}

fn listeners(root: &mut Section<'_, '_, '_>, parts: &Parts<'_>) {
    let Some(admin) = parts.admin else { return };
    let port = admin.listen.port();
    if port != 0 && port == parts.server.listen.port() {
        root.conflict(
            "admin.listen",
            conflict(
                format!("`admin.listen` and `server.listen` have the same port, {port}"),
                "two ports",
                "give one of them another port",
            ),
        );
    }
}

fn times(root: &mut Section<'_, '_, '_>, enforcement: &Enforcement) {
    let Enforcement { confirm_within, give_up_after, .. } = enforcement;
    if confirm_within >= give_up_after {
        let key = match root.found("enforcement.give_up_after") {
            true => "enforcement.give_up_after",
            false => "enforcement.confirm_within",
        };
        root.conflict(
            key,
            conflict(
                format!(
                    "a stop would be given up ({}) before its end is asked for ({})",
                    shown(*give_up_after),
                    shown(*confirm_within)
                ),
                "`confirm_within` shorter than `give_up_after`",
                "lengthen `give_up_after` or shorten `confirm_within`",
            ),
        );
    }
}

fn conflict(found: impl Into<String>, expected: &str, mend: &str) -> Mistake {
    Mistake::Conflict { found: found.into(), expected: expected.to_owned(), mend: mend.to_owned() }
}
