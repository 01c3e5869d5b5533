//! What operators do (spec §10): end, extend and release a call, and the kill switch.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Response},
    routing::post,
};
use jiff::{Timestamp, fmt::temporal::Pieces};
use serde::Deserialize;
use tokio_util::task::TaskTracker;

use super::{
    api::{call_id, unavailable, unknown_call},
    body,
    problem::Problem,
    query::nothing,
};
use crate::{
    config::duration,
    engine::{Block, Engine, KillError, Killed, OrderError},
    model::{
        ids::{AgentId, CallId},
        kill::Selection,
        operator::{EXTENSIONS, Order, Refused},
        pattern::Pattern,
        time::Wall,
        view::CallView,
    },
    telemetry::log::printable,
};

pub(super) fn routes(engine: Engine, tasks: TaskTracker) -> Router {
    Router::new()
        .route("/api/calls/{id}", axum::routing::patch(move_deadline))
        .route("/api/calls/{id}/end", post(end))
        .route("/api/calls/{id}/release", post(release))
        .route("/api/end", post(kill))
        .with_state(Arc::new(Operators { engine, tasks }))
}

struct Operators {
    engine: Engine,
    tasks: TaskTracker,
}

type Operator = State<Arc<Operators>>;
type Id = Result<Path<String>, PathRejection>;

/// A body that has nothing to say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// `PATCH /api/calls/{id}`: one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    extend: Option<String>,
    deadline: Option<String>,
}

/// `POST /api/end`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kill {
    agent: Option<String>,
    campaign: Option<String>,
    to: Option<String>,
    rule: Option<String>,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    block_new: bool,
    #[serde(default)]
    dry_run: bool,
}

async fn end(
    State(operators): Operator,
    uri: Uri,
    id: Id,
    body: Body,
) -> Result<Response, Problem> {
    nothing(&uri)?;
    let id = call_id(id)?;
    let Nothing {} = body::json(body).await?;
    let call = operators.order(id, Order::End).await?;
    Ok((StatusCode::ACCEPTED, Json(call)).into_response())
}

async fn release(
    State(operators): Operator,
    uri: Uri,
    id: Id,
    body: Body,
) -> Result<Json<CallView>, Problem> {
    nothing(&uri)?;
    let id = call_id(id)?;
    let Nothing {} = body::json(body).await?;
    operators.order(id, Order::Release).await.map(Json)
}

async fn move_deadline(
    State(operators): Operator,
    uri: Uri,
    id: Id,
    body: Body,
) -> Result<Json<CallView>, Problem> {
    nothing(&uri)?;
    let id = call_id(id)?;
    let order = move_of(body::json(body).await?, operators.engine.clock().now().wall)?;
    operators.order(id, order).await.map(Json)
}

async fn kill(State(operators): Operator, uri: Uri, body: Body) -> Result<Response, Problem> {
    nothing(&uri)?;
    let kill: Kill = body::json(body).await?;
    let dry_run = kill.dry_run;
    let (selection, block) = selection_of(kill)?;
    let killed = operators.kill(selection, block, dry_run).await?;
    let status = if dry_run { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(killed)).into_response())
}

impl Operators {
    async fn order(&self, id: CallId, order: Order) -> Result<CallView, Problem> {
        let engine = self.engine.clone();
        let given = id.clone();
        let task = self.tasks.spawn(async move { engine.order(&given, order).await });
        let ordered = task.await.map_err(|_| failed())?;
        ordered.map_err(|error| refusal(&id, &error))
    }

    async fn kill(
        &self,
        selection: Selection,
        block: Option<Block>,
        dry_run: bool,
    ) -> Result<Killed, Problem> {
        let engine = self.engine.clone();
        let pulled = async move { engine.kill(&selection, block.as_ref(), dry_run).await };
        let killed = self.tasks.spawn(pulled).await.map_err(|_| failed())?;
        killed.map_err(|error| {
            let mend = match error {
                KillError::NotBlocked(_) | KillError::NotInTime => {
                    "try again, or without block_new"
                }
                KillError::NotDurable(_) => "see /health",
            };
            Problem::unavailable(format!("{error}; {mend}"))
        })
    }
}

fn move_of(asked: Move, now: Wall) -> Result<Order, Problem> {
    let bad = |key: &str, text: &str, why: &str| {
        Problem::unprocessable(format!("{key} {} {why}", printable(text)))
    };
    match asked {
        Move { extend: Some(text), deadline: None } => {
            let span = duration::parsed(&text)
                .map_err(|mend| bad("extend", &text, &format!("is no duration: {mend}")))?;
            if !EXTENSIONS.contains(&span) {
                return Err(bad("extend", &text, "is not between 1s and 30d"));
            }
            Ok(Order::Extend(span))
        }
        Move { extend: None, deadline: Some(text) } => {
            let at: Timestamp = text.parse().map_err(|_| {
                let is_beyond =
                    Pieces::parse(&text).is_ok_and(|pieces| pieces.to_numeric_offset().is_some());
                let why = if is_beyond {
                    "is beyond all times that there are; expected is one at most 30d ahead"
                } else {
                    "is not RFC 3339, as 2026-01-31T12:00:00Z is"
                };
                bad("deadline", &text, why)
            })?;
            let at = Wall(at.as_microsecond());
            if at > now.after(*EXTENSIONS.end()) {
                return Err(bad("deadline", &text, "is more than 30d ahead"));
            }
            Ok(Order::Deadline(at))
        }
        Move { extend: Some(_), deadline: Some(_) } | Move { extend: None, deadline: None } => {
            Err(Problem::unprocessable(
                r#"one of {"extend":"5m"} and {"deadline":"2026-01-31T12:00:00Z"} is expected"#
                    .to_owned(),
            ))
        }
    }
}

