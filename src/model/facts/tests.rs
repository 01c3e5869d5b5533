//! What is told of a call, and which of two tellings holds.

use serde_json::json;

use super::*;
use crate::model::event::{Details, Via};

fn id(text: &str) -> CallId {
    CallId::parse(text).unwrap()
}

fn agent(text: &str) -> Option<AgentId> {
    AgentId::parse(text).ok()
}

fn row(status: Status) -> Row {
    Row {
        id: id("c"),
        sid: Some(id("CA1")),
        agent: agent("a"),
        to: Some("+1".into()),
        from: Some("+2".into()),
        direction: Some("inbound".into()),
        testing: Some(true),
        status,
        started_at: Some(Wall(3_000_000)),
        created_at: None,
        updated_at: None,
    }
}

fn heard(kind: EventKind) -> Heard {
    let details = Details {
        to: Some("+1".into()),
        from: Some("+2".into()),
        direction: Some("inbound".into()),
        campaign: Some("spring".into()),
        testing: Some(true),
        context: Some(json!({"plan": "trial"})),
        ended_reason: Some("hangup".into()),
    };
    let call = CallName::Both { id: id("c"), sid: id("CA1") };
    Heard { kind, call, agent: agent("a"), time: None, details, via: Via::Webhook }
}

fn at(kind: EventKind, at: i64) -> Facts {
    Facts::of_time(kind, Wall(at), Wall(at))
}

