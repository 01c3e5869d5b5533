//! What must never be (spec §1), cheap enough to be looked for at each change in production
//! (`callwarden_invariant_violations_total`). The simulator looks for more, and for these too.

use std::time::Duration;

use super::{
    call::{Call, State},
    outcome::Outcome,
    rule::Action,
    time::Mono,
};

/// Something that the promise rules out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Breach {
    /// A request leaves before the deadline.
    EarlyRequest,
    /// A request leaves for a call that is only observed.
    ObservedRequest,
    /// A request leaves while another of the same call is under way, or for one that is over.
    NeedlessRequest,
    /// A call that has a deadline, and is to be ended, waits for nothing.
    NoWakeup,
    /// A call past its deadline has no stop.
    OverdueWithoutStop,
    /// A second outcome for a call that nobody showed active again.
    SecondOutcome,
    /// A call that an operator released is live again.
    ReleasedRevived,
    /// A call's version went back: the store would keep what it has.
    VersionWentBack,
}

impl Breach {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::EarlyRequest,
        Self::ObservedRequest,
        Self::NeedlessRequest,
        Self::NoWakeup,
        Self::OverdueWithoutStop,
        Self::SecondOutcome,
        Self::ReleasedRevived,
        Self::VersionWentBack,
    ];

    /// Its name in the metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EarlyRequest => "early_request",
            Self::ObservedRequest => "observed_request",
            Self::NeedlessRequest => "needless_request",
            Self::NoWakeup => "no_wakeup",
            Self::OverdueWithoutStop => "overdue_without_stop",
            Self::SecondOutcome => "second_outcome",
            Self::ReleasedRevived => "released_revived",
            Self::VersionWentBack => "version_went_back",
        }
    }
}

/// What is wrong with a change from `before` to `call`; `sends` where a request leaves with it,
/// `wakeup` is the call's after it.
#[must_use]
pub fn of_change(
    before: &Call,
    call: &Call,
    sends: bool,
    wakeup: Option<Mono>,
    now: Mono,
) -> Option<Breach> {
    if sends {
        if call.action() == Action::Observe {
            return Some(Breach::ObservedRequest);
        }
        if before.stop.is_under_way() || before.ended.is_some() {
            return Some(Breach::NeedlessRequest);
        }
        if call.deadline().is_none_or(|deadline| deadline.at > now) {
            return Some(Breach::EarlyRequest);
        }
    }
    if call.version < before.version {
        return Some(Breach::VersionWentBack);
    }
    let waits = || call.is_queued() || call.is_looked_up() || call.stop.is_under_way();
    let is_enforced = call.ended.is_none() && call.action() == Action::End;
    if is_enforced && call.deadline().is_some() && wakeup.is_none() && !waits() {
        return Some(Breach::NoWakeup);
    }
    match (before.ended?.outcome, call.ended.map(|ended| ended.outcome)) {
        (Outcome::Released, None) => Some(Breach::ReleasedRevived),
        (_, None) => None,
        // It fell, and something else holds that was known already.
        _ if before.facts.reopened() != call.facts.reopened() => None,
        (known, Some(found)) => {
            (known != found && !known.is_refined_by(found)).then_some(Breach::SecondOutcome)
        }
    }
}

