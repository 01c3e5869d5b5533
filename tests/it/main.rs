//! Process tests: the real binary, real HTTP, a real store, the simulated platform. One binary, a
//! module per section of the spec; `harness` says how a test is written.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod harness;

mod bad_input;
mod smoke;
mod webhook_answers;
mod webhook_fields;
mod webhook_limits;
mod webhook_signature;
