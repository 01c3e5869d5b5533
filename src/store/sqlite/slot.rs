//! A connection that is opened when it is needed, and given up once it is not to be trusted.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path, sync::Arc};

use rusqlite::Connection;

use super::Shared;
use crate::store::StoreError;

/// A place for one connection.
#[derive(Default)]
pub(super) struct Slot(Option<Opened>);

struct Opened {
    connection: Connection,
    file: FileId,
}

impl Slot {
    /// Does `job` on the connection here, else on the one that `open` brings.
    ///
    /// A connection that failed is dropped: after a failed fsync nobody knows what it believes. So
    /// is one whose file was moved away or replaced, for what it wrote would be lost.
    pub(super) fn with<T>(
        &mut self,
        shared: &Shared,
        open: impl FnOnce() -> Result<Connection, StoreError>,
        job: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut opened = match self.0.take().filter(|opened| opened.is_at(shared.path())) {
            Some(opened) => opened,
            None => Opened::new(open()?, shared)?,
        };
        let result = job(&mut opened.connection).map_err(|error| shared.sqlite_error(error));
        match &result {
            Err(error) if !error.spares_connection() => {}
            Ok(_) | Err(_) => self.0 = Some(opened),
        }
        result
    }
}

impl Opened {
    fn new(connection: Connection, shared: &Shared) -> Result<Self, StoreError> {
        let file = FileId::of(shared.path()).map_err(|error| StoreError::Unavailable {
            path: shared.path().to_owned(),
            source: Arc::new(error),
        })?;
        Ok(Self { connection, file })
    }

    fn is_at(&self, path: &Path) -> bool {
        FileId::of(path).is_ok_and(|found| found == self.file)
    }
}

/// Which file a path leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self { device: found.dev(), inode: found.ino() })
    }
}
