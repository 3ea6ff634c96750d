//! Files that people share: kept by what is in them, found by an id that nobody guesses.
//!
//! | in the folder | holds |
//! |---|---|
//! | `blobs/HASH` | the bytes of a file; the same file put twice is kept once |
//! | `index/ID` | who put it, under which name and type, and when |
//! | `coming/ID` | what is being put; emptied at every start |
//!
//! A file is there once its bytes and its entry are durable, and goes when its time is over. How much an account has is counted from the entries, so
//! a restart changes nothing. Knows nothing of HTTP.

mod coming;
mod record;
#[cfg(test)]
mod tests;

use coming::Claim;
pub(crate) use coming::Coming;
pub(crate) use record::Record;

use lavina_protocols::slot::Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a file counts at least against its account's quota, in bytes: a block of the disk, and its entry.
const FILE_BYTES_MIN: u64 = 4096;

/// How much may be kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileLimits {
    /// Longest file, in bytes.
    pub(crate) bytes_max: u64,
    /// Most bytes of one account.
    pub(crate) quota: u64,
    /// How long a file is kept, in milliseconds.
    pub(crate) keep_ms: u64,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// Something is there already.
    #[error("there is a file already")]
    Exists,
    /// The account has too much.
    #[error("the account has no room for it: files go after some days")]
    Quota,
    /// More or fewer bytes than were said.
    #[error("its length is another than was said")]
    Length,
    /// Other bytes than were said.
    #[error("it is not what was said")]
    Content,
    /// The disk.
    #[error("it cannot be kept: {0}")]
    Disk(#[from] io::Error),
}

/// The files.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    folder: Arc<PathBuf>,
    limits: FileLimits,
    index: Arc<Mutex<Index>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Index {
    records: BTreeMap<String, Record>,
    /// Ids that are being put.
    coming: BTreeSet<String>,
    /// Bytes by account, those that are being put among them.
    used: BTreeMap<String, u64>,
    /// How many entries name a blob.
    blobs: BTreeMap<String, usize>,
}

fn charge(size: u64) -> u64 {
    size.max(FILE_BYTES_MIN)
}

impl Files {
    /// Opens the folder, made if need be; entries that cannot be read are left out, and what was being put is gone.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub(crate) fn open(folder: PathBuf, limits: FileLimits) -> io::Result<Self> {
        for part in ["blobs", "index", "coming"] {
            std::fs::create_dir_all(folder.join(part))?;
        }
        for left_over in std::fs::read_dir(folder.join("coming"))? {
            std::fs::remove_file(left_over?.path())?;
        }
        let mut index = Index::default();
        for entry in std::fs::read_dir(folder.join("index"))? {
            let entry = entry?;
            match (entry.file_name().into_string(), Record::load(&entry.path())) {
                (Ok(id), Ok(record)) => index.add(id, record),
                (_, Err(error)) => {
                    tracing::warn!(%error, file = %entry.path().display(), "an entry of a file is damaged");
                }
                (Err(_), _) => {}
            }
        }
        Ok(Self { folder: Arc::new(folder), limits, index: Arc::new(Mutex::new(index)) })
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to put a file.
    ///
    /// # Errors
    /// When it is there already, or its account has no room for it.
    pub(crate) fn begin(&self, slot: Slot) -> Result<Coming, FileError> {
        let id = lavina_protocols::slot::format_id(&slot.id);
        self.begin_as(id, slot.into(), self.limits.quota)
    }

    /// Begins to take a file over from another node, where its account's quota has been asked.
    ///
    /// # Errors
    /// When it is there already.
    pub(crate) fn begin_copy(&self, id: &str, record: Record) -> Result<Coming, FileError> {
        self.begin_as(id.to_owned(), record.into(), u64::MAX)
    }

    fn begin_as(&self, id: String, claim: Claim, quota: u64) -> Result<Coming, FileError> {
        let mut index = self.lock();
        if index.records.contains_key(&id) || index.coming.contains(&id) {
            return Err(FileError::Exists);
        }
        let used = index.used.get(&claim.account).copied().unwrap_or_default().saturating_add(charge(claim.size));
        if used > quota {
            return Err(FileError::Quota);
        }
        index.used.insert(claim.account.clone(), used);
        index.coming.insert(id.clone());
        drop(index);
        Ok(Coming::new(self.clone(), id, claim)?)
    }

