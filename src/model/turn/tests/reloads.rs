//! What a reload makes of a stop, and what of a context is read anew.

use serde_json::json;

use super::*;
use crate::model::{
    call::State,
    change::Effect,
    context::kept,
    decode::pointers::Pointer,
    event::{Details, Heard},
    pattern::Pattern,
    policy::Rules,
    rule::{Action, Condition, Override, Place, Rule, Subject, Test, Wanted},
};

fn rule(when: Vec<Condition>, action: Action) -> Rule {
    Rule { name: "r".into(), when, limits: Limits::default(), own: None, action }
}

fn observe(scene: &mut Scene, observes: bool) -> Vec<Note> {
    let action = if observes { Action::Observe } else { Action::End };
    scene.policy.rules = Rules::new(vec![rule(Vec::new(), action)]);
    change(scene, &Event::PolicyChanged { context: None }).notes
}

fn began(notes: &[Note]) -> Vec<&'static str> {
    let name = |note: &Note| match note {
        Note::StopBegan(_) => Some("stop"),
        Note::ObservingBegan(_) => Some("observing"),
        Note::StopTakenBack => Some("taken back"),
        _ => None,
    };
    notes.iter().filter_map(name).collect()
}

#[test]
fn a_reload_makes_of_a_stop_what_is_only_observed_and_the_other_way_round() {
    let mut scene = Scene::stopping();
    scene.fail(Failure::ServerError { status: 500 });
    assert_eq!(began(&observe(&mut scene, true)), ["observing"]);
    assert_eq!(scene.call.state(), State::Observing);
    assert_eq!(began(&change(&mut scene, &Event::Woke).notes), [""; 0], "it is told once");
    assert_eq!(began(&observe(&mut scene, false)), ["stop"]);
    assert!(scene.call.is_queued());
    assert_eq!(began(&change(&mut scene, &Event::Woke).notes), [""; 0]);
    let history: Vec<_> = scene.call.trail.iter().map(|entry| entry.what.name()).collect();
    let last = &history[history.len() - 2..];
    assert_eq!(last, ["observing_began", "stop_began"]);
}

#[test]
fn a_request_under_way_is_answered_before_a_call_is_left_alone() {
    let mut scene = Scene::stopping();
    assert_eq!(began(&observe(&mut scene, true)), [""; 0]);
    let answer = &Answer::Failed(Failure::ServerError { status: 500 });
    let answered = Event::Answered { answer, jitter: 1.0, fresh_token: false };
    assert_eq!(began(&change(&mut scene, &answered).notes), ["observing"]);
    assert!(!scene.call.is_queued() && scene.wakes_in().is_none());
}

#[test]
fn a_stop_taken_back_while_its_request_is_under_way_leads_to_nothing_when_it_is_refused() {
    let mut scene = Scene::stopping();
    scene.policy.limits.total = Some(seconds(600));
    assert_eq!(began(&change(&mut scene, &Event::Woke).notes), ["taken back"]);
    scene.answer(Answer::NotActive);
    assert_eq!(scene.call.state(), State::Live);
    assert!(!scene.call.is_looked_up());
    assert_eq!(scene.wakes_in(), Some(seconds(539)), "a second ahead of the deadline");
}

#[test]
fn a_queued_request_takes_its_new_place_where_its_deadline_moves_and_only_then() {
    let mut scene = Scene::stopping();
    scene.fail(Failure::Cut);
    assert!(scene.call.is_queued());
    scene.pass(seconds(30));
    assert_eq!(change(&mut scene, &Event::Woke).effects, []);
    scene.policy.limits.total = Some(seconds(70));
    let deadline = scene.now.mono.before(seconds(20));
    let effects = change(&mut scene, &Event::Woke).effects;
    assert_eq!(effects, [Effect::Request { deadline, first: false }]);
}

fn hear_context(scene: &mut Scene, context: serde_json::Value) -> Vec<Note> {
    let heard = scene.heard(EventKind::Connected, None);
    let details = Details { context: Some(context), ..Details::default() };
    change(scene, &Event::Heard(&Heard { details, ..heard })).notes
}

#[test]
fn a_stored_call_has_its_context_read_again() {
    let place = Place::new(Pointer::parse("/plan").unwrap());
    let wanted = vec![Wanted::Text(Pattern::new("trial").unwrap())];
    let condition = Condition { subject: Subject::Context(place), test: Test::Any(wanted) };
    let mut scene = total(60);
    scene.policy.rules = Rules::new(vec![rule(vec![condition], Action::End)]);
    let context = json!({"plan": "trial"});
    hear_context(&mut scene, context.clone());
    assert_eq!((scene.call.rule(), scene.call.is_provisional()), (Some("r"), false));
    let stored = serde_json::to_string(&scene.call).unwrap();
    for (text, is_open) in [(None, true), (Some(kept(&context, scene.policy.places())), false)] {
        scene.call = serde_json::from_str(&stored).unwrap();
        scene.apply(&Event::Restored { same_boot: true, context: text.as_deref() });
        assert_eq!((scene.call.rule(), scene.call.is_provisional()), (Some("r"), is_open));
        assert_eq!(scene.call.lacks_context(&scene.policy), is_open);
    }
    // Another call's context is not its own.
    scene.call = serde_json::from_str(&stored).unwrap();
    scene.apply(&Event::Restored { same_boot: true, context: Some(r#"{"plan":"paid"}"#) });
    assert!(scene.call.is_provisional());
}

#[test]
fn a_limit_of_its_own_that_cannot_be_read_is_told_once() {
    let place = Place::new(Pointer::parse("/max").unwrap());
    let own = Some(Override { place, at_most: seconds(600) });
    let mut scene = total(60);
    scene.policy.rules = Rules::new(vec![Rule { own, ..rule(Vec::new(), Action::End) }]);
    let unreadable = Note::OverrideUnreadable("r".into());
    assert!(hear_context(&mut scene, json!({"max": "soon"})).contains(&unreadable));
    assert!(!change(&mut scene, &Event::Woke).notes.contains(&unreadable));
    assert!(!hear_context(&mut total(60), json!({"max": 9})).contains(&unreadable));
    let mut readable = total(60);
    readable.policy = scene.policy.clone();
    assert!(!hear_context(&mut readable, json!({"max": 9})).contains(&unreadable));
}
