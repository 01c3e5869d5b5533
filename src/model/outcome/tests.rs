//! What each outcome rests on.

use std::time::Duration;

use super::*;
use crate::model::{
    call::State,
    change::Event,
    event::{Details, EventKind, Heard},
    operator::Order,
    platform::{Answer, Failure},
    policy::{Limits, Rules},
    rule::Rule,
    scene::{Scene, seconds},
};

fn live(limit: u64) -> Scene {
    let mut scene = Scene::new(Limits { total: Some(seconds(limit)), ..Limits::default() });
    scene.hear(EventKind::Connected);
    scene
}

#[test]
fn every_name_is_that_of_the_spec() {
    let outcomes =
        ["completed", "not_connected", "stopped", "raced", "observed", "released", "failed"];
    assert_eq!(Outcome::ALL.map(Outcome::name), outcomes);
    let confirmed = [ConfirmedBy::Webhook, ConfirmedBy::Lookup].map(ConfirmedBy::name);
    assert_eq!(confirmed, ["webhook", "lookup"]);
    let by = [
        EndedBy::Callwarden,
        EndedBy::Operator,
        EndedBy::Platform,
        EndedBy::Caller,
        EndedBy::Unknown,
    ];
    assert_eq!(by.map(EndedBy::name), ["callwarden", "operator", "platform", "caller", "unknown"]);
    let reasons = [FailReason::NotAccepted, FailReason::NotConfirmed, FailReason::NotFound];
    assert_eq!(reasons.map(FailReason::name), ["not_accepted", "not_confirmed", "not_found"]);
}

#[test]
fn how_far_a_call_got_past_its_deadline_is_told_where_it_had_one() {
    let ended = |limit, after| {
        let mut scene = live(limit);
        scene.pass(Duration::from_millis(after));
        scene.hear(EventKind::Ended);
        scene.call.ended.unwrap()
    };
    let kept = ended(60, 59_000);
    assert_eq!((kept.overrun, kept.overrun_seconds()), (None, Some(0)));
    assert_eq!(kept.deadline.map(|(_, limit)| limit), Some(Limit::Total));
    let late = ended(60, 62_500);
    assert_eq!(late.overrun_seconds(), Some(2));
    let at = kept.at.after(Duration::from_millis(3_500));
    assert_eq!((late.at, late.recorded), (at, at));
    let mut unlimited = Scene::new(Limits::default());
    unlimited.hear(EventKind::Connected);
    unlimited.hear(EventKind::Ended);
    assert_eq!(unlimited.call.ended.unwrap().overrun_seconds(), None);
}

#[test]
fn a_call_that_is_only_observed_is_observed_once_it_went_past_its_deadline() {
    for (passes, outcome) in [
        (seconds(59), Outcome::Completed),
        (seconds(60), Outcome::Completed),
        (seconds(60) + Duration::from_micros(1), Outcome::Observed),
    ] {
        let mut scene = live(60);
        let rule = Rule {
            name: "watch".into(),
            when: Vec::new(),
            limits: Limits::default(),
            own: None,
            action: Action::Observe,
        };
        scene.policy.rules = Rules::new(vec![rule]);
        scene.apply(&Event::PolicyChanged { context: None });
        scene.pass(passes);
        scene.hear(EventKind::Ended);
        assert_eq!(scene.outcome(), Some(outcome), "after {passes:?}");
    }
}

#[test]
fn an_end_is_raced_while_a_stop_has_begun_or_a_request_is_under_way() {
    let mut begun = Scene::stopping();
    begun.fail(Failure::Network);
    assert_eq!(begun.call.state(), State::Stopping);
    begun.hear(EventKind::Ended);
    assert_eq!(begun.outcome(), Some(Outcome::Raced));

    let mut taken_back = Scene::stopping();
    taken_back.fail(Failure::Network);
    taken_back.policy.limits.total = Some(seconds(600));
    taken_back.apply(&Event::Woke);
    taken_back.hear(EventKind::Ended);
    assert_eq!(taken_back.outcome(), Some(Outcome::Completed));
}

