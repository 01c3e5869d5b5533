//! Process tests: the real binary, real HTTP, a real store, the simulated platform. One binary, a
//! module per section of the spec; `harness` says how a test is written.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod harness;

mod adopting;
mod bad_input;
mod confirming;
mod figures;
mod logs;
mod mixed;
mod quota;
mod reconciling;
mod reopening;
mod rotation;
mod seen;
mod smoke;
mod starting;
mod throttled;
mod unheard;
mod webhook_answers;
mod webhook_fields;
mod webhook_limits;
mod webhook_signature;
