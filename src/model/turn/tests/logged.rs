//! What the platform's delivery log tells: it counts as if it had come when it was first tried.

use super::*;
use crate::model::{
    event::{Heard, Via},
    time::Wall,
};

/// An event that the platform first tried to deliver so long ago, and that tells that it happened
/// so long ago.
fn logged(scene: &Scene, kind: EventKind, tried: u64, ago: Option<u64>) -> Heard {
    let before = |ago: u64| scene.now.wall.before(seconds(ago));
    let via = Via::Log { tried: Some(before(tried)) };
    Heard { via, ..scene.heard(kind, ago.map(before)) }
}

/// Whole seconds are cut: the later instant holds.
const CUT: Duration = Wall::CUT;

#[test]
fn an_event_without_a_time_of_its_own_happened_no_later_than_it_was_first_tried() {
    let mut scene = total(600);
    let started = logged(&scene, EventKind::Started, 100, None);
    scene.apply(&Event::Heard(&started));
    assert_eq!(scene.deadline_in(), Some(seconds(500) + CUT));

    // Nor than now, whatever the platform's clock says; and now, if the log tells no time.
    for tried in [Some(scene.now.wall.after(seconds(9))), None] {
        let mut scene = total(600);
        let started = Heard { via: Via::Log { tried }, ..scene.heard(EventKind::Started, None) };
        scene.apply(&Event::Heard(&started));
        assert_eq!(scene.deadline_in(), Some(seconds(600)), "{tried:?}");
    }
}

/// The start of a call that was found after a long outage moved to when its log was read.
#[test]
fn a_time_is_believed_that_was_not_too_old_when_the_event_was_first_tried() {
    let mut scene = total(90_000);
    scene.shown_by_listing(Status::InProgress);
    let started = logged(&scene, EventKind::Started, 10_000, Some(17_199));
    let refused =
        |change: &Change| change.notes.iter().any(|note| matches!(note, Note::TimeRefused(_)));
    assert!(!refused(&change(&mut scene, &Event::Heard(&started))));
    assert_eq!(scene.deadline_in(), Some(seconds(90_000 - 17_199)));

    let mut scene = total(90_000);
    scene.shown_by_listing(Status::InProgress);
    let started = logged(&scene, EventKind::Started, 10_000, Some(17_200));
    assert!(refused(&change(&mut scene, &Event::Heard(&started))));
    assert_eq!(scene.deadline_in(), Some(seconds(80_000) + CUT));
}

#[test]
fn a_call_that_old_entries_alone_tell_of_is_not_enforced_before_the_platform_shows_it() {
    let mut scene = total(90_000);
    for (kind, ago) in [(EventKind::Connected, Some(7_300)), (EventKind::Started, None)] {
        let event = logged(&scene, kind, 7_202, ago);
        scene.apply(&Event::Heard(&event));
        assert!(scene.call.unproven, "{kind}");
    }
    let recent = logged(&scene, EventKind::ConversationStarted, 7_190, Some(7_200));
    scene.apply(&Event::Heard(&recent));
    assert!(!scene.call.unproven);

    let mut scene = total(90_000);
    let timeless = logged(&scene, EventKind::Started, 7_202, None);
    scene.apply(&Event::Heard(&timeless));
    assert!(scene.call.unproven);
}

#[test]
fn a_time_that_is_refused_makes_an_entry_no_younger() {
    let mut scene = total(90_000);
    let ahead = Some(scene.now.wall.after(seconds(900_000)));
    let started = Heard { time: ahead, ..logged(&scene, EventKind::Started, 7_202, None) };
    scene.apply(&Event::Heard(&started));
    assert!(scene.call.unproven);
}

/// All the calls whose webhooks had failed went to be stopped at once, those that were over too.
#[test]
fn where_the_log_alone_would_have_a_call_stopped_the_platform_is_asked_first() {
    for ago in [None, Some(70)] {
        let mut scene = total(60);
        let started = logged(&scene, EventKind::Started, 65, ago);
        let change = change(&mut scene, &Event::Heard(&started));
        assert!(change.notes.contains(&Note::TimeDoubted(EventKind::Started)), "{ago:?}");
        assert_eq!(scene.deadline_in(), Some(seconds(60)), "{ago:?}");
        scene.show(Status::InProgress);
        assert!(scene.call.stop.has_begun(), "{ago:?}");
    }
}

#[test]
fn within_the_second_that_the_log_tells_the_counterpart_holds() {
    let after = |ago: u64| {
        let limit = vec![(EventKind::ParticipantLeft, seconds(15))];
        let mut scene = Scene::new(Limits { after: limit, ..Limits::default() });
        let left = logged(&scene, EventKind::ParticipantLeft, 5, None);
        let second = scene.now.wall.before(seconds(5));
        let joined = Some(second.after(Duration::from_millis(600)).before(seconds(ago)));
        let joined = scene.heard(EventKind::ParticipantJoined, joined);
        scene.apply(&Event::Heard(&left));
        scene.apply(&Event::Heard(&joined));
        scene.deadline_in().is_some()
    };
    assert_eq!((after(0), after(1)), (false, true));
}

#[test]
fn an_end_of_before_the_platform_contradicted_it_is_none() {
    let mut scene = total(600);
    scene.hear(EventKind::Connected);
    scene.show(Status::Completed);
    assert_eq!(scene.outcome(), Some(Outcome::Completed));
    scene.pass(seconds(60));
    for _ in 0..2 {
        scene.shown_by_listing(Status::InProgress);
    }
    assert_eq!(scene.outcome(), None);
    scene.pass(seconds(60));
    let end = logged(&scene, EventKind::Ended, 100, None);
    scene.apply(&Event::Heard(&end));
    assert_eq!(scene.outcome(), None);
    let end = logged(&scene, EventKind::Ended, 10, None);
    scene.apply(&Event::Heard(&end));
    assert_eq!(scene.outcome(), Some(Outcome::Completed));
}

/// Where each attempt has an entry of its own, the newest is read first.
#[test]
fn the_earliest_entry_of_an_event_counts_in_whichever_order_they_are_read() {
    for tried in [[100, 40], [40, 100]] {
        let mut scene = total(600);
        for ago in tried {
            let started = logged(&scene, EventKind::Started, ago, None);
            scene.apply(&Event::Heard(&started));
        }
        assert_eq!(scene.deadline_in(), Some(seconds(500) + CUT), "{tried:?}");
    }
}

#[test]
fn how_late_it_is_read_says_nothing_of_webhooks() {
    let mut scene = total(600);
    let delays = |change: Change| {
        change.notes.into_iter().find_map(|note| match note {
            Note::Taken { delay, .. } => Some(delay),
            _ => None,
        })
    };
    let by_log = logged(&scene, EventKind::Started, 100, Some(100));
    assert_eq!(delays(change(&mut scene, &Event::Heard(&by_log))), Some(None));
    assert_eq!(
        delays(hear(&mut scene, EventKind::Connected, seconds(50))),
        Some(Some(seconds(50)))
    );
}
