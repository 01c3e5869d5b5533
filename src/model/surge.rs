//! How many calls a new policy would put past their deadline at once (spec §3 `surge_limit`).

use super::{
    call::{Call, State},
    change::Event,
    policy::Policy,
    time::Moment,
};

/// The share of the live calls that a reload may newly put past their deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surge(u8);

impl Surge {
    /// So few calls are no surge, whatever their share.
    const FEW: usize = 20;

    /// At most so many percent, 100 at most.
    #[must_use]
    pub fn at_most(percent: u8) -> Self {
        Self(percent.min(100))
    }

    /// The limit, in percent.
    #[must_use]
    pub fn percent(self) -> u8 {
        self.0
    }

    /// Whether the call, within its limits now, would be past its deadline under `policy`.
    /// `context` is what the store has of its context, where the policy reads anything new in it.
    #[must_use]
    pub fn adds(self, call: &Call, context: Option<&str>, now: Moment, policy: &Policy) -> bool {
        let changed = Event::PolicyChanged { context };
        call.state() == State::Live
            && call.apply(&changed, now, policy).next.state() == State::Stopping
    }

    /// Whether `newly` of `live` calls are too many.
    #[must_use]
    pub fn forbids(self, newly: usize, live: usize) -> bool {
        newly >= Self::FEW && newly * 100 > live * usize::from(self.0)
    }
}

impl Default for Surge {
    /// A fifth.
    fn default() -> Self {
        Self(20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        event::EventKind,
        policy::Limits,
        scene::{Scene, seconds},
    };

    #[test]
    fn a_surge_is_more_than_the_share_and_at_least_twenty_calls() {
        let fifth = Surge::default();
        assert!(!fifth.forbids(19, 19));
        assert!(fifth.forbids(20, 99));
        assert!(!fifth.forbids(20, 100));
        assert!(!Surge::at_most(100).forbids(500, 500));
        assert!(Surge::at_most(0).forbids(20, 1_000_000));
    }

    #[test]
    fn a_call_adds_to_it_if_the_new_policy_would_stop_it_and_the_old_one_does_not() {
        let mut scene = Scene::new(Limits { total: Some(seconds(60)), ..Limits::default() });
        scene.hear(EventKind::Connected);
        scene.pass(seconds(30));
        let adds = |scene: &Scene, total| {
            let mut policy = scene.policy.clone();
            policy.limits.total = Some(seconds(total));
            Surge::default().adds(&scene.call, None, scene.now, &policy)
        };
        assert!(adds(&scene, 20) && !adds(&scene, 40));
        assert!(!adds(&Scene::stopping(), 20), "it is being stopped already");
        assert_eq!((Surge::default().percent(), Surge::at_most(250).percent()), (20, 100));
    }
}