/// What is wrong with a call that is looked at each second.
#[must_use]
pub fn at_rest(call: &Call, now: Mono) -> Option<Breach> {
    /// The timer may be behind: health tells of that.
    const TIMER: Duration = Duration::from_secs(5);
    let is_overdue = call.deadline().is_some_and(|deadline| deadline.at.after(TIMER) < now);
    (is_overdue && call.state() == State::Live).then_some(Breach::OverdueWithoutStop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        event::EventKind,
        facts::Facts,
        platform::{Answer, Failure, Status},
        policy::{Limits, Policy, Rules},
        rule::Rule,
        scene::{Scene, seconds},
        time::Wall,
    };

    fn of(before: &Call, scene: &Scene, sends: bool) -> Option<Breach> {
        let wakeup = scene.call.wakeup(&scene.policy);
        of_change(before, &scene.call, sends, wakeup, scene.now.mono)
    }

    #[test]
    fn a_request_before_the_deadline_is_a_breach_and_one_after_it_is_none() {
        let mut scene = Scene::new(Limits { total: Some(seconds(60)), ..Limits::default() });
        scene.hear(EventKind::Connected);
        assert_eq!(of(&scene.call, &scene, true), Some(Breach::EarlyRequest));
        assert_eq!(of(&scene.call, &scene, false), None);
        let before = scene.call.clone();
        scene.pass(seconds(60));
        assert_eq!(of(&before, &scene, true), None);
        scene.pass(seconds(6));
        assert_eq!(at_rest(&scene.call, scene.now.mono), Some(Breach::OverdueWithoutStop));
    }

    #[test]
    fn a_request_beside_another_is_a_breach() {
        let scene = Scene::stopping();
        assert_eq!(of(&scene.call, &scene, true), Some(Breach::NeedlessRequest));
        assert_eq!(at_rest(&scene.call, scene.now.mono), None);
    }

    #[test]
    fn a_call_that_waits_for_nothing_is_a_breach() {
        let mut scene = Scene::new(Limits { total: Some(seconds(60)), ..Limits::default() });
        scene.hear(EventKind::Connected);
        let found = of_change(&scene.call, &scene.call, false, None, scene.now.mono);
        assert_eq!(found, Some(Breach::NoWakeup));
    }

    #[test]
    fn an_outcome_changes_only_as_the_spec_says() {
        let mut scene = Scene::new(Limits { total: Some(seconds(60)), ..Limits::default() });
        scene.hear(EventKind::Connected);
        scene.hear(EventKind::Ended);
        let ended = |outcome| {
            let mut call = Call { version: 0, ..scene.call.clone() };
            call.ended = call.ended.map(|ended| crate::model::outcome::Ended { outcome, ..ended });
            call
        };
        let from = |outcome| of(&ended(outcome), &scene, false);
        assert_eq!(from(Outcome::Completed), None);
        assert_eq!(from(Outcome::Failed), Some(Breach::SecondOutcome));
        let mut live = Scene::new(Limits::default());
        live.hear(EventKind::Connected);
        assert_eq!(of(&ended(Outcome::Released), &live, false), Some(Breach::ReleasedRevived));
    }

    #[test]
    fn a_version_that_goes_back_is_a_breach() {
        let mut scene = Scene::new(Limits::default());
        scene.hear(EventKind::Connected);
        let later = Call { version: 9, ..scene.call.clone() };
        assert_eq!(of(&later, &scene, false), Some(Breach::VersionWentBack));
    }

    fn observed(scene: &Scene) -> Policy {
        let rule = Rule {
            name: "watch".into(),
            when: Vec::new(),
            limits: Limits::default(),
            own: None,
            action: Action::Observe,
        };
        Policy { rules: Rules::new(vec![rule]), ..scene.policy.clone() }
    }

    #[test]
    fn a_request_for_a_call_that_is_only_observed_or_over_is_a_breach() {
        let mut scene = Scene::new(Limits { total: Some(seconds(60)), ..Limits::default() });
        scene.policy = observed(&scene);
        scene.hear(EventKind::Connected);
        let before = scene.call.clone();
        scene.pass(seconds(60));
        assert_eq!(of(&before, &scene, true), Some(Breach::ObservedRequest));
        let found = of_change(&before, &scene.call, false, None, scene.now.mono);
        assert_eq!(found, None, "it may wait for nothing");

        let mut over = Scene::new(Limits { total: Some(seconds(60)), ..Limits::default() });
        over.hear(EventKind::Connected);
        over.hear(EventKind::Ended);
        over.pass(seconds(60));
        assert_eq!(of(&over.call, &over, true), Some(Breach::NeedlessRequest));
        let found = of_change(&over.call, &over.call, false, None, over.now.mono);
        assert_eq!(found, None, "it may wait for nothing");
    }

    #[test]
    fn a_call_waits_for_its_turn_an_answer_a_look_up_or_the_clock_if_it_has_a_deadline() {
        let nothing =
            |call: &Call, scene: &Scene| of_change(call, call, false, None, scene.now.mono);
        let mut unlimited = Scene::new(Limits::default());
        unlimited.hear(EventKind::Connected);
        assert_eq!(nothing(&unlimited.call, &unlimited), None);
        let mut scene = Scene::stopping();
        assert_eq!(nothing(&scene.call, &scene), None, "an answer");
        scene.fail(Failure::RateLimited { pause: None });
        assert!(scene.call.is_queued());
        assert_eq!(nothing(&scene.call, &scene), None, "its turn");
        assert!(scene.send());
        scene.answer(Answer::NotActive);
        assert!(scene.call.is_looked_up());
        assert_eq!(nothing(&scene.call, &scene), None, "a look-up");
        scene.show(Status::InProgress);
        assert_eq!(nothing(&scene.call, &scene), Some(Breach::NoWakeup));
        assert_eq!(of(&scene.call, &scene, false), None, "the clock");
    }

    #[test]
    fn an_outcome_is_refined_falls_or_stays() {
        let mut scene = Scene::new(Limits::default());
        scene.hear(EventKind::Connected);
        let live = scene.call.clone();
        scene.hear(EventKind::Ended);
        let ended = |outcome| {
            let ended =
                scene.call.ended.map(|ended| crate::model::outcome::Ended { outcome, ..ended });
            Call { ended, ..scene.call.clone() }
        };
        let change = |before: &Call, after: &Call| of_change(before, after, false, None, Mono(0));
        for (known, found, breach) in [
            (Outcome::Completed, Outcome::NotConnected, None),
            (Outcome::Raced, Outcome::Stopped, None),
            (Outcome::Stopped, Outcome::Stopped, None),
            (Outcome::Stopped, Outcome::Raced, Some(Breach::SecondOutcome)),
            (Outcome::NotConnected, Outcome::Completed, Some(Breach::SecondOutcome)),
        ] {
            assert_eq!(change(&ended(known), &ended(found)), breach, "{known:?} to {found:?}");
        }
        let live = Call { version: ended(Outcome::Stopped).version, ..live };
        assert_eq!(change(&ended(Outcome::Stopped), &live), None, "it fell");
        assert_eq!(change(&ended(Outcome::Released), &live), Some(Breach::ReleasedRevived));
        let mut reopened = ended(Outcome::Completed);
        let reopening = Facts::of_reopening(Wall(1), Wall(1));
        reopened.facts = reopened.facts.clone().join(reopening);
        assert_eq!(change(&ended(Outcome::Stopped), &reopened), None, "another holds since");
    }

    #[test]
    fn a_call_may_be_five_seconds_past_its_deadline_before_that_is_a_breach() {
        let mut scene = Scene::new(Limits { total: Some(seconds(60)), ..Limits::default() });
        scene.hear(EventKind::Connected);
        scene.pass(seconds(65));
        assert_eq!(at_rest(&scene.call, scene.now.mono), None);
        scene.pass(Duration::from_micros(1));
        assert_eq!(at_rest(&scene.call, scene.now.mono), Some(Breach::OverdueWithoutStop));
    }

    #[test]
    fn every_breach_has_a_name_of_its_own() {
        let names = Breach::ALL.map(Breach::name);
        assert_eq!(
            names,
            [
                "early_request",
                "observed_request",
                "needless_request",
                "no_wakeup",
                "overdue_without_stop",
                "second_outcome",
                "released_revived",
                "version_went_back",
            ]
        );
    }
}
