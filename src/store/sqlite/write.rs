//! What the writer thread does: commits, and making room.
//!
//! It owns the lock and the one connection that writes.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{
    Shared, errors,
    lock::Lock,
    open::{self, Look},
    slot::Slot,
};
use crate::{
    model::{ids::CallId, time::Wall},
    store::{Batch, Committed, JoinedAway, Refused, Row, StoreError},
};

/// How long requests count: twice the longest window that a quota can have (an hour).
const REQUESTS_KEPT: Duration = Duration::from_secs(2 * 3600);

/// Pages given back to the file system in one go.
const VACUUM_PAGES: u32 = 1024;

const UPSERT: &str = "
    INSERT INTO calls (id, sid, version, outcome, ended_at, deadline, body, context)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (id) DO UPDATE SET
        sid = excluded.sid, version = excluded.version, outcome = excluded.outcome,
        ended_at = excluded.ended_at, deadline = excluded.deadline, body = excluded.body,
        context = coalesce(excluded.context, calls.context)
    WHERE excluded.version > calls.version";
const HAND_ON_CONTEXT: &str = "
    UPDATE calls SET context = (SELECT context FROM calls WHERE id = ?1)
    WHERE id = ?2 AND context IS NULL";
const DELETE: &str = "DELETE FROM calls WHERE id = ?1";
const ADD_REQUEST: &str = "INSERT INTO requests (at) VALUES (?1)";
const FORGET_REQUESTS: &str = "DELETE FROM requests WHERE at < ?1";
const SET_UNWRITTEN: &str = "
    INSERT INTO meta (name, value) VALUES ('unwritten_requests', ?1)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const PRUNE: &str = "
    DELETE FROM calls WHERE key IN (
        SELECT key FROM calls
        WHERE ended_at < ?1 AND outcome IS NOT NULL
        ORDER BY ended_at LIMIT ?2)";
const PROBE: &str = "
    INSERT INTO meta (name, value) VALUES ('probes', 1)
    ON CONFLICT (name) DO UPDATE SET value = value + 1";

/// Every statement here, for the check of the schema.
pub(super) const STATEMENTS: &[&str] =
    &[UPSERT, HAND_ON_CONTEXT, DELETE, ADD_REQUEST, FORGET_REQUESTS, SET_UNWRITTEN, PRUNE, PROBE];

/// The state of the writer thread.
pub(super) struct Writer {
    shared: Arc<Shared>,
    // Before the lock, so that it is closed before the lock is given up.
    connection: Slot,
    lock: Option<Lock>,
}

impl Writer {
    /// A writer that has opened nothing yet.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, connection: Slot::default(), lock: None }
    }

    /// Opens the file for the first time, waiting up to `patience` for a predecessor's lock.
    pub(super) fn start(&mut self, patience: Duration) -> Result<(), StoreError> {
        self.write(patience, |_| Ok(()))
    }

    /// Writes a little, durably, opening the file anew where that is needed.
    pub(super) fn probe(&mut self) -> Result<(), StoreError> {
        self.write(Duration::ZERO, |connection| {
            connection.execute(PROBE, [])?;
            Ok(())
        })
    }

    /// Writes a batch in one transaction.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<Committed, StoreError> {
        self.write(Duration::ZERO, |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let refused = write_batch(&transaction, batch)?;
            transaction.commit()?;
            Ok(Committed { refused })
        })
    }

    /// Forgets up to `most` calls that ended before `ended_before`, and shrinks the file a little.
    pub(super) fn prune(&mut self, ended_before: Wall, most: usize) -> Result<usize, StoreError> {
        self.write(Duration::ZERO, |connection| {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let pruned =
                connection.prepare_cached(PRUNE)?.execute(params![ended_before.0, most])?;
            vacuum(connection)?;
            Ok(pruned)
        })
    }

    /// Runs any SQL on the connection that writes.
    #[cfg(test)]
    pub(super) fn execute(&mut self, sql: &str) -> Result<(), StoreError> {
        self.write(Duration::ZERO, |connection| connection.execute_batch(sql))
    }

    fn write<T>(
        &mut self,
        patience: Duration,
        job: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let Self { shared, connection, lock } = self;
        let result = connection.with(
            shared,
            || open(shared, lock, patience),
            |connection| {
                if shared.wal_is_long.swap(false, Ordering::Relaxed) {
                    // Nobody writes meanwhile, so this comes to the WAL's end, and it starts anew.
                    checkpoint(connection)?;
                }
                job(connection)
            },
        );
        shared.remember(&result);
        result
    }
}

