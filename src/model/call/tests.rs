//! The sentences of spec §4 and §6 on what a call's deadline rests on, one by one.

mod seen;

use super::*;
use crate::model::{
    change::Received,
    event::{CallName, Heard},
    ids::AgentId,
    outcome::Outcome,
    platform::{Answer, Failure, Row, Status},
    policy::Limits,
    scene::{Scene, seconds},
};

fn total(n: u64) -> Limits {
    Limits { total: Some(seconds(n)), ..Limits::default() }
}

fn ringing(n: u64) -> Limits {
    Limits { ringing: Some(seconds(n)), ..Limits::default() }
}

#[test]
fn an_event_of_an_unknown_call_beyond_max_age_is_enforced_once_the_call_is_shown_active() {
    let mut scene = Scene::new(total(60));
    scene.hear_late(EventKind::Started, seconds(7_201));
    assert_eq!(scene.taken, Some(Received::Tracked));
    assert_eq!(scene.call.deadline(), None);
    assert!(scene.call.is_looked_up());
    scene.show_nothing();
    assert_eq!(scene.call.deadline(), None, "absence proves nothing");
    scene.wake();
    scene.show(Status::InProgress);
    assert!(scene.call.deadline().is_some());
}

#[test]
fn an_own_time_more_than_a_minute_ahead_gives_way_to_the_time_of_arrival() {
    let mut scene = Scene::new(total(60));
    let heard = scene.heard(EventKind::Started, Some(scene.now.wall.after(seconds(61))));
    scene.apply(&Event::Heard(&heard));
    assert_eq!(scene.deadline_in(), Some(seconds(60)));
}

#[test]
fn an_own_time_that_would_make_the_call_overdue_is_believed_once_it_is_shown_active() {
    let mut scene = Scene::new(total(60));
    scene.hear_late(EventKind::Started, seconds(61));
    assert_eq!(scene.deadline_in(), Some(seconds(60)), "the time of arrival holds");
    assert!(scene.call.is_looked_up());
    scene.show_nothing();
    assert_eq!(scene.call.state(), State::Live);
    assert_eq!(scene.wake(), seconds(5));
    scene.show(Status::InProgress);
    assert_eq!(scene.call.state(), State::Stopping);
}

/// Caught: the time of its arrival took the place of the start that the platform's row had told, and
/// the stop that had begun was taken back (simulator, seed 7014038).
#[test]
fn an_own_time_at_which_the_platform_shows_the_call_under_way_is_believed() {
    let row = |scene: &Scene, ago| {
        let started_at = Some(Wall(scene.now.wall.before(ago).0 / 1_000_000 * 1_000_000));
        Row { started_at, ..scene.row(Status::InProgress) }
    };
    for (earlier, is_believed) in [(0, true), (2, false)] {
        let mut scene = Scene::new(total(60));
        let row = row(&scene, seconds(100));
        scene.apply(&Event::LookedUp { found: Ok(Some(&row)), jitter: 1.0 });
        assert_eq!(scene.call.state(), State::Stopping);
        scene.hear_late(EventKind::Started, seconds(100 + earlier));
        let state = if is_believed { State::Stopping } else { State::Live };
        assert_eq!(scene.call.state(), state, "{earlier} s earlier");
    }
}

/// Caught: told twice, it was believed without a look-up.
#[test]
fn a_doubted_own_time_told_twice_is_a_duplicate() {
    let after = vec![(EventKind::ParticipantLeft, seconds(20))];
    let mut scene = Scene::new(Limits { after, ..Limits::default() });
    let heard = scene.heard(EventKind::ParticipantLeft, Some(scene.now.wall.before(seconds(21))));
    scene.apply(&Event::Heard(&heard));
    scene.apply(&Event::Heard(&heard));
    assert_eq!(scene.taken, Some(Received::Duplicate));
}

/// Caught: it was `updated`.
#[test]
fn the_first_event_of_a_call_found_in_a_listing_is_tracked() {
    let mut scene = Scene::new(total(60));
    scene.show(Status::Ringing);
    scene.hear(EventKind::Started);
    assert_eq!(scene.taken, Some(Received::Tracked));
}

