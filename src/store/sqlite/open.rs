//! Opening the file: what is looked at before anything is written, and how a connection is set up.
//!
//! How deep the look goes is a question of time, for overdue calls wait for the start. Header,
//! schema and our own marks are always read. A file of ordinary size is checked whole
//! (`quick_check`: every page, every row's order); of a bigger one what the start rests on, the calls
//! without outcome. Damage elsewhere in a big file shows when it is met: as `Damaged`, never as an
//! empty answer.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use rustix::fs::{Access, access};

use super::{errors, lock, migrate, read, write};
use crate::store::StoreError;

/// `application_id`: "cwdn" in ASCII.
pub(super) const APPLICATION_ID: i32 = 0x6377_646e;

/// Up to this size, in bytes, a file is checked whole: a second's work or so.
const CHECKED_WHOLE: u64 = 128 << 20;

/// How long another program's lock is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Creates the file where there is none, and finds its canonical path.
///
/// A file that is there is not opened: closing it again would drop every lock that this process has
/// on it, SQLite's too.
pub(super) fn create(path: &Path) -> Result<PathBuf, StoreError> {
    let refuse = |error| errors::from_io(path, error);
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {
            access(path, Access::READ_OK | Access::WRITE_OK)
                .map_err(|error| refuse(error.into()))?;
        }
        Ok(_) => {
            return Err(StoreError::NotAFile { path: path.to_owned() });
        }
        // There is none, or what hinders us from seeing it hinders us from creating it.
        Err(_) => {
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)
                .map_err(refuse)?;
        }
    }
    fs::canonicalize(path).map_err(refuse)
}

/// Whether the file at `path` has lost all that it held: it is there without a byte, and beside it the
/// lock of an earlier life, which no file has that was only just made.
#[must_use]
pub fn is_hollow(path: &Path) -> bool {
    let Ok(path) = fs::canonicalize(path) else { return false };
    fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() == 0)
        && lock::lock_path(&path).exists()
}

/// Opens the connection that writes; the file is touched only once it has proved to be ours.
pub(super) fn writer(path: &Path, look: Look) -> Result<Connection, StoreError> {
    let refuse = |error| errors::from_sqlite(path, error);
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(refuse)?;
    // Until then not even what waits in a WAL is moved into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(refuse)?;
    let schema = identify(&connection, path)?;
    if schema > 0 && look == Look::Deep {
        inspect(&connection, path)?;
    }
    set_up(&connection).map_err(refuse)?;
    migrate::run(&mut connection, schema).map_err(refuse)?;
    expect_tables(&connection, path)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(refuse)?;
    Ok(connection)
}

/// How closely a file is looked at when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// At the start.
    Deep,
    /// When a connection is replaced in a file that was looked at before.
    Brief,
}

/// Opens a connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    prepared(path, OpenFlags::SQLITE_OPEN_READ_ONLY, "PRAGMA cache_size = -2048;")
}

/// Opens a connection that moves the WAL into the file.
pub(super) fn checkpointer(path: &Path) -> Result<Connection, StoreError> {
    prepared(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE,
        "PRAGMA synchronous = FULL; PRAGMA cache_size = -256;",
    )
}

fn prepared(path: &Path, mode: OpenFlags, pragmas: &str) -> Result<Connection, StoreError> {
    connect(path, mode)
        .and_then(|connection| connection.execute_batch(pragmas).map(|()| connection))
        .map_err(|error| errors::from_sqlite(path, error))
}

/// Never creates the file: one that vanished while we run is missed, not replaced by an empty one.
pub(super) fn connect(path: &Path, mode: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

/// The number of the schema found: 0 for an empty file.
pub(super) fn identify(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let number = |sql| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(|error| errors::from_sqlite(path, error))
    };
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let application = number("PRAGMA application_id")?;
    let schema = number("PRAGMA user_version")?;
    let path = path.to_owned();
    match application {
        0 if tables == 0 && schema == 0 => Ok(0),
        id if id != i64::from(APPLICATION_ID) => {
            Err(StoreError::NotOurs { path, found: i32::try_from(id).unwrap_or_default() })
        }
        _ if schema > migrate::NEWEST => {
            Err(StoreError::Newer { path, found: schema, known: migrate::NEWEST })
        }
        _ if schema < 1 => {
            Err(StoreError::Damaged { path, found: format!("schema number {schema}") })
        }
        _ => Ok(schema),
    }
}

fn inspect(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let refuse = |error| contradiction(path, error);
    let size = fs::metadata(path).map_err(|error| errors::from_io(path, error))?;
    if size.len() > CHECKED_WHOLE {
        let sql =
            "SELECT count(length(body)) FROM calls INDEXED BY calls_live WHERE outcome IS NULL";
        return connection.query_row(sql, [], |_| Ok(())).map_err(refuse);
    }
    let found: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(refuse)?;
    match found.as_str() {
        "ok" => Ok(()),
        _ => Err(StoreError::Damaged { path: path.to_owned(), found }),
    }
}

/// Every statement there is can be prepared: tables, columns and indexes are those of our schema.
fn expect_tables(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    for sql in read::STATEMENTS.iter().chain(write::STATEMENTS) {
        connection.prepare(sql).map_err(|error| contradiction(path, error))?;
    }
    Ok(())
}

/// An error of a statement that holds in every schema of ours: if it is not the disk's, this one is
/// no longer what its number says.
fn contradiction(path: &Path, error: rusqlite::Error) -> StoreError {
    match errors::from_sqlite(path, error) {
        StoreError::Unexpected { path, source } => {
            StoreError::Damaged { path, found: source.to_string() }
        }
        other => other,
    }
}

/// `auto_vacuum` counts only in a file without pages, and so comes first. The WAL is cut down to
/// `journal_size_limit` when it starts anew.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -4096;
         PRAGMA trusted_schema = OFF;",
    )
}
