//! Runs the real binary and asks it, as its users and the platform do.
//!
//! ```ignore
//! #[tokio::test]
//! async fn a_call_past_its_total_is_stopped() {
//!     let sim = Platform::start().await;                        // the simulated platform
//!     let config = ConfigFile::new().platform(&sim).set("limits.total", "1s");
//!     let mut daemon = Daemon::start(config).await;             // up once it is ready
//!     sim.deliver_to(&daemon);                                  // its webhooks come here, signed
//!     let call = sim.place(Script::default());
//!     sim.until(Wait::Status { call: call.clone(), status: "over".into() }).await;
//!     daemon.until_outcome(&call, "stopped").await;             // polls the admin API
//!     daemon.stop().await;                                      // SIGTERM; a clean exit, no ERROR
//! }
//! ```
//!
//! - **Config**: [`ConfigFile::new`] is a whole config with secrets in files of the test's own
//!   folder; `set("a.b", value)` and `remove("a.b")` change it. Nothing listens on a fixed port.
//! - **Webhooks by hand**: `daemon.webhook().json(&body).send().await` posts a signed one; see
//!   [`Webhook`] for paths, headers, secrets and methods. `daemon.event(kind, call)` is a body.
//! - **Asking**: `daemon.health()`, `daemon.metrics()` (`.value("name{label=\"x\"}")`),
//!   `daemon.api("/api/calls")`, `daemon.get("/livez")`; `daemon.until("what", async || …)` polls
//!   whatever can be seen. Nobody sleeps to let things settle.
//! - **Ends**: `daemon.stop()` (SIGTERM, must exit 0), `daemon.exit_code()` (it ends by itself),
//!   `daemon.kill()` (kill -9) which gives back its [`Home`]; `Daemon::start_in(home, config)`
//!   starts anew on the same store.
//! - **Log**: `daemon.until_logged(text)`, `daemon.log()`. An ERROR line fails the test at its end,
//!   unless `daemon.expect_error(text)` announced it. A test that leaves its daemon running fails.
//! - **Browser**: [`Browser`] is a real Chromium; it looks (`until`), clicks and types, and tells what
//!   its console was told. `CALLWARDEN_SCREENSHOTS=folder` keeps its pictures.
//! - **Commands**: [`Command`] runs any other subcommand to its end.

mod authority;
mod browser;
mod command;
mod config;
mod daemon;
mod http;
mod log;
mod metrics;
mod platform;
mod proxy;
mod webhook;
mod witness;

use std::time::Duration;

pub(crate) use self::{
    authority::{Authority, shown_on, with_tls},
    browser::Browser,
    command::{Command, Output, binary},
    config::{ConfigFile, Home, SECRETS},
    daemon::Daemon,
    http::{Answer, Request, exchange},
    log::Line,
    metrics::Metrics,
    platform::Platform,
    proxy::Proxy,
    webhook::{Encoding, Webhook, event as webhook_event, sign},
    witness::{micros, micros_of, now_and},
};

/// How long anything awaited may take before the test gives up: generous, for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at something that cannot tell of itself.
pub(crate) const GLANCE: Duration = Duration::from_millis(10);
