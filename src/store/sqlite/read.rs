//! What the reader thread does: queries, on a connection of its own that only reads.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, named_params, types::Type};

use super::{Shared, open, slot::Slot};
use crate::{
    model::{ids::CallId, time::Wall},
    store::{HistoryQuery, LiveCursor, LivePage, Row, StoreError},
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, sid, version, outcome, ended_at, deadline, body, context, key FROM calls ",
            $rest
        )
    };
}

const BY_ID: &str = select!("WHERE id = :id");
const BY_SID: &str = select!("WHERE sid = :id ORDER BY key DESC LIMIT 1");
const LIVE: &str = select!(
    "INDEXED BY calls_live WHERE outcome IS NULL AND key > :after ORDER BY key LIMIT :limit"
);
const HISTORY: &str = select!(
    "INDEXED BY calls_ended
     WHERE ended_at <= :until AND ended_at >= :since AND (ended_at < :until OR id > :id)
       AND outcome IS NOT NULL AND (:outcome IS NULL OR outcome = :outcome)
     ORDER BY ended_at DESC, id LIMIT :limit"
);
const CONTEXT: &str = "SELECT context FROM calls WHERE id = :id";
const REQUESTS: &str = "SELECT at FROM requests WHERE at >= :since ORDER BY at";

const UNWRITTEN: &str = "SELECT value FROM meta WHERE name = 'unwritten_requests'";

/// Every statement here, for the check of the schema.
pub(super) const STATEMENTS: &[&str] =
    &[BY_ID, BY_SID, LIVE, HISTORY, CONTEXT, REQUESTS, UNWRITTEN];

/// The state of the reader thread.
pub(super) struct Reader {
    shared: Arc<Shared>,
    connection: Slot,
}

impl Reader {
    /// A reader that has opened nothing yet.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, connection: Slot::default() }
    }

    /// Runs a query.
    pub(super) fn read<T>(
        &mut self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let Self { shared, connection } = self;
        connection.with(
            shared,
            || open::reader(shared.opened_path()?),
            |connection| query(connection),
        )
    }
}

pub(super) fn find(connection: &Connection, id: &CallId) -> rusqlite::Result<Option<Row>> {
    for sql in [BY_ID, BY_SID] {
        let found = connection
            .prepare_cached(sql)?
            .query_row(named_params! { ":id": id.as_str() }, row)
            .optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

pub(super) fn live(
    connection: &Connection,
    after: Option<LiveCursor>,
    limit: usize,
) -> rusqlite::Result<LivePage> {
    let after = after.map_or(i64::MIN, |LiveCursor(key)| key);
    let mut live = connection.prepare_cached(LIVE)?;
    let mut found = live.query(named_params! { ":after": after, ":limit": count(limit) })?;
    let mut page = LivePage::default();
    let mut last = None;
    while let Some(next) = found.next()? {
        page.rows.push(row(next)?);
        last = Some(LiveCursor(next.get("key")?));
    }
    page.next = last.filter(|_| page.rows.len() >= limit);
    Ok(page)
}

pub(super) fn history(connection: &Connection, query: &HistoryQuery) -> rusqlite::Result<Vec<Row>> {
    let HistoryQuery { outcome, since, after, limit } = query;
    let (until, id) = match after {
        Some((at, id)) => (at.0, id.as_str()),
        None => (i64::MAX, ""),
    };
    connection
        .prepare_cached(HISTORY)?
        .query_map(
            named_params! {
                ":until": until,
                ":id": id,
                ":since": since.map_or(i64::MIN, |at| at.0),
                ":outcome": outcome,
                ":limit": count(*limit),
            },
            row,
        )?
        .collect()
}

pub(super) fn contexts(
    connection: &Connection,
    ids: &[CallId],
) -> rusqlite::Result<Vec<Option<String>>> {
    let mut statement = connection.prepare_cached(CONTEXT)?;
    let mut find = |id: &CallId| {
        let found = statement
            .query_row(named_params! { ":id": id.as_str() }, |row| row.get(0))
            .optional()?;
        Ok(found.flatten())
    };
    ids.iter().map(&mut find).collect()
}

pub(super) fn requests_since(connection: &Connection, since: Wall) -> rusqlite::Result<Vec<Wall>> {
    connection
        .prepare_cached(REQUESTS)?
        .query_map(named_params! { ":since": since.0 }, |row| row.get(0).map(Wall))?
        .collect()
}

pub(super) fn unwritten_requests(connection: &Connection) -> rusqlite::Result<u32> {
    let found = connection.query_row(UNWRITTEN, [], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or_default())
}

fn row(found: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: id(found, 0)?.ok_or(rusqlite::Error::InvalidColumnType(
            0,
            "id".to_owned(),
            Type::Null,
        ))?,
        sid: id(found, 1)?,
        version: u64::try_from(found.get::<_, i64>(2)?).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(2, Type::Integer, error.into())
        })?,
        outcome: found.get(3)?,
        ended_at: found.get::<_, Option<i64>>(4)?.map(Wall),
        deadline: found.get::<_, Option<i64>>(5)?.map(Wall),
        body: found.get(6)?,
        context: found.get(7)?,
    })
}

fn id(found: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Option<CallId>> {
    found.get_ref(column)?.as_str_or_null()?.map(CallId::parse).transpose().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
