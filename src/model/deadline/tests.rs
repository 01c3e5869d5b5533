//! Whose limit holds, and since when it counts.

use std::time::Duration;

use serde_json::{Number, json};

use super::*;
use crate::model::{
    change::Event,
    decode::pointers::Pointer,
    event::{Details, Heard},
    operator::Order,
    pattern::Pattern,
    platform::Status,
    policy::Rules,
    rule::{Condition, Override, Place, Subject, Test, Wanted},
    scene::{Scene, seconds},
};

fn total(n: u64) -> Limits {
    Limits { total: Some(seconds(n)), ..Limits::default() }
}

/// A rule that matches every call, or, where it asks for a campaign, may match a listed one.
fn rule(name: &str, asks: bool, limits: Limits, action: Action) -> Rule {
    let wanted = Wanted::Text(Pattern::new("spring").unwrap());
    let campaign = Condition { subject: Subject::Campaign, test: Test::Any(vec![wanted]) };
    let when = if asks { vec![campaign] } else { Vec::new() };
    Rule { name: name.into(), when, limits, own: None, action }
}

fn listed(rules: Vec<Rule>) -> Scene {
    let mut scene = Scene::new(total(60));
    scene.policy.rules = Rules::new(rules);
    scene.show(Status::InProgress);
    scene
}

#[test]
fn of_the_rules_that_may_decide_the_latest_deadline_holds_and_the_first_of_equal_ones() {
    let scene = listed(vec![
        rule("a", true, total(90), Action::End),
        rule("b", true, total(90), Action::End),
        rule("c", true, total(80), Action::End),
    ]);
    assert_eq!((scene.call.rule(), scene.deadline_in()), (Some("a"), Some(seconds(90))));
    assert!(scene.call.is_provisional());
    let scene = listed(vec![
        rule("a", true, total(80), Action::End),
        rule("b", false, total(90), Action::End),
    ]);
    assert_eq!((scene.call.rule(), scene.deadline_in()), (Some("b"), Some(seconds(90))));
}

#[test]
fn a_rule_that_may_observe_counts_as_no_deadline() {
    for (first, second) in [(Action::Observe, Action::End), (Action::End, Action::Observe)] {
        let scene =
            listed(vec![rule("a", true, total(80), first), rule("b", false, total(90), second)]);
        assert_eq!((scene.call.deadline(), scene.call.action()), (None, Action::Observe));
        let observes = if first == Action::Observe { "a" } else { "b" };
        assert_eq!(scene.call.rule(), Some(observes));
    }
}

#[test]
fn either_of_two_limits_that_the_clock_shows_makes_a_call_follow_it() {
    let until = Until::new(20, 0, jiff::tz::TimeZone::UTC);
    let by_clock = Limits { until, ..Limits::default() };
    for (first, second) in [(by_clock.clone(), total(90)), (total(90), by_clock)] {
        let scene = listed(vec![
            rule("a", true, first, Action::End),
            rule("b", false, second, Action::End),
        ]);
        assert!(scene.call.follows_wall());
    }
    // `until` comes last of the limits, and is not undone by those before it.
    assert!(!listed(vec![rule("a", true, total(90), Action::End)]).call.follows_wall());
}

#[test]
fn an_operator_s_word_stands_above_limits_and_what_is_not_known() {
    let until = Until::new(20, 0, jiff::tz::TimeZone::UTC);
    let limits = Limits { until, ..total(90) };
    let ordered = |order, action| {
        let mut scene = listed(vec![rule("a", true, limits.clone(), action)]);
        let act = scene.call.ordered(order, scene.now.wall).unwrap();
        scene.apply(&Event::Operator(act));
        scene.call.deadlines
    };
    let in_an_hour = |scene: &Scene| Order::Deadline(scene.now.wall.after(seconds(3_600)));
    let order = in_an_hour(&Scene::new(total(1)));
    let deadlines = ordered(order, Action::End);
    let due = deadlines.earliest.unwrap();
    assert_eq!((due.limit, deadlines.answered), (Limit::Operator, Some(due)));
    assert!(!deadlines.follows_wall && deadlines.provisional);
    assert_eq!(due.at, Scene::new(total(1)).now.mono.after(seconds(3_600)));
    assert_eq!(ordered(order, Action::Observe).action, Action::Observe);
    assert_eq!(ordered(Order::End, Action::Observe).action, Action::End, "he says so aloud");
    let released = ordered(Order::Release, Action::End);
    assert_eq!((released.earliest, released.answered), (None, None));
    assert!(!released.provisional && !released.follows_wall);
}

