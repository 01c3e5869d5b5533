//! Layer 3: the daemon's HTTP side. It parses, calls the engine, answers (spec §4, §9, §10).

pub mod admin;
pub mod health;
pub mod metrics;
pub mod server;
pub mod verify;
pub mod webhook;
