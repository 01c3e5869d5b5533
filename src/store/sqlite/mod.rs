//! The store in one SQLite file (spec §8): a thread that writes, one that reads, one that moves the
//! WAL into the file so that commits need not wait for it.
//!
//! All state is in the threads; [`Store`] hands them jobs. The database stays in normal locking
//! mode, so `sqlite3 FILE '.backup …'` works while we run.

mod errors;
mod lock;
mod mend;
mod migrate;
mod open;
mod read;
mod salvage;
mod slot;
#[cfg(test)]
mod tests;
mod worker;
mod write;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rusqlite::Connection;

pub use self::{
    open::is_hollow,
    salvage::{Salvaged, salvage},
};
use self::{read::Reader, slot::Slot, worker::Worker, write::Writer};
use super::{Batch, Committed, HistoryQuery, LiveCursor, LivePage, Row, StoreError};
use crate::model::{ids::CallId, time::Wall};

/// Jobs that may wait for a thread; beyond, the asker waits.
const QUEUE: usize = 256;

/// Bytes written between two checkpoints: about what the WAL grows to.
const BYTES_A_CHECKPOINT: usize = 16 << 20;

/// What a row costs the WAL besides its text: a page each of table and index.
const BYTES_A_ROW: usize = 2 * 4096;

/// Frames (of 4 KiB) beyond which the writer itself brings the WAL to its end: steady writing can
/// keep a checkpoint beside it from ever catching up.
const LONG_WAL: i64 = 16_384;

/// A handle on the store; clones share one store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    writer: Worker<Writer>,
    reader: Worker<Reader>,
    checkpointer: Worker<Checkpointer>,
    bytes_since_checkpoint: AtomicUsize,
}

impl Store {
    /// Opens the file at `path`, and creates it where there is none; waits up to `patience` for a
    /// predecessor that still holds it.
    ///
    /// A store that merely does not work now (disk full, read-only, not answering) is returned all
    /// the same: [`failure`](Self::failure) tells why, and [`probe`](Self::probe) tries again.
    ///
    /// # Errors
    ///
    /// Those that [`StoreError::forbids_start`]; [`StoreError::Unavailable`] only where the system
    /// grants no thread.
    pub async fn open(path: &Path, patience: Duration) -> Result<Self, StoreError> {
        let store = Self::start(path).map_err(|error| errors::from_io(path, error))?;
        let opened = store.inner.writer.run(move |writer| writer.start(patience)).await;
        match opened {
            Err(error) if error.forbids_start() => {
                store.close().await;
                Err(error)
            }
            Ok(()) | Err(_) => Ok(store),
        }
    }

