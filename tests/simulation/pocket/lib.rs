//! The model alone.

#[path = "../../../src/model/mod.rs"]
pub mod model;
