//! The store in one redb file: copy-on-write pages, one writer, checksummed, recovered without a log after a kill at any moment.
//!
//! Any [`StorageBackend`] will do: a file in the server, a faulty block of bytes in the simulator. The log is kept by (scope, origin, seq) and in
//! nothing else, its newest part in rows and the rest in compressed segments; a scope's order is a merge of its origins' tails, because within an origin the stamp
//! grows with the number. Reads take one short transaction each and never wait for the writer.

mod backend;
mod layout;
mod pages;
mod read;
mod rows;
mod sealing;

use super::{Batch, Commit, RENEW_EPOCH, StoreError, row};
use backend::{Fault, WatchedBackend, from_io, guarded};
use lavina_crdt::entry::Run;
use lavina_crdt::ids::{NodeId, Origin, OriginKey, Scope};
use lavina_crdt::mutant::{self, Mutant};
use layout::{
    ENTRIES, IDENTITY, META, NEXT, ORIGINS, SCOPES, SEALED, SEGMENTS, entry_key, next_key, origin_value, scope_name,
};
use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageBackend,
    TableError, WriteTransaction,
};
use rows::Segments;
pub use sealing::Sealing;
use sealing::{Ripe, is_ripe};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

/// The file format this build writes, and the newest it reads.
pub const FORMAT: u64 = 3;
/// The oldest one it reads: without segments, otherwise the same.
const FORMAT_OLDEST: u64 = 2;

/// Memory for cached pages in a server: room for the tails of some thousand busy scopes, little beside what sessions take.
pub const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Opens the bytes that the store lies in: at the start, and anew after a write failed, because redb trusts no handle that did.
pub type Opener = Box<dyn Fn() -> io::Result<Box<dyn StorageBackend>> + Send + Sync>;

/// Whose store is opened, and how.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// The node that holds the key.
    pub node: NodeId,
    /// The epoch it writes under when the store is new here: random.
    pub new_epoch: u64,
    /// Which medium the bytes lie on: a number that another file gets anew, be its bytes the same. A store that finds itself on another medium than it was
    /// made on is a restored backup or a clone, and takes the new epoch before it writes anything.
    pub medium: u64,
    /// Memory for cached pages, [`CACHE_BYTES`] in a server.
    pub cache_bytes: usize,
    /// When entries move into segments.
    pub sealing: Sealing,
    /// Whether to read the whole store through first and compare every page with its checksum: a start then knows that nothing but what was written is
    /// read later. Without it a start takes as long however much there is.
    pub check: bool,
}

/// A store in redb. A clone is another handle of the same store.
#[derive(Clone, Debug)]
pub struct RedbStore {
    origin: OriginKey,
    shared: Arc<Shared>,
}

struct Shared {
    opener: Opener,
    cache_bytes: usize,
    sealing: Sealing,
    segments: Segments,
    ripe: Ripe,
    /// The database, or why there is none at the moment.
    database: RwLock<Result<Database, StoreError>>,
    /// Why nothing is written any more.
    failed: Mutex<Option<StoreError>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("database", &self.database).field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let slot = self.database.get_mut().unwrap_or_else(PoisonError::into_inner);
        let last = std::mem::replace(slot, Err(StoreError::Full));
        // A database that was found damaged may panic once more at its end.
        let _ = guarded(|| {
            drop(last);
            Ok(())
        });
    }
}

/// Opens the database; `check` reads the whole of it and compares every page with its checksum. Bytes in which none was, and none could be made,
/// say on a full disk, are left empty: half of a database would be taken for a damaged one.
fn open_database(opener: &Opener, cache_bytes: usize, check: bool) -> Result<Database, StoreError> {
    let backend = opener().map_err(|error| from_io(&error))?;
    let was_empty = backend.len().map_err(|error| from_io(&error))? == 0;
    let opened = guarded(|| {
        let mut builder = redb::Builder::new();
        builder.set_cache_size(cache_bytes).set_check_integrity_on_open(check);
        Ok(builder.create_with_backend(WatchedBackend::new(backend))?)
    });
    if was_empty && opened.is_err() {
        // Where not even that can be done, the next start says what is wrong.
        let _ = opener().and_then(|backend| backend.set_len(0));
    }
    opened
}

