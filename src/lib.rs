//! callwarden: a daemon that ends phone calls which outstay their time limit.

pub mod cli;
pub mod config;
pub mod daemon;
pub mod engine;
pub mod http;
pub mod model;
pub mod platform;
pub mod sim;
pub mod store;
pub mod telemetry;
