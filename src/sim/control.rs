//! The sim's strings, for those who pull them: the demo, tests, and the control API.

use std::{sync::Arc, time::Duration};

use super::{
    call::{Call, EndedBy, Status},
    clock,
    fault::Fault,
    faults::FaultReport,
    journal::{DeliveryRecord, RequestRecord},
    script::Script,
    shared::Shared,
    wait::{self, Wait},
    webhook::{DEFAULT, Webhook, WebhookTarget},
};

/// A handle on a running sim; all of them are the same.
#[derive(Clone)]
pub struct Control {
    pub(super) shared: Arc<Shared>,
}

impl Control {
    /// Places a call and returns its id.
    pub fn place(&self, script: Script) -> String {
        self.shared.act(|world| world.place(script, clock::now()))
    }

    /// Ends a call from the other side. False: there is none, or it is over.
    pub fn hang_up(&self, call: &str) -> bool {
        let now = clock::now();
        self.shared.act(|world| world.end(call, Status::Completed, EndedBy::Caller, now))
    }

    /// Has an event happen in a call now. False: there is none, or it is over.
    pub fn happen(&self, call: &str, event: &str) -> bool {
        self.shared.act(|world| world.happen(call, event, clock::now()))
    }

    /// Every call, by order of creation: the truth, whatever the lists show.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.look(|world| world.calls.clone())
    }

    /// One call.
    pub fn call(&self, id: &str) -> Option<Call> {
        self.shared.look(|world| world.call(id).cloned())
    }

    /// What calls placed through the platform's own API do from now on.
    pub fn set_script(&self, script: Script) {
        self.shared.act(|world| world.script = script);
    }

    /// Makes an agent known, published.
    pub fn add_agent(&self, id: &str) {
        self.shared.act(|world| world.add_agent(id));
    }

    /// The faults in force.
    pub fn faults(&self) -> Vec<FaultReport> {
        self.shared.look(|world| world.faults.report())
    }

    /// Puts these faults in the place of all others.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.shared.act(|world| world.faults.set(faults));
    }

    /// Adds a fault to those in force.
    pub fn add_fault(&self, fault: Fault) {
        self.shared.act(|world| world.faults.add(fault));
    }

    /// Clears the faults of that name. False: there was none.
    pub fn clear_fault(&self, name: &str) -> bool {
        self.shared.act(|world| world.faults.clear(name))
    }

    /// From now on only this bearer token is good; none: any.
    pub fn set_token(&self, token: Option<String>) {
        self.shared.act(|world| world.token = token);
    }

    /// Where the webhooks of all agents go, besides those set up through the platform's API.
    pub fn set_webhook(&self, target: Option<WebhookTarget>) {
        let webhook = target.map(|target| Webhook::of_all(target, clock::now()));
        self.shared.act(|world| {
            world.webhooks.retain(|webhook| webhook.id != DEFAULT);
            world.webhooks.extend(webhook);
        });
    }

    /// Every request the platform received, by time.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared.look(|world| world.requests.iter().cloned().collect())
    }

    /// Every delivery the platform tried, by time.
    pub fn deliveries(&self) -> Vec<DeliveryRecord> {
        self.shared.look(|world| world.deliveries.iter().cloned().collect())
    }

    /// Forgets the requests and deliveries recorded so far.
    pub fn clear_history(&self) {
        self.shared.act(|world| {
            world.requests.clear();
            world.deliveries.clear();
        });
    }

    /// Waits until something is so. False: it was not in time.
    pub async fn wait(&self, what: &Wait, patience: Duration) -> bool {
        wait::wait(&self.shared, what, patience).await
    }
}