fn begin_write(database: &Database) -> Result<WriteTransaction, Fault> {
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    // The allocator's state goes with every commit, so that opening after a kill takes no walk over the whole file.
    write.set_quick_repair(true);
    Ok(write)
}

impl RedbStore {
    /// Opens the store that `opener` leads to. An empty one is made a store with the new epoch; one on another medium, or that asks for it ([`RENEW_EPOCH`]), takes it too.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read or made, is damaged, or is of a later version.
    pub fn open(opener: Opener, opening: Opening) -> Result<Self, StoreError> {
        let database = open_database(&opener, opening.cache_bytes, opening.check)?;
        let epoch = guarded(|| prepare(&database, &opening))?;
        let shared = Shared {
            opener,
            cache_bytes: opening.cache_bytes,
            sealing: opening.sealing,
            segments: Segments::default(),
            ripe: Ripe::default(),
            database: RwLock::new(Ok(database)),
            failed: Mutex::default(),
        };
        Ok(Self { origin: OriginKey { node: opening.node, epoch }, shared: Arc::new(shared) })
    }

    fn database(&self) -> RwLockReadGuard<'_, Result<Database, StoreError>> {
        self.shared.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> MutexGuard<'_, Option<StoreError>> {
        self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads in a transaction. After a failure of the disk, or damage, nothing is written any more: what was read before may be as wrong.
    fn read<T>(&self, ask: impl FnOnce(&ReadTransaction) -> Result<T, Fault>) -> Result<T, StoreError> {
        let answer = match &*self.database() {
            Ok(database) => guarded(|| ask(&database.begin_read()?)),
            Err(error) => Err(error.clone()),
        };
        if let Err(error @ (StoreError::Failed(_) | StoreError::Damaged(_))) = &answer {
            self.failed().get_or_insert_with(|| error.clone());
        }
        answer
    }

    /// Closes the database and opens it again at its last good commit.
    fn reopen(&self) {
        let mut slot = self.shared.database.write().unwrap_or_else(PoisonError::into_inner);
        // The old handle must be gone first: it holds the lock on the file. What it finds wrong at its end does not matter any more.
        let old = std::mem::replace(&mut *slot, Err(StoreError::Full));
        let _ = guarded(|| {
            drop(old);
            Ok(())
        });
        self.shared.segments.forget();
        self.shared.ripe.pairs().clear();
        *slot = open_database(&self.shared.opener, self.shared.cache_bytes, false);
    }

    fn commit_once(&self, batches: &[Batch]) -> Result<(), StoreError> {
        match &*self.database() {
            Ok(database) => {
                let written = batches.iter().flat_map(|batch| &batch.runs).map(|run| run.entries.len()).sum();
                let most = self.shared.sealing.most_of(written);
                let ripe = guarded(|| write_batches(database, batches, &self.shared.sealing, most))?;
                self.note_ripe(ripe);
                Ok(())
            }
            Err(error) => Err(error.clone()),
        }
    }

    /// Remembers who has enough in rows for a segment.
    fn note_ripe(&self, counted: BTreeMap<[u8; 24], u64>) {
        let mut pairs = self.shared.ripe.pairs();
        for (pair, rows) in counted {
            if is_ripe(rows, &self.shared.sealing) {
                pairs.insert(pair, rows);
            } else {
                pairs.remove(&pair);
            }
        }
    }

    fn seal_some(&self) -> Result<(), StoreError> {
        let pairs: Vec<[u8; 24]> = self.shared.ripe.pairs().keys().copied().collect();
        let database = self.database();
        let database = database.as_ref().map_err(StoreError::clone)?;
        let sealing = &self.shared.sealing;
        let ripe = guarded(|| {
            let write = begin_write(database)?;
            let ripe = Writer::open(&write)?.seal(pairs, sealing, sealing.per_rest)?;
            write.commit()?;
            Ok(ripe)
        })?;
        self.note_ripe(ripe);
        Ok(())
    }

