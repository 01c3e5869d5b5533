//! A copy of a file whose beginning SQLite refuses, with a header that it takes: what the header
//! tells, another file of ours has just the same.

use std::{
    fs::{self, File},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use super::{errors, migrate, open};
use crate::store::StoreError;

/// The header of a database file, at the beginning of its first page.
const HEADER: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
/// What the header says of the file's own length; zero: as long as it is.
const PAGES: std::ops::Range<usize> = 28..32;
const USER_VERSION: usize = 60;
const APPLICATION_ID: usize = 68;

/// The copy, in a folder that is gone when it is dropped.
#[derive(Debug)]
pub(super) struct Mended {
    folder: PathBuf,
}

impl Mended {
    /// Copies `from`, with what waits in its WAL, into a folder beside `to`.
    ///
    /// # Errors
    ///
    /// As far as `from` can be read it is not ours; or the copy cannot be written.
    pub(super) fn copy(from: &Path, to: &Path) -> Result<Self, StoreError> {
        whose(from)?;
        let folder = beside(to, ".mending");
        fs::create_dir(&folder).map_err(|error| errors::from_io(&folder, error))?;
        let mended = Self { folder };
        let path = mended.path();
        let write = || {
            let mut header = mended.header()?;
            header[PAGES].fill(0);
            fs::copy(from, &path).map_err(|error| errors::from_io(&path, error))?;
            let wal = beside(from, "-wal");
            if wal.exists() {
                fs::copy(&wal, beside(&path, "-wal"))
                    .map_err(|error| errors::from_io(&path, error))?;
            }
            let mut copy = File::options()
                .write(true)
                .open(&path)
                .map_err(|error| errors::from_io(&path, error))?;
            copy.rewind()
                .and_then(|()| copy.write_all(&header))
                .map_err(|error| errors::from_io(&path, error))
        };
        write()?;
        Ok(mended)
    }

    /// Opens it.
    pub(super) fn open(&self) -> rusqlite::Result<Connection> {
        open::connect(&self.path(), OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn path(&self) -> PathBuf {
        self.folder.join("copy.db")
    }

    /// The header of a new file.
    fn header(&self) -> Result<[u8; HEADER], StoreError> {
        let path = self.folder.join("new.db");
        let refuse = |error| errors::from_io(&path, error);
        File::create_new(&path).map_err(refuse)?;
        let new = open::writer(&path, open::Look::Brief)?;
        new.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(|error| errors::from_sqlite(&path, error))?;
        let mut header = [0; HEADER];
        File::open(&path).and_then(|mut file| file.read_exact(&mut header)).map_err(refuse)?;
        Ok(header)
    }
}

impl Drop for Mended {
    fn drop(&mut self) {
        // What stays is a folder too many, named after what it is.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Refuses a file whose header is whole and says that it is another program's, or a newer version's.
fn whose(path: &Path) -> Result<(), StoreError> {
    let mut header = Vec::new();
    File::open(path)
        .and_then(|file| file.take(HEADER as u64).read_to_end(&mut header))
        .map_err(|error| errors::from_io(path, error))?;
    let number = |at: usize| {
        let bytes = header.get(at..at + 4)?.try_into().ok()?;
        Some(i32::from_be_bytes(bytes)).filter(|_| header.starts_with(MAGIC))
    };
    let path = path.to_owned();
    match (number(APPLICATION_ID), number(USER_VERSION)) {
        (Some(open::APPLICATION_ID), Some(schema)) if i64::from(schema) > migrate::NEWEST => {
            Err(StoreError::Newer { path, found: schema.into(), known: migrate::NEWEST })
        }
        // 0: what makes it ours may still wait in the WAL.
        (Some(0 | open::APPLICATION_ID) | None, _) => Ok(()),
        (Some(found), _) => Err(StoreError::NotOurs { path, found }),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
