//! The faults in force: which of them strikes now.

use serde::Serialize;

use super::fault::{Fault, FaultKind, Scope};

/// The faults in force, in the order they were set.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<InForce>);

#[derive(Debug)]
struct InForce {
    fault: Fault,
    left: Option<u32>,
    hits: u64,
}

/// A fault in force and how often it struck.
#[derive(Clone, Debug, Serialize)]
pub struct FaultReport {
    /// As it was written.
    pub fault: String,
    /// How often it will still strike; none: without end.
    pub left: Option<u32>,
    /// How often it struck.
    pub hits: u64,
}

/// What a fault might strike.
#[derive(Clone, Copy, Debug)]
pub(super) enum Occasion<'a> {
    Request { endpoint: Scope, call: Option<&'a str> },
    Delivery { event: &'a str, call: &'a str },
    Row { call: &'a str },
}

impl Faults {
    pub(super) fn set(&mut self, faults: Vec<Fault>) {
        self.0.clear();
        faults.into_iter().for_each(|fault| self.add(fault));
    }

    pub(super) fn add(&mut self, fault: Fault) {
        let left = fault.count;
        self.0.push(InForce { fault, left, hits: 0 });
    }

    /// Clears every fault of that name; says whether there was one.
    pub(super) fn clear(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|one| one.fault.name() != name);
        self.0.len() < before
    }

    pub(super) fn report(&self) -> Vec<FaultReport> {
        let report = |one: &InForce| FaultReport {
            fault: one.fault.to_string(),
            left: one.left,
            hits: one.hits,
        };
        self.0.iter().map(report).collect()
    }

    /// The first fault of a kind that strikes on this occasion, and its text.
    pub(super) fn strike<T>(
        &mut self,
        occasion: Occasion<'_>,
        rng: &mut fastrand::Rng,
        pick: impl Fn(&FaultKind) -> Option<T>,
    ) -> Option<(T, String)> {
        self.0.iter_mut().find_map(|one| {
            let picked = pick(&one.fault.kind)?;
            one.strikes(occasion, rng).then(|| (picked, one.fault.to_string()))
        })
    }

    /// A habit: the one set last holds, whatever the occasion.
    pub(super) fn habit<T>(&self, pick: impl Fn(&FaultKind) -> Option<T>) -> Option<T> {
        self.0.iter().rev().find_map(|one| pick(&one.fault.kind))
    }

    pub(super) fn has(&self, is: impl Fn(&FaultKind) -> bool) -> bool {
        self.0.iter().any(|one| is(&one.fault.kind))
    }
}

impl InForce {
    fn strikes(&mut self, occasion: Occasion<'_>, rng: &mut fastrand::Rng) -> bool {
        if self.left == Some(0) || !self.fault.concerns(occasion) {
            return false;
        }
        if self.fault.chance < 1.0 && rng.f64() >= self.fault.chance {
            return false;
        }
        self.left = self.left.map(|left| left - 1);
        self.hits += 1;
        true
    }
}

impl Fault {
    fn concerns(&self, occasion: Occasion<'_>) -> bool {
        let is_call = |call| self.call.as_deref().is_none_or(|only| Some(only) == call);
        match occasion {
            Occasion::Request { endpoint, call } => self.scope.covers(endpoint) && is_call(call),
            Occasion::Delivery { event, call } => {
                self.event.as_deref().is_none_or(|only| only == event) && is_call(Some(call))
            }
            Occasion::Row { call } => is_call(Some(call)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(faults: &mut Faults, endpoint: Scope) -> bool {
        let occasion = Occasion::Request { endpoint, call: None };
        faults.strike(occasion, &mut fastrand::Rng::with_seed(1), |_| Some(())).is_some()
    }

    #[test]
    fn a_counted_fault_is_spent_and_a_scoped_one_strikes_its_own() {
        let mut faults = Faults::default();
        faults.add("cut,count=2,scope=end-call".parse().unwrap());
        assert!(!strikes(&mut faults, Scope::Lists));
        assert!(strikes(&mut faults, Scope::EndCall));
        assert!(strikes(&mut faults, Scope::EndCall));
        assert!(!strikes(&mut faults, Scope::EndCall));
        assert_eq!(faults.report()[0].hits, 2);
    }

    #[test]
    fn chance_is_kept_in_the_long_run() {
        let mut faults = Faults::default();
        faults.add("cut=0.25".parse().unwrap());
        let mut rng = fastrand::Rng::with_seed(3);
        let occasion = Occasion::Request { endpoint: Scope::Lists, call: None };
        let hits = (0..4000).filter(|_| faults.strike(occasion, &mut rng, |_| Some(())).is_some());
        let hits = hits.count();
        assert!((900..1100).contains(&hits), "{hits}");
    }
}