    /// What a write that failed leaves behind.
    fn on_failure(&self, error: &StoreError) {
        match error {
            StoreError::Newer { .. } => {}
            // The handle refuses everything after a failed write, reads too.
            StoreError::Full => self.reopen(),
            StoreError::Failed(_) => {
                *self.failed() = Some(error.clone());
                self.reopen();
            }
            // Batches that do not fit are the caller's fault or the disk's; either way nothing good comes of going on.
            StoreError::Damaged(_) => *self.failed() = Some(error.clone()),
        }
    }
}

impl Commit for RedbStore {
    fn commit(&self, batches: &[Batch]) -> Result<(), StoreError> {
        if let Some(error) = &*self.failed() {
            return Err(error.clone());
        }
        if self.database().is_err() {
            self.reopen();
        }
        let done = self.commit_once(batches);
        if let Err(error) = &done {
            self.on_failure(error);
        }
        done
    }

    fn tidy(&self) -> Result<bool, StoreError> {
        if self.failed().is_some() || self.database().is_err() || self.shared.ripe.pairs().is_empty() {
            return Ok(false);
        }
        let done = self.seal_some();
        if let Err(error) = &done {
            self.on_failure(error);
        }
        done.map(|()| !self.shared.ripe.pairs().is_empty())
    }
}

/// Makes the tables of an empty store, checks the format of another; returns the epoch.
fn prepare(database: &Database, opening: &Opening) -> Result<u64, Fault> {
    if let Some(epoch) = unchanged(database, opening)? {
        return Ok(epoch);
    }
    let write = begin_write(database)?;
    let epoch = {
        let mut identity = write.open_table(IDENTITY)?;
        let format = identity.get("format")?.map(|format| format.value());
        check_format(format.unwrap_or(FORMAT))?;
        let medium = identity.get("medium")?.map(|medium| medium.value());
        let renew = write.open_table(META)?.remove(RENEW_EPOCH)?.is_some();
        let moved = medium != Some(opening.medium) && !mutant::is_planted(Mutant::EpochKept);
        identity.insert("format", FORMAT)?;
        if format.is_none() || renew || moved {
            identity.insert("epoch", opening.new_epoch)?;
            identity.insert("medium", opening.medium)?;
        }
        identity.get("epoch")?.map(|epoch| epoch.value())
    };
    write.open_table(SCOPES)?;
    write.open_table(ORIGINS)?;
    write.open_table(NEXT)?;
    write.open_table(ENTRIES)?;
    write.open_table(SEALED)?;
    write.open_table(SEGMENTS)?;
    write.commit()?;
    epoch.ok_or_else(|| StoreError::Damaged("it has no epoch".to_owned()).into())
}

