//! What is taken in of the logs, and when; and what becomes of those that cannot be read.

use super::*;

#[test]
fn what_failed_is_taken_in_and_of_adopted_calls_all_but_nothing_twice() {
    let (call, other) = (listed("c", "a"), heard("other", "a", Wall(1)));
    let by_id = |name: &str| CallName::Id(id(name));
    let both = |call: &str, sid: &str| CallName::Both { id: id(call), sid: id(sid) };
    for (name, is_adopted) in [
        (by_id("c"), true),
        (CallName::Sid(id("sid-c")), true),
        (both("c", "x"), true),
        (both("x", "sid-c"), true),
        (by_id("other"), false),
        (by_id("unknown"), false),
        (both("other", "sid-other"), false),
    ] {
        let mut logs = begun();
        begin(&mut logs, &[&call, &other], &adopts(&call, None));
        let (failed, done) = (delivered("failed", 1, false), delivered("done", 1, true));
        looks(&mut logs, &failed, &name);
        logs.next_step();
        looks(&mut logs, &failed, &name);
        logs.had_webhooks(webhooks(&["w"]));
        looks(&mut logs, &failed, &name);
        looks(&mut logs, &done, &name);
        assert_eq!(found(&mut logs), [""; 0], "not before all is read");
        logs.had_page(&page(&[failed.clone(), done.clone()], 2));
        // It has slipped to the next page.
        looks(&mut logs, &failed, &name);
        logs.had_page(&page(std::slice::from_ref(&failed), 2));
        let expected: &[&str] = if is_adopted { &["failed", "done"] } else { &["failed"] };
        assert_eq!(found(&mut logs), expected, "{name:?}");
        // Another reading comes by them again.
        begin(&mut logs, &[&call], &Adopted::new());
        logs.next_step();
        logs.had_webhooks(webhooks(&["w"]));
        looks(&mut logs, &failed, &name);
        logs.had_page(&page(&[], 1));
        assert_eq!(found(&mut logs), [""; 0], "{name:?} was taken");
        // What a whole reading did not come by is out of reach, and forgotten.
        begin(&mut logs, &[&call], &Adopted::new());
        logs.next_step();
        logs.had_webhooks(webhooks(&["w"]));
        looks(&mut logs, &failed, &name);
        logs.had_page(&page(&[], 1));
        assert_eq!(found(&mut logs), ["failed"]);
    }
}

/// A call whose end, or whose conversation, was on another webhook's log was stopped before that was read.
#[test]
fn what_was_found_is_taken_in_once_all_is_read_the_newest_first() {
    let (mut logs, call) = (begun(), listed("c", "a"));
    begin(&mut logs, &[&call], &adopts(&call, None));
    logs.next_step();
    logs.had_webhooks(webhooks(&["w1", "w2"]));
    let name = CallName::Id(id("c"));
    let look = |logs: &mut Logs, id: &str, heard: Heard| {
        logs.look_at(&delivered(id, 1, false), heard);
    };
    look(&mut logs, "left", event(name.clone(), EventKind::ParticipantLeft, 5));
    look(&mut logs, "connected", event(name.clone(), EventKind::Connected, 2));
    let timeless =
        Heard { via: Via::Log { tried: None }, ..event(name.clone(), EventKind::Recording, 1) };
    look(&mut logs, "timeless", timeless);
    logs.had_page(&page(&[], 1));
    look(&mut logs, "joined", event(name.clone(), EventKind::ParticipantJoined, 5));
    let own = Heard { time: Some(Wall(9)), ..event(name, EventKind::ConversationStarted, 1) };
    look(&mut logs, "talking", own);
    logs.had_page(&page(&[], 1));
    let expected = ["talking", "joined", "left", "connected", "timeless"];
    assert_eq!(found(&mut logs), expected);
    assert_eq!(found(&mut logs), [""; 0]);
}

