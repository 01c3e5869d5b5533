//! What others see of a call: its state, its rule, what is still open, what the store has of it.

use super::*;
use crate::model::{
    change::Note,
    deadline::in_force,
    decode::pointers::Pointer,
    event::Details,
    operator::Order,
    pattern::Pattern,
    policy::Rules,
    rule::{Condition, Place, Rule, Subject, Test, Wanted},
    until::Until,
};

fn rule(name: &str, subject: Subject, limits: Limits) -> Rule {
    let wanted = Wanted::Text(Pattern::new("wanted").unwrap());
    let when = vec![Condition { subject, test: Test::Any(vec![wanted]) }];
    Rule { name: name.into(), when, limits, own: None, action: Action::End }
}

fn row(scene: &Scene, status: Status) -> Row {
    Row { to: Some("+4930".into()), ..scene.row(status) }
}

fn list(scene: &mut Scene, row: &Row) {
    scene.apply(&Event::Shown { row, listing: true });
}

fn history(scene: &Scene) -> Vec<&'static str> {
    scene.call.trail.iter().map(|entry| entry.what.name()).collect()
}

#[test]
fn every_state_has_the_name_that_the_api_shows() {
    let names = ["live", "stopping", "confirming", "observing", "released", "ended"];
    for (state, name) in State::ALL.into_iter().zip(names) {
        assert_eq!((state.name(), State::from_name(name)), (name, Some(state)));
    }
    assert_eq!(State::from_name("over"), None);
}

#[test]
fn a_released_call_is_released_until_its_end_is_known() {
    let mut scene = Scene::new(total(60));
    scene.hear(EventKind::Connected);
    let act = scene.call.ordered(Order::Release, scene.now.wall).unwrap();
    scene.apply(&Event::Operator(act));
    assert_eq!((scene.call.state(), scene.outcome()), (State::Released, Some(Outcome::Released)));
    scene.hear(EventKind::Ended);
    assert_eq!((scene.call.state(), scene.outcome()), (State::Ended, Some(Outcome::Released)));
}

#[test]
fn what_no_listing_tells_leaves_the_deadline_provisional_until_an_event_or_the_end() {
    let listed = || {
        let mut scene = Scene::new(total(60));
        scene.policy.rules = Rules::new(vec![rule("campaign", Subject::Campaign, total(90))]);
        scene.show(Status::InProgress);
        assert!(scene.call.is_provisional());
        assert_eq!(scene.call.rule(), Some("campaign"));
        assert_eq!(scene.deadline_in(), Some(seconds(90)), "the latest that may hold");
        scene
    };
    let mut scene = listed();
    scene.hear(EventKind::Connected);
    assert!(!scene.call.is_provisional());
    assert_eq!((scene.call.rule(), scene.deadline_in()), (None, Some(seconds(60))));
    let mut scene = listed();
    scene.show(Status::Completed);
    assert!(!scene.call.is_provisional());
    assert_eq!(scene.call.rule(), Some("campaign"), "it is remembered");
}

#[test]
fn a_call_limited_by_a_time_of_day_is_looked_at_anew_when_the_clock_steps() {
    let until = Until::new(20, 0, jiff::tz::TimeZone::UTC);
    let mut scene = Scene::new(Limits { until, ..Limits::default() });
    scene.hear(EventKind::Started);
    assert!(scene.call.follows_wall());
    scene.hear(EventKind::Ended);
    assert!(!scene.call.follows_wall());
    assert!(!Scene::stopping().call.follows_wall());
}

#[test]
fn a_call_says_what_becomes_of_it_and_when_each_limit_is_passed() {
    let mut scene = Scene::new(total(60));
    let observed = rule("watch", Subject::Agent, total(90));
    let when = Vec::new();
    scene.policy.rules = Rules::new(vec![Rule { when, action: Action::Observe, ..observed }]);
    scene.hear(EventKind::Connected);
    assert_eq!(scene.call.action(), Action::Observe);
    let limits = in_force(scene.policy.rules.iter().next(), scene.call.known(), &scene.policy);
    let total = limits.applied(&scene.call.facts).next().unwrap();
    assert_eq!(scene.call.deadline_of(&total, scene.now), scene.call.deadline());
    assert!(scene.call.deadline().is_some());
    scene.wake();
    assert_eq!(scene.call.state(), State::Observing);
}

#[test]
fn only_a_stop_for_ringing_asks_whether_it_rings() {
    let mut scene = Scene::new(ringing(45));
    scene.hear(EventKind::Started);
    let asks = |scene: &Scene| scene.call.asks_whether_it_rings(scene.now.mono);
    assert!(scene.call.hinges_on_ringing() && !asks(&scene), "not yet");
    scene.wake();
    assert!(asks(&scene));
    scene.show(Status::Ringing);
    assert!(!asks(&scene) && !scene.call.is_looked_up(), "answered for now");
    let mut scene = Scene::stopping();
    scene.answer(Answer::NotActive);
    assert!(!scene.call.hinges_on_ringing() && !asks(&scene));
}

#[test]
fn a_row_that_said_ringing_long_before_the_deadline_lets_no_stop_leave() {
    let mut scene = Scene::new(ringing(45));
    scene.hear(EventKind::Started);
    scene.pass(seconds(20));
    scene.show(Status::Ringing);
    while scene.deadline_in() > Some(Duration::ZERO) {
        scene.wake();
        if scene.call.is_looked_up() {
            scene.fail_lookup(&Failure::Timeout);
        }
    }
    assert_eq!(scene.call.state(), State::Stopping);
    assert!(!scene.call.is_queued());
    scene.pass(seconds(30));
    scene.show(Status::Ringing);
    assert!(scene.call.is_queued() && scene.send());
}

