//! Layer 3: HTTP. Parses, calls the engine, answers.

pub mod admin;
pub mod health;
pub mod metrics;
