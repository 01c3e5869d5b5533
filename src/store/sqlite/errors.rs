//! The one table from what the system and SQLite say to [`StoreError`].

use std::{
    io::{self, ErrorKind},
    path::Path,
    sync::Arc,
};

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// An error met while the file or its lock was opened.
pub(super) fn from_io(path: &Path, error: io::Error) -> StoreError {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => StoreError::FolderMissing { path },
        ErrorKind::PermissionDenied => StoreError::Forbidden { path },
        ErrorKind::IsADirectory => StoreError::NotAFile { path },
        // StorageFull, QuotaExceeded, ReadOnlyFilesystem, EIO, too many open files …
        _ => StoreError::Unavailable { path, source: Arc::new(error) },
    }
}

/// An error of SQLite's about the database as a whole.
pub(super) fn from_sqlite(path: &Path, error: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    let Some(code) = error.sqlite_error_code() else {
        return match error {
            // A value that we never write.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..) => {
                StoreError::Damaged { path, found: error.to_string() }
            }
            other => StoreError::Unexpected { path, source: Arc::new(other) },
        };
    };
    match code {
        ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => {
            StoreError::Damaged { path, found: error.to_string() }
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy { path },
        ErrorCode::DiskFull
        | ErrorCode::SystemIoFailure
        | ErrorCode::ReadOnly
        | ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::OutOfMemory
        | ErrorCode::NoLargeFileSupport => {
            StoreError::Unavailable { path, source: Arc::new(error) }
        }
        _ => StoreError::Unexpected { path, source: Arc::new(error) },
    }
}

/// Whether an error is about the one row that was written, and leaves the transaction as it was.
pub(super) fn is_about_the_row(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::TooBig | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch)
    )
}
