//! The pause that a 429 brings, and its probe.

use std::time::Duration;

use crate::model::time::Mono;

/// The first pause without a hint; each probe that is refused doubles it.
const FIRST: Duration = Duration::from_secs(5);
/// The longest pause without a hint.
const LONGEST: Duration = Duration::from_secs(60);
/// The shortest pause by a hint: platforms that round down say 0 s in the last second.
const SHORTEST_HINT: Duration = Duration::from_secs(1);
/// The longest time that the platform's word holds us back.
pub(super) const LONGEST_HINT: Duration = Duration::from_secs(300);

/// Nothing leaves before `until`; then one probe leaves, and nothing else until it is answered.
#[derive(Clone, Debug)]
pub(super) struct Pause {
    pub(super) until: Mono,
    /// How long a refusal without a hint holds us back.
    step: Duration,
    /// The number of the probe under way.
    pub(super) probe: Option<u64>,
}

impl Pause {
    /// The first refusal.
    pub(super) fn new(now: Mono, hint: Option<Duration>) -> Self {
        let mut pause = Self { until: now, step: FIRST, probe: None };
        pause.extend(now, hint);
        pause
    }

    /// One more request was refused that had left before the pause.
    pub(super) fn extend(&mut self, now: Mono, hint: Option<Duration>) {
        let pause = hint.map_or(self.step, |hint| hint.clamp(SHORTEST_HINT, LONGEST_HINT));
        self.until = self.until.max(now.after(pause));
    }

    /// The probe was refused too.
    pub(super) fn probe_refused(&mut self, now: Mono, hint: Option<Duration>) {
        self.probe = None;
        self.step = self.step.saturating_mul(2).min(LONGEST);
        self.extend(now, hint);
    }

    /// Nobody knows what became of the probe.
    pub(super) fn probe_lost(&mut self, now: Mono) {
        self.probe = None;
        self.extend(now, None);
    }

    /// The probe was let through: whether the pause is over. It is not, where an older request was
    /// refused meanwhile; then it goes on as if it had just begun.
    pub(super) fn probe_passed(&mut self, now: Mono) -> bool {
        self.probe = None;
        self.step = FIRST;
        self.until <= now
    }
}
