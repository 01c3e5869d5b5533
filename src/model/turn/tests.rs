//! What one event leads to: what is told of it, and what is believed.

mod joined;
mod logged;
mod reloads;
mod shown;

use std::time::Duration;

use crate::model::{
    change::{Change, Event, Note},
    event::EventKind,
    outcome::Outcome,
    platform::{Answer, Failure, Status},
    policy::Limits,
    scene::{Scene, seconds},
    trail::What,
};

fn total(n: u64) -> Scene {
    Scene::new(Limits { total: Some(seconds(n)), ..Limits::default() })
}

/// A change that is looked at before it is made.
fn change(scene: &mut Scene, event: &Event<'_>) -> Change {
    let change = scene.call.apply(event, scene.now, &scene.policy);
    scene.apply(event);
    change
}

fn hear(scene: &mut Scene, kind: EventKind, ago: Duration) -> Change {
    let heard = scene.heard(kind, Some(scene.now.wall.before(ago)));
    change(scene, &Event::Heard(&heard))
}

#[test]
fn an_event_is_in_a_call_s_history_once() {
    let mut scene = total(60);
    scene.hear(EventKind::Connected);
    scene.hear(EventKind::Connected);
    scene.hear(EventKind::Recording);
    let history: Vec<_> = scene.call.trail.iter().map(|entry| entry.what.clone()).collect();
    assert_eq!(history, [EventKind::Connected, EventKind::Recording].map(What::Heard));
}

#[test]
fn an_event_exactly_max_age_old_is_believed_and_an_older_one_refused() {
    let refused =
        |change: &Change| change.notes.iter().any(|note| matches!(note, Note::TimeRefused(_)));
    let mut scene = total(90_000);
    assert!(!refused(&hear(&mut scene, EventKind::Started, seconds(7_200))));
    assert!(!scene.call.unproven);
    assert_eq!(scene.deadline_in(), Some(seconds(82_800)));

    let mut scene = total(90_000);
    assert!(refused(&hear(&mut scene, EventKind::Started, seconds(7_201))));
    assert!(scene.call.unproven);

    let mut scene = total(90_000);
    let heard = scene.heard(EventKind::Started, None);
    assert!(!refused(&change(&mut scene, &Event::Heard(&heard))), "it has none");
    assert!(!scene.call.unproven);
}

#[test]
fn a_believable_event_proves_a_call_that_an_old_one_told_of() {
    let mut scene = total(90_000);
    hear(&mut scene, EventKind::Started, seconds(7_201));
    let timeless = scene.heard(EventKind::Recording, None);
    scene.apply(&Event::Heard(&timeless));
    assert!(scene.call.unproven, "what has no time of its own may be as old");
    hear(&mut scene, EventKind::Connected, seconds(5));
    assert!(!scene.call.unproven && scene.call.deadline().is_some());
}

#[test]
fn a_time_is_doubted_once_and_told_of_once() {
    let mut scene = total(60);
    let doubts = |change: &Change| change.notes.contains(&Note::TimeDoubted(EventKind::Started));
    let ago = seconds(61);
    assert!(doubts(&hear(&mut scene, EventKind::Started, ago)));
    let heard = scene.heard(EventKind::Started, Some(scene.now.wall.before(ago)));
    assert!(!doubts(&change(&mut scene, &Event::Heard(&heard))));
    assert_eq!(scene.call.doubts.len(), 1);
}

#[test]
fn what_is_asked_after_an_error_waits_from_its_first_news_on() {
    let mut scene = total(600);
    scene.hear(EventKind::Connected);
    scene.hear(EventKind::Error);
    scene.pass(seconds(20));
    scene.hear(EventKind::Error);
    scene.hear(EventKind::Connected);
    assert_eq!(scene.wake(), seconds(10), "told again they say nothing new");
    assert!(scene.call.is_looked_up());

    let mut scene = total(600);
    scene.hear(EventKind::Connected);
    scene.pass(seconds(1));
    scene.hear(EventKind::Disconnected);
    assert_eq!(scene.wakes_in(), Some(seconds(30)));
    scene.pass(seconds(1));
    scene.hear(EventKind::Connected);
    assert!(scene.wakes_in() > Some(seconds(30)), "it is connected again");
}