#[test]
fn of_logs_that_could_not_all_be_read_nothing_is_taken_in_that_may_be_undone() {
    let (mut logs, call) = (begun(), listed("c", "a"));
    begin(&mut logs, &[&call], &adopts(&call, None));
    let name = CallName::Id(id("c"));
    let kinds = [
        EventKind::Started,
        EventKind::Connected,
        EventKind::ConversationStarted,
        EventKind::ParticipantLeft,
        EventKind::Ended,
    ];
    let read = |logs: &mut Logs, is_whole: bool| {
        logs.next_step();
        logs.had_webhooks(webhooks(&["w1", "w2"]));
        for (nth, kind) in (0..).zip(kinds) {
            logs.look_at(&delivered(kind.name(), 1, false), event(name.clone(), kind, nth));
        }
        logs.had_page(&page(&kinds.map(|kind| delivered(kind.name(), 1, false)), 1));
        if is_whole {
            logs.had_page(&page(&[], 1))
        } else {
            logs.failed(&Failure::Timeout)
        }
        found(logs)
    };
    let names = |kinds: &[EventKind]| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>();
    let certain = [EventKind::Ended, EventKind::ConversationStarted, EventKind::Started];
    assert_eq!(read(&mut logs, false), names(&certain));
    begin(&mut logs, &[&call], &Adopted::new());
    let rest = [EventKind::ParticipantLeft, EventKind::Connected];
    assert_eq!(read(&mut logs, true), names(&rest));
}

#[test]
fn a_webhook_whose_log_failed_is_asked_for_last_and_read_as_far_back_as_before() {
    let (mut logs, call) = (Logs::default(), heard("c", "a", Wall(1)));
    let (nothing, second) = (Adopted::new(), 1_000_000);
    begin(&mut logs, &[&call], &nothing);
    logs.next_step();
    logs.had_webhooks(webhooks(&["w1", "w2"]));
    logs.had_page(&page(&[delivered("1", 5 * second, false)], 1));
    logs.had_page(&page(&[delivered("2", 5 * second, false)], 1));
    begin(&mut logs, &[&call], &nothing);
    logs.next_step();
    logs.had_webhooks(webhooks(&["w1", "w2"]));
    logs.had_page(&page(&[delivered("3", 9 * second, false)], 2));
    logs.failed(&Failure::Timeout);
    logs.had_page(&page(&[], 1));
    begin(&mut logs, &[&call], &nothing);
    logs.next_step();
    logs.had_webhooks(webhooks(&["w1", "w2"]));
    assert_eq!(logs.next_step(), step("a", "w2", 1));
    logs.had_page(&page(&[], 1));
    logs.had_page(&page(
        &[delivered("3", 9 * second, false), delivered("4", 7 * second, false)],
        2,
    ));
    assert_eq!(logs.next_step(), step("a", "w1", 2));
    logs.had_page(&page(&[delivered("1", 5 * second, false)], 2));
    begin(&mut logs, &[&call], &nothing);
    logs.next_step();
    logs.had_webhooks(webhooks(&["w1", "w2"]));
    assert_eq!(logs.next_step(), step("a", "w1", 1), "it was read");
}

/// The first of its events made a call one that was heard of; the rest was not read once a page failed.
#[test]
fn all_of_an_adopted_call_is_wanted_until_it_was_read() {
    let (mut logs, call) = (begun(), listed("c", "a"));
    begin(&mut logs, &[&call], &adopts(&call, Some(Wall(1))));
    logs.next_step();
    logs.failed(&Failure::Timeout);
    let heard = heard("c", "a", Wall(9));
    begin(&mut logs, &[&heard], &Adopted::new());
    logs.next_step();
    logs.had_webhooks(webhooks(&["w"]));
    looks(&mut logs, &delivered("1", 1, true), &CallName::Sid(id("sid-c")));
    logs.had_page(&page(&[delivered("2", 5_000_000, true)], 2));
    assert_eq!(logs.next_step(), step("a", "w", 2), "back to when it was placed");
    logs.had_page(&page(&[], 2));
    assert_eq!(found(&mut logs), ["1"]);
}

#[test]
fn once_the_whole_is_read_what_succeeded_is_no_longer_taken_in() {
    let (mut logs, call) = (begun(), listed("c", "a"));
    begin(&mut logs, &[&call], &adopts(&call, Some(Wall(1))));
    read(&mut logs, "a", &[delivered("1", 9_000_000, false)]);
    let call = heard("c", "a", Wall(9));
    begin(&mut logs, &[&call], &Adopted::new());
    logs.next_step();
    logs.had_webhooks(webhooks(&["w"]));
    let name = CallName::Id(call.id.clone());
    looks(&mut logs, &delivered("2", 9, false), &name);
    looks(&mut logs, &delivered("3", 9, true), &name);
    logs.had_page(&page(&[], 1));
    assert_eq!(found(&mut logs), ["2"]);
}

