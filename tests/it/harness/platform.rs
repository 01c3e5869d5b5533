//! The simulated platform, in the test's process.

use callwarden::sim::{Control, Script, Sim, SimOptions, Wait, WebhookTarget};

use super::{Daemon, PATIENCE, config::secret};

/// A running simulated platform that takes no token but the config's; derefs to its strings.
pub(crate) struct Platform {
    sim: Sim,
    control: Control,
}

impl std::ops::Deref for Platform {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

impl Platform {
    pub(crate) async fn start() -> Self {
        Self::with_faults(&[]).await
    }

    /// With faults in force from the start, as `callwarden sim --fault` takes them.
    pub(crate) async fn with_faults(faults: &[&str]) -> Self {
        let options = SimOptions {
            token: Some(secret("platform-token").to_owned()),
            seed: Some(1),
            faults: faults.iter().map(|fault| fault.parse().unwrap()).collect(),
            ..SimOptions::default()
        };
        Self::start_with(options).await
    }

    pub(crate) async fn start_with(options: SimOptions) -> Self {
        let sim = Sim::start(options).await.unwrap();
        let control = sim.control();
        Self { sim, control }
    }

    pub(crate) fn base_url(&self) -> String {
        self.sim.base_url()
    }

    /// Adds a fault, as `callwarden sim --fault` takes it.
    pub(crate) fn fault(&self, fault: &str) {
        self.control.add_fault(fault.parse().unwrap());
    }

    /// Where a daemon takes its webhooks, with agent and event in the path, signed.
    pub(crate) fn target(daemon: &Daemon) -> WebhookTarget {
        let url = format!("http://{}/webhooks/talkover/{{agent_id}}/{{event}}", daemon.addr());
        WebhookTarget::new(url, Some(secret("webhook-secret")))
    }

    /// Sends the webhooks of all calls to `daemon` from now on.
    pub(crate) fn deliver_to(&self, daemon: &Daemon) {
        self.control.set_webhook(Some(Self::target(daemon)));
    }

    /// Waits until something is so; the test fails if that takes too long.
    pub(crate) async fn until(&self, what: Wait) {
        assert!(self.control.wait(&what, PATIENCE).await, "not in time: {what:?}");
    }

    /// Places a call and waits until its first webhook was acknowledged.
    pub(crate) async fn place_tracked(&self, script: Script) -> String {
        let call = self.control.place(script);
        let tracked = Wait::Delivered { call: Some(call.clone()), event: None, count: 1 };
        self.until(tracked).await;
        call
    }
}
