//! What holds of every policy and call.

use std::time::Duration;

use callwarden::model::{
    call::{Call, State},
    change::{Effect, Event},
    context,
    event::EventKind,
    operator::{Order, Refused},
    outcome::Outcome,
    platform::Answer,
    policy::{Limit, Policy},
    rule::Action,
};
use proptest::prelude::*;

use super::{
    made::{self, NOW, PlainCall, event, heard, policy},
    reference::{Holds, holds},
};

#[expect(clippy::disallowed_methods, reason = "how long to look is the caller's choice")]
pub(super) fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    let cases = cases.unwrap_or(2_000);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn held(call: &Call, several: bool) -> Holds {
    let deadline = call.deadline().map(|due| due.wall.since(NOW.wall).as_secs_f64());
    Holds {
        deadline,
        observe: call.action() == Action::Observe,
        provisional: call.is_provisional(),
        rule: (!several).then(|| call.rule().map(|name| name.parse().unwrap())),
    }
}

/// Lets time pass to each wake-up; gives back when requests left.
fn live_on(mut call: Call, policy: &Policy) -> (Call, Vec<Duration>) {
    let mut sent = Vec::new();
    let mut now = NOW;
    let mut events = vec![Event::Woke];
    for _ in 0..50 {
        let Some(event) = events.pop() else {
            let Some(due) = call.wakeup(policy) else { break };
            now = now.after(due.since(now.mono));
            events.push(Event::Woke);
            continue;
        };
        let change = call.apply(&event, now, policy);
        call = change.next;
        for effect in change.effects {
            match effect {
                Effect::Request { .. } => events.push(Event::Sending),
                Effect::Send { .. } => {
                    sent.push(now.wall.since(NOW.wall));
                    let answer = &Answer::Accepted;
                    events.push(Event::Answered { answer, jitter: 0.0, fresh_token: false });
                }
                Effect::Lookup { .. } => {
                    events.push(Event::LookedUp { found: Ok(None), jitter: 0.0 });
                }
            }
        }
        if !sent.is_empty() {
            break;
        }
    }
    (call, sent)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_policy_says_what_the_sentences_say(
        rules in made::rules(), total in proptest::option::of(2..2_000_u64), call in made::call(),
    ) {
        let expected = holds(&rules, total, &call);
        let got = heard(&call, &policy(&rules, total));
        prop_assert_eq!(held(&got, expected.rule.is_none()), expected);
    }

    #[test]
    fn a_reload_comes_to_what_a_fresh_start_comes_to(
        before in made::rules(), after in made::rules(), call in made::call(), filler in any::<bool>(),
    ) {
        let mut call = call;
        if let Some(context) = call.context.as_mut().filter(|_| filler) {
            context["filler"] = "x".repeat(100).into();
        }
        let (before, after) = (policy(&before, Some(900)), policy(&after, Some(900)));
        let stored = call.context.as_ref().map(|text| context::kept(text, before.places()));
        let changed = Event::PolicyChanged { context: stored.as_deref() };
        let reloaded = heard(&call, &before).apply(&changed, NOW, &after).next;
        let fresh = heard(&call, &after);
        prop_assert_eq!(reloaded.deadline(), fresh.deadline());
        prop_assert_eq!(reloaded.rule(), fresh.rule());

        let text = serde_json::to_string(&fresh).unwrap();
        let loaded: Call = serde_json::from_str(&text).unwrap();
        let restored = Event::Restored { same_boot: true, context: stored.as_deref() };
        let restored = loaded.apply(&restored, NOW, &after).next;
        prop_assert_eq!(restored.deadline(), fresh.deadline());
        prop_assert_eq!(restored.rule(), fresh.rule());
    }

    #[test]
    fn contexts_told_in_any_order_come_to_the_same(
        rules in made::rules(), a in made::call(), b in made::call(),
    ) {
        let policy = policy(&rules, Some(900));
        let told = |call: &PlainCall| event(&PlainCall { listed: false, ..call.clone() });
        let hear = |first: &PlainCall, second: &PlainCall| {
            let call = heard(&PlainCall { listed: false, ..first.clone() }, &policy);
            call.apply(&Event::Heard(&told(second)), NOW, &policy).next
        };
        let (ab, ba) = (hear(&a, &b), hear(&b, &a));
        prop_assert_eq!(ab.deadline(), ba.deadline());
        prop_assert_eq!(ab.rule(), ba.rule());
    }

    #[test]
    fn no_request_leaves_for_what_is_observed_and_none_before_its_deadline(
        rules in made::rules(), call in made::call(),
    ) {
        let policy = policy(&rules, Some(900));
        let call = heard(&PlainCall { agent: Some("a"), ..call }, &policy);
        let (deadline, action) = (call.deadline(), call.action());
        let (after, sent) = live_on(call, &policy);
        match (deadline, action) {
            (Some(due), Action::End) => {
                prop_assert_eq!(sent, vec![due.wall.since(NOW.wall)]);
            }
            (Some(_), Action::Observe) => {
                prop_assert!(sent.is_empty());
                prop_assert_eq!(after.state(), State::Observing);
            }
            (None, _) => prop_assert!(sent.is_empty()),
        }
    }

    #[test]
    fn an_operators_word_stands_above_every_limit(
        rules in made::rules(), other in made::rules(), call in made::call(),
        order in prop_oneof![
            Just(Order::End),
            Just(Order::Release),
            (1..5_000_u64).prop_map(|s| Order::Extend(Duration::from_secs(s))),
            (1..5_000_u64).prop_map(|s| Order::Deadline(NOW.wall.after(Duration::from_secs(s)))),
        ],
    ) {
        let (before, after) = (policy(&rules, Some(900)), policy(&other, None));
        let call = heard(&call, &before);
        let deadline = call.deadline();
        let act = match call.ordered(order, NOW.wall) {
            Ok(act) => act,
            Err(refused) => {
                prop_assert_eq!(refused, Refused::NoDeadline);
                prop_assert!(deadline.is_none());
                return Ok(());
            }
        };
        let call = call.apply(&Event::Operator(act), NOW, &before).next;
        let text = serde_json::to_string(&call).unwrap();
        let loaded: Call = serde_json::from_str(&text).unwrap();
        let restored =
            loaded.apply(&Event::Restored { same_boot: true, context: None }, NOW, &after).next;
        let reloaded = call.apply(&Event::PolicyChanged { context: None }, NOW, &after).next;
        for call in [call, restored, reloaded] {
            let due = call.deadline().map(|due| (due.wall, due.limit));
            match order {
                Order::Release => {
                    prop_assert_eq!(call.state(), State::Released);
                    prop_assert_eq!(call.ended.map(|ended| ended.outcome), Some(Outcome::Released));
                    prop_assert_eq!(due, None);
                    prop_assert_eq!(call.wakeup(&after), None);
                }
                Order::End => prop_assert_eq!(due, Some((NOW.wall, Limit::Operator))),
                Order::Deadline(at) => prop_assert_eq!(due, Some((at, Limit::Operator))),
                Order::Extend(span) => {
                    let at = deadline.unwrap().wall.after(span);
                    prop_assert_eq!(due, Some((at, Limit::Operator)));
                }
            }
        }
    }
}