    /// A file and what is known of it, when it is there and its time is not over.
    pub(crate) fn find(&self, id: &str, now_ms: u64) -> Option<(Record, PathBuf)> {
        let record = self.lock().records.get(id).cloned()?;
        let blob = self.blob(&record.hash);
        (!self.is_over(&record, now_ms)).then_some((record, blob))
    }

    /// When its time is over, milliseconds since the Unix epoch.
    pub(crate) fn ends_ms(&self, record: &Record) -> u64 {
        record.stored_ms.saturating_add(self.limits.keep_ms)
    }

    /// Whether its time is over.
    pub(crate) fn is_over(&self, record: &Record, now_ms: u64) -> bool {
        self.ends_ms(record) <= now_ms
    }

    /// Takes away what has been kept long enough.
    pub(crate) fn sweep(&self, now_ms: u64) {
        let over: Vec<String> = {
            let index = self.lock();
            let over = index.records.iter().filter(|(_, record)| self.is_over(record, now_ms));
            over.map(|(id, _)| id.clone()).collect()
        };
        for id in over {
            // Under the lock, so that nobody puts the same bytes between the count and the deletion.
            let mut index = self.lock();
            let Some((record, is_last)) = index.remove(&id) else { continue };
            let gone = std::fs::remove_file(self.folder.join("index").join(&id));
            let blob = if is_last { std::fs::remove_file(self.blob(&record.hash)) } else { Ok(()) };
            if let Err(error) = gone.and(blob) {
                tracing::warn!(%error, id, "a file whose time is over does not go");
            }
        }
    }

    fn blob(&self, hash: &str) -> PathBuf {
        self.folder.join("blobs").join(hash)
    }

    fn coming(&self, id: &str) -> PathBuf {
        self.folder.join("coming").join(id)
    }

    /// Keeps what has come whole: first its bytes, then its entry.
    fn keep(&self, id: &str, record: Record) -> io::Result<()> {
        let mut index = self.lock();
        let blob = self.blob(&record.hash);
        if blob.exists() {
            std::fs::remove_file(self.coming(id))?;
        } else {
            std::fs::rename(self.coming(id), &blob)?;
            sync_folder(&self.folder.join("blobs"))?;
        }
        let entry = self.coming(id);
        record.save(&entry)?;
        std::fs::rename(entry, self.folder.join("index").join(id))?;
        sync_folder(&self.folder.join("index"))?;
        // What was reserved for it is counted with the entry from here on.
        index.release(id, &record.account, record.size);
        index.add(id.to_owned(), record);
        Ok(())
    }

    /// Forgets what did not come whole.
    fn abandon(&self, id: &str, account: &str, size: u64) {
        self.lock().release(id, account, size);
        // It may not be there yet, or no longer.
        let _ = std::fs::remove_file(self.coming(id));
    }
}

impl Index {
    fn add(&mut self, id: String, record: Record) {
        *self.used.entry(record.account.clone()).or_default() += charge(record.size);
        *self.blobs.entry(record.hash.clone()).or_default() += 1;
        self.records.insert(id, record);
    }

    /// Takes an entry away; says whether it was the last to name its blob.
    fn remove(&mut self, id: &str) -> Option<(Record, bool)> {
        let record = self.records.remove(id)?;
        self.less(&record.account, record.size);
        let count = self.blobs.get_mut(&record.hash)?;
        *count -= 1;
        let is_last = *count == 0;
        if is_last {
            self.blobs.remove(&record.hash);
        }
        Some((record, is_last))
    }

    fn release(&mut self, id: &str, account: &str, size: u64) {
        if self.coming.remove(id) {
            self.less(account, size);
        }
    }

    fn less(&mut self, account: &str, size: u64) {
        if let Some(used) = self.used.get_mut(account) {
            *used = used.saturating_sub(charge(size));
            if *used == 0 {
                self.used.remove(account);
            }
        }
    }
}

/// Makes durable which files a folder has.
fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}
