//! The line that `systemctl status` shows (spec §12): told when it changes, looked at every few
//! seconds.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::systemd;
use crate::{engine::Engine, model::health::Health};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(2);

/// Tells how things stand until `stop`.
pub(super) async fn tell(engine: Engine, stop: CancellationToken) {
    let mut told = String::new();
    loop {
        let line = Health::of(&engine.vitals()).in_a_line();
        if line != told {
            systemd::status(&line);
            told = line;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