#[test]
fn an_order_is_refused_while_a_request_is_under_way_and_once_one_was_accepted() {
    let policy = policy(&[], Some(5));
    let plain = PlainCall::of_agent("a");
    let call = heard(&plain, &policy);
    let late = NOW.after(Duration::from_secs(5));
    let waiting = call.apply(&Event::Woke, late, &policy).next;
    let orders = [Order::End, Order::Release, Order::Extend(Duration::from_secs(60))];
    assert!(orders.iter().all(|order| waiting.ordered(*order, late.wall).is_ok()));
    let past = Order::Deadline(late.wall);
    assert_eq!(waiting.ordered(past, late.wall), Err(Refused::Past(late.wall)));

    let under_way = waiting.apply(&Event::Sending, late, &policy).next;
    let refused = Err(Refused::TooLate(State::Stopping));
    assert!(orders.iter().all(|order| under_way.ordered(*order, late.wall) == refused));
    let answer = &Answer::Accepted;
    let answered = Event::Answered { answer, jitter: 0.0, fresh_token: false };
    let accepted = under_way.apply(&answered, late, &policy).next;
    let refused = Err(Refused::TooLate(State::Confirming));
    assert!(orders.iter().all(|order| accepted.ordered(*order, late.wall) == refused));

    let mut end = event(&plain);
    end.kind = EventKind::Ended;
    let over = accepted.apply(&Event::Heard(&end), late, &policy).next;
    assert_eq!(over.ordered(Order::End, late.wall), Err(Refused::Over(State::Ended)));
}

#[test]
fn a_released_call_is_released_until_its_end_is_known() {
    let policy = policy(&[], Some(5));
    let plain = PlainCall::of_agent("a");
    let call = heard(&plain, &policy);
    let act = call.ordered(Order::Release, NOW.wall).unwrap();
    let released = call.apply(&Event::Operator(act), NOW, &policy).next;
    let later = NOW.after(Duration::from_secs(3_600));
    let heard_of = released.apply(&Event::Heard(&event(&plain)), later, &policy).next;
    assert_eq!(heard_of.state(), State::Released);
    let mut end = event(&plain);
    end.kind = EventKind::Ended;
    let over = heard_of.apply(&Event::Heard(&end), later, &policy).next;
    assert_eq!(over.state(), State::Ended);
    let ended = over.ended.unwrap();
    assert_eq!(
        (ended.outcome, ended.at, ended.recorded),
        (Outcome::Released, later.wall, NOW.wall)
    );
}
