//! Errors and bytes below the database: what went wrong in a transaction, and a backend of any kind whose pages are watched.

use super::pages::Pages;
use crate::store::StoreError;
use lavina_crdt::mutant::{self, Mutant};
use redb::{BackendError, StorageBackend};
use std::io;
use std::ops::Bound;
use std::panic::{self, AssertUnwindSafe};

/// A backend of any kind, from which nothing is read but what was written.
#[derive(Debug)]
pub(super) struct WatchedBackend {
    bytes: Box<dyn StorageBackend>,
    pages: Pages,
}

impl WatchedBackend {
    pub(super) fn new(bytes: Box<dyn StorageBackend>) -> Self {
        Self { bytes, pages: Pages::default() }
    }
}

impl StorageBackend for WatchedBackend {
    fn len(&self) -> io::Result<u64> {
        self.bytes.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.bytes.read(offset, out)?;
        self.pages.on_read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.bytes.set_len(len)?;
        self.pages.on_set_len(len);
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        if mutant::is_planted(Mutant::NoFlush) { Ok(()) } else { self.bytes.sync_data() }
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let done = self.bytes.write(offset, data);
        self.pages.on_write(offset, data, done.is_ok());
        done
    }
    fn close(&self) -> io::Result<()> {
        self.bytes.close()
    }
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.bytes.try_lock_range(start, end)
    }
    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.bytes.try_lock_shared_range(start, end)
    }
    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.bytes.lock_range(start, end)
    }
    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.bytes.lock_shared_range(start, end)
    }
    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.bytes.unlock_range(start, end)
    }
    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.bytes.query_lock_range(start, end)
    }
}

/// What can go wrong inside a transaction.
pub(super) enum Fault {
    Redb(redb::Error),
    Store(StoreError),
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Store(error) => error,
            Fault::Redb(redb::Error::Io(error)) => from_io(&error),
            Fault::Redb(redb::Error::Corrupted(what)) => Self::Damaged(what),
            Fault::Redb(error) => Self::Failed(error.to_string()),
        }
    }
}

pub(super) fn from_io(error: &io::Error) -> StoreError {
    use io::ErrorKind as Kind;
    let kind = error.kind();
    if matches!(kind, Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge) {
        StoreError::Full
    } else if matches!(kind, Kind::UnexpectedEof | Kind::InvalidData) {
        // The file ends where it should go on, or begins with something else: not the disk failed, its contents are others.
        StoreError::Damaged(error.to_string())
    } else {
        StoreError::Failed(error.to_string())
    }
}

/// Does something with the database, whose answer to a page that is not what it wrote may be a panic: that is damage like any other, found out by
/// the last means there is.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, StoreError> {
    // Nothing of ours is left half done: a transaction that unwinds is rolled back, and after damage nothing is written any more.
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(StoreError::from),
        Err(_) => Err(StoreError::Damaged("a page of the file is not what was written".to_owned())),
    }
}
