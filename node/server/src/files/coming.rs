//! A file that is being put. Dropping it before [`Coming::finish`] leaves nothing behind.

use super::{FileError, Files, Record};
use lavina_protocols::slot::Slot;
use std::fs::File;
use std::io::{self, Write};

/// What is said of a file before it is there.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) account: String,
    pub(super) size: u64,
    pub(super) name: String,
    pub(super) media: String,
    /// Hash and time, where another node has the file.
    pub(super) known: Option<(String, u64)>,
}

impl From<Slot> for Claim {
    fn from(slot: Slot) -> Self {
        let account = slot.account.as_str().to_owned();
        Self { account, size: slot.size, name: slot.name, media: slot.media, known: None }
    }
}

impl From<Record> for Claim {
    fn from(record: Record) -> Self {
        let Record { hash, size, media, name, account, stored_ms } = record;
        Self { account, size, name, media, known: Some((hash, stored_ms)) }
    }
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Coming {
    files: Files,
    id: String,
    claim: Claim,
    file: Option<File>,
    hasher: Box<blake3::Hasher>,
    written: u64,
}

impl Coming {
    pub(super) fn new(files: Files, id: String, claim: Claim) -> io::Result<Self> {
        let path = files.coming(&id);
        let mut coming = Self { files, id, claim, file: None, hasher: Box::default(), written: 0 };
        coming.file = Some(File::create_new(path)?);
        Ok(coming)
    }

    /// The next bytes.
    ///
    /// # Errors
    /// When there are more than were said, or the disk takes no more.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.written = self.written.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.written > self.claim.size {
            return Err(FileError::Length);
        }
        self.hasher.update(bytes);
        if let Some(file) = &mut self.file {
            file.write_all(bytes)?;
        }
        Ok(())
    }

    /// All bytes have come: the file is there once this returns.
    ///
    /// # Errors
    /// When there are fewer than were said, or the disk does not keep them.
    pub(crate) fn finish(mut self, now_ms: u64) -> Result<(), FileError> {
        if self.written != self.claim.size {
            return Err(FileError::Length);
        }
        if let Some(file) = self.file.take() {
            file.sync_all()?;
        }
        let hash = self.hasher.finalize().to_hex().to_string();
        let stored_ms = match &self.claim.known {
            Some((known, _)) if *known != hash => return Err(FileError::Content),
            Some((_, stored_ms)) => *stored_ms,
            None => now_ms,
        };
        let record = Record {
            hash,
            size: self.claim.size,
            media: self.claim.media.clone(),
            name: self.claim.name.clone(),
            account: self.claim.account.clone(),
            stored_ms,
        };
        Ok(self.files.keep(&self.id, record)?)
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        // Of a file that is kept this finds nothing.
        self.files.abandon(&self.id, &self.claim.account, self.claim.size);
    }
}