#[test]
fn a_call_s_own_total_is_read_capped_ignored_or_unknown() {
    let own =
        Override { place: Place::new(Pointer::parse("/max").unwrap()), at_most: seconds(100) };
    let rules =
        Rules::new(vec![Rule { own: Some(own), ..rule("a", false, total(60), Action::End) }]);
    let with = |context| {
        let mut scene = Scene::new(total(30));
        scene.policy.rules = rules.clone();
        let heard = scene.heard(EventKind::Connected, None);
        let details = Details { context: Some(context), ..Details::default() };
        scene.apply(&Event::Heard(&Heard { details, ..heard }));
        let own = in_force(scene.policy.rules.iter().next(), scene.call.known(), &scene.policy).own;
        (own, scene.deadline_in(), scene.call.deadlines.unreadable)
    };
    let total = |n| Some(seconds(n));
    let read = |n| Own::Read(seconds(n));
    let capped = Own::Capped(seconds(100));
    for (max, own, left) in [
        (json!(90), read(90), total(90)),
        (json!("1m 30s"), read(90), total(90)),
        (json!(100), read(100), total(100)),
        (json!(101), capped, total(100)),
        (json!("100001ms"), capped, total(100)),
        (json!(1e300), capped, total(100)),
        (json!(1), read(1), total(1)),
        (json!("999ms"), Own::Unreadable, total(60)),
        (json!(0), Own::Unreadable, total(60)),
        (json!(-90), Own::Unreadable, total(60)),
        (json!(true), Own::Unreadable, total(60)),
        (json!("soon"), Own::Unreadable, total(60)),
        (json!("000000000000090s"), read(90), total(90)),
        (json!("0000000000000090s"), Own::Unreadable, total(60)),
        (json!(null), Own::None, total(60)),
    ] {
        let is_unreadable = own == Own::Unreadable;
        assert_eq!(with(json!({"max": max})), (own, left, is_unreadable), "{max}");
    }
    let scene = {
        let mut scene = Scene::new(Limits::default());
        scene.policy.rules = rules;
        scene.show(Status::InProgress);
        scene
    };
    assert_eq!(scene.deadline_in(), total(100), "it may have one");
    assert!(scene.call.is_provisional());
    assert!(Number::from_f64(1e300).is_some());
}

#[test]
fn a_rule_s_limits_after_events_stand_beside_the_general_ones_that_it_leaves_out() {
    let after = |kind, n| Limits { after: vec![(kind, seconds(n))], ..Limits::default() };
    let mut scene = Scene::new(Limits {
        after: vec![
            (EventKind::ConversationEnded, seconds(50)),
            (EventKind::ParticipantLeft, seconds(40)),
        ],
        ..Limits::default()
    });
    let own = rule("a", false, after(EventKind::ParticipantLeft, 70), Action::End);
    scene.policy.rules = Rules::new(vec![own]);
    scene.hear(EventKind::ParticipantLeft);
    assert_eq!(scene.deadline_in(), Some(seconds(70)));
    scene.hear(EventKind::ConversationEnded);
    assert_eq!(scene.deadline_in(), Some(seconds(50)));
    assert_eq!(scene.call.deadline().unwrap().limit, Limit::After(EventKind::ConversationEnded));
}

#[test]
fn marks_of_two_names_are_those_of_either_and_none_moves() {
    let anchors = |pairs: &[(i64, i64)]| {
        Anchors(pairs.iter().map(|(wall, mono)| (Wall(*wall), Mono(*mono))).collect())
    };
    let joined = anchors(&[(1, 10), (3, 30)]).joined(&anchors(&[(2, 20), (3, 99)]));
    assert_eq!(joined, anchors(&[(1, 10), (2, 20), (3, 30)]));
    assert_eq!((joined.mono(Wall(2)), joined.find(Wall(4))), (Mono(20), None));
    assert!(joined.mono(Wall(4)) > Mono(i64::MAX / 4), "what has no mark is never passed");
    let facts = Facts::seen(Wall(3)).join(Facts::of_time(EventKind::Recording, Wall(5), Wall(5)));
    let now = Moment { wall: Wall(7), mono: Mono(70) };
    assert_eq!(joined.fixed(&facts, now), anchors(&[(3, 30), (5, 68)]));
}

#[test]
fn what_a_deadline_needs_is_prepared_from_so_far_ahead() {
    let due = Deadline { at: Mono(100), limit: Limit::Total, wall: Wall(0) };
    let near = |now| is_near(due, Mono(now), Duration::from_micros(10));
    assert_eq!([near(89), near(90), near(100), near(101)], [false, true, true, true]);
}
