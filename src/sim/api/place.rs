//! Placing calls: for an agent, for a campaign. What they will do is the sim's present script.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{
    super::{
        answer::{Refusal, Shape},
        call::Call,
        clock,
        script::Script,
        shared::Shared,
        world::World,
    },
    Answer, fields, text,
};

/// `POST /agents/{agent}/call`.
pub(super) async fn by_agent(
    State(shared): State<Arc<Shared>>,
    Path(agent): Path<String>,
    body: Bytes,
) -> Answer {
    shared.act(|world| {
        let is_published =
            world.agents.get(&agent).ok_or_else(Refusal::unknown_agent)?.is_published;
        if !is_published {
            let message = "Agent is not published";
            return Err(Refusal::new(422, "AGENT_NOT_PUBLISHED", message, Shape::Code));
        }
        let asked = asked(world, &fields(&body))?;
        let script = Script { agent, campaign: None, ..asked };
        Ok(Json(json!({"success": true, "data": placed(world, script, agent_call)})))
    })
}

/// `POST /campaigns/{campaign}/call`.
pub(super) async fn by_campaign(
    State(shared): State<Arc<Shared>>,
    Path(campaign): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    shared.act(|world| {
        let found = world.campaigns.get(&campaign).cloned().ok_or_else(unknown_campaign)?;
        if found.status != "running" {
            let message = "Campaign is not running";
            return Err(Refusal::new(422, "CAMPAIGN_NOT_RUNNING", message, Shape::Code));
        }
        let asked = asked(world, &fields(&body))?;
        let script = Script { agent: found.agent, campaign: Some(campaign.clone()), ..asked };
        let call = placed(world, script, campaign_call);
        let campaign = json!({"id": campaign, "status": found.status});
        let body = json!({"campaign_call": call, "campaign": campaign});
        Ok((StatusCode::CREATED, Json(body)).into_response())
    })
}

pub(super) fn unknown_campaign() -> Refusal {
    Refusal::new(404, "CAMPAIGN_NOT_FOUND", "Campaign not found", Shape::Message)
}

fn placed(world: &mut World, script: Script, show: fn(&Call) -> Value) -> Value {
    let id = world.place(script, clock::now());
    world.call(&id).map_or(Value::Null, show)
}

/// The sim's present script with what the request asks for.
fn asked(world: &World, fields: &Map<String, Value>) -> Result<Script, Refusal> {
    let invalid = |name: &str| Refusal::unprocessable(&format!("The {name} field is invalid."));
    let to = text(fields, "to")?;
    let delay = match fields.get("delay_seconds").filter(|delay| !delay.is_null()) {
        None => world.script.delay,
        Some(delay) => {
            let seconds = delay.as_u64().filter(|seconds| *seconds <= 3600);
            Duration::from_secs(seconds.ok_or_else(|| invalid("delay_seconds"))?).into()
        }
    };
    let context = match fields.get("context") {
        None | Some(Value::Null) => world.script.context.clone(),
        Some(Value::Object(context)) => context.clone(),
        Some(_) => return Err(invalid("context")),
    };
    let is_testing = fields.get("is_testing").and_then(Value::as_bool);
    let is_testing = is_testing.unwrap_or(world.script.is_testing);
    // Ids and the like are a call's own.
    let (id, sid) = (None, None);
    Ok(Script { to: Some(to), delay, context, is_testing, id, sid, ..world.script.clone() })
}

fn agent_call(call: &Call) -> Value {
    json!({
        "id": call.id,
        "agent_id": call.agent,
        "to": call.to,
        "status": call.status.as_str(),
        "created_at": clock::iso_seconds(call.created_at),
    })
}

fn campaign_call(call: &Call) -> Value {
    json!({
        "id": call.id,
        "campaign_id": call.campaign,
        "to": call.to,
        "status": call.status.as_str(),
        "scheduled_at": clock::iso_seconds(call.created_at),
    })
}
