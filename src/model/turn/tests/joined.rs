//! A call known under two names: what was known under either is known.

use super::*;
use crate::model::{
    call::Call,
    event::{Details, Heard},
    ids::CallId,
};

fn known(id: &str, unproven: bool, disputed: bool) -> Call {
    let mut scene = total(600);
    scene.call = Call::new(CallId::parse(id).unwrap(), scene.now);
    scene.hear(EventKind::Connected);
    Call { unproven, disputed, ..scene.call }
}

fn joined(ours: Call, theirs: &Call) -> Call {
    let mut scene = total(600);
    scene.call = ours;
    scene.apply(&Event::Joined(theirs));
    scene.call
}

#[test]
fn a_call_is_unproven_while_nothing_under_either_name_proves_it() {
    let unproven = |ours: bool, theirs: bool| {
        joined(known("a", ours, false), &known("b", theirs, false)).unproven
    };
    let table = [(true, true), (true, false), (false, true), (false, false)];
    assert_eq!(table.map(|(a, b)| unproven(a, b)), [true, false, false, false]);
    let new = |theirs| {
        let scene = total(600);
        joined(scene.call, &known("b", theirs, false)).unproven
    };
    assert_eq!([new(true), new(false)], [true, false]);
}

#[test]
fn an_outcome_that_fell_under_either_name_did_fall() {
    let disputed = |ours: bool, theirs: bool| {
        joined(known("a", false, ours), &known("b", false, theirs)).disputed
    };
    let table = [(true, true), (true, false), (false, true), (false, false)];
    assert_eq!(table.map(|(a, b)| disputed(a, b)), [true, true, true, false]);
}

#[test]
fn what_was_told_under_either_name_is_told() {
    let tell = |id: &str, details: Details| {
        let mut scene = total(600);
        scene.call = known(id, false, false);
        let heard = scene.heard(EventKind::Recording, None);
        scene.apply(&Event::Heard(&Heard { details, ..heard }));
        scene.call
    };
    let ours = tell("a", Details { to: Some("+1".into()), ..Details::default() });
    let theirs = tell("b", Details { from: Some("+2".into()), ..Details::default() });
    let both = joined(ours, &theirs);
    assert_eq!((both.facts.to(), both.facts.from()), (Some("+1"), Some("+2")));
    assert_eq!(both.trail.iter().filter(|entry| entry.what == What::Named).count(), 1);
}