#[test]
fn an_event_without_a_time_is_a_duplicate_until_its_counterpart_comes() {
    let mut scene = Scene::new(total(60));
    let mut results = Vec::new();
    for kind in [
        EventKind::ParticipantJoined,
        EventKind::ParticipantJoined,
        EventKind::ParticipantLeft,
        EventKind::ParticipantJoined,
        EventKind::Ended,
        EventKind::ParticipantLeft,
    ] {
        scene.pass(seconds(1));
        scene.hear(kind);
        results.push(scene.taken.unwrap().name());
    }
    assert_eq!(results, ["tracked", "duplicate", "updated", "updated", "ended", "late"]);
}

#[test]
fn a_call_known_by_its_sid_is_joined_into_that_of_its_id() {
    let sid = CallId::parse("CA1").unwrap();
    let mut by_sid = Scene::new(total(60));
    by_sid.call = Call::new(sid.clone(), by_sid.now);
    let heard = by_sid.heard(EventKind::Started, None);
    by_sid.apply(&Event::Heard(&Heard { call: CallName::Sid(sid.clone()), ..heard }));
    let deadline = by_sid.call.deadline();

    let mut scene = Scene::new(total(60));
    scene.pass(seconds(10));
    // Caught: a step of the wall clock in between moved the deadline.
    scene.now.wall = scene.now.wall.after(seconds(3_600));
    scene.apply(&Event::Joined(&by_sid.call));
    assert_eq!(scene.taken, Some(Received::Updated));
    assert_eq!(scene.call.deadline(), deadline);
    assert_eq!(scene.call.facts.sid(), Some(&sid));
}

#[test]
fn an_unknown_agent_is_looked_up_from_5_s_ahead_until_it_is_found() {
    let mut scene = Scene::new(total(60));
    scene.agent = None;
    scene.hear(EventKind::Started);
    assert_eq!(scene.wake(), seconds(55));
    assert!(scene.call.is_looked_up());
    for pause in [1, 5] {
        scene.show_nothing();
        while !scene.call.is_looked_up() {
            scene.wake();
        }
        assert!(!scene.call.is_queued(), "{pause}");
    }
    scene.agent = AgentId::parse("agent").ok();
    scene.show(Status::InProgress);
    assert!(scene.call.is_queued() && scene.send());
}

/// Caught: a look-up once put off stayed so, though the deadline had come nearer.
#[test]
fn an_unknown_agent_is_looked_up_from_5_s_ahead_of_a_deadline_that_came_nearer() {
    let mut scene = Scene::new(total(60));
    scene.agent = None;
    scene.hear(EventKind::Started);
    scene.wake();
    scene.policy.limits = total(600);
    scene.show_nothing();
    scene.policy.limits = total(100);
    scene.apply(&Event::Woke);
    assert_eq!(scene.wake(), seconds(40));
    assert!(scene.call.is_looked_up());
}

#[test]
fn a_stop_for_ringing_leaves_at_the_deadline_if_a_look_up_says_ringing() {
    let mut scene = Scene::new(ringing(45));
    scene.hear(EventKind::Started);
    assert_eq!(scene.wake(), seconds(40));
    assert!(scene.call.is_looked_up());
    scene.show(Status::Ringing);
    assert_eq!(scene.wake(), seconds(4), "the intent, a second ahead");
    assert_eq!(scene.wake(), seconds(1));
    assert!(scene.send());
}

#[test]
fn a_look_up_that_says_answered_sets_connected_and_ends_the_limit_of_ringing() {
    let mut scene = Scene::new(ringing(45));
    scene.hear(EventKind::Started);
    scene.wake();
    scene.show(Status::InProgress);
    assert_eq!(scene.call.facts.connected(), Some(scene.now.wall));
    assert_eq!(scene.call.deadline(), None);
}

#[test]
fn without_an_answer_whether_it_rings_it_is_asked_again_and_nothing_leaves() {
    let mut scene = Scene::new(ringing(45));
    scene.hear(EventKind::Started);
    scene.wake();
    for _ in 0..20 {
        scene.fail_lookup(&Failure::Timeout);
        while !scene.call.is_looked_up() {
            assert!(scene.wake() <= seconds(30));
            assert!(!scene.call.is_queued());
        }
    }
}

