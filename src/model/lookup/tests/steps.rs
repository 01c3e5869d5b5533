//! What is asked for a call, in which order, and what each answer leads to.

use super::*;
use crate::model::{
    change::Event,
    event::{CallName, Details, Heard as Webhook},
    platform::Answer,
};

fn id(text: &str) -> CallId {
    CallId::parse(text).unwrap()
}

/// A call of which a webhook has told this much.
fn told(agent: &str, direction: &str, has_numbers: bool, sid: Option<&str>) -> Scene {
    let mut scene = scene();
    scene.agent = AgentId::parse(agent).ok();
    let heard = scene.heard(EventKind::Started, None);
    let number = |number: &str| has_numbers.then(|| number.into());
    let details = Details {
        to: number("+1to"),
        from: number("+2from"),
        direction: Some(direction.into()),
        ..Details::default()
    };
    let call = match sid {
        Some(sid) => CallName::Both { id: id("call"), sid: id(sid) },
        None => CallName::Id(id("call")),
    };
    scene.apply(&Event::Heard(&Webhook { call, details, ..heard }));
    scene
}

fn name(query: &Query) -> String {
    match query {
        Query::ActiveCall { agent, phone } => format!("active {agent} {phone}"),
        Query::Ringing { page } => format!("ringing {page}"),
        Query::Recent { page } => format!("recent {page}"),
        Query::Search { text, page } => format!("search {text} {page}"),
        Query::OfAgent { agent, page } => format!("of {agent} {page}"),
    }
}

/// All that is asked where nothing is found.
fn asked(scene: &Scene, confirms: bool, finds_ids: bool) -> Vec<String> {
    let mut lookup = Lookup::of(&scene.call, confirms, finds_ids, scene.now.mono);
    let mut sweeps = Sweeps::default();
    let mut names = Vec::new();
    while let Step::Ask(query) = lookup.next_step(&mut sweeps, 1, scene.now.mono) {
        names.push(name(&query));
        let page = Page { last_page: 1, ..Page::default() };
        sweeps.heard(&query, Some(1));
        assert_eq!(lookup.take(query, Ok(&page)), Heard::GoesOn);
    }
    names
}

#[test]
fn the_quickest_is_asked_first_and_what_may_not_find_it_last() {
    let active = "active agent +1to";
    let outbound = told("agent", "outbound", true, Some("CA1"));
    let expected = [active, "search call 1", "search CA1 1", "search +1to 1"];
    assert_eq!(asked(&outbound, false, true), expected);
    let expected = [active, "search CA1 1", "search +1to 1", "search call 1"];
    assert_eq!(asked(&outbound, false, false), expected, "search finds no ids");
    let expected = ["search CA1 1", active, "search call 1", "search +1to 1"];
    assert_eq!(asked(&outbound, true, true), expected, "it is not active any more");
    let inbound = told("agent", "inbound", true, None);
    let expected = ["active agent +2from", "search call 1", "search +2from 1"];
    assert_eq!(asked(&inbound, false, true), expected, "the other party");
    let numberless = told("agent", "inbound", false, None);
    assert_eq!(asked(&numberless, false, true), ["search call 1", "of agent 1"]);
    let agentless = told("", "outbound", true, None);
    assert_eq!(asked(&agentless, false, true), ["search call 1", "search +1to 1"]);
    let nameless = told("", "outbound", false, None);
    assert_eq!(asked(&nameless, false, true), ["search call 1", "recent 1"]);
    let by_sid = told("", "outbound", false, Some("CA1"));
    assert_eq!(asked(&by_sid, false, true), ["search call 1", "search CA1 1"]);
    let own = told("", "outbound", false, Some("call"));
    assert_eq!(asked(&own, false, true), ["search call 1"], "its id is its sid");
}

#[test]
fn whether_a_call_rings_is_asked_by_a_page_for_all() {
    let mut scene = Scene::new(Limits { ringing: Some(seconds(45)), ..Limits::default() });
    scene.hear(EventKind::Started);
    scene.wake();
    assert_eq!(asked(&scene, false, true), ["ringing 1", "search call 1", "of agent 1"]);
    let mut lookup = Lookup::of(&scene.call, false, true, scene.now.mono);
    let mut sweeps = Sweeps::default();
    assert_eq!(lookup.held(&sweeps, scene.now.mono), None);
    let query = Query::Ringing { page: 1 };
    assert_eq!(lookup.next_step(&mut sweeps, 1, scene.now.mono), Step::Ask(query.clone()));
    let mut another = Lookup::of(&scene.call, false, true, scene.now.mono);
    assert_eq!(another.next_step(&mut sweeps, 2, scene.now.mono), Step::Wait);
    let patience = scene.now.mono.after(seconds(2));
    assert_eq!(another.held(&sweeps, scene.now.mono), Some(patience));
    // Told to wait, it asks for the same page anew.
    let limited = Failure::RateLimited { pause: None };
    sweeps.heard(&query, None);
    assert_eq!(lookup.take(query.clone(), Err(&limited)), Heard::GoesOn);
    assert_eq!(lookup.next_step(&mut sweeps, 1, scene.now.mono), Step::Ask(query));
}

