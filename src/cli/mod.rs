//! Layer 4: the commands.

pub mod healthcheck;
