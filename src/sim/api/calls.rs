//! Ending a call and asking for a number's active call.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Extension, Path, State},
};
use serde_json::{Value, json};

use super::{
    super::{
        answer::{Refusal, Shape},
        call::Call,
        clock::{self, Micros},
        fault::FaultKind,
        gate::Ineffective,
        script::Direction,
        shared::Shared,
        world::World,
    },
    Answer, fields,
    lists::View,
    text,
};

pub(super) async fn end(
    State(shared): State<Arc<Shared>>,
    Path(agent): Path<String>,
    ineffective: Option<Extension<Ineffective>>,
    body: Bytes,
) -> Answer {
    let call_sid = text(&fields(&body), "call_sid")?;
    shared.act(|world| {
        let now = clock::now();
        let id = endable(world, &agent, &call_sid)?;
        if ineffective.is_none() {
            world.hang_up(&id, now);
        }
        Ok(Json(json!({
            "success": true,
            "data": {
                "id": id,
                "status": "completed",
                "ended_at": View::prompt(world, now).time(now),
                "ended_reason": "ended_by_api",
            },
        })))
    })
}

/// The id of the call that may be ended by that name.
fn endable(world: &World, agent: &str, call_sid: &str) -> Result<String, Refusal> {
    if !world.agents.contains_key(agent) {
        return Err(Refusal::unknown_agent());
    }
    let takes_sid = world.faults.has(|kind| matches!(kind, FaultKind::EndCallTakesSid));
    let by_sid = || world.call_by_sid(call_sid).filter(|_| takes_sid);
    let call = world.call(call_sid).or_else(by_sid).filter(|call| call.agent == agent);
    let call = call.ok_or_else(Refusal::unknown_call)?;
    if !call.status.can_be_ended() {
        return Err(Refusal::not_active());
    }
    Ok(call.id.clone())
}

pub(super) async fn active(
    State(shared): State<Arc<Shared>>,
    Path((agent, phone)): Path<(String, String)>,
) -> Answer {
    shared.look(|world| {
        if !world.agents.contains_key(&agent) {
            return Err(Refusal::unknown_agent());
        }
        let now = clock::now();
        let view = View::prompt(world, now);
        let is_meant = |call: &&Call| {
            !call.is_over() && call.agent == agent && is_same_number(other_party(call), &phone)
        };
        let calls = world.calls.iter().rev().filter(is_meant);
        let rows: Vec<_> = calls.map(|call| row(call, &view, now)).collect();
        if rows.is_empty() {
            let message = "No active call found for this phone number";
            return Err(Refusal::new(404, "NO_ACTIVE_CALL", message, Shape::Message));
        }
        Ok(Json(json!({"success": true, "data": rows})))
    })
}

fn row(call: &Call, view: &View, now: Micros) -> Value {
    json!({
        "id": call.id,
        "agent_id": call.agent,
        "to": call.to,
        "status": view.word(call.status),
        "started_at": call.dialled_at.map(|at| view.time(at)),
        "duration_seconds": call.seconds(now),
    })
}

fn other_party(call: &Call) -> &str {
    match call.direction {
        Direction::Outbound => &call.to,
        Direction::Inbound => &call.from,
    }
}

fn is_same_number(a: &str, b: &str) -> bool {
    a.trim_start_matches('+') == b.trim().trim_start_matches('+')
}
