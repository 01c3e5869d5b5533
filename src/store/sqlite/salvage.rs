//! `callwarden store recover` (spec §2): what can still be read of a damaged file goes into a new one.
//!
//! The table is read in the order of its keys; where that fails the reading leaps ahead, by twice as
//! much each time, until it finds a page that is whole. Which calls were leapt over the index of
//! their ids tells, where that is whole; each of them is then tried alone. The old file is only read;
//! where SQLite refuses its beginning, a copy with another one is ([`Mended`]).

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Row as SqlRow, params};
use serde::de::IgnoredAny;

use super::{errors, lock::Lock, mend::Mended, open};
use crate::store::StoreError;

const COLUMNS: &str = "key, id, sid, version, outcome, ended_at, deadline, body, context";

/// What became of a damaged file's calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// How many are in the new file.
    pub calls: usize,
    /// Calls that are known to be missing in it, and why.
    pub lost: Vec<(String, String)>,
    /// What else could not be read, a sentence each.
    pub unread: Vec<String>,
}

/// A call's row, as it stands.
struct Found {
    key: i64,
    id: String,
    sid: Option<String>,
    version: i64,
    outcome: Option<String>,
    ended_at: Option<i64>,
    deadline: Option<i64>,
    body: String,
    context: Option<String>,
}

/// Reads the database at `from` and writes what can be read into a new one at `to`.
///
/// # Errors
///
/// A callwarden runs on it, it is not ours, nothing of it can be read, or `to` is there already or
/// can't be written.
pub fn salvage(from: &Path, to: &Path) -> Result<Salvaged, StoreError> {
    let from = std::fs::canonicalize(from).map_err(|error| errors::from_io(from, error))?;
    let _lock = Lock::take(&from, Duration::ZERO)?;
    let mut salvaged = Salvaged::default();
    let as_it_is = || {
        let old = open::connect(&from, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(|error| errors::from_sqlite(&from, error))?;
        match open::identify(&old, &from)? {
            0 => Err(StoreError::Empty { path: from.clone() }),
            _ => has_calls(&old).map(|()| old).map_err(|error| errors::from_sqlite(&from, error)),
        }
    };
    let mended;
    let old = match as_it_is() {
        Err(StoreError::Damaged { found, .. }) => {
            mended = Mended::copy(&from, to)?;
            salvaged.unread.push(format!(
                "the header of the file ({found}): a new one was taken in its place"
            ));
            (mended.open())
                .and_then(|old| has_calls(&old).map(|()| old))
                .map_err(|error| StoreError::Lost { path: from, found: error.to_string() })?
        }
        found => found?,
    };
    std::fs::File::create_new(to).map_err(|error| errors::from_io(to, error))?;
    let mut new = open::writer(to, open::Look::Brief)?;

    let named = names(&old, &mut salvaged.unread);
    let mut written = HashSet::new();
    let last = named.keys().next_back().copied();
    let transaction = new.transaction().map_err(|error| errors::from_sqlite(to, error))?;
    let take = |found: Found, salvaged: &mut Salvaged, written: &mut HashSet<i64>| {
        let key = found.key;
        if !written.insert(key) {
            return;
        }
        match write(&transaction, &found) {
            Ok(()) => salvaged.calls += 1,
            Err(why) => salvaged.lost.push((found.id, why)),
        }
    };
    let mut from_key = i64::MIN;
    let mut leap = 1_i64;
    loop {
        match run(&old, from_key, |found| {
            leap = 1;
            from_key = found.key.saturating_add(1);
            take(found, &mut salvaged, &mut written);
        }) {
            Ok(()) => break,
            Err(error) => {
                if leap == 1 {
                    salvaged.unread.push(format!("rows from key {}: {error}", from_key.max(0)));
                }
                from_key = from_key.max(0).saturating_add(leap);
                leap = leap.saturating_mul(2);
                if last.is_some_and(|last| from_key > last) || leap > 1 << 40 {
                    break;
                }
            }
        }
    }
    for (key, id) in &named {
        if written.contains(key) {
            continue;
        }
        match one(&old, *key) {
            Ok(found) => take(found, &mut salvaged, &mut written),
            Err(error) => salvaged.lost.push((id.clone(), error.to_string())),
        }
    }
    for table in ["requests", "meta"] {
        if let Err(error) = copy(&old, &transaction, table) {
            salvaged.unread.push(format!("table {table}: {error}"));
        }
    }
    transaction.commit().map_err(|error| errors::from_sqlite(to, error))?;
    new.close().map_err(|(_, error)| errors::from_sqlite(to, error))?;
    Ok(salvaged)
}

/// Without a schema there is nothing to go by.
fn has_calls(old: &Connection) -> rusqlite::Result<()> {
    old.prepare(&format!("SELECT {COLUMNS} FROM calls")).map(drop)
}

/// The calls by their keys, as the index of ids has them.
fn names(old: &Connection, unread: &mut Vec<String>) -> BTreeMap<i64, String> {
    let mut names = BTreeMap::new();
    let mut read = || -> rusqlite::Result<()> {
        let mut statement = old
            .prepare("SELECT key, id FROM calls INDEXED BY sqlite_autoindex_calls_1 ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            names.insert(row.get(0)?, row.get(1)?);
        }
        Ok(())
    };
    if let Err(error) = read() {
        unread.push(format!("the index of ids, which would name all that is missing: {error}"));
    }
    names
}

/// Reads all rows from `key` on, in their order, until one cannot be read.
fn run(old: &Connection, key: i64, mut each: impl FnMut(Found)) -> rusqlite::Result<()> {
    let sql = format!("SELECT {COLUMNS} FROM calls NOT INDEXED WHERE key >= ? ORDER BY key");
    let mut statement = old.prepare(&sql)?;
    let mut rows = statement.query([key])?;
    while let Some(row) = rows.next()? {
        each(found(row)?);
    }
    Ok(())
}

fn one(old: &Connection, key: i64) -> rusqlite::Result<Found> {
    let sql = format!("SELECT {COLUMNS} FROM calls NOT INDEXED WHERE key = ?");
    old.query_row(&sql, [key], found)
}

fn found(row: &SqlRow<'_>) -> rusqlite::Result<Found> {
    Ok(Found {
        key: row.get(0)?,
        id: row.get(1)?,
        sid: row.get(2)?,
        version: row.get(3)?,
        outcome: row.get(4)?,
        ended_at: row.get(5)?,
        deadline: row.get(6)?,
        body: row.get(7)?,
        context: row.get(8)?,
    })
}

fn write(new: &Connection, found: &Found) -> Result<(), String> {
    let Found { key, id, sid, version, outcome, ended_at, deadline, body, context } = found;
    if serde_json::from_str::<IgnoredAny>(body).is_err() {
        return Err("what was kept of it is not whole".to_owned());
    }
    let sql = format!("INSERT INTO calls ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    let values = params![key, id, sid, version, outcome, ended_at, deadline, body, context];
    new.execute(&sql, values).map(drop).map_err(|error| error.to_string())
}

/// Copies a table of plain values, as far as it can be read.
fn copy(old: &Connection, new: &Connection, table: &str) -> rusqlite::Result<()> {
    let (read, write) = match table {
        "meta" => ("SELECT name, value FROM meta", "INSERT OR REPLACE INTO meta VALUES (?, ?)"),
        _ => ("SELECT NULL, at FROM requests", "INSERT INTO requests SELECT ?2 WHERE ?1 IS NULL"),
    };
    let mut statement = old.prepare(read)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (name, value): (Option<String>, i64) = (row.get(0)?, row.get(1)?);
        new.execute(write, params![name, value])?;
    }
    Ok(())
}