#[test]
fn an_error_or_a_disconnect_ends_nothing_and_is_asked_about_after_confirm_within() {
    for kind in [EventKind::Error, EventKind::Disconnected] {
        let mut scene = Scene::new(total(600));
        scene.hear(kind);
        assert_eq!(scene.wake(), seconds(30));
        assert!(scene.call.is_looked_up());
        scene.show(Status::Failed);
        assert_eq!(scene.outcome(), Some(Outcome::NotConnected));
    }
}

#[test]
fn after_an_event_counts_from_its_last_time_until_its_counterpart() {
    for kind in EventKind::ALL.iter().copied().filter(|kind| !kind.ends_call()) {
        let after = vec![(kind, seconds(20))];
        let mut scene = Scene::new(Limits { after, ..Limits::default() });
        scene.hear_late(kind, seconds(10));
        assert_eq!(scene.deadline_in(), Some(seconds(10)), "after.{}", kind.short_name());
        scene.hear_late(kind, seconds(5));
        assert_eq!(scene.deadline_in(), Some(seconds(15)), "after.{}", kind.short_name());
        let Some(counterpart) = kind.counterpart() else { continue };
        scene.hear_late(counterpart, seconds(7));
        assert_eq!(scene.deadline_in(), Some(seconds(15)), "it came before");
        scene.hear_late(counterpart, seconds(1));
        assert_eq!(scene.call.deadline(), None, "after.{} is undone", kind.short_name());
    }
}

#[test]
fn every_limit_counts_from_its_mark_and_ends_with_its_sign() {
    use EventKind::{
        Connected, ConversationStarted, ParticipantJoined, Started, VoicemailDetected,
    };
    let limit = Some(seconds(100));
    let none = Limits::default;
    let cases = [
        (Limits { ringing: limit, ..none() }, vec![Started], Some(100)),
        (Limits { ringing: limit, ..none() }, vec![Started, ParticipantJoined], None),
        (Limits { connected: limit, ..none() }, vec![Started], None),
        (Limits { connected: limit, ..none() }, vec![ParticipantJoined, Connected], Some(99)),
        (Limits { talking: limit, ..none() }, vec![Connected, ConversationStarted], Some(100)),
        (Limits { voicemail: limit, ..none() }, vec![VoicemailDetected, Connected], Some(99)),
        (Limits { no_conversation: limit, ..none() }, vec![Connected], Some(100)),
        (Limits { no_conversation: limit, ..none() }, vec![Connected, ConversationStarted], None),
        (Limits { total: limit, ..none() }, vec![EventKind::Recording, Started], Some(100)),
        (Limits { total: limit, ..none() }, vec![EventKind::Recording], Some(100)),
    ];
    for (limits, events, left) in cases {
        let mut scene = Scene::new(limits.clone());
        for kind in &events {
            scene.pass(seconds(1));
            scene.hear(*kind);
        }
        assert_eq!(scene.deadline_in(), left.map(seconds), "{limits:?} after {events:?}");
    }
}

#[test]
fn a_late_end_never_revives_a_call_and_refines_completed_alone() {
    let mut scene = Scene::new(total(600));
    scene.hear(EventKind::Connected);
    scene.hear(EventKind::Ended);
    assert_eq!(scene.outcome(), Some(Outcome::Completed));
    scene.hear(EventKind::Connected);
    assert_eq!(scene.taken, Some(Received::Late));
    scene.hear(EventKind::DidNotConnect);
    assert_eq!(scene.outcome(), Some(Outcome::NotConnected));
    assert_eq!(scene.wakes_in(), None);
}

/// Caught: the request's answer was awaited no more, and a second one left beside it (simulator,
/// seed 19064).
#[test]
fn a_call_that_is_live_again_waits_for_the_request_that_is_under_way() {
    let mut scene = Scene::stopping();
    scene.hear(EventKind::Ended);
    assert_eq!(scene.call.state(), State::Ended);
    let row = scene.row(Status::InProgress);
    for _ in 0..2 {
        scene.apply(&Event::Shown { row: &row, listing: true });
    }
    assert_eq!(scene.call.state(), State::Stopping);
    assert!(scene.call.stop.is_under_way() && scene.effects.is_empty());
    scene.answer(Answer::Accepted);
    assert_eq!(scene.call.state(), State::Confirming);
}
