//! Process tests: the real binary, real HTTP, a real store, the simulated platform. One binary, a
//! module per section of the spec; `harness` says how a test is written.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod harness;

mod admin_calls;
mod admin_door;
mod adopting;
mod answers;
mod asking;
mod bad_input;
mod cli_calls;
mod cli_config;
mod cli_help;
mod cli_start;
mod cli_test;
mod confirming;
mod delivery_logs;
mod durability;
mod explaining;
mod figures;
mod health;
mod logs;
mod metrics;
mod mixed;
mod operating;
mod outcomes;
mod page;
mod passing_time;
mod quota;
mod quota_shares;
mod reconciling;
mod refused_starts;
mod reloading;
mod reopening;
mod rotation;
mod seen;
mod shipped;
mod shutdown;
mod smoke;
mod starting;
mod stopping;
mod store_recover;
mod store_trouble;
mod stream;
mod systemd;
mod throttled;
mod tls;
mod unheard;
mod webhook_answers;
mod webhook_fields;
mod webhook_limits;
mod webhook_signature;