#[test]
fn after_a_restart_an_error_is_asked_about_confirm_within_later() {
    for kind in [EventKind::Error, EventKind::Disconnected] {
        let mut scene = total(600);
        scene.hear(kind);
        scene.pass(seconds(20));
        scene.apply(&Event::Restored { same_boot: true, context: None });
        assert_eq!(scene.wake(), seconds(30));
        assert!(scene.call.is_looked_up());
    }
    let mut scene = total(600);
    scene.hear(EventKind::Connected);
    scene.apply(&Event::Restored { same_boot: true, context: None });
    assert!(scene.wakes_in() > Some(seconds(30)));
}

#[test]
fn the_first_request_tells_how_late_it_leaves() {
    let mut scene = total(60);
    scene.hear(EventKind::Connected);
    scene.wake();
    scene.wake();
    scene.pass(Duration::from_millis(7));
    let lateness = |scene: &mut Scene| {
        let change = change(scene, &Event::Sending);
        change.notes.into_iter().find_map(|note| match note {
            Note::Sent { lateness, attempt } => Some((attempt, lateness)),
            _ => None,
        })
    };
    assert_eq!(lateness(&mut scene), Some((1, Some(Duration::from_millis(7)))));
    scene.fail(Failure::Cut);
    assert_eq!(lateness(&mut scene), Some((2, None)));
}

#[test]
fn an_end_tells_how_long_after_the_first_acceptance_it_was_confirmed() {
    let end = |answer: Answer| {
        let mut scene = Scene::stopping();
        scene.answer(answer);
        scene.pass(seconds(3));
        let heard = scene.heard(EventKind::Ended, None);
        let notes = change(&mut scene, &Event::Heard(&heard)).notes;
        notes.into_iter().find_map(|note| match note {
            Note::Ended { ended, confirmed_after, .. } => Some((ended.outcome, confirmed_after)),
            _ => None,
        })
    };
    assert_eq!(end(Answer::Accepted), Some((Outcome::Stopped, Some(seconds(3)))));
    assert_eq!(end(Answer::NotActive), Some((Outcome::Raced, None)));
}

#[test]
fn a_machine_that_booted_anew_has_every_mark_on_its_own_clock() {
    for same_boot in [true, false] {
        let mut scene = total(60);
        scene.hear(EventKind::Connected);
        scene.now.wall = scene.now.wall.after(seconds(40));
        scene.now.mono = scene.now.mono.after(seconds(10));
        scene.apply(&Event::Restored { same_boot, context: None });
        let left = if same_boot { 50 } else { 20 };
        assert_eq!(scene.deadline_in(), Some(seconds(left)), "of the same boot: {same_boot}");
    }
}

#[test]
fn an_operator_s_word_is_noted_and_holds() {
    let mut scene = total(60);
    scene.hear(EventKind::Connected);
    let order = crate::model::operator::Order::Extend(seconds(30));
    let act = scene.call.ordered(order, scene.now.wall).unwrap();
    let change = change(&mut scene, &Event::Operator(act));
    assert!(change.notes.contains(&Note::Ordered(act)));
    assert_eq!(scene.deadline_in(), Some(seconds(90)));
    scene.show(Status::InProgress);
    assert_eq!(scene.deadline_in(), Some(seconds(90)));
}

#[test]
fn an_intent_counts_as_a_request_whose_answer_was_lost_after_a_restart_past_the_deadline() {
    for (passes, outcome) in [(seconds(0), None), (seconds(2), Some(Outcome::Stopped))] {
        let mut scene = total(60);
        scene.hear(EventKind::Connected);
        assert_eq!(scene.wake(), seconds(59), "the intent is written");
        scene.pass(passes);
        scene.apply(&Event::Restored { same_boot: true, context: None });
        while !scene.call.is_queued() {
            scene.wake();
        }
        assert!(scene.send());
        scene.answer(Answer::NotActive);
        assert_eq!(scene.outcome(), outcome, "{passes:?} after the intent");
    }
}