#[test]
fn a_context_read_for_another_policy_is_lacking() {
    let place = |path| Subject::Context(Place::new(Pointer::parse(path).unwrap()));
    let mut scene = Scene::new(total(60));
    scene.policy.rules = Rules::new(vec![rule("plan", place("/plan"), total(90))]);
    let heard = scene.heard(EventKind::Connected, None);
    let context = Some(serde_json::json!({"plan": "wanted"}));
    let details = Details { context, ..Details::default() };
    scene.apply(&Event::Heard(&Heard { details, ..heard }));
    assert_eq!(scene.call.rule(), Some("plan"));
    assert!(!scene.call.lacks_context(&scene.policy));
    scene.policy.rules = Rules::new(vec![rule("tier", place("/tier"), total(90))]);
    assert!(scene.call.lacks_context(&scene.policy));
    let mut without = Scene::new(total(60));
    without.hear(EventKind::Connected);
    assert!(!without.call.lacks_context(&scene.policy), "there is none to read");
}

#[test]
fn a_call_found_in_a_listing_is_asked_about_three_times_until_its_start_is_known() {
    for (has_agent, has_number, is_told, asked) in [
        (true, true, false, 3),
        (true, true, true, 1),
        (false, true, false, 0),
        (true, false, false, 0),
    ] {
        let mut scene = Scene::new(Limits::default());
        scene.agent = scene.agent.filter(|_| has_agent);
        let listed = row(&scene, Status::InProgress);
        let listed = Row { to: listed.to.clone().filter(|_| has_number), ..listed };
        list(&mut scene, &listed);
        let found =
            Row { started_at: is_told.then(|| scene.now.wall.before(seconds(9))), ..listed };
        let mut count = 0;
        for _ in 0..100 {
            if scene.call.is_looked_up() {
                count += 1;
                scene.apply(&Event::LookedUp { found: Ok(Some(&found)), jitter: 1.0 });
            } else if scene.wakes_in().is_some() {
                scene.wake();
            }
        }
        assert_eq!(count, asked, "{has_agent} {has_number} {is_told}");
    }
}

#[test]
fn a_row_is_in_a_call_s_history_where_it_was_asked_for_or_tells_anything_new() {
    let mut scene = Scene::new(total(600));
    let shown = row(&scene, Status::InProgress);
    scene.agent = None;
    let change =
        scene.call.apply(&Event::Shown { row: &shown, listing: true }, scene.now, &scene.policy);
    assert!(change.notes.contains(&Note::Adopted));
    list(&mut scene, &Row { to: None, ..shown.clone() });
    assert_eq!(history(&scene), ["adopted"]);
    scene.pass(seconds(1));
    list(&mut scene, &Row { to: None, ..shown.clone() });
    assert_eq!(history(&scene), ["adopted"], "nothing new");
    list(&mut scene, &shown);
    assert_eq!(history(&scene), ["adopted", "shown"], "its number");

    let mut heard = Scene::new(total(600));
    heard.hear(EventKind::Connected);
    let change =
        heard.call.apply(&Event::Shown { row: &shown, listing: true }, heard.now, &heard.policy);
    assert!(!change.notes.contains(&Note::Adopted), "it was known");
    heard.hear(EventKind::Error);
    heard.wake();
    assert!(heard.call.is_looked_up());
    let told = Row { to: None, agent: None, status: Status::Queued, ..shown };
    heard.apply(&Event::Shown { row: &told, listing: false });
    assert_eq!(history(&heard).last(), Some(&"shown"), "it was asked for");
    assert!(!heard.call.was_listed());
    list(&mut heard, &told);
    assert!(heard.call.was_listed());
}

#[test]
fn a_call_is_on_record_where_all_that_is_stored_is_the_same() {
    let mut scene = Scene::stopping();
    scene.answer(Answer::Accepted);
    let call = scene.call;
    let mut as_stored = call.clone();
    (as_stored.quiet_since, as_stored.ringing_shown) = (Some(Mono(1)), Some(Mono(1)));
    assert!(call.is_on_record_as(&as_stored));
    let changes: [fn(&mut Call); 9] = [
        |call| call.version = 0,
        |call| call.id = CallId::parse("another").unwrap(),
        |call| call.facts = Facts::seen(Wall(1)),
        |call| call.stop.attempts = 9,
        |call| call.ended = Some(Ended::borne_out(None, Moment::default())),
        |call| call.trail = Trail::default(),
        |call| call.doubts.push((EventKind::Started, Wall(1))),
        |call| call.unproven = true,
        |call| call.disputed = true,
    ];
    for (nth, change) in changes.iter().enumerate() {
        let mut other = call.clone();
        change(&mut other);
        assert!(!call.is_on_record_as(&other), "change {nth}");
    }
}

#[test]
fn a_row_that_says_ringing_is_good_for_35_s_past_the_deadline() {
    let mut scene = Scene::new(ringing(45));
    scene.hear(EventKind::Started);
    scene.wake();
    scene.show(Status::Ringing);
    scene.wake();
    scene.wake();
    assert!(scene.send());
    scene.fail(Failure::ServerError { status: 500 });
    assert!(!scene.call.is_looked_up(), "it was shown ringing five seconds ago");
    scene.wake();
    assert!(scene.call.is_queued());
    assert!(scene.send());
    scene.fail(Failure::ServerError { status: 500 });
    scene.pass(seconds(60));
    scene.apply(&Event::Woke);
    assert!(!scene.send() && scene.call.is_looked_up(), "it may have been answered since");
}
