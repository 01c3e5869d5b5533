//! What a rule asks of a call, and how that is shown.

use serde_json::json;

use super::*;
use crate::model::{
    change::Event,
    event::{Details, EventKind, Heard},
    platform::Status,
    policy::Rules,
    scene::Scene,
};

fn place(path: &str) -> Place {
    Place::new(Pointer::parse(path).unwrap())
}

fn text(text: &str) -> Wanted {
    Wanted::Text(Pattern::new(text).unwrap())
}

fn any(subject: Subject, wanted: Vec<Wanted>) -> Condition {
    Condition { subject, test: Test::Any(wanted) }
}

fn rule(when: Vec<Condition>) -> Rule {
    Rule { name: "r".into(), when, limits: Limits::default(), own: None, action: Action::End }
}

/// A call of which an event has told all.
fn told(when: Vec<Condition>) -> Scene {
    let mut scene = Scene::new(Limits::default());
    scene.policy.rules = Rules::new(vec![rule(when)]);
    let heard = scene.heard(EventKind::Connected, None);
    let context = json!({"plan": "trial", "tier": 3, "share": 2.5, "vip": true, "list": []});
    let details = Details {
        to: Some("+55".into()),
        from: Some("+49".into()),
        direction: Some("outbound".into()),
        campaign: Some("spring".into()),
        testing: Some(false),
        context: Some(context),
        ended_reason: None,
    };
    scene.apply(&Event::Heard(&Heard { details, ..heard }));
    scene
}

fn matches(condition: Condition) -> bool {
    let scene = told(vec![condition]);
    let rule = scene.policy.rules.iter().next().unwrap();
    match rule.matches(scene.call.known()) {
        Match::Yes => true,
        Match::No(failed) => {
            assert_eq!(Some(failed), rule.when.first());
            false
        }
        Match::Unknown(_) => panic!("all was told"),
    }
}

#[test]
fn each_field_is_compared_with_each_value() {
    let number = |value: serde_json::Value| match value {
        serde_json::Value::Number(number) => Wanted::Number(number),
        _ => panic!("no number"),
    };
    let at = |path| Subject::Context(place(path));
    for (subject, right, wrong) in [
        (Subject::Agent, text("ag*"), text("b*")),
        (Subject::Campaign, text("spring"), text("autumn")),
        (Subject::To, text("+55*"), text("+49*")),
        (Subject::From, text("+49*"), text("+55*")),
        (Subject::Direction, text("outbound"), Wanted::Flag(true)),
        (Subject::Testing, Wanted::Flag(false), Wanted::Flag(true)),
        (at("/plan"), text("trial"), text("paid")),
        (at("/tier"), number(json!(3)), number(json!(4))),
        (at("/tier"), number(json!(3.0)), text("3")),
        (at("/share"), number(json!(2.5)), number(json!(2))),
        (at("/vip"), Wanted::Flag(true), number(json!(1))),
    ] {
        assert!(matches(any(subject.clone(), vec![wrong.clone(), right.clone()])), "{subject}");
        assert!(!matches(any(subject.clone(), vec![wrong])), "{subject}");
        assert!(!matches(Condition { subject, test: Test::Absent }));
    }
    assert!(matches(Condition { subject: at("/none"), test: Test::Absent }));
    assert!(!matches(any(at("/list"), vec![text("*")])), "a list is no value");
    // A float holds whole numbers to 2^53 only.
    assert!(same_number(&9_007_199_254_740_993_u64.into(), &9_007_199_254_740_993_u64.into()));
    assert!(!same_number(&9_007_199_254_740_993_u64.into(), &9_007_199_254_740_992_u64.into()));
}

#[test]
fn a_rule_matches_for_certain_fails_for_certain_or_waits_for_what_no_event_has_told() {
    let campaign = || any(Subject::Campaign, vec![text("spring")]);
    let agent = |wanted| any(Subject::Agent, vec![text(wanted)]);
    let mut scene = Scene::new(Limits::default());
    scene.show(Status::InProgress);
    let tried = |when| rule(when).matches(scene.call.known()) == Match::Yes;
    assert!(tried(vec![]) && tried(vec![agent("agent")]));
    let open = rule(vec![
        agent("agent"),
        campaign(),
        Condition { subject: Subject::To, test: Test::Absent },
    ]);
    assert_eq!(open.matches(scene.call.known()), Match::Unknown(&open.when[1]), "the first open");
    let failed = rule(vec![campaign(), agent("another")]);
    assert_eq!(failed.matches(scene.call.known()), Match::No(&failed.when[1]));
}

