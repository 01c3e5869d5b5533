//! The store: every call, kept over crashes (spec §8).
//!
//! What `commit` has answered for survives kill -9 and power loss. Nothing here decides: rows go in
//! by id and version and come out as they went in.

mod error;
mod row;
mod sqlite;

pub use error::StoreError;
pub use row::Row;
pub use sqlite::{Salvaged, Store, is_hollow, salvage};

use crate::model::{ids::CallId, time::Wall};

/// What one commit writes, all of it or, but for [refused](Committed::refused) rows, nothing.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Calls as they are now. A row that the store has in the same or a higher version is left.
    pub rows: Vec<Row>,
    /// Rows that were joined into others: deleted, once their context is handed on.
    pub joined_away: Vec<JoinedAway>,
    /// When requests left for the platform.
    pub requests: Vec<Wall>,
    /// How many more may leave from now on before they are written; `None` leaves it as it is.
    pub unwritten_requests: Option<u32>,
}

/// A call that went by its sid, until it was joined into the call of its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedAway {
    /// Whose row goes.
    pub sid: CallId,
    /// Whose row has its facts, and takes over its context where it has none.
    pub id: CallId,
}

impl Batch {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { rows, joined_away, requests, unwritten_requests } = self;
        rows.is_empty()
            && joined_away.is_empty()
            && requests.is_empty()
            && unwritten_requests.is_none()
    }
}

/// What a commit did.
#[derive(Debug, Default)]
pub struct Committed {
    /// Rows that the store will not have as they are; trying them again is of no use.
    pub refused: Vec<Refused>,
}

/// A row refused alone.
#[derive(Debug)]
pub struct Refused {
    /// Whose row it was.
    pub id: CallId,
    /// Why, in SQLite's words.
    pub reason: String,
}

/// A part of the calls without outcome.
#[derive(Debug, Default)]
pub struct LivePage {
    /// Its rows, with their context.
    pub rows: Vec<Row>,
    /// Where the next part begins; `None` after the last one.
    pub next: Option<LiveCursor>,
}

/// A place among the calls without outcome. Calls keep their places while they change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveCursor(i64);

/// Which outcomes to list: the latest first, those of one instant by id.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// Only those of this name.
    pub outcome: Option<String>,
    /// Only those recorded at or after this instant.
    pub since: Option<Wall>,
    /// Only those after this one, the last of the page before.
    pub after: Option<(Wall, CallId)>,
    /// At most this many rows.
    pub limit: usize,
}
