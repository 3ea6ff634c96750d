//! The store in one redb file: copy-on-write pages, one writer, checksummed, recovered without a log after a kill at any moment.
//!
//! Any [`StorageBackend`] will do: a file in the server, a faulty block of bytes in the simulator. The log is kept in rows by
//! (scope, origin, seq) and in nothing else; a scope's order is a merge of its origins' tails, because within an origin the stamp
//! grows with the number. Reads take one short transaction each and never wait for the writer.

use super::{Batch, Commit, RENEW_EPOCH, Store, StoreError, row};
use lavina_crdt::chain;
use lavina_crdt::clock::Hlc;
use lavina_crdt::entry::{Hash, Run, SealedEntry};
use lavina_crdt::ids::{MsgId, NodeId, OrderKey, Origin, OriginKey, Scope};
use lavina_crdt::version::VersionVector;
use redb::{
    BackendError, Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    StorageBackend, TableDefinition, WriteTransaction,
};
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

/// The file format this build writes, and the newest it reads.
pub const FORMAT: u64 = 1;

/// Memory for cached pages: room for the tails of some thousand busy scopes, little beside what sessions take.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// `format` and `epoch`.
const IDENTITY: TableDefinition<'_, &str, u64> = TableDefinition::new("identity");
/// Scope, postcard, to its number.
const SCOPES: TableDefinition<'_, &[u8], u64> = TableDefinition::new("scopes");
/// Origin to node key and epoch.
const ORIGINS: TableDefinition<'_, &[u8; 16], &[u8; 40]> = TableDefinition::new("origins");
/// (Scope number, origin) to the next seq.
const NEXT: TableDefinition<'_, &[u8; 24], u64> = TableDefinition::new("next");
/// (Scope number, origin, seq) to the entry as [`row`] lays it out.
const ENTRIES: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("entries");
/// Small values.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// Opens the bytes that the store lies in: at the start, and anew after a write failed, because redb trusts no handle that did.
pub type Opener = Box<dyn Fn() -> io::Result<Box<dyn StorageBackend>> + Send + Sync>;

/// A store in redb. A clone is another handle of the same store.
#[derive(Clone, Debug)]
pub struct RedbStore {
    origin: OriginKey,
    shared: Arc<Shared>,
}

struct Shared {
    opener: Opener,
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

/// What can go wrong inside a transaction.
enum Fault {
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

fn from_io(error: &io::Error) -> StoreError {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge) {
        StoreError::Full
    } else {
        StoreError::Failed(error.to_string())
    }
}

/// A backend of any kind.
#[derive(Debug)]
struct AnyBackend(Box<dyn StorageBackend>);

impl StorageBackend for AnyBackend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }
    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }
    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }
    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }
    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }
    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}

fn open_database(opener: &Opener) -> Result<Database, StoreError> {
    let backend = opener().map_err(|error| from_io(&error))?;
    let database = redb::Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(AnyBackend(backend));
    database.map_err(|error| Fault::from(error).into())
}

fn begin_write(database: &Database) -> Result<WriteTransaction, Fault> {
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    // The allocator's state goes with every commit, so that opening after a kill takes no walk over the whole file.
    write.set_quick_repair(true);
    Ok(write)
}

impl RedbStore {
    /// Opens the store that `opener` leads to, for the node that holds its key. An empty one is made a store with `new_epoch` (random)
    /// as its epoch; so is one that asks for it ([`RENEW_EPOCH`]).
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read or made, or is of a later version.
    pub fn open(opener: Opener, node: NodeId, new_epoch: u64) -> Result<Self, StoreError> {
        let database = open_database(&opener)?;
        let epoch = prepare(&database, new_epoch)?;
        let shared = Shared { opener, database: RwLock::new(Ok(database)), failed: Mutex::default() };
        Ok(Self { origin: OriginKey { node, epoch }, shared: Arc::new(shared) })
    }