#[test]
fn a_rule_names_an_agent_that_it_asks_for() {
    let agent = AgentId::parse("agent").unwrap();
    assert!(rule(vec![any(Subject::Agent, vec![text("b"), text("ag*")])]).names(&agent));
    assert!(!rule(vec![any(Subject::Agent, vec![text("b")])]).names(&agent));
    assert!(!rule(vec![any(Subject::Campaign, vec![text("agent")])]).names(&agent));
    assert!(!rule(vec![]).names(&agent));
    let rules =
        Rules::new(vec![rule(vec![]), rule(vec![any(Subject::Agent, vec![text("agent")])])]);
    assert!(rules.name(&agent) && !rules.name(&AgentId::parse("b").unwrap()));
}

#[test]
fn a_rule_covers_one_that_asks_at_least_as_much() {
    let to = |wanted| any(Subject::To, vec![text(wanted)]);
    let testing = |flag| any(Subject::Testing, vec![Wanted::Flag(flag)]);
    let tier = |n: u64| any(Subject::Context(place("/tier")), vec![Wanted::Number(n.into())]);
    let absent = |subject| Condition { subject, test: Test::Absent };
    let covers = |ours: Vec<Condition>, theirs| rule(ours).covers(&rule(theirs));
    assert!(covers(vec![], vec![to("+1")]) && !covers(vec![to("+1")], vec![]));
    assert!(covers(vec![to("+1*")], vec![testing(true), to("+12*")]));
    assert!(!covers(vec![to("+12*")], vec![to("+1*")]));
    assert!(!covers(vec![to("+1*"), testing(true)], vec![to("+12")]));
    assert!(covers(vec![testing(true)], vec![testing(true)]));
    assert!(!covers(vec![testing(true)], vec![testing(false)]));
    assert!(covers(vec![tier(3)], vec![tier(3)]) && !covers(vec![tier(3)], vec![tier(4)]));
    assert!(!covers(vec![tier(3)], vec![any(Subject::Context(place("/tier")), vec![text("3")])]));
    assert!(covers(vec![absent(Subject::To)], vec![absent(Subject::To)]));
    assert!(!covers(vec![absent(Subject::To)], vec![absent(Subject::From)]));
    assert!(!covers(vec![absent(Subject::To)], vec![to("+1")]));
    assert!(!covers(vec![to("*")], vec![absent(Subject::To)]));
    let both = any(Subject::To, vec![text("+1*"), text("+2*")]);
    assert!(covers(vec![both.clone()], vec![to("+2")]) && !covers(vec![to("+1*")], vec![both]));
}

#[test]
fn what_is_asked_is_shown_as_it_stands_in_the_config() {
    let subjects = [
        Subject::Agent,
        Subject::Campaign,
        Subject::To,
        Subject::From,
        Subject::Direction,
        Subject::Testing,
    ];
    let keys = subjects.map(|subject| subject.to_string());
    assert_eq!(keys, ["agent", "campaign", "to", "from", "direction", "testing"]);
    for (path, key) in [
        ("/plan", "context.plan"),
        ("/a/b_1-c", "context.a.b_1-c"),
        ("/a b", r#"context."a b""#),
        ("/a.b", r#"context."a.b""#),
        ("/", r#"context."""#),
    ] {
        assert_eq!(Subject::Context(place(path)).to_string(), key);
    }
    let wanted = vec![text("+1*"), Wanted::Flag(true), Wanted::Number(3.into())];
    assert_eq!(Test::Any(wanted).to_string(), r#""+1*", true, 3"#);
    assert_eq!(Test::Absent.to_string(), "absent");
    let told = [Told::Unknown, Told::Missing, Told::Text("a"), Told::Flag(true), Told::Odd]
        .map(|told| told.to_string());
    let odd = "a list, an object or a very long text";
    assert_eq!(told, ["not known yet", "missing", r#""a""#, "true", odd]);
    assert_eq!(Told::Number(&3.into()).to_string(), "3");
    assert_eq!([Action::End, Action::Observe].map(Action::name), ["end", "observe"]);
}
