//! Keys of the specification that this version does not have yet. To lift one, delete its line.

/// Whole paths of keys and sections.
pub(super) const UNSUPPORTED: &[&str] = &[
    "coverage",
    "enforcement.adopt",
    "enforcement.reconcile_every",
    "enforcement.surge_limit",
    "heartbeat",
    "notify",
    "server.tls",
    "webhook.scheme",
];
