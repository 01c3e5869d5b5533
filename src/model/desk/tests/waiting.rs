//! What waits at the desk, what is under way, and when to look again.

use super::*;
use crate::model::{
    platform::{Answer, Status},
    scene::row,
};

/// A call whose request waits for its turn.
fn due() -> Scene {
    let mut scene = Scene::new(Limits { total: Some(seconds(60)), ..Limits::default() });
    scene.hear(EventKind::Connected);
    scene.wake();
    scene.wake();
    assert!(scene.call.is_queued());
    scene
}

#[test]
fn a_call_is_at_the_desk_from_its_wish_until_its_answer() {
    let scene = due();
    let id = &scene.call.id;
    let mut desk = Desk::default();
    assert!(!desk.has(id));
    take_all(&mut desk, &scene);
    assert!(desk.has(id));
    assert_eq!((desk.backlog(scene.now.mono), desk.backlog(Mono(0))), (1, 0));
    let next = desk.pop(None, true, scene.now.mono).unwrap();
    assert!(desk.has(id), "in hand");
    assert!(matches!(desk.turn(Kind::First, Some(&scene.call), scene.now.mono), Turn::EndCall));
    desk.started(&next);
    assert!(desk.has(id), "under way");
    desk.finished(&next);
    assert!(!desk.has(id));
    take_all(&mut desk, &scene);
    desk.forget(id);
    assert!(!desk.has(id), "it wants nothing any more");
    take_all(&mut desk, &scene);
    assert!(desk.pop(None, true, scene.now.mono).is_some());
    desk.put_down();
    assert!(!desk.has(id), "it was not wanted any more");
}

#[test]
fn what_a_call_waits_for_and_the_desk_does_not_know_of_is_put_in_again() {
    let scene = due();
    let mut desk = Desk::default();
    assert!(desk.mend(&scene.call, scene.now.mono));
    assert!(!desk.mend(&scene.call, scene.now.mono), "it is there");
    let next = desk.pop(None, true, scene.now.mono);
    assert_eq!(next, Some(Next::Call(Kind::Repeat, scene.call.id.clone())));

    let mut asks = Scene::stopping();
    asks.answer(Answer::NotActive);
    let mut desk = Desk::default();
    assert!(desk.mend(&asks.call, asks.now.mono));
    let next = desk.pop(None, true, asks.now.mono);
    assert_eq!(next, Some(Next::Call(Kind::Confirm, asks.call.id.clone())));

    let mut desk = Desk::default();
    let mut idle = Scene::new(Limits::default());
    idle.hear(EventKind::Connected);
    assert!(!desk.mend(&idle.call, idle.now.mono) && !desk.has(&idle.call.id));
}

#[test]
fn a_call_that_wants_neither_any_more_has_no_turn() {
    let mut desk = Desk::default();
    let mut scene = due();
    scene.hear(EventKind::Ended);
    let now = scene.now.mono;
    assert!(matches!(desk.turn(Kind::First, Some(&scene.call), now), Turn::Nothing));
    assert!(matches!(desk.turn(Kind::First, None, now), Turn::Nothing));
    // Nor has a look-up's turn the request that waits.
    let scene = due();
    assert!(matches!(desk.turn(Kind::Confirm, Some(&scene.call), now), Turn::Nothing));
}

#[test]
fn who_waits_for_another_s_page_is_looked_at_again_when_it_hangs() {
    let mut desk = Desk::default();
    let asking = |id: &str| {
        let mut scene = Scene::new(Limits { ringing: Some(seconds(45)), ..Limits::default() });
        scene.call = Call::new(CallId::parse(id).unwrap(), scene.now);
        scene.hear(EventKind::Started);
        scene.wake();
        scene
    };
    let (a, b) = (asking("a"), asking("b"));
    let now = a.now.mono;
    for scene in [&a, &b] {
        take_all(&mut desk, scene);
    }
    let turn = |desk: &mut Desk, scene: &Scene| {
        let next = desk.pop(None, true, now).unwrap();
        assert_eq!(next, Next::Call(Kind::First, scene.call.id.clone()));
        let turn = desk.turn(Kind::First, Some(&scene.call), now);
        if matches!(turn, Turn::LookUp(..)) {
            desk.started(&next);
        } else {
            desk.put_down();
        }
        turn
    };
    let Turn::LookUp(begun, query) = turn(&mut desk, &a) else { panic!("it asks for the page") };
    assert_eq!((begun.kind(), &query), (Kind::First, &Query::Ringing { page: 1 }));
    assert!(matches!(turn(&mut desk, &b), Turn::Nothing));
    assert_eq!((desk.parked(), desk.has(&b.call.id)), (1, true));
    assert_eq!(desk.looks_again(now), Some(now.after(seconds(2))));
    assert_eq!(desk.pop(None, true, now), None);
    let row = row(b.call.id.as_str(), Status::Ringing);
    let page = Page { rows: vec![row], last_page: 1, ..Page::default() };
    let unwanted = desk.answered(&a.call.id, begun.clone(), query.clone(), Ok(&page), false);
    assert_eq!((unwanted, desk.lookups.len()), (Told::Nothing, 0), "it is not wanted any more");
    let told = desk.answered(&a.call.id, begun, query, Ok(&page), true);
    assert_eq!((told, desk.lookups.len()), (Told::Nothing, 1), "it goes on alone");
    // The page did not show it: it asks on, and the other one with it.
    assert!(desk.pop(None, true, now.after(seconds(1))).is_some());
    assert_eq!(desk.parked(), 0);
}

#[test]
fn listings_take_their_share_and_no_more() {
    let minute = Duration::from_secs(60);
    let mut part = Window::new(1, minute);
    let now = Mono(0);
    for share in [Share::Tenth, Share::Half] {
        assert_eq!(listings_share(share, &mut part, (100, minute), now), Some(share));
    }
    let mut part = Window::new(1, minute);
    for _ in 0..10 {
        assert!(listings_share(Share::Tenth, &mut part, (100, minute), now).is_some());
        let slot = part.sent(now);
        part.lost(slot, now);
    }
    assert_eq!(listings_share(Share::Tenth, &mut part, (100, minute), now), None);
    let shares = [Share::Tenth, Share::Third, Share::Half];
    assert_eq!(shares.map(|share| share.of(100)), [10, 33, 50]);
    assert_eq!(shares.map(|share| share.of(1)), [1; 3], "one at least");
    assert_eq!(shares.map(|share| share.of(0)), [0; 3]);
    let called_for = [(false, false), (false, true), (true, false), (true, true)];
    let called_for = called_for.map(|(fail, long)| Share::called_for(fail, long));
    assert_eq!(called_for, [Share::Tenth, Share::Third, Share::Half, Share::Half]);
}

#[test]
fn a_request_waits_for_its_intent_a_tenth_of_a_second_past_the_deadline() {
    let scene = due();
    let until = scene.call.deadline().unwrap().at.after(Duration::from_millis(100));
    let micro = Duration::from_micros(1);
    assert_eq!(awaits_intent(&scene.call, until.before(micro)), Some(until));
    assert_eq!(awaits_intent(&scene.call, until), None);
    let mut unlimited = Scene::new(Limits::default());
    unlimited.hear(EventKind::Connected);
    assert_eq!(awaits_intent(&unlimited.call, until), None);
}
