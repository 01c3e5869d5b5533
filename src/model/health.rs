//! How the daemon is: [`Signs`] and [`Tally`], which the engine keeps as things happen, [`Vitals`],
//! the plain numbers that they come to, and the [`Health`] that follows from those (spec §9). Pure; a
//! test has a row per sentence.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

pub use self::{
    signs::{Delivery, Signs, TICK},
    tally::{ALARM, Standing, Tally},
    vitals::{
        CallVitals, PlatformTrouble, PlatformVitals, ReconcileVitals, StoreTrouble, StoreVitals,
        TokenSource, Vitals, WebhookVitals,
    },
};

mod checks;
mod signs;
mod tally;
mod vitals;

/// How the daemon is: the body of `GET /health`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    /// The worst of all checks.
    pub status: Status,
    version: &'static str,
    uptime_seconds: u64,
    calls: Counted,
    /// Each check with its sentence and figures.
    pub checks: Checks,
}

/// How bad it is; the worse is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Pass,
    /// Enforcement goes on; somebody should look.
    Warn,
    /// The promise is in danger.
    Fail,
}

/// The checks, in the order in which they are shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "each is named after what it looks at")]
pub struct Checks {
    pub store: Check,
    pub platform: Check,
    pub webhooks: Check,
    pub timer: Check,
    pub reconcile: Check,
    pub clock: Check,
    pub coverage: Check,
    pub config: Check,
}

/// One check: its status, what is wrong and the mend, and the figures it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// How bad it is.
    pub status: Status,
    /// What is wrong and the mend; `None` if nothing is.
    pub message: Option<String>,
    /// Whether what it looks at is switched off.
    pub off: bool,
    figures: Vec<(&'static str, Value)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Counted {
    live: u64,
    stopping: u64,
    confirming: u64,
    overdue: u64,
    oldest_overdue_seconds: u64,
}

impl Health {
    /// Judges the vitals.
    #[must_use]
    pub fn of(vitals: &Vitals) -> Self {
        let checks = Checks {
            store: checks::store(vitals),
            platform: checks::platform(vitals),
            webhooks: checks::webhooks(vitals),
            timer: checks::timer(vitals),
            reconcile: checks::reconcile(vitals),
            clock: checks::clock(vitals),
            // Nobody looks at the platform's webhooks yet (spec §13).
            coverage: Check::off(),
            config: checks::config(vitals),
        };
        Self {
            status: checks.worst(),
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: vitals.uptime().as_secs(),
            calls: Counted {
                live: vitals.calls.live,
                stopping: vitals.calls.stopping,
                confirming: vitals.calls.confirming,
                overdue: vitals.calls.overdue,
                oldest_overdue_seconds: vitals.oldest_overdue().as_secs(),
            },
            checks,
        }
    }

    /// All of it in a line: the calls, and the worst check's sentence.
    #[must_use]
    pub fn in_a_line(&self) -> String {
        let Counted { live, stopping, confirming, overdue, oldest_overdue_seconds } = self.calls;
        let calls = live + stopping + confirming;
        let mut line = format!(
            "{calls} {}, {} {} under way",
            if calls == 1 { "call" } else { "calls" },
            stopping + confirming,
            if stopping + confirming == 1 { "stop" } else { "stops" },
        );
        if overdue > 0 {
            line += &format!(", {overdue} overdue for up to {oldest_overdue_seconds} s");
        }
        let worst = self.checks.named().into_iter().find(|(_, check)| check.status == self.status);
        match worst.and_then(|(name, check)| Some((name, check.message.as_deref()?))) {
            Some((name, message)) => line + &format!("; {} {name}: {message}", self.status.name()),
            None => line + "; all is well",
        }
    }
}

impl Status {
    /// The word shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl Checks {
    /// The checks' names, in the order of [`named`](Self::named).
    pub const NAMES: [&str; 8] =
        ["store", "platform", "webhooks", "timer", "reconcile", "clock", "coverage", "config"];

    /// Each check with its name.
    #[must_use]
    pub fn named(&self) -> [(&'static str, &Check); 8] {
        let Self { store, platform, webhooks, timer, reconcile, clock, coverage, config } = self;
        [
            ("store", store),
            ("platform", platform),
            ("webhooks", webhooks),
            ("timer", timer),
            ("reconcile", reconcile),
            ("clock", clock),
            ("coverage", coverage),
            ("config", config),
        ]
    }

    fn worst(&self) -> Status {
        self.named().into_iter().map(|(_, check)| check.status).fold(Status::Pass, Status::max)
    }
}

impl Check {
    fn pass() -> Self {
        Self { status: Status::Pass, message: None, off: false, figures: Vec::new() }
    }

    fn off() -> Self {
        Self { off: true, ..Self::pass() }
    }

    fn warn(message: String) -> Self {
        Self { status: Status::Warn, message: Some(message), ..Self::pass() }
    }

    fn fail(message: String) -> Self {
        Self { status: Status::Fail, ..Self::warn(message) }
    }

    /// Both of two findings: the worse status, one sentence after the other.
    fn and(self, other: Self) -> Self {
        let sentences: Vec<_> = [self.message, other.message].into_iter().flatten().collect();
        Self {
            status: self.status.max(other.status),
            message: Some(sentences.join("; besides, ")),
            ..Self::pass()
        }
    }

    fn with(mut self, name: &'static str, figure: impl Into<Value>) -> Self {
        self.figures.push((name, figure.into()));
        self
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", &self.status)?;
        if let Some(message) = &self.message {
            map.serialize_entry("message", message)?;
        }
        if self.off {
            map.serialize_entry("off", &true)?;
        }
        for (name, figure) in &self.figures {
            map.serialize_entry(name, figure)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
