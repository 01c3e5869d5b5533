//! Layer 3: HTTP. Parses, calls the engine, answers.

pub mod admin;