    fn start(path: &Path) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(path));
        let inner = Inner {
            writer: Worker::start("store-write", QUEUE, Writer::new(Arc::clone(&shared)))?,
            reader: Worker::start("store-read", QUEUE, Reader::new(Arc::clone(&shared)))?,
            checkpointer: Worker::start("store-wal", 1, Checkpointer::new(Arc::clone(&shared)))?,
            bytes_since_checkpoint: AtomicUsize::new(0),
            shared,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Why the last write failed; `None` while the store works.
    #[must_use]
    pub fn failure(&self) -> Option<StoreError> {
        self.inner.shared.failure()
    }

    /// Writes a little, durably, opening the file anew where that is needed: for every second or so
    /// while the store fails.
    ///
    /// # Errors
    ///
    /// Why it still does not work.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.inner.writer.run(Writer::probe).await
    }

    /// Writes `batch` in one transaction; once this returns, it is durable.
    ///
    /// # Errors
    ///
    /// Nothing of the batch was written, as far as is known: write it again.
    pub async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        let bytes = weight(&batch);
        let committed = self.inner.writer.run(move |writer| writer.commit(&batch)).await?;
        self.wrote(bytes);
        Ok(committed)
    }

    /// Up to `limit` calls without outcome, those after `after`: all of them by asking again with
    /// the page's `next` until there is none.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn live(
        &self,
        after: Option<LiveCursor>,
        limit: usize,
    ) -> Result<LivePage, StoreError> {
        self.read(move |connection| read::live(connection, after, limit)).await
    }

    /// The call of this id, else of this sid.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn find(&self, id: &CallId) -> Result<Option<Row>, StoreError> {
        let id = id.clone();
        self.read(move |connection| read::find(connection, &id)).await
    }

    /// Calls with an outcome.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn history(&self, query: HistoryQuery) -> Result<Vec<Row>, StoreError> {
        self.read(move |connection| read::history(connection, &query)).await
    }

    /// The contexts of the calls of these ids, in their order, as JSON text.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn contexts(&self, ids: Vec<CallId>) -> Result<Vec<Option<String>>, StoreError> {
        self.read(move |connection| read::contexts(connection, &ids)).await
    }

    /// When requests left for the platform, the earliest first, from `since` on. The last two hours
    /// are kept.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn requests_since(&self, since: Wall) -> Result<Vec<Wall>, StoreError> {
        self.read(move |connection| read::requests_since(connection, since)).await
    }

    /// How many requests may have left that are not written: as the last commit that told it says.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn unwritten_requests(&self) -> Result<u32, StoreError> {
        self.read(read::unwritten_requests).await
    }

    /// Forgets up to `most` calls whose outcome was recorded before `ended_before`, lets the file
    /// shrink by up to 4 MiB, and returns how many were forgotten. Small bites keep commits quick.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    pub async fn prune(&self, ended_before: Wall, most: usize) -> Result<usize, StoreError> {
        let pruned = self.inner.writer.run(move |writer| writer.prune(ended_before, most)).await?;
        self.wrote(pruned * BYTES_A_ROW);
        Ok(pruned)
    }

    /// The size of the file and its WAL, in bytes.
    ///
    /// # Errors
    ///
    /// The store is closed.
    pub async fn bytes(&self) -> Result<u64, StoreError> {
        let shared = Arc::clone(&self.inner.shared);
        self.inner.reader.run(move |_| Ok(shared.bytes())).await
    }

    /// The version of the SQLite built in.
    #[must_use]
    pub fn sqlite_version() -> &'static str {
        rusqlite::version()
    }

    /// Finishes what is queued, moves the WAL into the file, gives up the lock, and ends the
    /// threads. What is asked of any clone later is answered [`StoreError::Closed`].
    pub async fn close(&self) {
        // The writer last: whoever closes the last connection moves the WAL and deletes it.
        self.inner.reader.stop().await;
        self.inner.checkpointer.stop().await;
        self.inner.writer.stop().await;
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.reader.run(move |reader| reader.read(query)).await
    }

    fn wrote(&self, bytes: usize) {
        let counter = &self.inner.bytes_since_checkpoint;
        if counter.fetch_add(bytes, Ordering::Relaxed) + bytes >= BYTES_A_CHECKPOINT {
            counter.store(0, Ordering::Relaxed);
            self.inner.checkpointer.offer(Checkpointer::checkpoint);
        }
    }
}

/// What a batch adds to the WAL, by a rough count.
fn weight(batch: &Batch) -> usize {
    let Batch { rows, joined_away, requests, unwritten_requests } = batch;
    let text = |row: &Row| row.body.len() + row.context.as_ref().map_or(0, String::len);
    let others = usize::from(unwritten_requests.is_some());
    let written = rows.len() + joined_away.len() + requests.len() + others;
    written * BYTES_A_ROW + rows.iter().map(text).sum::<usize>()
}

/// What the threads have in common.
struct Shared {
    /// The path as it was given.
    given: PathBuf,
    /// Where it leads; known once the file was opened for the first time.
    canonical: OnceLock<PathBuf>,
    /// Why the last write failed.
    failure: Mutex<Option<StoreError>>,
    /// The checkpointer does not catch up.
    wal_is_long: AtomicBool,
}

impl Shared {
    fn new(path: &Path) -> Self {
        Self {
            given: path.to_owned(),
            canonical: OnceLock::new(),
            failure: Mutex::new(None),
            wal_is_long: AtomicBool::new(false),
        }
    }

    fn path(&self) -> &Path {
        self.canonical.get().unwrap_or(&self.given)
    }

    /// The path, once there is something to read.
    fn opened_path(&self) -> Result<&Path, StoreError> {
        let unopened = || self.failure().unwrap_or(StoreError::Closed);
        self.canonical.get().map(PathBuf::as_path).ok_or_else(unopened)
    }

    fn sqlite_error(&self, error: rusqlite::Error) -> StoreError {
        errors::from_sqlite(self.path(), error)
    }

    fn failure(&self) -> Option<StoreError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember<T>(&self, written: &Result<T, StoreError>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) =
            written.as_ref().err().cloned();
    }

    fn bytes(&self) -> u64 {
        let path = self.path();
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        let size = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
        size(path) + size(Path::new(&wal))
    }
}

/// The state of the thread that moves the WAL into the file. What goes wrong here is no loss, for
/// the WAL still holds it, and shows at the next commit if it lasts.
struct Checkpointer {
    shared: Arc<Shared>,
    connection: Slot,
}

impl Checkpointer {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared, connection: Slot::default() }
    }

    fn checkpoint(&mut self) {
        let Self { shared, connection } = self;
        let frames = connection.with(
            shared,
            || open::checkpointer(shared.opened_path()?),
            |connection| write::checkpoint(connection),
        );
        let long = frames.is_ok_and(|frames| frames > LONG_WAL);
        shared.wal_is_long.store(long, Ordering::Relaxed);
    }
}
