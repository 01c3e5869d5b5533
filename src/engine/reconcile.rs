//! Reconciliation: the platform's active calls against ours (spec §8). What a page shows is used at
//! once; what a complete pass lacks proves nothing, but is looked into.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    Shared,
    desk::{Leave, Lister},
    recover::Past,
    replay::Replay,
    room::Full,
};
use crate::{
    model::{
        change::Event,
        listing::{self, Pass, Passed},
        platform::{Failure, Meter, Row},
        queue::Next,
        time::Moment,
    },
    platform::ListQuery,
    telemetry::{liveness::Pulse, metrics::ReconcileResult},
};

/// How often the loop shows that it turns.
const BEAT: Duration = Duration::from_secs(1);

/// The loop that reconciles.
pub(crate) struct Reconcile {
    shared: Arc<Shared>,
    pulse: Pulse,
    replay: Replay,
}

impl Reconcile {
    pub(super) fn new(shared: Arc<Shared>, pulse: Pulse) -> Self {
        let replay = Replay::new(Arc::clone(&shared));
        Self { shared, pulse, replay }
    }

    /// Reconciles until told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Self { shared, pulse, mut replay } = self;
        let mut past = Past::default();
        loop {
            let Some(every) = shared.tuning().reconcile_every else {
                // Switched off, until a reload switches it on.
                pulse.beat(shared.clock.now().mono);
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(BEAT) => continue,
                }
            };
            let turn = async {
                let pass = shared.pass().await;
                shared.conclude(&pass);
                let pause = listing::pause(every, shared.signs.get().listing_share());
                replay.run(&pass, pause).await;
                let due = pass.began().mono.after(pause);
                tokio::time::sleep(due.since(shared.clock.now().mono)).await;
            };
            // The pass waits for the quota, which may take long: the loop turns all the same.
            tokio::select! {
                () = stop.cancelled() => return,
                () = beside(&shared, &pulse, &mut past) => {}
                () = turn => {}
            }
        }
    }
}

impl Shared {
    async fn pass(&self) -> Pass {
        let mut pass = Pass::new(self.clock.now());
        while let Some((status, page)) = pass.next_page() {
            let query = ListQuery { status: Some(status.into()), page, ..ListQuery::default() };
            let leave = self.desk.leave_to_list(Lister::Reconcile, self.clock.now().mono).await;
            let token = self.token.generation();
            let (answer, meter) = self.client.calls(&query).await;
            let failure =
                answer.as_ref().err().filter(|failure| !listing::is_unknown_status(failure));
            self.listed(Lister::Reconcile, leave, failure, &meter, token);
            match answer {
                Ok(page) => {
                    for row in &page.rows {
                        let first = pass.shows(row);
                        if self.take_listed(row, first).await {
                            pass.adopts(row);
                        }
                    }
                    pass.heard(&page);
                }
                Err(failure) => {
                    debug!(status, page, %failure, "a page of active calls could not be had");
                    pass.failed(&failure);
                }
            }
        }
        pass
    }

    fn conclude(&self, pass: &Pass) {
        let now = self.clock.now();
        let passed = pass.passed();
        self.metrics.reconciled(match passed {
            Passed::Complete => ReconcileResult::Complete,
            Passed::Partial => ReconcileResult::Partial,
            Passed::Failed => ReconcileResult::Failed,
        });
        let is_long = pass.is_long(self.tuning().quota);
        let unlisted = match passed {
            Passed::Complete => self.look_into_the_missing(pass, now),
            Passed::Partial | Passed::Failed => {
                warn!(?passed, "the platform's active calls could not all be listed");
                return self.signs.get().pass_failed(is_long);
            }
        };
        self.signs.get().pass_complete(now.mono, unlisted, is_long);
    }

    /// Tells the calls that the pass lacks; says how many no listing has ever shown.
    fn look_into_the_missing(&self, pass: &Pass, now: Moment) -> u64 {
        let lacking = self.calls.collect(|call| {
            let never = pass.has_long_lacked(call, now.wall);
            pass.lacks(call).then(|| (call.id.clone(), never))
        });
        for (id, _) in &lacking {
            if let Some(changed) = self.calls.change(id, &Event::Unlisted) {
                self.events.tell(&changed);
            }
        }
        lacking.iter().filter(|(_, never)| *never).count() as u64
    }
}

/// What goes on beside each turn and each pause, and does not end by itself.
async fn beside(shared: &Shared, pulse: &Pulse, past: &mut Past) {
    let beating = async {
        loop {
            pulse.beat(shared.clock.now().mono);
            tokio::time::sleep(BEAT).await;
        }
    };
    tokio::join!(past.read(shared), beating).1
}

impl Shared {
    /// Whether the platform's list is compared with ours at all.
    pub(super) fn reconciles(&self) -> bool {
        self.tuning().reconcile_every.is_some()
    }

    /// Whether a first pass is over, or could not be made.
    pub(super) fn has_listed(&self) -> bool {
        self.signs.get().has_passed()
    }

    /// A request of a listing is over.
    pub(super) fn listed(
        &self,
        lister: Lister,
        leave: Leave,
        failure: Option<&Failure>,
        meter: &Meter,
        token: u64,
    ) {
        let Leave { slot, part } = leave;
        self.settle(slot, failure, meter, token);
        self.listing_part().answered(part, self.clock.now().mono, &Meter::default());
        self.desk.finished(&Next::Listing(lister as u8));
    }

    /// A listing of active calls showed this row; `first`: the first one of that call. Says whether
    /// the call was unknown and is taken on.
    async fn take_listed(&self, row: &Row, first: bool) -> bool {
        // A store that cannot be asked holds no call back: what it knows is joined in later.
        let unasked = self.meet(row).await;
        let known = self.calls.show(row, first);
        if known.is_none() && row.status.is_over() {
            return false;
        }
        let is_new = known.is_none();
        let changed = match known {
            Some(changed) => changed,
            None if !self.is_adopted(row) => return false,
            None => match self.calls.adopt(row, unasked) {
                Ok(changed) => {
                    if let Some(sid) = &row.sid {
                        self.name(&row.id, sid);
                    }
                    self.signs.get().first_seen_by_listing(self.clock.now().mono);
                    changed
                }
                Err(Full) => {
                    warn!(call.id = ?row.id, "server.max_calls is reached: a listed call is not taken on");
                    return false;
                }
            },
        };
        self.events.tell(&changed);
        is_new
    }
}
