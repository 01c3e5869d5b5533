//! Keys of the specification that this version does not have yet. To lift one, delete its line.

/// Whole paths of keys and sections.
pub(super) const UNSUPPORTED: &[&str] = &["coverage", "heartbeat", "notify"];
