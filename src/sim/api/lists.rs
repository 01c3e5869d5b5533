//! Lists of calls, which show the platform's idea of them: late, renamed, incomplete if need be.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

use super::{
    super::{
        answer::Refusal,
        call::{Call, Change, Status},
        clock::{self, Micros},
        fault::FaultKind,
        faults::Occasion,
        shared::Shared,
        world::World,
    },
    Answer, Page, Query,
};

pub(super) async fn all(State(shared): State<Arc<Shared>>, query: Query) -> Answer {
    let agent = query.get("agent_id").cloned();
    let filter = Filter::of(&query, agent)?;
    shared.act(|world| filter.page(world, Page::of(&query)?, true))
}

pub(super) async fn of_agent(
    State(shared): State<Arc<Shared>>,
    Path(agent): Path<String>,
    query: Query,
) -> Answer {
    let filter = Filter::of(&query, Some(agent.clone()))?;
    shared.act(|world| {
        if !world.agents.contains_key(&agent) {
            return Err(Refusal::unknown_agent());
        }
        filter.page(world, Page::of(&query)?, false)
    })
}

struct Filter {
    status: Option<String>,
    direction: Option<String>,
    agent: Option<String>,
    date_from: Option<String>,
    date_to: Option<String>,
    search: Option<String>,
}

impl Filter {
    fn of(query: &Query, agent: Option<String>) -> Result<Self, Refusal> {
        let value = |name: &str| query.get(name).filter(|value| !value.is_empty()).cloned();
        let direction = value("direction");
        if direction.as_deref().is_some_and(|word| word != "inbound" && word != "outbound") {
            return Err(Refusal::unprocessable("The selected direction is invalid."));
        }
        let [date_from, date_to] = ["date_from", "date_to"].map(value);
        let is_date = |date: &String| date.parse::<jiff::civil::Date>().is_ok();
        if !date_from.iter().chain(&date_to).all(is_date) {
            return Err(Refusal::unprocessable("The date does not match the format Y-m-d."));
        }
        let [status, search] = ["status", "search"].map(value);
        Ok(Self { status, direction, agent, date_from, date_to, search })
    }

    fn page(&self, world: &mut World, page: Page, with_agent: bool) -> Answer {
        let view = View::of(world, clock::now());
        if !self.status.as_deref().is_none_or(|word| view.knows(word)) {
            return Err(Refusal::unprocessable("The selected status is invalid."));
        }
        let finds_ids = world.faults.has(|kind| matches!(kind, FaultKind::ListFindsIds));
        let mut found: Vec<_> = world
            .calls
            .iter()
            .enumerate()
            .filter_map(|(index, call)| Some((index, view.change(call)?)))
            .filter(|(index, change)| {
                world
                    .calls
                    .get(*index)
                    .is_some_and(|call| self.is_met(call, view.word(change.status), finds_ids))
            })
            .collect();
        if !world.faults.has(|kind| matches!(kind, FaultKind::ListOldestFirst)) {
            found.reverse();
        }
        if world.faults.has(|kind| matches!(kind, FaultKind::ListOmits)) {
            found.retain(|(index, _)| !is_omitted(world, *index));
        }
        Ok(Json(page.cut(world, &found, |(index, change)| {
            let call = world.calls.get(*index);
            call.map_or(Value::Null, |call| view.row(call, *change, with_agent))
        })))
    }

    fn is_met(&self, call: &Call, status: &str, finds_ids: bool) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        is(&self.status, status)
            && is(&self.agent, &call.agent)
            && is(&self.direction, call.direction.as_str())
            && self.is_within_dates(call.created_at)
            && self.search.as_deref().is_none_or(|term| is_found(call, term, finds_ids))
    }

    /// By the day in UTC.
    fn is_within_dates(&self, created: Micros) -> bool {
        if self.date_from.is_none() && self.date_to.is_none() {
            return true;
        }
        let created = clock::iso_seconds(created);
        let day = created.get(..10).unwrap_or_default();
        self.date_from.as_deref().is_none_or(|from| from <= day)
            && self.date_to.as_deref().is_none_or(|to| day <= to)
    }
}

fn is_found(call: &Call, term: &str, finds_ids: bool) -> bool {
    let digits = term.trim_start_matches('+');
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && (call.to.contains(digits) || call.from.contains(digits)))
        || call.sid == term
        || (finds_ids && call.id == term)
}

fn is_omitted(world: &mut World, index: usize) -> bool {
    let World { calls, faults, rng, .. } = world;
    let Some(call) = calls.get(index) else {
        return true;
    };
    let occasion = Occasion::Row { call: &call.id };
    let omits = |kind: &FaultKind| matches!(kind, FaultKind::ListOmits).then_some(());
    faults.strike(occasion, rng, omits).is_some()
}

/// How calls look from outside.
pub(super) struct View {
    /// The instant that rows show.
    at: Micros,
    words: Vec<(Status, String)>,
    is_precise: bool,
}

impl View {
    fn of(world: &mut World, now: Micros) -> Self {
        let lag = world.faults.habit(|kind| match kind {
            FaultKind::ListLag(span) => Some(*span),
            _ => None,
        });
        let lag = lag.map_or(0, |span| clock::micros(span.draw(&mut world.rng)));
        Self { at: now.saturating_sub(lag), ..Self::prompt(world, now) }
    }

    /// Without any lag.
    pub(super) fn prompt(world: &World, now: Micros) -> Self {
        let word = |status| {
            world.faults.habit(|kind| match kind {
                FaultKind::StatusAs(of, word) if *of == status => Some((status, word.clone())),
                _ => None,
            })
        };
        Self {
            at: now,
            words: Status::ALL.into_iter().filter_map(word).collect(),
            is_precise: world.faults.has(|kind| matches!(kind, FaultKind::PreciseTimes)),
        }
    }

    pub(super) fn word(&self, status: Status) -> &str {
        let word = self.words.iter().find(|(of, _)| *of == status);
        word.map_or(status.as_str(), |(_, word)| word)
    }

    pub(super) fn time(&self, at: Micros) -> String {
        if self.is_precise { clock::iso_millis(at) } else { clock::iso_seconds(at) }
    }

    fn knows(&self, word: &str) -> bool {
        Status::named(word).is_some()
            || word == "ready"
            || word == "external"
            || self.words.iter().any(|(_, known)| known == word)
    }

    fn change(&self, call: &Call) -> Option<Change> {
        call.status_at(self.at)
    }

    fn row(&self, call: &Call, change: Change, with_agent: bool) -> Value {
        let is_over = change.status.is_over();
        let mut row = json!({
            "id": call.id,
            "sid": call.sid,
            "to": call.to,
            "from": call.from,
            "to_formatted": formatted(&call.to),
            "from_formatted": formatted(&call.from),
            "is_testing": call.is_testing,
            "direction": call.direction.as_str(),
            "status": self.word(change.status),
            "duration": if is_over { call.seconds(self.at) } else { 0 },
            "created_at": self.time(call.created_at),
            "updated_at": self.time(change.at),
        });
        if with_agent {
            let name = super::agents::name(&call.agent);
            row["agent"] = json!({"id": call.agent, "name": name, "label": name});
        }
        row
    }
}

/// For the eye: `+1 555 0123456`.
fn formatted(number: &str) -> String {
    match (number.get(..2), number.get(2..5), number.get(5..)) {
        (Some(country), Some(area), Some(rest)) => format!("{country} {area} {rest}"),
        _ => number.to_owned(),
    }
}
