//! What a look-up asks for next, alone or with others.

use super::*;
use crate::model::{
    platform::{Answer, Status},
    queue::Share,
    scene::row,
};

/// A call of that name, whose stop was answered "not active": it waits to be confirmed.
fn asking(id: &str) -> Scene {
    let mut scene = Scene::called(id);
    let mut heard = scene.heard(EventKind::Connected, None);
    heard.details.to = Some("+1".into());
    scene.apply(&Event::Heard(&heard));
    scene.wake();
    scene.wake();
    assert!(scene.send());
    scene.answer(Answer::NotActive);
    assert!(scene.call.is_looked_up() && !scene.call.is_queued());
    scene
}

/// Calls of these names wait at a desk.
fn waiting(ids: &[&str]) -> (Desk, Vec<Scene>) {
    let mut desk = Desk::default();
    let scenes: Vec<_> = ids.iter().map(|id| asking(id)).collect();
    scenes.iter().for_each(|scene| take_all(&mut desk, scene));
    (desk, scenes)
}

/// The turn of whoever is next; a request leaves.
fn turn(desk: &mut Desk, scenes: &[Scene]) -> (CallId, Option<(Box<Begun>, Query)>) {
    let now = scenes[0].now.mono;
    let next = desk.pop(None, true, now).unwrap();
    let Next::Call(kind, id) = &next else { panic!("{next:?}") };
    let call = scenes.iter().map(|scene| &scene.call).find(|call| call.id == *id);
    match desk.turn(*kind, call, now) {
        Turn::LookUp(begun, query) => {
            desk.started(&next);
            (id.clone(), Some((begun, query)))
        }
        other => {
            assert!(matches!(other, Turn::Nothing), "{other:?}");
            desk.put_down();
            (id.clone(), None)
        }
    }
}

fn asks(desk: &mut Desk, scenes: &[Scene]) -> Option<Query> {
    turn(desk, scenes).1.map(|(_, query)| query)
}

const PAGE: Query = Query::Recent { page: 1 };

#[test]
fn from_four_that_wait_on_a_page_of_all_calls_is_asked_for() {
    let (mut desk, scenes) = waiting(&["a", "b", "c"]);
    assert_ne!(asks(&mut desk, &scenes), Some(PAGE));
    let (mut desk, scenes) = waiting(&["a", "b", "c", "d"]);
    assert_eq!(asks(&mut desk, &scenes), Some(PAGE));
    assert_eq!(asks(&mut desk, &scenes), None, "it waits for that page");
}

#[test]
fn those_that_are_asked_for_alone_count_among_them() {
    let (mut desk, mut scenes) = waiting(&["a", "b"]);
    for _ in 0..2 {
        assert_ne!(asks(&mut desk, &scenes), Some(PAGE));
    }
    let later = ["c", "d"].map(asking);
    later.iter().for_each(|scene| take_all(&mut desk, scene));
    scenes.extend(later);
    assert_eq!(asks(&mut desk, &scenes), Some(PAGE));
}

#[test]
fn requests_to_end_calls_do_not() {
    let (mut desk, scenes) = waiting(&["a"]);
    for id in ["x", "y", "z"] {
        desk.started(&Next::Call(Kind::First, CallId::parse(id).unwrap()));
    }
    assert_ne!(asks(&mut desk, &scenes), Some(PAGE));
}

#[test]
fn those_that_were_on_no_page_and_wait_on_count_too() {
    let (mut desk, mut scenes) = waiting(&["a", "b", "c", "d"]);
    let (id, asked) = turn(&mut desk, &scenes);
    let (begun, query) = asked.unwrap();
    for _ in 0..3 {
        assert_eq!(asks(&mut desk, &scenes), None);
    }
    desk.finished(&Next::Call(Kind::Confirm, id.clone()));
    desk.forget(&id);
    let page = Page { last_page: 1, ..Page::default() };
    assert_eq!(desk.answered(&id, begun, query, Ok(&page), false), Told::Nothing);
    assert_eq!(desk.parked(), 3);
    scenes.push(asking("e"));
    take_all(&mut desk, &scenes[4]);
    assert_eq!(asks(&mut desk, &scenes), None, "the next page is theirs together");
}

/// The requests of one look-up, each of which finds nothing, but the last one if `finds`.
fn course(desk: &mut Desk, scenes: &[Scene], requests: usize, finds: bool) -> Vec<Query> {
    let mut asked = Vec::new();
    for nth in 1..=requests {
        let (id, step) = turn(desk, scenes);
        let (begun, query) = step.unwrap();
        desk.finished(&Next::Call(begun.kind(), id.clone()));
        let rows = Vec::from_iter((finds && nth == requests).then(|| row("a", Status::Answered)));
        let page = Page { rows, last_page: 1, ..Page::default() };
        let told = desk.answered(&id, begun, query.clone(), Ok(&page), true);
        assert_eq!(matches!(told, Told::Over(Ok(Some(_)))), finds && nth == requests);
        asked.push(query);
    }
    asked
}

#[test]
fn a_look_up_asks_one_thing_after_the_other() {
    let (mut desk, scenes) = waiting(&["a"]);
    let search = |text: &str| Query::Search { text: text.into(), page: 1 };
    let asked = course(&mut desk, &scenes, 3, true);
    assert!(matches!(asked[0], Query::ActiveCall { .. }));
    assert_eq!(asked[1..], [search("a"), search("+1")]);
    // Its id was not found, its number was: ids cannot be searched.
    take_all(&mut desk, &scenes[0]);
    let asked = course(&mut desk, &scenes, 3, false);
    assert_eq!(asked[1..], [search("+1"), search("a")]);
}

#[test]
fn a_page_to_be_listed_has_its_turn() {
    let mut desk = Desk::default();
    desk.want_listing(3, Mono(1));
    assert_eq!(desk.pop(None, true, Mono(1)), None, "the listings' part is used up");
    assert_eq!(desk.pop(Some(Share::Tenth), true, Mono(1)), Some(Next::Listing(3)));
}

/// The call rings, and is asked whether it still does; `total` passes before that is answered.
#[test]
fn a_look_up_that_waited_where_the_request_waits_has_its_turn_after_it() {
    let mut scene = Scene::new(Limits {
        ringing: Some(seconds(20)),
        total: Some(seconds(21)),
        ..Limits::default()
    });
    let mut desk = Desk::default();
    scene.hear(EventKind::Started);
    while !scene.call.is_queued() {
        scene.wake();
        take_all(&mut desk, &scene);
    }
    assert!(scene.call.is_looked_up());
    let (id, now) = (scene.call.id.clone(), scene.now.mono);
    let next = desk.pop(None, true, now).unwrap();
    assert!(matches!(desk.turn(Kind::First, Some(&scene.call), now), Turn::EndCall));
    desk.started(&next);
    assert_eq!(desk.queue().len(Kind::First), 1, "the look-up waits on");
    desk.finished(&next);
    assert_eq!(desk.pop(None, true, now), Some(Next::Call(Kind::First, id)));
}