#[test]
fn a_release_holds_where_it_was_given_before_the_end() {
    let release =
        |at: Wall| Facts::of_operator(crate::model::operator::Act { at, word: Word::Release });
    let judge = |facts: &Facts| {
        let deadlines = Deadlines::default();
        Ended::judge(None, facts, &Stop::default(), &deadlines, Moment::default())
    };
    let ended = Facts::of_time(EventKind::Ended, Wall(5), Wall(5));
    for (released, outcome) in
        [(4, Outcome::Released), (5, Outcome::Released), (6, Outcome::NotConnected)]
    {
        let found = judge(&ended.clone().join(release(Wall(released)))).map(|ended| ended.outcome);
        let found = found
            .map(|found| if found == Outcome::Completed { Outcome::NotConnected } else { found });
        assert_eq!(found, Some(outcome), "at {released}");
    }
    assert_eq!(judge(&release(Wall(4))).map(|ended| ended.outcome), Some(Outcome::Released));
}

#[test]
fn a_released_call_s_end_is_told_once_it_is_known() {
    let mut scene = live(60);
    let act = scene.call.ordered(Order::Release, scene.now.wall).unwrap();
    scene.apply(&Event::Operator(act));
    let released = scene.call.ended.unwrap();
    assert_eq!((released.at, released.recorded), (scene.now.wall, scene.now.wall));
    scene.pass(seconds(90));
    scene.hear(EventKind::Ended);
    let ended = scene.call.ended.unwrap();
    assert_eq!((ended.outcome, ended.at), (Outcome::Released, scene.now.wall));
    assert_eq!(ended.recorded, released.recorded);
}

#[test]
fn an_outcome_that_is_refined_was_recorded_when_it_first_was() {
    let mut scene = live(60);
    scene.hear(EventKind::Ended);
    let first = scene.call.ended.unwrap();
    scene.pass(seconds(5));
    scene.hear(EventKind::DidNotConnect);
    let refined = scene.call.ended.unwrap();
    assert_eq!(refined.outcome, Outcome::NotConnected);
    assert_eq!(refined.recorded, first.recorded);
}

#[test]
fn who_ended_a_call_is_told_by_the_outcome_the_operator_and_the_platform_s_words() {
    let by = |reason: &str| {
        let mut scene = live(60);
        let heard = scene.heard(EventKind::Ended, None);
        let details = Details { ended_reason: Some(reason.into()), ..Details::default() };
        scene.apply(&Event::Heard(&Heard { details, ..heard }));
        scene.call.ended.unwrap().by(&scene.call.facts)
    };
    assert_eq!(by("Max_Duration reached"), EndedBy::Platform);
    assert_eq!(by("customer hung up"), EndedBy::Caller);
    assert_eq!(by("hangup"), EndedBy::Unknown);

    let stopped = |is_ordered: bool| {
        let mut scene = live(60);
        if is_ordered {
            let act = scene.call.ordered(Order::End, scene.now.wall).unwrap();
            scene.apply(&Event::Operator(act));
        }
        while !scene.call.is_queued() {
            scene.wake();
        }
        assert!(scene.send());
        scene.answer(Answer::Accepted);
        scene.hear(EventKind::Ended);
        assert_eq!(scene.outcome(), Some(Outcome::Stopped));
        scene.call.ended.unwrap().by(&scene.call.facts)
    };
    assert_eq!([stopped(true), stopped(false)], [EndedBy::Operator, EndedBy::Callwarden]);
}

#[test]
fn a_stop_that_a_409_bears_out_is_recorded_with_its_deadline_and_overrun() {
    let mut scene = Scene::stopping();
    scene.fail(Failure::Timeout);
    scene.pass(seconds(3));
    scene.apply(&Event::Woke);
    assert!(scene.send());
    scene.answer(Answer::NotActive);
    let ended = scene.call.ended.unwrap();
    assert_eq!((ended.outcome, ended.at), (Outcome::Stopped, scene.now.wall));
    assert_eq!(ended.confirmed_by, Some(ConfirmedBy::Lookup));
    assert_eq!((ended.overrun_seconds(), ended.deadline.is_some()), (Some(3), true));
}

#[test]
fn an_outcome_is_refined_to_one_that_never_connected_or_that_we_brought_about() {
    use Outcome::{Completed, NotConnected, Observed, Raced, Stopped};
    let refined = [
        (Completed, NotConnected),
        (Completed, Stopped),
        (NotConnected, Stopped),
        (Raced, Stopped),
        (Observed, Stopped),
    ];
    for known in Outcome::ALL {
        for found in Outcome::ALL {
            let expected = refined.contains(&(known, found));
            assert_eq!(known.is_refined_by(found), expected, "{known:?} by {found:?}");
        }
    }
}