    fn database(&self) -> RwLockReadGuard<'_, Result<Database, StoreError>> {
        self.shared.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> MutexGuard<'_, Option<StoreError>> {
        self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, ask: impl FnOnce(&ReadTransaction) -> Result<T, Fault>) -> Result<T, StoreError> {
        match &*self.database() {
            Ok(database) => {
                database.begin_read().map_err(Fault::from).and_then(|read| ask(&read)).map_err(StoreError::from)
            }
            Err(error) => Err(error.clone()),
        }
    }

    /// Closes the database and opens it again at its last good commit.
    fn reopen(&self) {
        let mut slot = self.shared.database.write().unwrap_or_else(PoisonError::into_inner);
        // The old handle must be gone first: it holds the lock on the file.
        *slot = Err(StoreError::Full);
        *slot = open_database(&self.shared.opener);
    }

    fn commit_once(&self, batches: &[Batch]) -> Result<(), StoreError> {
        match &*self.database() {
            Ok(database) => write_batches(database, batches).map_err(StoreError::from),
            Err(error) => Err(error.clone()),
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
        match &done {
            Ok(()) | Err(StoreError::Damaged(_) | StoreError::Newer { .. }) => {}
            // The handle refuses everything after a failed write, reads too.
            Err(StoreError::Full) => self.reopen(),
            Err(StoreError::Failed(_)) => {
                *self.failed() = done.clone().err();
                self.reopen();
            }
        }
        done
    }
}

/// Makes the tables of an empty store, checks the format of another; returns the epoch.
fn prepare(database: &Database, new_epoch: u64) -> Result<u64, StoreError> {
    let prepare = || -> Result<u64, Fault> {
        let write = begin_write(database)?;
        let (format, epoch) = {
            let mut identity = write.open_table(IDENTITY)?;
            let format = identity.get("format")?.map(|format| format.value());
            if format.is_none() {
                identity.insert("format", FORMAT)?;
                identity.insert("epoch", new_epoch)?;
            }
            let epoch = identity.get("epoch")?.map(|epoch| epoch.value());
            (format.unwrap_or(FORMAT), epoch)
        };
        if format > FORMAT {
            return Err(StoreError::Newer { found: format, known: FORMAT }.into());
        }
        write.open_table(SCOPES)?;
        write.open_table(ORIGINS)?;
        write.open_table(NEXT)?;
        write.open_table(ENTRIES)?;
        let renewed = write.open_table(META)?.remove(RENEW_EPOCH)?.is_some();
        if renewed {
            write.open_table(IDENTITY)?.insert("epoch", new_epoch)?;
        }
        write.commit()?;
        let epoch = if renewed { Some(new_epoch) } else { epoch };
        epoch.ok_or_else(|| StoreError::Damaged("it has no epoch".to_owned()).into())
    };
    prepare().map_err(StoreError::from)
}

fn write_batches(database: &Database, batches: &[Batch]) -> Result<(), Fault> {
    let write = begin_write(database)?;
    {
        let mut writer = Writer {
            scopes: write.open_table(SCOPES)?,
            origins: write.open_table(ORIGINS)?,
            next: write.open_table(NEXT)?,
            entries: write.open_table(ENTRIES)?,
        };
        for run in batches.iter().flat_map(|batch| &batch.runs) {
            writer.put(run)?;
        }
        let mut meta = write.open_table(META)?;
        for (key, value) in batches.iter().flat_map(|batch| &batch.meta) {
            if value.is_empty() {
                meta.remove(key.as_str())?;
            } else {
                meta.insert(key.as_str(), value.as_slice())?;
            }
        }
    }
    write.commit()?;
    Ok(())
}

struct Writer<'t> {
    scopes: redb::Table<'t, &'static [u8], u64>,
    origins: redb::Table<'t, &'static [u8; 16], &'static [u8; 40]>,
    next: redb::Table<'t, &'static [u8; 24], u64>,
    entries: redb::Table<'t, &'static [u8; 32], &'static [u8]>,
}

impl Writer<'_> {
    fn put(&mut self, run: &Run) -> Result<(), Fault> {
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
            self.entries.insert(&entry_key(scope, origin, seq), value.as_slice())?;
        }
        self.next.insert(&next_key(scope, origin), next + run.entries.len() as u64)?;
        Ok(())
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

fn scope_name(scope: &Scope) -> Result<Vec<u8>, StoreError> {
    postcard::to_stdvec(scope).map_err(|error| StoreError::Failed(error.to_string()))
}

fn next_key(scope: u64, origin: Origin) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&scope.to_be_bytes());
    key[8..].copy_from_slice(&origin.0);
    key
}

fn entry_key(scope: u64, origin: Origin, seq: u64) -> [u8; 32] {
    let mut key = [0; 32];
    key[..24].copy_from_slice(&next_key(scope, origin));
    key[24..].copy_from_slice(&seq.to_be_bytes());
    key
}

