//! Agents and campaigns, and the levers that block new calls.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use serde_json::{Value, json};

use super::{
    super::{
        answer::Refusal,
        shared::Shared,
        world::{Agent, World},
    },
    Answer, Page, Query, fields,
    place::unknown_campaign,
    text,
};

pub(super) fn name(agent: &str) -> String {
    format!("Agent {agent}")
}

pub(super) async fn list(State(shared): State<Arc<Shared>>, query: Query) -> Answer {
    let page = Page::of(&query)?;
    let status = query.get("status").map(String::as_str);
    if !matches!(status, None | Some("published" | "draft")) {
        return Err(Refusal::unprocessable("The selected status is invalid."));
    }
    shared.look(|world| {
        let is_wanted = |agent: &Agent| status.is_none_or(|status| status == agent.status());
        let agents: Vec<_> = world.agents.iter().filter(|(_, agent)| is_wanted(agent)).collect();
        Ok(Json(page.cut(world, &agents, |(id, agent)| row(id, agent))))
    })
}

pub(super) async fn show(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answer {
    shared.look(|world| shown(world, &id))
}

pub(super) async fn publish(state: State<Arc<Shared>>, id: Path<String>) -> Answer {
    set_published(state, id, true)
}

/// Blocks new calls; running ones go on.
pub(super) async fn unpublish(state: State<Arc<Shared>>, id: Path<String>) -> Answer {
    set_published(state, id, false)
}

fn set_published(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    is_published: bool,
) -> Answer {
    shared.act(|world| {
        let agent = world.agents.get_mut(&id).ok_or_else(Refusal::unknown_agent)?;
        agent.is_published = is_published;
        shown(world, &id)
    })
}

fn shown(world: &World, id: &str) -> Answer {
    let agent = world.agents.get(id).ok_or_else(Refusal::unknown_agent)?;
    Ok(Json(json!({"success": true, "data": row(id, agent)})))
}

fn row(id: &str, agent: &Agent) -> Value {
    json!({"id": id, "name": name(id), "label": name(id), "status": agent.status()})
}

impl Agent {
    fn status(&self) -> &'static str {
        if self.is_published { "published" } else { "draft" }
    }
}

pub(super) async fn pricing(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answer {
    shared.look(|world| {
        world.agents.get(&id).ok_or_else(Refusal::unknown_agent)?;
        let data = json!({"estimated_cost_per_minute": 0.12, "currency": "USD"});
        Ok(Json(json!({"success": true, "data": data})))
    })
}

pub(super) async fn campaign(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answer {
    shared.look(|world| shown_campaign(world, &id))
}

pub(super) async fn campaign_status(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let status = text(&fields(&body), "status")?;
    if !matches!(status.as_str(), "running" | "paused") {
        return Err(Refusal::unprocessable("The selected status is invalid."));
    }
    shared.act(|world| {
        world.campaigns.get_mut(&id).ok_or_else(unknown_campaign)?.status = status;
        shown_campaign(world, &id)
    })
}

fn shown_campaign(world: &World, id: &str) -> Answer {
    let campaign = world.campaigns.get(id).ok_or_else(unknown_campaign)?;
    let calls = world.calls.iter().filter(|call| call.campaign.as_deref() == Some(id));
    let calls: Vec<_> = calls
        .map(|call| json!({"id": call.id, "to": call.to, "status": call.status.as_str()}))
        .collect();
    let (agent, status) = (&campaign.agent, &campaign.status);
    let data = json!({"id": id, "agent_id": agent, "status": status, "calls": calls});
    Ok(Json(json!({"success": true, "data": data})))
}
