//! Layer 0: every decision, pure. No async, no I/O, no clock, no chance, no logging.

pub mod event;
pub mod ids;
pub mod platform;
pub mod policy;
pub mod queue;
pub mod quota;
pub mod time;