/// What succeeded of calls that were over had been wanted for as long as the agent had calls.
#[test]
fn what_is_wanted_of_a_call_is_wanted_while_it_lives() {
    let (first, second) = (listed("c1", "a"), listed("c2", "a"));
    let (mut logs, nothing) = (begun(), Adopted::new());
    begin(&mut logs, &[&first, &second], &adopts(&first, Some(Wall(1))));
    logs.next_step();
    logs.failed(&Failure::Timeout);
    // The first is over.
    begin(&mut logs, &[&second], &nothing);
    logs.next_step();
    logs.had_webhooks(webhooks(&["w"]));
    for name in ["c1", "c2"] {
        looks(&mut logs, &delivered(name, 9, true), &CallName::Id(id(name)));
    }
    logs.had_page(&page(&[], 1));
    assert_eq!(found(&mut logs), ["c2"]);
}

#[test]
fn a_429_changes_nothing() {
    let (mut logs, call) = (Logs::default(), heard("c", "a", Wall(1)));
    let throttled = Failure::RateLimited { pause: None };
    begin(&mut logs, &[&call], &Adopted::new());
    for _ in 0..3 {
        assert_eq!(logs.next_step(), asks("a"));
        logs.failed(&throttled);
    }
    logs.had_webhooks(webhooks(&["w"]));
    logs.had_page(&page(&[], 3));
    for _ in 0..3 {
        assert_eq!(logs.next_step(), step("a", "w", 2));
        logs.failed(&throttled);
    }
}

#[test]
fn one_log_that_fails_keeps_no_other_back_and_with_the_second_the_agent_waits() {
    let (mut logs, call) = (begun(), listed("c", "a"));
    let nothing = Adopted::new();
    for failure in [Failure::Timeout, Failure::Misdirected { status: 404 }, Failure::Network] {
        logs = begun();
        begin(&mut logs, &[&call], &nothing);
        logs.next_step();
        logs.had_webhooks(webhooks(&["w1", "w2", "w3", "w4"]));
        logs.failed(&failure);
        assert_eq!(logs.next_step(), step("a", "w2", 1));
        logs.had_page(&page(&[delivered("1", 5, false)], 1));
        logs.failed(&Failure::ServerError { status: 500 });
        assert_eq!(logs.next_step(), None);
    }
    // All that an adopted call wants is wanted still, though it has been heard of since.
    let call = heard("c", "a", Wall(1));
    begin(&mut logs, &[&call], &nothing);
    logs.next_step();
    logs.had_webhooks(webhooks(&["w1", "w2"]));
    looks(&mut logs, &delivered("2", 9, true), &CallName::Id(call.id.clone()));
    logs.failed(&Failure::Unauthorized { status: 401 });
    logs.had_page(&page(&[delivered("1", 5, false)], 1));
    assert_eq!((logs.next_step(), found(&mut logs)), (None, vec!["2".to_owned()]));
    begin(&mut logs, &[&call], &nothing);
    assert_eq!(logs.next_step(), asks("a"), "one of them was not read");
}

#[test]
fn what_was_taken_of_a_log_that_failed_is_remembered_and_of_one_that_was_read_what_is_still_in_it()
{
    let (mut logs, call) = (Logs::default(), heard("c", "a", Wall(1)));
    let (nothing, name) = (Adopted::new(), CallName::Id(id("c")));
    let all = ["1", "2", "3"].map(|id| delivered(id, 1_000_000, false));
    let look = |logs: &mut Logs| {
        looks(logs, &all[0], &name);
        looks(logs, &all[1], &name);
        logs.had_page(&page(&all[1..2], 1));
        looks(logs, &all[2], &name);
    };
    let ask = |logs: &mut Logs| {
        begin(logs, &[&call], &nothing);
        logs.next_step();
        logs.had_webhooks(webhooks(&["w1", "w2"]));
    };
    ask(&mut logs);
    look(&mut logs);
    logs.had_page(&page(&all[2..], 1));
    assert_eq!(found(&mut logs), ["1", "2", "3"]);
    ask(&mut logs);
    logs.had_page(&page(&all[1..2], 1));
    logs.failed(&Failure::Timeout);
    ask(&mut logs);
    look(&mut logs);
    logs.had_page(&page(&all[2..], 1));
    assert_eq!(found(&mut logs), ["1"]);
}
