//! The phone platform's HTTP API, from our side: requests out, answers in as `model::platform` has
//! them (spec §7; the platform's pages *end-call*, *list-calls*, *get-active-call*).
//!
//! Nothing here decides what an answer means for a call, nothing retries, nothing waits for a quota.

mod answer;
mod client;
mod error;
#[cfg(test)]
mod tests;
mod wire;

pub use client::{Client, ListQuery, Options, WallClock, tls_config};
pub use error::PlatformError;