#[test]
fn an_event_and_a_row_tell_all_that_they_say() {
    let of_event = Facts::of_event(&heard(EventKind::Ended), Wall(5), Wall(7));
    let of_row = Facts::of_row(&row(Status::Completed), Wall(9_000_000));
    for facts in [&of_event, &of_row] {
        assert_eq!((facts.agent(), facts.sid()), (agent("a").as_ref(), Some(&id("CA1"))));
        assert_eq!((facts.to(), facts.from()), (Some("+1"), Some("+2")));
        assert_eq!((facts.direction(), facts.testing()), (Some("inbound"), Some(true)));
    }
    assert_eq!(of_event.campaign(), Some("spring"));
    assert_eq!(of_event.ended_reason(), Some("hangup"));
    assert_eq!(of_event.context(), Some(fingerprint(br#"{"plan":"trial"}"#)));
    assert_eq!(of_event.first_seen, Wall(7));
    let told = Span { first: Wall(5), last: Wall(5) };
    assert_eq!(of_event.times(EventKind::Ended), Some(told));
    assert_eq!(of_event.all_times().collect::<Vec<_>>(), [(EventKind::Ended, told)]);
    let end = |at, by_webhook| Some(End { at: Wall(at), connected: true, by_webhook });
    assert_eq!((of_event.end(), of_row.end()), (end(5, true), end(9_000_000, false)));
    let over = Facts::of_row(&row(Status::Busy), Wall(9_000_000)).end();
    assert!(over.is_some_and(|end| !end.connected));
    let refused = of_event.join(at(EventKind::DidNotConnect, 6)).end();
    assert!(refused.is_some_and(|end| !end.connected), "it never did");
}

/// FNV-1a's own test vectors: what is stored today is read by every later build.
#[test]
fn a_fingerprint_is_that_of_fnv_1a() {
    assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
    assert_eq!(fingerprint(b"foobar"), 0x8594_4171_f739_67e8);
}

#[test]
fn a_row_s_whole_second_may_be_its_last_microsecond_but_not_the_future() {
    let started = |started_at, seen| {
        let row = Row { started_at: Some(Wall(started_at)), ..row(Status::Ringing) };
        Facts::of_row(&row, Wall(seen)).started()
    };
    assert_eq!(started(3_000_000, 9_000_000), Some(Wall(3_999_999)));
    assert_eq!(started(3_000_001, 9_000_000), Some(Wall(3_000_001)), "it shows microseconds");
    assert_eq!(started(3_000_000, 3_200_000), Some(Wall(3_200_000)));
}

#[test]
fn each_mark_is_the_earliest_that_tells_it() {
    use EventKind::{
        Connected, ConversationStarted, ParticipantJoined, Recording, Started, VoicemailDetected,
    };
    let facts = [
        (Recording, 1),
        (Started, 2),
        (ParticipantJoined, 3),
        (Connected, 5),
        (Connected, 4),
        (ConversationStarted, 6),
        (VoicemailDetected, 7),
    ]
    .into_iter()
    .fold(Facts::seen(Wall(9)), |facts, (kind, time)| facts.join(at(kind, time)));
    assert_eq!((facts.started(), facts.connected()), (Some(Wall(2)), Some(Wall(4))));
    assert_eq!((facts.talking(), facts.voicemail()), (Some(Wall(6)), Some(Wall(7))));
    assert_eq!((facts.answered(), facts.began()), (Some(Wall(3)), Wall(2)));
    let connected = Facts::of_row(&row(Status::Answered), Wall(3));
    assert_eq!(facts.join(connected).connected(), Some(Wall(3)), "a row tells it too");
    assert_eq!(at(Recording, 4).join(Facts::seen(Wall(1))).began(), Wall(4), "no mark: any event");
    let seen = Facts::seen(Wall(4));
    assert_eq!((seen.began(), seen.heard_of(), seen.has_start()), (Wall(4), false, false));
    assert!(at(Recording, 4).has_start());
    assert!(Facts::of_row(&row(Status::Ringing), Wall(9)).has_start());
}

#[test]
fn of_two_agents_the_platform_s_holds_of_two_rows_the_later_and_of_two_events_the_earlier() {
    let of_row = |name, at| {
        let row = Row { agent: agent(name), ..row(Status::Ringing) };
        Facts::of_row(&row, Wall(at))
    };
    let of_event = |name, at| {
        let heard = Heard { agent: agent(name), ..heard(EventKind::Started) };
        Facts::of_event(&heard, Wall(at), Wall(at))
    };
    for (a, b, holds) in [
        (of_row("a", 1), of_row("b", 2), "b"),
        (of_event("a", 1), of_event("b", 2), "a"),
        (of_event("a", 1), of_row("b", 2), "b"),
        (of_event("a", 2), of_row("b", 1), "b"),
        (of_row("a", 1), of_row("b", 1), "a"),
        (of_event("a", 1), of_event("b", 1), "a"),
    ] {
        let both = [a.clone().join(b.clone()), b.join(a)];
        for facts in both {
            assert_eq!(facts.agent(), agent(holds).as_ref());
        }
    }
    let facts = of_event("a", 1).join(of_row("b", 2));
    let news = |name| facts.agent_is_news(&Row { agent: agent(name), ..row(Status::Ringing) });
    assert_eq!([news("a"), news("b"), news("")], [true, false, false]);
    let by_event = of_event("a", 1);
    assert!(by_event.agent_is_news(&row(Status::Ringing)), "no row has named it yet");
}

#[test]
fn an_end_holds_that_came_after_the_platform_last_contradicted_one() {
    let ended = at(EventKind::Ended, 5);
    let reopened = |at| Facts::of_reopening(Wall(at), Wall(9));
    assert_eq!(reopened(6).reopened(), Some(Wall(6)));
    let end = |facts: Facts| facts.end().map(|end| end.at);
    assert_eq!(end(ended.clone().join(reopened(4))), Some(Wall(5)));
    assert_eq!(end(ended.clone().join(reopened(5))), None);
    assert_eq!(end(ended.clone().join(reopened(6))), None);
    let again = ended.clone().join(reopened(6)).join(at(EventKind::Ended, 8));
    assert_eq!((end(again.clone()), again.last_told_end()), (Some(Wall(8)), Some(Wall(8))));
    let over = Facts::of_row(&row(Status::Failed), Wall(9));
    assert_eq!(ended.clone().join(over).last_told_end(), Some(Wall(9)));
    assert_eq!(Facts::seen(Wall(1)).last_told_end(), None);
    // A row alone says whether it had connected; or what came before does.
    let connected = at(EventKind::Connected, 1).join(Facts::of_row(&row(Status::Failed), Wall(9)));
    assert!(connected.end().is_some_and(|end| end.connected));
    let reopened = ended.join(reopened(6));
    assert_eq!(reopened.after_reopening(Wall(3)), Wall(7), "our clock is behind");
    assert_eq!(reopened.after_reopening(Wall(8)), Wall(8));
}

#[test]
fn an_operator_s_release_is_known_by_its_time() {
    let of = |word| Facts::of_operator(Act { at: Wall(5), word });
    assert_eq!(of(Word::Release).released(), Some(Wall(5)));
    assert_eq!(of(Word::End).released(), None);
    assert_eq!(of(Word::End).operator(), Some(Act { at: Wall(5), word: Word::End }));
    let known = Facts::seen(Wall(3)).join(of(Word::End));
    assert_eq!(known.began(), Wall(3), "he says nothing of when it began");
}

#[test]
fn a_limit_may_count_from_any_of_the_instants() {
    let act = Act { at: Wall(20), word: Word::Deadline(Wall(30)) };
    let facts = Facts::seen(Wall(9))
        .join(at(EventKind::Recording, 1))
        .join(at(EventKind::Recording, 4))
        .join(Facts::of_row(&row(Status::Answered), Wall(8_000_000)))
        .join(Facts::of_operator(act));
    let mut instants: Vec<_> = facts.instants().map(|at| at.0).collect();
    instants.sort_unstable();
    assert_eq!(instants, [1, 1, 4, 30, 3_999_999, 8_000_000]);
    let ended = Facts::of_operator(Act { at: Wall(20), word: Word::End });
    assert!(ended.instants().any(|at| at == Wall(20)));
}

#[test]
fn an_event_s_own_time_is_believed_within_max_age_and_a_minute_ahead() {
    let now = Wall(1_000_000_000);
    let max_age = Duration::from_secs(100);
    let minute = Duration::from_secs(60);
    let micro = Duration::from_micros(1);
    for (at, is_believed) in [
        (now.before(max_age), true),
        (now.before(max_age).before(micro), false),
        (now.after(minute), true),
        (now.after(minute).after(micro), false),
    ] {
        assert_eq!(is_believable(at, now, max_age), is_believed, "{at:?}");
    }
}

#[test]
fn a_call_that_one_row_showed_completed_had_connected_whatever_another_shows() {
    let completed = Facts::of_row(&row(Status::Completed), Wall(5_000_000));
    let failed = Facts::of_row(&row(Status::Failed), Wall(9_000_000));
    for both in [completed.clone().join(failed.clone()), failed.join(completed)] {
        assert!(both.end().unwrap().connected);
    }
}
