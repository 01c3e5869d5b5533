//! Rows that lie in stores by now: they load for ever. A format changes by adding fields that have
//! a default; these literals are only ever added to.

use callwarden::model::{
    call::{Call, State},
    change::{Effect, Event},
    outcome::{ConfirmedBy, Outcome},
    platform::Answer,
    policy::{Enforcement, Limits, Policy},
    time::{Moment, Mono, Wall},
};

use super::plan::seconds;

/// A call in the midst of its stop, with a request under way.
const STOPPING: &str = r#"{
    "id": "call", "version": 9,
    "facts": {
        "first_seen": 1700000000000000,
        "times": [
            ["phone_call_started", { "first": 1700000000000000, "last": 1700000000000000 }],
            ["phone_call_connected", { "first": 1700000002000000, "last": 1700000002000000 }]
        ],
        "row_started": 1700000000000000, "row_connected": 1700000003000000,
        "agent": { "id": "agent", "at": 1700000003000000, "by_row": true },
        "sid": { "at": 1700000000000000, "value": "CA1" },
        "to": { "at": 1700000000000000, "value": "+5511987654321" },
        "from": { "at": 1700000000000000, "value": "+5511912345678" },
        "direction": { "at": 1700000000000000, "value": "outbound" },
        "campaign": { "at": 1700000000000000, "value": "spring" },
        "testing": { "at": 1700000000000000, "value": false },
        "context": { "at": 1700000000000000, "value": 12638153115695167455 }
    },
    "stop": {
        "intent": 1700000060000000, "begun": 1700000060000000, "attempts": 2,
        "sent": 1700000061000000, "lost": 1700000060000000,
        "answered": [1700000060500000, "not_found"], "target": "other", "under_way": true
    },
    "trail": [
        { "at": 1700000000000000, "what": { "heard": "phone_call_started" } },
        { "at": 1700000003000000, "what": { "shown": "in-progress" } },
        { "at": 1700000060000000, "what": { "stop_began": "total" } },
        { "at": 1700000060000000, "what": { "requested": 1 } },
        { "at": 1700000060500000, "what": { "answered": "call not found (404)" } },
        { "at": 1700000060700000, "what": "not_shown" },
        { "at": 1700000061000000, "what": { "requested": 2 } }
    ],
    "doubts": [["recording", 1699999990000000]],
    "anchors": [
        [1700000000000000, 90000000000], [1700000002000000, 90002000000],
        [1700000003000000, 90003000000]
    ]
}"#;

/// A call that is over.
const ENDED: &str = r#"{
    "id": "call", "version": 4,
    "facts": {
        "first_seen": 1700000000000000,
        "times": [["phone_call_ended", { "first": 1700000061000000, "last": 1700000061000000 }]],
        "row_end": { "at": 1700000062000000, "connected": true },
        "ended_reason": { "at": 1700000061000000, "value": "agent_ended" }
    },
    "stop": { "attempts": 1, "accepted": 1700000060500000 },
    "ended": {
        "outcome": "stopped", "at": 1700000061000000, "recorded": 1700000061200000,
        "confirmed_by": "webhook", "overrun": { "secs": 1, "nanos": 0 }
    },
    "trail": [{ "at": 1700000061200000, "what": { "ended": "stopped" } }],
    "anchors": []
}"#;

/// The least that a row holds.
const LEAST: &str = r#"{
    "id": "call", "version": 1, "facts": { "first_seen": 1700000000000000, "times": [] },
    "stop": { "attempts": 0 }, "trail": [], "anchors": []
}"#;

fn policy() -> Policy {
    Policy {
        limits: Limits { total: Some(seconds(60)), ..Limits::default() },
        enforcement: Enforcement { confirm_within: seconds(30), give_up_after: seconds(3_600) },
        max_age: seconds(7_200),
    }
}

#[test]
fn a_row_as_it_is_stored_today_loads_and_is_stored_the_same() {
    for stored in [STOPPING, ENDED, LEAST] {
        let call: Call = serde_json::from_str(stored).unwrap();
        let stored: serde_json::Value = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_value(&call).unwrap(), stored);
    }
}

#[test]
fn a_stop_under_way_goes_on_after_a_restart_and_knows_that_its_answer_is_lost() {
    let call: Call = serde_json::from_str(STOPPING).unwrap();
    let now = Moment { wall: Wall(1_700_000_070_000_000), mono: Mono(90_070_000_000) };
    let restored = call.apply(&Event::Restored { same_boot: true }, now, &policy());
    assert_eq!(restored.next.state(), State::Stopping);
    let requested = |effect: &Effect| matches!(effect, Effect::Request { .. });
    assert!(restored.effects.iter().any(requested), "{:?}", restored.effects);

    let sent = restored.next.apply(&Event::Sending, now, &policy());
    let answer = &Answer::NotActive;
    let answered = Event::Answered { answer, jitter: 0.5, fresh_token: false };
    let ended = sent.next.apply(&answered, now, &policy()).next.ended.unwrap();
    assert_eq!(ended.outcome, Outcome::Stopped);
    assert_eq!(ended.confirmed_by, Some(ConfirmedBy::Lookup));
}

#[test]
fn a_deadline_survives_a_restart_by_the_boot_clock_or_else_by_the_wall_clock() {
    let call: Call = serde_json::from_str(STOPPING).unwrap();
    let an_hour_off = Moment { wall: Wall(1_700_003_610_000_000), mono: Mono(90_010_000_000) };
    let deadline = |same_boot| {
        let restored = call.apply(&Event::Restored { same_boot }, an_hour_off, &policy());
        restored.next.deadline().unwrap().at
    };
    assert_eq!(deadline(true), Mono(90_060_000_000));
    assert_eq!(deadline(false), Mono(90_060_000_000 - 3_600_000_000));
}

#[test]
fn a_call_that_is_over_stays_over_after_a_restart() {
    let call: Call = serde_json::from_str(ENDED).unwrap();
    let now = Moment { wall: Wall(1_700_009_000_000_000), mono: Mono(1_000_000) };
    let restored = call.apply(&Event::Restored { same_boot: false }, now, &policy());
    assert!(restored.effects.is_empty());
    assert_eq!(restored.next.wakeup(&policy()), None);
    assert_eq!(restored.next.ended, call.ended);
}