fn origin_value(key: OriginKey) -> [u8; 40] {
    let mut value = [0; 40];
    value[..32].copy_from_slice(&key.node.0);
    value[32..].copy_from_slice(&key.epoch.to_be_bytes());
    value
}

fn origin_key(value: &[u8; 40]) -> OriginKey {
    let mut node = [0; 32];
    node.copy_from_slice(&value[..32]);
    let mut epoch = [0; 8];
    epoch.copy_from_slice(&value[32..]);
    OriginKey { node: NodeId(node), epoch: u64::from_be_bytes(epoch) }
}

/// The number of a scope, when anything of it is stored.
fn scope_number(read: &ReadTransaction, scope: &Scope) -> Result<Option<u64>, Fault> {
    Ok(read.open_table(SCOPES)?.get(scope_name(scope)?.as_slice())?.map(|number| number.value()))
}

/// Every origin of a scope with its next seq.
fn origins(read: &ReadTransaction, scope: u64) -> Result<Vec<(Origin, u64)>, Fault> {
    let next = read.open_table(NEXT)?;
    let (from, to) = (next_key(scope, Origin([0; 16])), next_key(scope, Origin([0xff; 16])));
    let range = next.range::<&[u8; 24]>(&from..=&to)?;
    range.map(|row| row.map(|(key, next)| (origin_of(key.value()), next.value())).map_err(Fault::from)).collect()
}

fn origin_of(key: &[u8; 24]) -> Origin {
    let mut origin = [0; 16];
    origin.copy_from_slice(&key[8..]);
    Origin(origin)
}

type Entries = redb::ReadOnlyTable<&'static [u8; 32], &'static [u8]>;

fn stamp_at(entries: &Entries, scope: u64, origin: Origin, seq: u64) -> Result<Option<Hlc>, Fault> {
    match entries.get(&entry_key(scope, origin, seq))? {
        Some(found) => Ok(Some(row::stamp(found.value())?)),
        None => Ok(None),
    }
}

/// The part of one origin's entries that a scan covers, read from one end.
struct Cursor {
    origin: Origin,
    rows: redb::Range<'static, &'static [u8; 32], &'static [u8]>,
}

impl Cursor {
    fn step(&mut self, newest_first: bool) -> Result<Option<(OrderKey, SealedEntry)>, Fault> {
        let Some(found) = (if newest_first { self.rows.next_back() } else { self.rows.next() }) else {
            return Ok(None);
        };
        let (key, value) = found?;
        let mut seq = [0; 8];
        seq.copy_from_slice(&key.value()[24..]);
        let key = OrderKey { hlc: row::stamp(value.value())?, origin: self.origin, seq: u64::from_be_bytes(seq) };
        Ok(Some((key, row::decode(value.value())?)))
    }
}

fn cursors(
    read: &ReadTransaction,
    scope: u64,
    after: Option<OrderKey>,
    before: Option<OrderKey>,
) -> Result<Vec<Cursor>, Fault> {
    let entries = read.open_table(ENTRIES)?;
    let mut cursors = Vec::new();
    for (origin, next) in origins(read, scope)? {
        let stamp = |seq| {
            let stamp = stamp_at(&entries, scope, origin, seq).map_err(StoreError::from)?;
            stamp.ok_or_else(|| StoreError::Damaged(format!("entry {seq} of {origin:?} is missing")))
        };
        let part = row::between(origin, next, after, before, stamp)?;
        if !part.is_empty() {
            let (from, to) = (entry_key(scope, origin, part.start), entry_key(scope, origin, part.end));
            let rows = entries.range::<&[u8; 32]>(&from..&to)?;
            cursors.push(Cursor { origin, rows });
        }
    }
    Ok(cursors)
}

impl Store for RedbStore {
    fn origin(&self) -> OriginKey {
        self.origin
    }

    fn vectors(&self) -> Result<BTreeMap<Scope, VersionVector>, StoreError> {
        self.read(|read| {
            let mut vectors = BTreeMap::new();
            for found in read.open_table(SCOPES)?.iter()? {
                let (name, number) = found?;
                let scope: Scope = postcard::from_bytes(name.value())
                    .map_err(|_| StoreError::Damaged("the name of a scope does not decode".to_owned()))?;
                let mut vector = VersionVector::default();
                for (origin, next) in origins(read, number.value())? {
                    vector.advance(origin, next);
                }
                vectors.insert(scope, vector);
            }
            Ok(vectors)
        })
    }

