//! What is shown of calls in every state, whole, as snapshots.

use serde::Serialize;
use serde_json::json;

use super::{CallLine, CallView, EndedView, Summary, WhyView};
use crate::model::{
    change::Event,
    context::Told,
    decode::pointers::Pointer,
    event::{CallName, Details, EventKind, Heard},
    explain::idle_because,
    ids::CallId,
    operator::Order,
    pattern::Pattern,
    platform::{Answer, Failure, Status},
    policy::{Limit, Limits, Rules},
    rule::{Action, Condition, Override, Place, Rule, Subject, Test, Wanted},
    scene::{Scene, seconds},
    until::Until,
};

fn pretty(view: &impl Serialize) -> String {
    serde_json::to_string_pretty(view).unwrap()
}

fn place(path: &str) -> Place {
    Place::new(Pointer::parse(path).unwrap())
}

fn any(subject: Subject, wanted: &[&str]) -> Condition {
    let wanted = wanted.iter().map(|text| Wanted::Text(Pattern::new(text).unwrap())).collect();
    Condition { subject, test: Test::Any(wanted) }
}

fn rule(name: &str, when: Vec<Condition>) -> Rule {
    Rule { name: name.into(), when, limits: Limits::default(), own: None, action: Action::End }
}

/// A policy with a rule of each kind.
fn rules() -> Rules {
    let own = Override { place: place("/max"), at_most: seconds(90) };
    let deciding =
        vec![any(Subject::To, &["+49*"]), any(Subject::Context(place("/plan/name")), &["trial"])];
    Rules::new(vec![
        rule("another campaign", vec![any(Subject::Campaign, &["autumn"])]),
        rule("other countries", vec![any(Subject::To, &["+1*", "+55*"])]),
        rule("no number", vec![Condition { subject: Subject::To, test: Test::Absent }]),
        Rule { own: Some(own), ..rule("trial", deciding) },
        Rule { action: Action::Observe, ..rule("the rest", Vec::new()) },
    ])
}

/// A call of which an event has told all that events tell.
fn told() -> Scene {
    let until = Until::new(20, 0, jiff::tz::TimeZone::UTC);
    let mut scene = Scene::new(Limits {
        total: Some(seconds(60)),
        ringing: Some(seconds(45)),
        no_conversation: Some(seconds(300)),
        after: vec![(EventKind::ParticipantLeft, seconds(70))],
        until,
        ..Limits::default()
    });
    scene.policy.rules = rules();
    let heard = scene.heard(EventKind::Started, None);
    let details = Details {
        to: Some("+4930123456".into()),
        from: Some("+4940654321".into()),
        direction: Some("outbound".into()),
        campaign: Some("spring".into()),
        testing: Some(false),
        context: Some(json!({"plan": {"name": "trial"}, "max": 120, "secret": "s"})),
        ended_reason: None,
    };
    let sid = CallId::parse("CA1").unwrap();
    let call = CallName::Both { id: scene.call.id.clone(), sid };
    scene.apply(&Event::Heard(&Heard { call, details, ..heard }));
    scene.pass(seconds(5));
    scene.hear(EventKind::Connected);
    scene
}

#[test]
fn a_live_call_is_shown_with_its_marks_and_its_history() {
    let mut scene = told();
    for _ in 0..2 {
        scene.pass(seconds(1));
        scene.hear_late(EventKind::Recording, seconds(0));
    }
    scene.hear_late(EventKind::VoicemailDetected, seconds(1));
    let act = scene.call.ordered(Order::Extend(seconds(60)), scene.now.wall).unwrap();
    scene.apply(&Event::Operator(act));
    insta::assert_snapshot!(pretty(&CallView::of(&scene.call)));
    insta::assert_snapshot!(pretty(&CallLine::of(&scene.call)));
    assert_eq!(EndedView::of(&scene.call), None);
}

#[test]
fn a_stopped_call_is_shown_with_how_it_ended() {
    let mut scene = told();
    while !scene.call.is_queued() {
        scene.wake();
    }
    scene.pass(seconds(2));
    assert!(scene.send());
    scene.fail(Failure::Other { status: 400, message: "no".to_owned() });
    scene.wake();
    assert!(scene.send());
    scene.answer(Answer::Accepted);
    scene.pass(seconds(3));
    scene.hear(EventKind::Ended);
    insta::assert_snapshot!(pretty(&EndedView::of(&scene.call)));
    insta::assert_snapshot!(pretty(&CallLine::of(&scene.call)));
    let ended = EndedView::of(&scene.call).unwrap();
    assert_eq!(ended.call.summary, Summary::of(&scene.call));
}

