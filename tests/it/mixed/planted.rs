//! The checker finds what is planted: for each predicate a history that is doctored.

use callwarden::{model::outcome::Outcome, sim::Micros};

use super::{
    checker::judge,
    history::{Entry, History, What},
};

const SECOND: Micros = 1_000_000;
const LIMIT: Micros = 10 * SECOND;

/// Twenty calls, one a second, each stopped at its deadline; two requests a second at most.
fn good() -> History {
    let mut history = History::default();
    history.note(0, What::Began { limit: LIMIT, quota: 2, span: SECOND, timeout: 2 * SECOND });
    for nth in 0..20 {
        let (id, at) = (call(nth), nth * SECOND);
        let event = || "event_phone_call_started".to_owned();
        history.note(at, What::CallStarted { call: id.clone() });
        let sent = What::WebhookSent { delivery: nth, call: id.clone(), event: event() };
        history.note(at, sent);
        let acked = What::WebhookAcked { delivery: nth, call: id.clone(), event: event() };
        history.note(at + 5_000, acked);
        stop(&mut history, nth, at + LIMIT + 2_000);
    }
    history.note(40 * SECOND, What::Ended);
    sorted(history)
}

fn call(nth: u64) -> String {
    format!("call-{nth:02}")
}

fn stop(history: &mut History, nth: u64, at: Micros) {
    let (id, request) = (call(nth), 100 + nth);
    let endpoint = "end-call".to_owned();
    history.note(at, What::RequestReceived { request, endpoint, call: Some(id.clone()) });
    let (status, handled) = (Some(200), Some(200));
    history.note(at + 3_000, What::RequestAnswered { request, status, handled });
    history.note(at + 150_000, What::CallEnded { call: id.clone(), by_request: true });
    history.note(at + 155_000, What::Booked { call: id, outcome: Outcome::Stopped });
}

fn sorted(mut history: History) -> History {
    history.0.sort_by_key(|entry| entry.at);
    history
}

/// The history without what is told of one call's stop.
fn without_stop(mut history: History, nth: u64) -> History {
    let id = call(nth);
    history.0.retain(|Entry { what, .. }| match what {
        What::RequestReceived { call, .. } => call.as_ref() != Some(&id),
        What::RequestAnswered { request, .. } => *request != 100 + nth,
        What::CallEnded { call, .. } | What::Booked { call, .. } => *call != id,
        _ => true,
    });
    history
}

#[track_caller]
fn assert_found(history: History, predicate: &str, whom: &str) {
    let found = judge(&sorted(history));
    let is_it = |breach: &super::checker::Breach| {
        breach.predicate == predicate && breach.detail.contains(whom)
    };
    assert!(found.iter().any(is_it), "{predicate}, {whom}: {found:#?}");
}

#[test]
fn a_good_history_holds_no_breach() {
    assert_eq!(judge(&good()), []);
}

#[test]
fn a_call_whose_requests_were_all_refused_is_found() {
    let mut history = good();
    for Entry { what, .. } in &mut history.0 {
        if let What::RequestAnswered { request: 107, handled, .. } = what {
            *handled = Some(503);
        }
    }
    assert_found(history, "every call that outstayed is stopped", "call-07");
}

#[test]
fn a_call_that_lives_on_is_found() {
    let history = without_stop(good(), 4);
    assert_found(history.clone(), "none is left", "call-04");
    assert_found(history, "every call that outstayed is stopped", "call-04");
}

#[test]
fn a_call_that_ended_by_itself_needs_no_stop() {
    let mut history = without_stop(good(), 4);
    let ended = What::CallEnded { call: call(4), by_request: false };
    history.note(4 * SECOND + LIMIT + 20_000, ended);
    let booked = What::Booked { call: call(4), outcome: Outcome::Completed };
    history.note(4 * SECOND + LIMIT + 25_000, booked);
    assert_eq!(judge(&sorted(history)), []);
}

