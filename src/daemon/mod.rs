//! Layer 4: wiring, signals, and the service manager.

pub mod systemd;
