//! What others can see of us: log lines, metrics, and each loop's sign of life (spec §9).

pub mod liveness;
pub mod log;
pub mod metrics;
mod process;