#[test]
fn a_request_5_ms_before_the_deadline_is_found() {
    let mut history = without_stop(good(), 9);
    stop(&mut history, 9, 9 * SECOND + LIMIT - 5_000);
    assert_found(history, "none is stopped early", "call-09");
}

#[test]
fn a_request_for_a_call_that_never_rang_is_found() {
    let mut history = good();
    history.0.retain(|entry| entry.what != What::CallStarted { call: call(9) });
    assert_found(history, "none is stopped early", "call-09");
}

#[test]
fn a_later_deadline_served_first_is_found() {
    let mut history = without_stop(good(), 9);
    // Its request comes 3 s late, when those of 10 and 11 have come.
    stop(&mut history, 9, 12 * SECOND + LIMIT + 500_000);
    assert_found(history, "first requests leave by deadline", "call-09");
}

#[test]
fn a_call_whose_look_up_got_no_answer_may_come_a_time_out_later_and_no_more() {
    for (asked, is_excused) in [(9 * SECOND + LIMIT - 200_000, true), (7 * SECOND + LIMIT, false)] {
        let mut history = without_stop(good(), 9);
        let (request, endpoint) = (900, "active-call".to_owned());
        history.note(asked, What::RequestReceived { request, endpoint, call: Some(call(9)) });
        let unanswered = What::RequestAnswered { request, status: None, handled: None };
        history.note(asked, unanswered);
        stop(&mut history, 9, 10 * SECOND + LIMIT + 1_100_000);
        assert_eq!(judge(&sorted(history)).is_empty(), is_excused, "asked at {asked}");
    }
}

#[test]
fn a_call_heard_of_too_late_may_come_later() {
    let mut history = without_stop(good(), 9);
    stop(&mut history, 9, 12 * SECOND + LIMIT + 500_000);
    for Entry { at, what } in &mut history.0 {
        if matches!(what, What::WebhookAcked { delivery: 9, .. }) {
            *at = 9 * SECOND + LIMIT + 100_000;
        }
    }
    assert_eq!(judge(&sorted(history)), []);
}

#[test]
fn an_outcome_that_is_not_true_is_found() {
    let with = |outcome, later: i64| {
        let mut history = good();
        for Entry { at, what } in &mut history.0 {
            if let What::Booked { call: id, outcome: told } = what
                && *id == call(9)
            {
                (*told, *at) = (outcome, at.saturating_add_signed(later));
            }
        }
        sorted(history)
    };
    assert_eq!(judge(&with(Outcome::Stopped, 0)), []);
    for outcome in [Outcome::Completed, Outcome::NotConnected, Outcome::Observed] {
        assert_found(with(outcome, 0), "an outcome is true", "call-09");
    }
    for outcome in [Outcome::Stopped, Outcome::Raced] {
        assert_found(with(outcome, -10_000), "an outcome is true", "call-09");
    }
    let mut unasked = without_stop(good(), 9);
    unasked.note(30 * SECOND, What::CallEnded { call: call(9), by_request: false });
    unasked.note(31 * SECOND, What::Booked { call: call(9), outcome: Outcome::Stopped });
    assert_found(unasked, "an outcome is true", "call-09");
}

#[test]
fn a_call_that_is_over_and_has_no_outcome_is_found() {
    let mut history = good();
    history.0.retain(
        |Entry { what, .. }| !matches!(what, What::Booked { call: id, .. } if *id == call(9)),
    );
    assert_found(history, "every call that is over gets an outcome", "call-09");
}

#[test]
fn one_request_too_many_in_any_window_is_found() {
    let mut history = good();
    for (request, at) in [(900, 12_600_000), (901, 12_900_000)] {
        let endpoint = "lists".to_owned();
        history.note(at, What::RequestReceived { request, endpoint, call: None });
    }
    // 12.6, 12.9 and the stop at 13.002 lie within a second, across two fixed ones.
    assert_found(history, "no window holds more than the quota", "3 requests");
}

#[test]
fn a_history_survives_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    good().write(&path);
    assert_eq!(History::read(&path), good());
}
