//! Facts are merged: order, doubles and delays make no difference (spec §4).

use callwarden::model::{
    call::Call,
    change::Event,
    event::{CallName, Details, EventKind, Heard, Via},
    facts::Facts,
    ids::{AgentId, CallId},
    outcome::Outcome,
    platform::{Answer, Row, Status},
    policy::{Enforcement, Limits, Policy, Rules},
    time::{Moment, Mono, Wall},
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{
    plan::{failure, living_kind, seconds},
    platform::{call_id, sid},
};

const SECOND: i64 = 1_000_000;
const NOW: Moment = Moment { wall: Wall(1_700_000_000 * SECOND), mono: Mono(90_000 * SECOND) };

/// Few values, so that they meet.
fn text() -> impl Strategy<Value = Option<Box<str>>> {
    option::of(select(vec!["a", "b"]).prop_map(Box::from))
}

fn details() -> impl Strategy<Value = Details> {
    (text(), text(), text(), text(), option::of(any::<bool>()), text(), option::of(0..2)).prop_map(
        |(to, from, direction, campaign, testing, ended_reason, context)| Details {
            to,
            from,
            direction,
            campaign,
            testing,
            context: context.map(serde_json::Value::from),
            ended_reason,
        },
    )
}

fn name() -> impl Strategy<Value = CallName> {
    let both = CallName::Both { id: call_id(), sid: sid() };
    select(vec![CallName::Id(call_id()), both])
}

fn agent() -> impl Strategy<Value = Option<AgentId>> {
    option::of(select(vec!["x", "y"]).prop_map(|id| AgentId::parse(id).unwrap()))
}

/// An event of the last ten minutes, in whole seconds so that times meet.
fn event(kind: impl Strategy<Value = EventKind>) -> impl Strategy<Value = Heard> {
    (kind, name(), agent(), 0..600_i64, details()).prop_map(|(kind, call, agent, ago, details)| {
        let time = Some(Wall(NOW.wall.0 - ago * SECOND));
        Heard { kind, call, agent, time, details, via: Via::Webhook }
    })
}

fn any_event() -> impl Strategy<Value = Heard> {
    event(select(EventKind::ALL))
}

fn row() -> impl Strategy<Value = Row> {
    let statuses =
        [Status::Ringing, Status::InProgress, Status::Completed, Status::Busy, Status::Other];
    let sids = [None, Some(sid()), CallId::parse("CA2").ok()];
    (select(statuses.to_vec()), select(sids.to_vec()), agent(), text(), option::of(0..5_i64))
        .prop_map(|(status, sid, agent, to, started)| Row {
            id: call_id(),
            sid,
            agent,
            from: to.clone(),
            direction: to.clone(),
            to,
            testing: None,
            status,
            started_at: started.map(Wall),
            created_at: None,
            updated_at: None,
        })
}

/// What one event, or one row, or several tell.
fn facts() -> impl Strategy<Value = Facts> {
    let wall = || (0..5_i64).prop_map(Wall);
    let one = prop_oneof![
        (any_event(), wall(), wall())
            .prop_map(|(heard, at, seen)| Facts::of_event(&heard, at, seen)),
        (row(), wall()).prop_map(|(row, seen)| Facts::of_row(&row, seen)),
        (select(EventKind::ALL), wall(), wall())
            .prop_map(|(kind, at, seen)| Facts::of_time(kind, at, seen)),
    ];
    vec(one, 1..5).prop_map(|all| all.into_iter().reduce(Facts::join).unwrap())
}

/// Limits that none of the events of the last ten minutes exceeds.
fn lenient() -> impl Strategy<Value = Policy> {
    let limit = || option::of((3_600..7_200_u64).prop_map(seconds));
    (limit(), limit(), limit(), limit(), select(EventKind::ALL)).prop_map(
        |(total, connected, voicemail, no_conversation, kind)| Policy {
            limits: Limits {
                total,
                ringing: None,
                connected,
                talking: connected,
                voicemail,
                no_conversation,
                after: vec![(kind, seconds(3_000))],
                until: None,
            },
            rules: Rules::default(),
            enforcement: Enforcement { confirm_within: seconds(30), give_up_after: seconds(3_600) },
            max_age: seconds(7_200),
        },
    )
}

/// Events in two orders, the second with some of them doubled.
fn two_orders() -> impl Strategy<Value = (Vec<Heard>, Vec<Heard>)> {
    (vec(any_event(), 1..8), vec(any::<prop::sample::Index>(), 0..5)).prop_flat_map(
        |(events, doubled)| {
            let mut more = events.clone();
            more.extend(doubled.iter().map(|index| index.get(&events).clone()));
            (Just(events), Just(more).prop_shuffle())
        },
    )
}

fn hear(events: &[Heard], policy: &Policy) -> Call {
    events.iter().fold(Call::new(call_id(), NOW), |call, heard| {
        call.apply(&Event::Heard(heard), NOW, policy).next
    })
}

fn outcome(call: &Call) -> Option<Outcome> {
    call.ended.map(|ended| ended.outcome)
}

proptest! {
    #![proptest_config(crate::cases())]

    #[test]
    fn join_commutes_associates_and_repeats(a in facts(), b in facts(), c in facts()) {
        prop_assert_eq!(a.clone().join(b.clone()), b.clone().join(a.clone()));
        prop_assert_eq!(
            a.clone().join(b.clone()).join(c.clone()),
            a.clone().join(b.join(c))
        );
        prop_assert_eq!(a.clone().join(a.clone()), a);
    }

    #[test]
    fn order_and_doubles_of_events_make_no_difference(
        (one, other) in two_orders(), policy in lenient(),
    ) {
        let (one, other) = (hear(&one, &policy), hear(&other, &policy));
        prop_assert_eq!(&one.facts, &other.facts);
        prop_assert_eq!(one.deadline(), other.deadline());
        prop_assert_eq!(outcome(&one), outcome(&other));
    }

    #[test]
    fn the_end_and_our_answer_make_one_outcome_in_either_order(
        start in event(Just(EventKind::Connected)),
        ends in vec(event(select(vec![EventKind::Ended, EventKind::DidNotConnect])), 1..3),
        ended in 0..600_i64,
        ends_have_times in any::<bool>(),
        answer in prop_oneof![
            Just(Answer::Accepted),
            Just(Answer::NotActive),
            Just(Answer::NotFound),
            failure().prop_map(Answer::Failed),
        ],
        place in any::<prop::sample::Index>(),
        limit in 3_600..7_200_u64,
    ) {
        let mut policy = lenient_total(limit);
        policy.max_age = seconds(86_400);
        let start = Heard { agent: AgentId::parse("x").ok(), ..start };
        let call = hear(&[start], &policy);
        let now = NOW.after(call.deadline().unwrap().at.since(NOW.mono));
        let call = call.apply(&Event::Woke, now, &policy).next;
        let call = call.apply(&Event::Sending, now, &policy).next;
        prop_assert!(call.stop.is_under_way());

        // Before or after the request, but a call ends only once.
        let time = Wall(now.wall.0 + (ended - 300) * SECOND);
        let time = ends_have_times.then_some(time);
        let ends: Vec<_> = ends.into_iter().map(|end| Heard { time, ..end }).collect();
        let later = now.after(seconds(360));
        let in_order = |at: usize| {
            let answered = Event::Answered { answer: &answer, jitter: 0.5, fresh_token: false };
            let mut events: Vec<_> = ends.iter().map(Event::Heard).collect();
            events.insert(at, answered);
            events.iter().fold(call.clone(), |call, event| call.apply(event, later, &policy).next)
        };
        let last = outcome(&in_order(ends.len()));
        prop_assert!(last.is_some());
        prop_assert_eq!(outcome(&in_order(place.index(ends.len()))), last);
    }

    #[test]
    fn a_call_known_by_its_sid_is_joined_into_that_of_its_id(
        by_sid in vec(event(living_kind()), 1..5),
        by_id in vec(event(living_kind()), 0..5),
        clock_steps in -300..300_i64,
        policy in lenient(),
    ) {
        let named = |mut heard: Heard| {
            heard.call = CallName::Sid(sid());
            heard
        };
        let by_sid: Vec<_> = by_sid.into_iter().map(named).collect();
        let all = [by_sid.clone(), by_id.clone()].concat();
        let stepped = Moment { wall: Wall(NOW.wall.0 + clock_steps * 60 * SECOND), ..NOW };

        let known_by_sid = hear(&by_sid, &policy);
        let joined = hear(&by_id, &policy).apply(&Event::Joined(&known_by_sid), stepped, &policy);
        let told_at_once = hear(&all, &policy);
        prop_assert_eq!(joined.next.facts.times(EventKind::Started),
            told_at_once.facts.times(EventKind::Started));
        prop_assert_eq!(joined.next.deadline(), told_at_once.deadline());
    }
}

fn lenient_total(limit: u64) -> Policy {
    Policy {
        limits: Limits { total: Some(seconds(limit)), ..Limits::default() },
        rules: Rules::default(),
        enforcement: Enforcement { confirm_within: seconds(30), give_up_after: seconds(3_600) },
        max_age: seconds(7_200),
    }
}