#[test]
fn a_question_that_could_not_be_put_is_put_again_one_that_is_refused_is_passed_over() {
    let scene = told("agent", "outbound", true, None);
    let mut lookup = Lookup::of(&scene.call, false, true, scene.now.mono);
    let mut sweeps = Sweeps::default();
    let mut next = |lookup: &mut Lookup| match lookup.next_step(&mut sweeps, 1, scene.now.mono) {
        Step::Ask(query) => query,
        step => panic!("{step:?}"),
    };
    let first = next(&mut lookup);
    let limited = Failure::RateLimited { pause: None };
    assert_eq!(lookup.take(first.clone(), Err(&limited)), Heard::GoesOn);
    assert_eq!(next(&mut lookup), first);
    for status in [500, 399] {
        let failure = Failure::Other { status, message: String::new() };
        assert_eq!(lookup.clone().take(first.clone(), Err(&failure)), Heard::Failed(failure));
    }
    let refused = Failure::Other { status: 400, message: String::new() };
    assert_eq!(lookup.take(first, Err(&refused)), Heard::GoesOn);
    for name_of in ["search call 1", "search +1to 1"] {
        let query = next(&mut lookup);
        assert_eq!(name(&query), name_of);
        let last = name_of == "search +1to 1";
        let expected = if last { Heard::Failed(refused.clone()) } else { Heard::GoesOn };
        assert_eq!(lookup.take(query, Err(&refused)), expected);
    }
}

#[test]
fn after_the_first_page_of_a_search_the_last_one_is_looked_at() {
    let scene = told("agent", "outbound", false, None);
    let mut lookup = Lookup::of(&scene.call, false, true, scene.now.mono);
    let mut sweeps = Sweeps::default();
    let mut names = Vec::new();
    while let Step::Ask(query) = lookup.next_step(&mut sweeps, 1, scene.now.mono) {
        names.push(name(&query));
        lookup.take(query, Ok(&Page { last_page: 7, ..Page::default() }));
    }
    assert_eq!(names, ["search call 1", "search call 7", "of agent 1", "of agent 7"]);
}

#[test]
fn a_row_is_the_call_s_that_bears_its_id_or_its_sid() {
    let scene = told("agent", "outbound", true, Some("CA1"));
    let row = |id_of: &str, sid: Option<&str>| Row {
        id: id(id_of),
        sid: sid.map(id),
        ..other("agent", Status::Answered, Wall(0))
    };
    for (row, is_ours) in [
        (row("call", None), true),
        (row("CA1", None), true),
        (row("other", Some("CA1")), true),
        (row("other", Some("call")), true),
        (row("other", Some("CA2")), false),
        (row("other", None), false),
    ] {
        let mut lookup = Lookup::of(&scene.call, false, true, scene.now.mono);
        let page = Page { rows: vec![row.clone()], ..Page::default() };
        let query = Query::Search { text: "+1to".into(), page: 1 };
        let found = if is_ours { Heard::Found(Box::new(row)) } else { Heard::GoesOn };
        assert_eq!(lookup.take(query, Ok(&page)), found);
        assert_eq!(lookup.likely(), None, "only active-call shows what is likely");
    }
}

#[test]
fn a_call_that_the_search_misses_by_its_id_and_something_else_shows_proves_that_ids_are_not_found()
{
    let scene = told("agent", "outbound", true, None);
    let mut lookup = Lookup::of(&scene.call, false, true, scene.now.mono);
    let search = |text: &str| Query::Search { text: text.into(), page: 1 };
    lookup.take(search("+1to"), Ok(&Page::default()));
    assert!(!lookup.proves_ids_unsearchable());
    lookup.take(search("call"), Ok(&Page::default()));
    assert!(lookup.proves_ids_unsearchable());
}

#[test]
fn a_stop_s_confirmation_asks_a_page_of_all_calls_where_many_wait() {
    let mut scene = Scene::stopping();
    scene.answer(Answer::Accepted);
    let mut sweeps = Sweeps::default();
    let mut step = |waiting| {
        let mut lookup = Lookup::of(&scene.call, true, true, scene.now.mono);
        lookup.next_step(&mut sweeps, waiting, scene.now.mono)
    };
    assert_eq!(step(3), Step::Ask(Query::Search { text: "call".into(), page: 1 }));
    assert_eq!(step(4), Step::Ask(Query::Recent { page: 1 }));
    assert_eq!(step(4), Step::Wait);
}
