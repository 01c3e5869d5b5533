//! Query strings read into filters: unknown keys and bad values are problems that name them.

use std::str::FromStr;

use axum::{extract::Query, http::Uri};

use super::problem::Problem;
use crate::{
    config::duration,
    model::{
        call::State,
        ids::AgentId,
        time::{Moment, Wall},
        view::{CallFilter, Cursor, HistoryFilter, OUTCOMES},
    },
    telemetry::log::printable,
};

const LIMIT: usize = 100;
const LIMIT_AT_MOST: usize = 1_000;

/// What `GET /api/calls` is asked for.
pub(super) fn call_filter(uri: &Uri) -> Result<CallFilter, Problem> {
    let mut filter = CallFilter { state: None, agent: None, limit: LIMIT, after: None };
    for (key, value) in pairs(uri)? {
        match key.as_str() {
            "state" => filter.state = Some(state(&value)?),
            "agent" => {
                let agent = AgentId::parse(&value);
                filter.agent = Some(agent.map_err(|error| bad("agent", &value, error))?);
            }
            "limit" => filter.limit = limit(&value)?,
            "after" => filter.after = Some(after(&value)?),
            _ => return Err(unknown(&key, "state, agent, limit or after")),
        }
    }
    Ok(filter)
}

/// What `GET /api/history` is asked for.
pub(super) fn history_filter(uri: &Uri, now: Moment) -> Result<HistoryFilter, Problem> {
    let mut filter = HistoryFilter { outcome: None, since: None, limit: LIMIT, after: None };
    for (key, value) in pairs(uri)? {
        match key.as_str() {
            "outcome" => filter.outcome = Some(outcome(value)?),
            "since" => filter.since = Some(since(&value, now)?),
            "limit" => filter.limit = limit(&value)?,
            "after" => filter.after = Some(after(&value)?),
            _ => return Err(unknown(&key, "outcome, since, limit or after")),
        }
    }
    Ok(filter)
}

/// For what takes no query.
pub(super) fn nothing(uri: &Uri) -> Result<(), Problem> {
    match pairs(uri)?.first() {
        None => Ok(()),
        Some((key, _)) => Err(unknown(key, "no key")),
    }
}

fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|error| Problem::unprocessable(format!("the query cannot be read: {error}")))?;
    for (i, (key, _)) in pairs.iter().enumerate() {
        if pairs.iter().skip(i + 1).any(|(other, _)| other == key) {
            return Err(Problem::unprocessable(format!(
                "the query's key {} is there twice: once is expected",
                printable(key),
            )));
        }
    }
    Ok(pairs)
}

fn state(value: &str) -> Result<State, Problem> {
    State::from_name(value).ok_or_else(|| {
        let names = State::ALL.map(State::name).join(", ");
        bad("state", value, format_args!("is none of {names}"))
    })
}

fn outcome(value: String) -> Result<String, Problem> {
    if OUTCOMES.contains(&value.as_str()) {
        return Ok(value);
    }
    let names = OUTCOMES.join(", ");
    Err(bad("outcome", &value, format_args!("is none of {names}")))
}

fn limit(value: &str) -> Result<usize, Problem> {
    usize::from_str(value)
        .ok()
        .filter(|limit| (1..=LIMIT_AT_MOST).contains(limit))
        .ok_or_else(|| bad("limit", value, "is not a number from 1 to 1000"))
}

fn after(value: &str) -> Result<Cursor, Problem> {
    value.parse().map_err(|error| bad("after", value, error))
}

/// A time, or how long ago.
fn since(value: &str, now: Moment) -> Result<Wall, Problem> {
    duration::since(value, now.wall).ok_or_else(|| {
        bad(
            "since",
            value,
            "is neither RFC 3339, as 2026-01-31T12:00:00Z (a + must be written %2B), nor a \
             duration ago, as 90m",
        )
    })
}

fn bad(key: &str, value: &str, why: impl std::fmt::Display) -> Problem {
    Problem::unprocessable(format!("{key}={} {why}", printable(value)))
}

fn unknown(key: &str, expected: &str) -> Problem {
    Problem::unprocessable(format!(
        "the query's key {} is unknown: {expected} is expected",
        printable(key),
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::ids::CallId;

    const NOW: Moment =
        Moment { wall: Wall(1_700_000_000_000_000), mono: crate::model::time::Mono(0) };

    fn uri(query: &str) -> Uri {
        format!("/api/x?{query}").parse().unwrap()
    }

    #[test]
    fn an_empty_query_asks_for_the_first_100_calls_without_outcome() {
        let filter = call_filter(&"/api/calls".parse().unwrap()).unwrap();
        assert_eq!((filter.state, filter.limit), (None, 100));
        assert_eq!((filter.agent, filter.after), (None, None));
    }

    #[test]
    fn every_key_is_read() {
        let cursor = Cursor { at: None, id: CallId::parse("a&b").unwrap() };
        let query = format!("state=stopping&agent=a_1&limit=1000&after={cursor}");
        let filter = call_filter(&uri(&query)).unwrap();
        assert_eq!(filter.state, Some(State::Stopping));
        assert_eq!(filter.agent, AgentId::parse("a_1").ok());
        assert_eq!(filter.limit, 1000);
        assert_eq!(filter.after, Some(cursor));
    }

    #[test]
    fn since_is_a_time_or_how_long_ago() {
        let since = |query| history_filter(&uri(query), NOW).unwrap().since;
        let hour = Duration::from_secs(3600);
        assert_eq!(since("since=1h"), Some(NOW.wall.before(hour)));
        assert_eq!(since("since=2023-11-14T21:13:20Z"), Some(NOW.wall.before(hour)));
        assert_eq!(since("since=2023-11-14T23:13:20%2B02:00"), Some(NOW.wall.before(hour)));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_was_expected() {
        let problems = [
            call_filter(&uri("sate=live")).unwrap_err(),
            call_filter(&uri("state=dead")).unwrap_err(),
            call_filter(&uri("agent=a/b")).unwrap_err(),
            call_filter(&uri("limit=0")).unwrap_err(),
            call_filter(&uri("limit=1001")).unwrap_err(),
            call_filter(&uri("limit=1&limit=2")).unwrap_err(),
            call_filter(&uri("after=%0Ax")).unwrap_err(),
            call_filter(&uri("token=secret")).unwrap_err(),
            history_filter(&uri("outcome=gone"), NOW).unwrap_err(),
            history_filter(&uri("since=yesterday"), NOW).unwrap_err(),
            nothing(&uri("x=1")).unwrap_err(),
        ];
        assert!(problems.iter().all(|problem| problem.status == 422));
        let details: Vec<_> = problems.into_iter().map(|problem| problem.detail).collect();
        insta::assert_snapshot!(details.join("\n"));
    }
}
