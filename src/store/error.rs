//! What can go wrong with the store, each with its mend (spec §2, §8).

use std::{error::Error, path::PathBuf, sync::Arc};

use thiserror::Error;

/// Why the store could not do what it was asked.
///
/// Some are a reason not to start at all ([`StoreError::forbids_start`], exit code 74); the others
/// pass by themselves or once somebody has made room.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// The folder that the file belongs in does not exist.
    #[error("{}: its folder does not exist; create it, or correct store.url", path.display())]
    FolderMissing {
        /// The file.
        path: PathBuf,
    },
    /// Not ours to read or write.
    #[error(
        "{}: permission denied; give file and folder to the user that callwarden runs as",
        path.display()
    )]
    Forbidden {
        /// The file.
        path: PathBuf,
    },
    /// A folder, device or the like.
    #[error("{}: is no regular file; let store.url name one", path.display())]
    NotAFile {
        /// What stands where the file belongs.
        path: PathBuf,
    },
    /// Another callwarden has it.
    #[error(
        "{}: in use by another callwarden ({}); stop that one first",
        path.display(),
        pid.map_or_else(|| "pid unknown".to_owned(), |pid| format!("pid {pid}"))
    )]
    Locked {
        /// The file.
        path: PathBuf,
        /// Who holds the lock, where that could be read.
        pid: Option<u32>,
    },
    /// Not a database, or one that contradicts itself. The file is left as it is.
    #[error(
        "{}: damaged ({found}); restore a backup, or salvage it with `callwarden store recover`",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite or the check found.
        found: String,
    },
    /// Damaged beyond what can be salvaged.
    #[error(
        "{}: nothing that callwarden kept can be found in it ({found}); if it was its store, restore a \
         backup, or start with a new file: the platform's active calls are found again",
        path.display()
    )]
    Lost {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        found: String,
    },
    /// A file without a table.
    #[error("{}: is empty, and no store of callwarden's; let store.url name the damaged file", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A database of some other program.
    #[error(
        "{}: a database, but not callwarden's (application id {found:#010x}); let store.url name another file",
        path.display()
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// Its `application_id`.
        found: i32,
    },
    /// Written by a later callwarden.
    #[error(
        "{}: of schema {found}, this callwarden knows {known} at most; run the newer version again",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema's number.
        found: i64,
        /// The highest number known here.
        known: i64,
    },
    /// The disk is full or read-only, does not answer, or refuses the file for now.
    #[error("{}: cannot be read or written now; look at the disk (space, read-only, errors)", path.display())]
    Unavailable {
        /// The file.
        path: PathBuf,
        /// What the system or SQLite said.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Another program holds a lock on the database for longer than we wait.
    #[error("{}: locked by another program; end the transaction that is open there", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// SQLite refused in a way that nobody foresaw.
    #[error("{}: SQLite refused", path.display())]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
    /// The store was closed, or one of its threads is gone.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether it would be wrong to start with this store, even degraded: waiting mends nothing, and
    /// going on could harm what is there.
    #[must_use]
    pub fn forbids_start(&self) -> bool {
        match self {
            Self::FolderMissing { .. }
            | Self::Forbidden { .. }
            | Self::NotAFile { .. }
            | Self::Locked { .. }
            | Self::Damaged { .. }
            | Self::Lost { .. }
            | Self::Empty { .. }
            | Self::NotOurs { .. }
            | Self::Newer { .. } => true,
            Self::Unavailable { .. }
            | Self::Busy { .. }
            | Self::Unexpected { .. }
            | Self::Closed => false,
        }
    }

    /// Whether the connection that met this error is still to be trusted.
    pub(super) fn spares_connection(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }
}