fn selection_of(kill: Kill) -> Result<(Selection, Option<Block>), Problem> {
    let Kill { agent, campaign, to, rule, all, block_new, dry_run: _ } = kill;
    let unprocessable = |detail: &str| Problem::unprocessable(detail.to_owned());
    let is_narrowed = agent.is_some() || campaign.is_some() || to.is_some() || rule.is_some();
    match (all, is_narrowed) {
        (true, true) => {
            return Err(unprocessable(
                "all stands beside agent, campaign, to or rule: leave all out, or the others",
            ));
        }
        (false, false) => {
            return Err(unprocessable(
                "which calls? one of agent, campaign, to and rule is expected, or all: true",
            ));
        }
        (true, false) | (false, true) => {}
    }
    let agent = agent
        .map(|text| {
            AgentId::parse(&text).map_err(|error| {
                Problem::unprocessable(format!("agent {} {error}", printable(&text)))
            })
        })
        .transpose()?;
    let to = match to {
        None => None,
        Some(text) => {
            let pattern = Pattern::new(&text);
            Some(pattern.ok_or_else(|| unprocessable("to holds a NUL, which no number does"))?)
        }
    };
    let block = match (block_new, &campaign, &agent) {
        (false, _, _) => None,
        (true, Some(campaign), _) => Some(Block::Campaign(campaign.clone())),
        (true, None, Some(agent)) => Some(Block::Agent(agent.clone())),
        (true, None, None) => {
            return Err(unprocessable(
                "block_new pauses a campaign or unpublishes an agent: name one of them",
            ));
        }
    };
    Ok((Selection { agent, campaign, to, rule }, block))
}

fn refusal(id: &CallId, error: &OrderError) -> Problem {
    match error {
        OrderError::Unknown => unknown_call(id),
        OrderError::Refused(refused) => match *refused {
            Refused::Over(state) | Refused::TooLate(state) => {
                Problem::conflict(refused.to_string(), state.name())
            }
            Refused::NoDeadline | Refused::Past(_) => Problem::unprocessable(refused.to_string()),
        },
        OrderError::NotDurable => Problem::unavailable(format!("{error}; see /health")),
        OrderError::Store(_) => unavailable(),
    }
}

fn failed() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "callwarden failed on this order; its log says where".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn moved(extend: Option<&str>, deadline: Option<&str>) -> Result<Order, u16> {
        let asked =
            Move { extend: extend.map(str::to_owned), deadline: deadline.map(str::to_owned) };
        move_of(asked, Wall(0)).map_err(|problem| problem.status.as_u16())
    }

    #[test]
    fn an_extension_lies_between_a_second_and_30_days() {
        assert_eq!(moved(Some("5m"), None), Ok(Order::Extend(Duration::from_secs(300))));
        assert_eq!(moved(Some("30d"), None), Ok(Order::Extend(*EXTENSIONS.end())));
        for wrong in ["1y", "31d", "999ms", "5M", "5", "-1s", "", "99999999999999999999s"] {
            assert_eq!(moved(Some(wrong), None), Err(422), "{wrong}");
        }
    }

    #[test]
    fn a_deadline_is_rfc_3339_and_30_days_ahead_at_most() {
        assert_eq!(moved(None, Some("1970-01-01T00:00:01Z")), Ok(Order::Deadline(Wall(1_000_000))));
        for wrong in ["tomorrow", "1970-02-01T00:00:00Z", "2026-01-31T12:00:00", ""] {
            assert_eq!(moved(None, Some(wrong)), Err(422), "{wrong}");
        }
        let beyond = Move { extend: None, deadline: Some("9999-12-31T23:59:59Z".to_owned()) };
        let detail = move_of(beyond, Wall(0)).unwrap_err().detail;
        assert!(detail.contains("at most 30d ahead") && !detail.contains("RFC 3339"), "{detail}");
        assert_eq!(moved(None, None), Err(422));
        assert_eq!(moved(Some("5m"), Some("1970-01-01T00:00:01Z")), Err(422));
    }

    #[test]
    fn a_kill_says_which_calls_and_blocks_only_what_it_names() {
        let read = |json: &str| {
            serde_json::from_str::<Kill>(json)
                .map_err(|_| 422)
                .and_then(|kill| selection_of(kill).map_err(|problem| problem.status.as_u16()))
        };
        assert_eq!(read(r#"{"all":true}"#), Ok((Selection::default(), None)));
        let (selection, block) = read(r#"{"agent":"a","to":"+55*","block_new":true}"#).unwrap();
        assert!(selection.to.is_some_and(|to| to.matches("+5511")));
        assert_eq!(block, AgentId::parse("a").ok().map(Block::Agent));
        let (_, block) = read(r#"{"agent":"a","campaign":"c","block_new":true}"#).unwrap();
        assert_eq!(block, Some(Block::Campaign("c".to_owned())));
        for wrong in [
            "{}",
            r#"{"all":false}"#,
            r#"{"all":true,"rule":"r"}"#,
            r#"{"agent":"a b"}"#,
            r#"{"to":"\u0000"}"#,
            r#"{"all":true,"block_new":true}"#,
            r#"{"everything":true}"#,
            r#"{"all":"yes"}"#,
        ] {
            assert_eq!(read(wrong).map(drop), Err(422), "{wrong}");
        }
    }
}