/// The epoch of a store that goes on as it is: a start waits for no sync of the disk then.
fn unchanged(database: &Database, opening: &Opening) -> Result<Option<u64>, Fault> {
    let read = database.begin_read()?;
    let identity = match read.open_table(IDENTITY) {
        Ok(identity) => identity,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let number = |key| Ok::<_, Fault>(identity.get(key)?.map(|number| number.value()));
    let is_same = number("format")? == Some(FORMAT) && number("medium")? == Some(opening.medium);
    if !is_same || read.open_table(META)?.get(RENEW_EPOCH)?.is_some() {
        return Ok(None);
    }
    number("epoch")
}

fn check_format(format: u64) -> Result<(), StoreError> {
    if format > FORMAT {
        return Err(StoreError::Newer { found: format, known: FORMAT });
    }
    if format < FORMAT_OLDEST {
        return Err(StoreError::Failed(format!(
            "it has format {format}, from before the first release: move it away, and the node's peers fill a new one"
        )));
    }
    Ok(())
}

/// Writes batches, and seals up to `most` segments of what has grown by them; how many rows those who did have.
fn write_batches(
    database: &Database,
    batches: &[Batch],
    sealing: &Sealing,
    most: usize,
) -> Result<BTreeMap<[u8; 24], u64>, Fault> {
    let write = begin_write(database)?;
    let ripe = {
        let mut writer = Writer::open(&write)?;
        let mut touched = BTreeSet::new();
        for batch in batches {
            for (scope, origin) in &batch.forgotten {
                touched.extend(writer.forget(scope, *origin)?);
            }
            for run in &batch.runs {
                touched.insert(writer.put(run)?);
            }
        }
        let ripe = writer.seal(touched, sealing, most)?;
        let mut meta = write.open_table(META)?;
        for (key, value) in batches.iter().flat_map(|batch| &batch.meta) {
            if value.is_empty() {
                meta.remove(key.as_str())?;
            } else {
                let mut value = value.clone();
                row::protect(key.as_bytes(), &mut value);
                meta.insert(key.as_str(), value.as_slice())?;
            }
        }
        ripe
    };
    write.commit()?;
    Ok(ripe)
}

struct Writer<'t> {
    scopes: redb::Table<'t, &'static [u8], u64>,
    origins: redb::Table<'t, &'static [u8; 16], &'static [u8; 40]>,
    next: redb::Table<'t, &'static [u8; 24], u64>,
    entries: redb::Table<'t, &'static [u8; 32], &'static [u8]>,
    sealed: redb::Table<'t, &'static [u8; 32], &'static [u8]>,
    segments: redb::Table<'t, &'static [u8; 32], &'static [u8]>,
}

impl<'t> Writer<'t> {
    fn open(write: &'t WriteTransaction) -> Result<Self, Fault> {
        Ok(Self {
            scopes: write.open_table(SCOPES)?,
            origins: write.open_table(ORIGINS)?,
            next: write.open_table(NEXT)?,
            entries: write.open_table(ENTRIES)?,
            sealed: write.open_table(SEALED)?,
            segments: write.open_table(SEGMENTS)?,
        })
    }

    /// Appends a run; returns the key of its origin in its scope.
    fn put(&mut self, run: &Run) -> Result<[u8; 24], Fault> {
        let scope = self.scope(&run.scope)?;
        let origin = run.origin.origin();
        let next = self.next.get(&next_key(scope, origin))?.map_or(0, |next| next.value());
        if run.first != next {
            return Err(row::gap(run, next).into());
        }
        if next == 0 {
            self.origins.insert(&origin.0, &origin_value(run.origin))?;
        }
        let mut value = Vec::new();
        for (sealed, seq) in run.entries.iter().zip(next..) {
            value.clear();
            row::encode(row::stamp_of(sealed, origin, seq)?, sealed, &mut value);
            let key = entry_key(scope, origin, seq);
            row::protect(&key, &mut value);
            self.entries.insert(&key, value.as_slice())?;
        }
        let pair = next_key(scope, origin);
        self.next.insert(&pair, next + run.entries.len() as u64)?;
        Ok(pair)
    }

    /// Takes away all entries of an origin in a scope; returns its key, if there were any.
    fn forget(&mut self, scope: &Scope, origin: Origin) -> Result<Option<[u8; 24]>, Fault> {
        let Some(number) = self.scopes.get(scope_name(scope)?.as_slice())?.map(|number| number.value()) else {
            return Ok(None);
        };
        let pair = next_key(number, origin);
        if self.next.remove(&pair)?.is_none() {
            return Ok(None);
        }
        let (from, to) = (entry_key(number, origin, 0), entry_key(number, origin, u64::MAX));
        for table in [&mut self.entries, &mut self.sealed, &mut self.segments] {
            table.retain_in::<&[u8; 32], _>(&from..=&to, |_, _| false)?;
        }
        Ok(Some(pair))
    }

    /// The number of a scope; a new one gets the next.
    fn scope(&mut self, scope: &Scope) -> Result<u64, Fault> {
        let name = scope_name(scope)?;
        if let Some(number) = self.scopes.get(name.as_slice())? {
            return Ok(number.value());
        }
        let number = self.scopes.len()?;
        self.scopes.insert(name.as_slice(), number)?;
        Ok(number)
    }
}