fn open(
    shared: &Shared,
    lock: &mut Option<Lock>,
    patience: Duration,
) -> Result<Connection, StoreError> {
    let (path, look) = match shared.canonical.get() {
        Some(path) => (path.clone(), Look::Brief),
        None => (open::create(&shared.given)?, Look::Deep),
    };
    if lock.is_none() {
        *lock = Some(Lock::take(&path, patience)?);
    }
    let connection = open::writer(&path, look)?;
    shared.canonical.get_or_init(|| path);
    Ok(connection)
}

fn write_batch(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<Vec<Refused>> {
    let Batch { rows, joined_away, requests, unwritten_requests } = batch;
    let refused = upsert(transaction, rows)?;
    // What the call of the id could not take over stays.
    let is_taken_over =
        |joined: &&JoinedAway| !refused.iter().any(|refused| refused.id == joined.id);
    join(transaction, joined_away.iter().filter(is_taken_over))?;
    add_requests(transaction, requests)?;
    if let Some(most) = unwritten_requests {
        transaction.prepare_cached(SET_UNWRITTEN)?.execute([most])?;
    }
    Ok(refused)
}

fn join<'a>(
    transaction: &Transaction<'_>,
    joined_away: impl Iterator<Item = &'a JoinedAway>,
) -> rusqlite::Result<()> {
    let mut hand_on = transaction.prepare_cached(HAND_ON_CONTEXT)?;
    let mut delete = transaction.prepare_cached(DELETE)?;
    for JoinedAway { sid, id } in joined_away {
        hand_on.execute([sid.as_str(), id.as_str()])?;
        delete.execute([sid.as_str()])?;
    }
    Ok(())
}

fn upsert(transaction: &Transaction<'_>, rows: &[Row]) -> rusqlite::Result<Vec<Refused>> {
    let mut upsert = transaction.prepare_cached(UPSERT)?;
    let mut refused = Vec::new();
    for row in rows {
        let Row { id, sid, version, outcome, ended_at, deadline, body, context } = row;
        let result = upsert.execute(params![
            id.as_str(),
            sid.as_ref().map(CallId::as_str),
            i64::try_from(*version).unwrap_or(i64::MAX),
            outcome,
            ended_at.map(|at| at.0),
            deadline.map(|at| at.0),
            body,
            context,
        ]);
        match result {
            Ok(_) => {}
            Err(error) if errors::is_about_the_row(&error) => {
                refused.push(Refused { id: id.clone(), reason: error.to_string() })
            }
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}

fn add_requests(transaction: &Transaction<'_>, requests: &[Wall]) -> rusqlite::Result<()> {
    let Some(newest) = requests.iter().max() else {
        return Ok(());
    };
    let mut add = transaction.prepare_cached(ADD_REQUEST)?;
    for at in requests {
        add.execute([at.0])?;
    }
    transaction.prepare_cached(FORGET_REQUESTS)?.execute([newest.before(REQUESTS_KEPT).0])?;
    Ok(())
}

/// Gives free pages back, but for a sixteenth, which the next calls will need.
fn vacuum(connection: &Connection) -> rusqlite::Result<()> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, u32>(0));
    let free = number("PRAGMA freelist_count")?;
    let spare = number("PRAGMA page_count")? / 16;
    let pages = free.saturating_sub(spare).min(VACUUM_PAGES);
    if pages == 0 {
        return Ok(());
    }
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut steps = vacuum.query([])?;
    while steps.next()?.is_some() {}
    Ok(())
}

/// Moves what it can of the WAL into the file, and tells how many frames the WAL holds; -1 where
/// another checkpoint is under way.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))
}
