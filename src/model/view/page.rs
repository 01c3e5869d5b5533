//! What a list of calls is asked for, and one page of it.

use std::{fmt, str::FromStr};

use data_encoding::BASE64URL_NOPAD;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::model::{
    call::State,
    ids::{AgentId, CallId},
    time::Wall,
};

/// Which calls a list is to hold, and where it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFilter {
    /// Only calls in this state; `None` is every call without outcome.
    pub state: Option<State>,
    /// Only calls of this agent.
    pub agent: Option<AgentId>,
    /// The most calls to return, 1 to 1,000.
    pub limit: usize,
    /// Return what comes after this place.
    pub after: Option<Cursor>,
}

/// Which outcomes a list is to hold, newest first, and where it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Only this outcome, one of [`OUTCOMES`](super::OUTCOMES).
    pub outcome: Option<String>,
    /// Only what ended at this time or later.
    pub since: Option<Wall>,
    /// The most calls to return, 1 to 1,000.
    pub limit: usize,
    /// Return what comes after this place.
    pub after: Option<Cursor>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ViewPage<T> {
    /// The calls.
    pub calls: Vec<T>,
    /// Where the next page begins; `None` at the end of the list.
    pub next: Option<Cursor>,
}

/// A place in a list ordered by (time, id), just after the call it names. Opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The call's deadline, or the time of its end; calls that have none come last.
    pub at: Option<Wall>,
    /// The call's id.
    pub id: CallId,
}

/// A cursor that this version never gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not a cursor: pass on the `next` of the page before, unchanged")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, id } = self;
        let plain = match at {
            Some(Wall(micros)) => format!("{micros}:{id}"),
            None => format!(":{id}"),
        };
        f.write_str(&BASE64URL_NOPAD.encode(plain.as_bytes()))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| CursorError)?;
        let plain = String::from_utf8(bytes).map_err(|_| CursorError)?;
        let (at, id) = plain.split_once(':').ok_or(CursorError)?;
        let at = match at {
            "" => None,
            micros => Some(Wall(micros.parse().map_err(|_| CursorError)?)),
        };
        let id = CallId::parse(id).map_err(|_| CursorError)?;
        Ok(Self { at, id })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_trip_through_a_client() {
        for at in [None, Some(Wall(-1)), Some(Wall(1_700_000_000_000_000))] {
            let id = CallId::parse("a:b/ü").unwrap();
            let cursor = Cursor { at, id };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        assert_eq!("?".parse::<Cursor>(), Err(CursorError));
        assert_eq!("".parse::<Cursor>(), Err(CursorError));
    }
}