    fn origin_key(&self, origin: Origin) -> Result<Option<OriginKey>, StoreError> {
        self.read(|read| Ok(read.open_table(ORIGINS)?.get(&origin.0)?.map(|value| origin_key(value.value()))))
    }

    fn head(&self, scope: &Scope, origin: Origin) -> Result<Option<Hash>, StoreError> {
        self.read(|read| {
            let Some(scope) = scope_number(read, scope)? else { return Ok(None) };
            let next = read.open_table(NEXT)?.get(&next_key(scope, origin))?.map_or(0, |next| next.value());
            let Some(newest) = next.checked_sub(1) else { return Ok(None) };
            let found = read.open_table(ENTRIES)?.get(&entry_key(scope, origin, newest))?;
            let found = found.ok_or_else(|| StoreError::Damaged(format!("entry {newest} of {origin:?} is missing")))?;
            Ok(Some(chain::hash(&row::decode(found.value())?)))
        })
    }

    fn run(&self, scope: &Scope, origin: Origin, first: u64, bytes_max: usize) -> Result<Option<Run>, StoreError> {
        self.read(|read| {
            let Some(number) = scope_number(read, scope)? else { return Ok(None) };
            let Some(key) = read.open_table(ORIGINS)?.get(&origin.0)?.map(|value| origin_key(value.value())) else {
                return Ok(None);
            };
            let mut run = Run { scope: scope.clone(), origin: key, first, entries: Vec::new() };
            let (mut bytes, mut signed) = (0, false);
            let entries = read.open_table(ENTRIES)?;
            let (from, to) = (entry_key(number, origin, first), entry_key(number, origin, u64::MAX));
            for found in entries.range::<&[u8; 32]>(&from..=&to)? {
                let sealed = row::decode(found?.1.value())?;
                bytes += sealed.bytes.len();
                if bytes > bytes_max && signed {
                    break;
                }
                signed |= sealed.signature.is_some();
                run.entries.push(sealed);
            }
            Ok(row::signed_part(run))
        })
    }

    fn scan(
        &self,
        scope: &Scope,
        after: Option<OrderKey>,
        before: Option<OrderKey>,
        newest_first: bool,
        visit: &mut dyn FnMut(OrderKey, &SealedEntry) -> bool,
    ) -> Result<(), StoreError> {
        self.read(|read| {
            let Some(number) = scope_number(read, scope)? else { return Ok(()) };
            let mut cursors = cursors(read, number, after, before)?;
            let mut front = BTreeMap::new();
            for (index, cursor) in cursors.iter_mut().enumerate() {
                front.extend(cursor.step(newest_first)?.map(|(key, sealed)| (key, (index, sealed))));
            }
            while let Some((key, (index, sealed))) = if newest_first { front.pop_last() } else { front.pop_first() } {
                if !visit(key, &sealed) {
                    break;
                }
                if let Some(cursor) = cursors.get_mut(index) {
                    front.extend(cursor.step(newest_first)?.map(|(key, sealed)| (key, (index, sealed))));
                }
            }
            Ok(())
        })
    }

    fn find(&self, scope: &Scope, id: MsgId) -> Result<Option<OrderKey>, StoreError> {
        self.read(|read| {
            let Some(number) = scope_number(read, scope)? else { return Ok(None) };
            let entries = read.open_table(ENTRIES)?;
            for (origin, _) in origins(read, number)? {
                if origin.0.starts_with(&id.origin_prefix())
                    && stamp_at(&entries, number, origin, id.seq())? == Some(id.hlc())
                {
                    return Ok(Some(OrderKey { hlc: id.hlc(), origin, seq: id.seq() }));
                }
            }
            Ok(None)
        })
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|read| Ok(read.open_table(META)?.get(key)?.map(|value| value.value().to_vec())))
    }

    fn meta_prefix(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.read(|read| {
            let mut values = Vec::new();
            for found in read.open_table(META)?.range(prefix..)? {
                let (key, value) = found?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                values.push((key.value().to_owned(), value.value().to_vec()));
            }
            Ok(values)
        })
    }
}
