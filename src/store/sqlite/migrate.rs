//! Schema migrations: each file of `schema/sqlite/` once, in order, each whole or not at all.

use rusqlite::{Connection, TransactionBehavior};

use super::open::APPLICATION_ID;

/// Never changed once released, only added to. The first makes schema 1.
const MIGRATIONS: &[&str] = &[include_str!("../schema/sqlite/001_calls.sql")];

/// The schema that this callwarden writes.
pub(super) const NEWEST: i64 = MIGRATIONS.len() as i64;

/// Brings a database of schema `found` (0: empty) to [`NEWEST`].
pub(super) fn run(connection: &mut Connection, found: i64) -> rusqlite::Result<()> {
    for (sql, number) in MIGRATIONS.iter().zip(1..) {
        if number > found {
            step(connection, sql, number)?;
        }
    }
    Ok(())
}

fn step(connection: &mut Connection, sql: &str, number: i64) -> rusqlite::Result<()> {
    let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    step.execute_batch(sql)?;
    step.pragma_update(None, "application_id", APPLICATION_ID)?;
    step.pragma_update(None, "user_version", number)?;
    step.commit()
}
