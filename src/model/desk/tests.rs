//! The desk by example; the simulator drives it through the rest.

mod asking;
mod waiting;

use super::*;
use crate::model::{
    change::Event,
    event::EventKind,
    policy::Limits,
    scene::{Scene, seconds},
};

fn take_all(desk: &mut Desk, scene: &Scene) {
    scene.effects.iter().for_each(|effect| desk.take(effect, &scene.call.id));
}

/// Caught: the look-up brought the deadline that it began with, and the request overtook those of
/// earlier deadlines (simulator, seeds 1292 and 4220).
#[test]
fn a_look_up_that_goes_on_leaves_the_request_its_place() {
    let mut scene = Scene::new(Limits { ringing: Some(seconds(20)), ..Limits::default() });
    let (mut desk, id) = (Desk::default(), scene.call.id.clone());
    scene.hear(EventKind::Started);
    scene.wake();
    take_all(&mut desk, &scene);
    let next = desk.pop(None, true, scene.now.mono).unwrap();
    let Turn::LookUp(begun, query) = desk.turn(Kind::First, Some(&scene.call), scene.now.mono)
    else {
        panic!("a call that rings is asked about");
    };
    desk.started(&next);
    let later = scene.now.mono.after(seconds(60));
    desk.take(&Effect::Request { deadline: later, first: true }, &id);
    desk.finished(&next);
    assert_eq!(desk.answered(&id, begun, query, Ok(&Page::default()), true), Told::Nothing);
    assert_eq!(desk.queue().in_order(Kind::First).collect::<Vec<_>>(), [(later, &id)]);
}

#[test]
fn what_may_not_leave_after_all_takes_its_place_again() {
    let mut scene = Scene::new(Limits { total: Some(seconds(60)), ..Limits::default() });
    let mut desk = Desk::default();
    scene.hear(EventKind::Connected);
    scene.wake();
    scene.wake();
    take_all(&mut desk, &scene);
    let next = desk.pop(None, true, scene.now.mono);
    assert!(next.is_some() && desk.pop(None, true, scene.now.mono).is_none());
    desk.put_back(Kind::First, &scene.call);
    assert_eq!(desk.pop(None, true, scene.now.mono), next);
    scene.apply(&Event::Sending);
    desk.put_back(Kind::First, &scene.call);
    assert_eq!(desk.pop(None, true, scene.now.mono), None, "it has left");
}

#[test]
fn stops_wait_5_s_for_the_first_listing_and_no_longer_than_it_takes() {
    let mut scene = Scene::new(Limits { total: Some(seconds(60)), ..Limits::default() });
    scene.hear(EventKind::Connected);
    scene.wake();
    scene.wake();
    let now = scene.now.mono;
    for (has_listed, at) in [(true, now), (false, now.after(seconds(5)))] {
        let mut desk = Desk::default();
        desk.open(now);
        take_all(&mut desk, &scene);
        assert_eq!(desk.pop(None, false, now), None);
        assert_eq!(desk.looks_again(now), Some(now.after(seconds(5))));
        assert!(desk.pop(None, has_listed, at).is_some());
    }
}
