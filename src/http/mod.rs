//! Layer 3: the daemon's HTTP side. It parses, calls the engine, answers (spec §4, §9, §10).

mod refusals;
pub mod server;
pub mod verify;
pub mod webhook;