#[test]
fn a_call_whose_stop_failed_is_shown_with_the_reason() {
    let mut scene = Scene::stopping();
    scene.answer(Answer::NotFound);
    scene.pass(seconds(7_200));
    scene.apply(&Event::Woke);
    let ended = EndedView::of(&scene.call).unwrap();
    assert_eq!(ended.reason.as_deref(), Some("not_found"));
    assert_eq!((ended.confirmed_by, ended.ended_by), (None, "unknown"));
    assert_eq!((ended.overrun_seconds, ended.platform_disagrees), (Some(7_200), false));
}

#[test]
fn why_a_call_ends_when_it_does_is_shown_rule_by_rule_and_limit_by_limit() {
    let scene = told();
    let why = WhyView::of_tracked(&scene.call, &scene.policy, scene.now);
    insta::assert_snapshot!(pretty(&why));
}

#[test]
fn why_a_listed_call_s_deadline_is_open_is_shown() {
    let mut scene = told();
    let policy = scene.policy.clone();
    scene = Scene::new(policy.limits.clone());
    scene.policy = policy;
    scene.show(Status::InProgress);
    let act = scene.call.ordered(Order::Release, scene.now.wall).unwrap();
    let open = WhyView::of_tracked(&scene.call, &scene.policy, scene.now);
    insta::assert_snapshot!(pretty(&open));
    scene.apply(&Event::Operator(act));
    let released = WhyView::of_tracked(&scene.call, &scene.policy, scene.now);
    assert_eq!(released.operator.unwrap().word, "release");
    assert_eq!((released.state.as_str(), released.deadline), ("released", None));
}

#[test]
fn what_came_of_a_call_s_own_total_is_told_in_words() {
    let own = |max: serde_json::Value| {
        let mut scene = Scene::new(Limits { total: Some(seconds(60)), ..Limits::default() });
        let own = Override { place: place("/max"), at_most: seconds(90) };
        scene.policy.rules = Rules::new(vec![Rule { own: Some(own), ..rule("r", Vec::new()) }]);
        let heard = scene.heard(EventKind::Connected, None);
        let details = Details { context: Some(json!({"max": max})), ..Details::default() };
        scene.apply(&Event::Heard(&Heard { details, ..heard }));
        assert_ne!(scene.call.known().in_context(0), Told::Unknown);
        WhyView::of_tracked(&scene.call, &scene.policy, scene.now).own
    };
    let told = [own(json!(70)), own(json!("soon")), own(json!(null))];
    let read = "the call's own total, 1m 10s";
    let unreadable = "the call's own total cannot be read, and is ignored";
    assert_eq!(told, [Some(read.to_owned()), Some(unreadable.to_owned()), None]);
}

#[test]
fn a_limit_that_does_not_count_says_what_it_waits_for_or_what_ended_it() {
    let before = {
        let mut scene = Scene::new(Limits::default());
        scene.hear(EventKind::Recording);
        scene.call
    };
    let after = {
        let mut scene = Scene::new(Limits::default());
        for kind in [
            EventKind::Started,
            EventKind::Connected,
            EventKind::ConversationStarted,
            EventKind::ParticipantLeft,
            EventKind::ParticipantJoined,
        ] {
            scene.hear(kind);
        }
        scene.call
    };
    let left = Limit::After(EventKind::ParticipantLeft);
    for (limit, waits_for, ended_by) in [
        (Limit::Total, "it always counts", "it always counts"),
        (Limit::Ringing, "its start is not known", "it was answered"),
        (Limit::NoConversation, "it has not connected", "a conversation has started"),
        (left, "the event has not come", "its counterpart came later"),
    ] {
        let said = (idle_because(limit, &before), idle_because(limit, &after));
        assert_eq!(said, (waits_for, ended_by), "{limit}");
    }
    for (limit, waits_for) in [
        (Limit::Connected, "it has not connected"),
        (Limit::Talking, "no conversation has started"),
        (Limit::Voicemail, "no voicemail was detected"),
        (Limit::Until, "its start is not known"),
    ] {
        assert_eq!(idle_because(limit, &before), waits_for);
    }
}
