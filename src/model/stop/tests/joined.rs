//! What becomes of a stop when its call is over, lives again, or is joined into another name's.

use super::*;
use crate::model::{call::Call, change::Effect};

fn asks_for_a_request(scene: &Scene) -> bool {
    scene.effects.iter().any(|effect| matches!(effect, Effect::Request { .. }))
}

#[test]
fn a_request_under_way_by_either_name_is_the_one_under_way() {
    let stop = |attempts, under_way| {
        let next = if under_way { Next::UnderWay } else { Next::Idle };
        Stop { attempts, under_way, next, ..Stop::default() }
    };
    for (ours, theirs, joined) in [
        (stop(1, true), stop(2, false), true),
        (stop(2, false), stop(1, true), true),
        (stop(1, false), stop(2, false), false),
    ] {
        let mut stop = ours.clone();
        stop.join(&theirs, Moment::default());
        assert_eq!((stop.is_under_way(), stop.attempts), (joined, 2), "{ours:?} and {theirs:?}");
        assert_eq!(stop.next == Next::UnderWay, joined);
    }
}

/// In the queue it waits under the other name, which nobody asks any more.
#[test]
fn a_stop_that_waited_for_its_turn_under_another_name_asks_for_one_anew() {
    let mut by_sid = Scene::stopping();
    by_sid.fail(Failure::Cut);
    assert!(by_sid.call.is_queued());

    let mut scene = Scene::new(by_sid.policy.limits.clone());
    scene.hear(EventKind::Connected);
    scene.now = by_sid.now;
    scene.apply(&Event::Joined(&by_sid.call));
    assert!(scene.call.is_queued() && asks_for_a_request(&scene));
    assert!(scene.send());
    assert_eq!(scene.call.stop.attempts, 2);
}

#[test]
fn a_call_that_is_over_waits_for_no_turn() {
    let mut scene = Scene::stopping();
    scene.fail(Failure::Cut);
    assert!(scene.call.is_queued());
    scene.hear(EventKind::Ended);
    assert!(!scene.call.is_queued() && !scene.send());
}

#[test]
fn the_first_acceptance_is_when_a_stop_was_accepted() {
    let mut scene = Scene::stopping();
    assert_eq!(scene.call.stop.accepted_at(), None);
    scene.pass(seconds(2));
    scene.answer(Answer::Accepted);
    let accepted = scene.now;
    assert_eq!(scene.call.stop.accepted_at(), Some(accepted.mono));
    scene.wake();
    scene.show(Status::InProgress);
    assert!(scene.send());
    scene.answer(Answer::Accepted);
    assert_eq!(scene.call.stop.accepted_at(), Some(accepted.mono));
    scene.apply(&Event::Restored { same_boot: true, context: None });
    assert_eq!(scene.call.stop.accepted_at(), Some(accepted.mono), "a restart later");
}

/// By the first answer's time, and the reason that got farthest.
#[test]
fn a_stop_is_given_up_for_what_the_platform_said_of_the_call() {
    let cases: [(&[Answer], FailReason); 4] = [
        (&[Answer::NotActive], FailReason::NotAccepted),
        (&[Answer::NotFound], FailReason::NotFound),
        (&[Answer::NotFound, Answer::NotActive], FailReason::NotAccepted),
        (&[Answer::Accepted, Answer::NotActive], FailReason::NotConfirmed),
    ];
    for (answers, reason) in cases {
        let mut scene = Scene::stopping();
        let first = scene.now.mono;
        let mut answers = answers.iter().chain(std::iter::repeat(&answers[answers.len() - 1]));
        while scene.outcome().is_none() {
            if scene.call.stop.is_under_way() {
                scene.answer(answers.next().unwrap().clone());
            } else if scene.call.is_looked_up() {
                scene.show(Status::InProgress);
            } else if scene.call.is_queued() {
                assert!(scene.send());
            } else {
                scene.wake();
            }
        }
        assert_eq!(scene.outcome(), Some(Outcome::Failed));
        assert_eq!(scene.call.state(), State::Ended);
        assert_eq!(scene.call.ended.unwrap().reason, Some(reason));
        assert_eq!(scene.now.mono.since(first), seconds(3_600), "{reason:?}");
    }
}

#[test]
fn a_restart_brings_no_stop_of_a_call_that_is_not_due() {
    let mut scene = Scene::new(Limits { total: Some(seconds(60)), ..Limits::default() });
    scene.hear(EventKind::Connected);
    let mut call: Call = scene.call.clone();
    call.stop.restored(scene.now, false);
    assert_eq!((call.stop.next, call.stop.lost), (Next::Idle, None));
}

#[test]
fn the_sid_is_tried_in_the_id_s_place_once() {
    let mut scene = Scene::new(Limits { total: Some(seconds(60)), ..Limits::default() });
    let heard = scene.heard(EventKind::Connected, None);
    let call = crate::model::event::CallName::Both { id: id("call"), sid: id("CA1") };
    scene.apply(&Event::Heard(&crate::model::event::Heard { call, ..heard }));
    scene.wake();
    scene.wake();
    let mut named = Vec::new();
    for _ in 0..5 {
        assert!(scene.send());
        named.push(scene.sent_to().unwrap().1.to_owned());
        scene.answer(Answer::NotFound);
        if scene.call.is_looked_up() {
            scene.show_nothing();
        }
        scene.wake();
    }
    assert_eq!(named, ["call", "call", "call", "CA1", "call"]);
}
