//! Calls as they meet what the store has of them; decisions have their tests in `model`.

use std::time::Duration;

use super::*;
use crate::model::{
    event::{CallName, Details, EventKind, Via},
    outcome::Outcome,
    policy::{Enforcement, Limits, Rules},
    time::{Moment, Mono, Wall},
};

/// Caught: read back as if an earlier life had left it, a call's own row made one that was stopped of
/// a call that had ended by itself (simulator, seed 9147825).
#[test]
fn a_call_s_own_row_under_its_sid_changes_nothing() {
    let start = Moment { wall: Wall(1_700_000_000_000_000), mono: Mono(90_000_000_000) };
    let at = |seconds| start.after(Duration::from_secs(seconds));
    let clock = Clock::standing_at(start);
    let minute = Duration::from_secs(60);
    let policy = Policy {
        limits: Limits { total: Some(minute), ..Limits::default() },
        rules: Rules::default(),
        enforcement: Enforcement { confirm_within: minute, give_up_after: minute },
        max_age: minute,
    };
    let shared = (Arc::default(), Arc::default(), Arc::default());
    let calls = Calls::new(policy.clone(), 1, clock.clone(), shared.0, shared.1, shared.2);
    let (id, sid) = (CallId::parse("id").unwrap(), CallId::parse("sid").unwrap());
    let hear = |kind, unasked| {
        let call = CallName::Both { id: id.clone(), sid: sid.clone() };
        let details = Details::default();
        let heard = Heard { kind, call, agent: None, time: None, details, via: Via::Webhook };
        assert!(calls.hear(&id, &heard, None, unasked).is_ok());
    };
    let now = || calls.collect(|call| Some(call.clone())).remove(0);
    hear(EventKind::Connected, Unasked::default());
    let row = now().apply(&Event::Woke, at(59), &policy).next;
    assert!(row.stop.intent.is_some());
    clock.set(at(59));
    hear(EventKind::Ended, Unasked::unless(true, false));
    assert_eq!(calls.unasked_names(&id), std::slice::from_ref(&sid));
    clock.set(at(70));
    calls.check(&id, &[Loaded { call: row, same_boot: true, context: None }]);
    assert_eq!(now().ended.map(|ended| ended.outcome), Some(Outcome::Completed));
    assert_eq!(calls.unasked_names(&id), []);
}
