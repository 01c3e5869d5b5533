//! The platform's delivery logs: events that never reached us are taken in as if they had come, and
//! calls that a listing showed first get what their webhooks told (spec §8). Whose are read, and
//! what is taken in, is the model's [`logs`](crate::model::logs).

use std::{sync::Arc, time::Duration};

use tracing::{debug, info};

use super::{Shared, desk::Lister};
use crate::model::{
    call::Call,
    decode::{PathNames, What, decode},
    event::{Heard, Via},
    ids::AgentId,
    listing::Pass,
    logs::{Logs, Step},
    platform::{Delivered, Failure, Meter},
};

/// Reads the logs between two passes.
pub(super) struct Replay {
    shared: Arc<Shared>,
    logs: Logs,
}

impl Replay {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, logs: Logs::default() }
    }

    /// Reads what the calls want after this pass, the next of which is due after `pause`: as long as
    /// there is time, and the passes to come keep their requests.
    pub(super) async fn run(&mut self, pass: &Pass, pause: Duration) {
        let shared = Arc::clone(&self.shared);
        let all = shared.is_loaded();
        let wants = |call: &Call| self.logs.wants(call, pass.adopted());
        self.logs.begin(shared.calls.collect(wants), all);
        let (_, span) = shared.tuning().quota;
        let (due, reserve) = (pass.began().mono.after(pause), pass.reserve(pause, span));
        let mut least = pass.least_for_logs();
        while let Some(step) = self.logs.next_step() {
            let now = shared.clock.now().mono;
            if least == 0 && (due <= now || shared.listing_part().left(now) <= reserve) {
                return;
            }
            least = least.saturating_sub(1);
            if let Err(failure) = self.take(&step).await {
                debug!(agent = %step.agent(), %failure, "the delivery logs of an agent could not be read");
                self.logs.failed(&failure);
            }
            self.take_in_what_was_found(step.agent()).await;
        }
    }

    async fn take(&mut self, step: &Step) -> Result<(), Failure> {
        let client = &self.shared.client;
        match step {
            Step::Webhooks(agent) => {
                let webhooks = self.shared.ask_for_logs(|| client.webhooks(agent)).await?;
                self.logs.had_webhooks(webhooks);
            }
            Step::Deliveries { agent, webhook, page } => {
                let ask = || client.deliveries(agent, webhook, *page);
                let page = self.shared.ask_for_logs(ask).await?;
                for delivered in &page.deliveries {
                    if let Some(heard) = self.read(agent, delivered) {
                        self.logs.look_at(delivered, heard);
                    }
                }
                self.logs.had_page(&page);
            }
        }
        Ok(())
    }

    async fn take_in_what_was_found(&mut self, agent: &AgentId) {
        let mut taken = 0_usize;
        for found in self.logs.found() {
            // Nobody waits for it to be durable: after a restart the logs of all live calls are read.
            if self.shared.take_in(&found.heard).await.is_ok() {
                self.logs.took(found);
                taken += 1;
            }
        }
        if taken > 0 {
            info!(%agent, taken, "events taken in from the platform's delivery logs");
        }
    }

    /// What was delivered, if it is an event that we have a use for.
    fn read(&self, agent: &AgentId, delivered: &Delivered) -> Option<Heard> {
        let path = PathNames { agent: Some(agent.as_str()), event: delivered.event.as_deref() };
        let tuning = self.shared.tuning();
        match decode(delivered.body.as_bytes(), &path, &tuning.pointers).ok()?.what {
            What::Event(heard) => Some(Heard { via: Via::Log { tried: delivered.at }, ..*heard }),
            What::Ignored => None,
        }
    }
}

impl Shared {
    /// Makes one request for the logs, when the quota gives leave.
    async fn ask_for_logs<T, F>(&self, ask: impl FnOnce() -> F) -> Result<T, Failure>
    where
        F: Future<Output = (Result<T, Failure>, Meter)>,
    {
        let leave = self.desk.leave_to_list(Lister::Replay, self.clock.now().mono).await;
        let token = self.token.generation();
        let (answer, meter) = ask().await;
        self.listed(Lister::Replay, leave, answer.as_ref().err(), &meter, token);
        answer
    }
}
