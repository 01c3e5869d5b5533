//! What rows do to a call that is over, that listings lack, or that is shown elsewhere.

use super::*;
use crate::model::{
    call::State,
    event::{CallName, Heard},
    ids::{AgentId, CallId},
    operator::Order,
    platform::Row,
};

fn over() -> Scene {
    let mut scene = total(600);
    scene.hear(EventKind::Connected);
    scene.hear(EventKind::Ended);
    scene.pass(seconds(100));
    scene
}

fn is_live_after(scene: &mut Scene, row: &Row, listing: bool) -> bool {
    scene.apply(&Event::Shown { row, listing });
    scene.call.ended.is_none()
}

#[test]
fn two_listings_that_show_a_call_active_bring_it_back_and_nothing_less() {
    let mut scene = over();
    let active = scene.row(Status::InProgress);
    assert!(!is_live_after(&mut scene, &active, true));
    assert!(is_live_after(&mut scene, &active, true));
    assert_eq!(scene.call.state(), State::Live);
    assert!(scene.call.was_listed());

    for status in [Status::Completed, Status::Initiated, Status::Queued] {
        let mut scene = over();
        let row = scene.row(status);
        let lives = [(); 3].map(|()| is_live_after(&mut scene, &row, true));
        assert_eq!(lives, [false; 3], "{status:?}");
    }
    let mut scene = over();
    let lives = [(); 3].map(|()| is_live_after(&mut scene, &active, false));
    assert_eq!(lives, [false; 3], "no listing");

    let mut scene = over();
    assert!(!is_live_after(&mut scene, &active, true));
    scene.apply(&Event::Unlisted);
    assert!(!is_live_after(&mut scene, &active, true), "two running");
}

#[test]
fn a_row_that_changed_more_than_30_s_after_the_end_brings_a_call_back_at_once() {
    let mut scene = over();
    let end = scene.call.ended.unwrap().at;
    let changed =
        |seconds| Row { updated_at: Some(end.after(seconds)), ..over().row(Status::InProgress) };
    assert!(!is_live_after(&mut scene, &changed(seconds(30)), true));
    let mut scene = over();
    let later = seconds(30) + Duration::from_micros(1);
    assert!(is_live_after(&mut scene, &changed(later), true));
}

#[test]
fn no_listing_brings_a_released_call_back() {
    let mut scene = total(600);
    scene.hear(EventKind::Connected);
    let act = scene.call.ordered(Order::Release, scene.now.wall).unwrap();
    scene.apply(&Event::Operator(act));
    let active = scene.row(Status::InProgress);
    let lives = [(); 3].map(|()| is_live_after(&mut scene, &active, true));
    assert_eq!(lives, [false; 3]);
}

#[test]
fn a_call_that_two_listings_lack_is_asked_about() {
    let mut scene = total(600);
    scene.hear(EventKind::Connected);
    scene.apply(&Event::Unlisted);
    assert!(!scene.call.is_looked_up(), "that may be");
    scene.apply(&Event::Unlisted);
    assert!(scene.call.is_looked_up());
    scene.show(Status::InProgress);
    scene.apply(&Event::Unlisted);
    assert!(!scene.call.is_looked_up(), "it was shown since");
}

#[test]
fn a_stop_goes_on_at_once_where_the_call_is_shown_under_another_id_or_agent() {
    let id = |text| CallId::parse(text).unwrap();
    for (shown_as, agent, is_elsewhere) in [
        ("call", "agent", false),
        ("CA1", "agent", false),
        ("other", "agent", true),
        ("call", "another", true),
    ] {
        let mut scene = total(60);
        let heard = scene.heard(EventKind::Connected, None);
        let call = CallName::Both { id: id("call"), sid: id("CA1") };
        scene.apply(&Event::Heard(&Heard { call, ..heard }));
        scene.wake();
        scene.wake();
        assert!(scene.send());
        scene.answer(Answer::NotActive);
        scene.shown_as = id(shown_as);
        scene.agent = AgentId::parse(agent).ok();
        scene.show(Status::InProgress);
        assert_eq!(scene.call.is_queued(), is_elsewhere, "{shown_as} of {agent}");
        if is_elsewhere {
            assert!(scene.send());
            assert_eq!(scene.sent_to(), Some((agent, shown_as)));
        }
    }
}
