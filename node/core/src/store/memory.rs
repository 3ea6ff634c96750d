//! A store in memory: the model disk of simulations and the reference that the file store is tested against.
//!
//! A clone is another handle of the same disk, as two openings of one file are. A simulated crash drops the machine and the batches it
//! had not seen committed; the disk stays. Batches are committed whole or not at all.

use super::{Batch, Commit, Store, StoreError, row};
use lavina_crdt::chain;
use lavina_crdt::clock::Hlc;
use lavina_crdt::entry::{Hash, Run, SealedEntry};
use lavina_crdt::ids::{MsgId, OrderKey, Origin, OriginKey, Scope};
use lavina_crdt::version::VersionVector;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One model disk.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    origin: OriginKey,
    disk: Arc<Mutex<Disk>>,
}

type Rows = Vec<(Hlc, SealedEntry)>;

#[derive(Clone, Debug, Default)]
struct Disk {
    scopes: BTreeMap<Scope, BTreeMap<Origin, Rows>>,
    origins: BTreeMap<Origin, OriginKey>,
    meta: BTreeMap<String, Vec<u8>>,
    fault: Option<StoreError>,
    unreadable: Option<StoreError>,
}

impl MemoryStore {
    /// An empty disk whose writer is `origin`.
    #[must_use]
    pub fn new(origin: OriginKey) -> Self {
        Self { origin, disk: Arc::default() }
    }

    /// A copy with a life of its own, under another write identity: what a restored backup or a cloned disk is.
    #[must_use]
    pub fn fork(&self, origin: OriginKey) -> Self {
        Self { origin, disk: Arc::new(Mutex::new(self.disk().clone())) }
    }

    /// From here on commits fail with `fault`, until it is taken away.
    pub fn set_fault(&self, fault: Option<StoreError>) {
        self.disk().fault = fault;
    }

    /// From here on reads fail with `fault`, until it is taken away; commits are another matter ([`MemoryStore::set_fault`]).
    pub fn set_read_fault(&self, fault: Option<StoreError>) {
        self.disk().unreadable = fault;
    }

    fn readable(&self) -> Result<MutexGuard<'_, Disk>, StoreError> {
        let disk = self.disk();
        match &disk.unreadable {
            Some(fault) => Err(fault.clone()),
            None => Ok(disk),
        }
    }

    // A poisoned lock means that a reader panicked; the disk itself is whole because commits check everything before they write.
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Commit for MemoryStore {
    fn commit(&self, batches: &[Batch]) -> Result<(), StoreError> {
        let mut disk = self.disk();
        if let Some(fault) = &disk.fault {
            return Err(fault.clone());
        }
        let mut checked = disk.check(batches)?.into_iter();
        for batch in batches {
            batch.forgotten.iter().for_each(|(scope, origin)| disk.forget(scope, *origin));
            for (run, stamps) in batch.runs.iter().zip(checked.by_ref()) {
                let origin = run.origin.origin();
                disk.origins.insert(origin, run.origin);
                let rows = disk.scopes.entry(run.scope.clone()).or_default().entry(origin).or_default();
                rows.extend(stamps.into_iter().zip(run.entries.iter().cloned()));
            }
        }
        for (key, value) in batches.iter().flat_map(|batch| &batch.meta) {
            if value.is_empty() {
                disk.meta.remove(key);
            } else {
                disk.meta.insert(key.clone(), value.clone());
            }
        }
        Ok(())
    }
}

impl Disk {
    fn rows(&self, scope: &Scope, origin: Origin) -> &[(Hlc, SealedEntry)] {
        self.scopes.get(scope).and_then(|origins| origins.get(&origin)).map_or(&[], Vec::as_slice)
    }

    /// The stamps of every run, when all of them continue what is stored.
    fn check(&self, batches: &[Batch]) -> Result<Vec<Vec<Hlc>>, StoreError> {
        let mut next: BTreeMap<(&Scope, Origin), u64> = BTreeMap::new();
        let mut checked = Vec::new();
        for batch in batches {
            next.extend(batch.forgotten.iter().map(|(scope, origin)| ((scope, *origin), 0)));
            for run in &batch.runs {
                let origin = run.origin.origin();
                let stored = || self.rows(&run.scope, origin).len() as u64;
                let next = next.entry((&run.scope, origin)).or_insert_with(stored);
                if run.first != *next {
                    return Err(row::gap(run, *next));
                }
                let stamps = run.entries.iter().zip(run.first..);
                let stamps: Result<Vec<Hlc>, StoreError> =
                    stamps.map(|(sealed, seq)| row::stamp_of(sealed, origin, seq)).collect();
                *next += run.entries.len() as u64;
                checked.push(stamps?);
            }
        }
        Ok(checked)
    }

    fn forget(&mut self, scope: &Scope, origin: Origin) {
        let Some(origins) = self.scopes.get_mut(scope) else { return };
        origins.remove(&origin);
        if origins.is_empty() {
            self.scopes.remove(scope);
        }
    }
}

/// The part of an origin's rows strictly between the bounds.
fn between(origin: Origin, rows: &Rows, after: Option<OrderKey>, before: Option<OrderKey>) -> Range<u64> {
    let stamp =
        |seq: u64| Ok(usize::try_from(seq).ok().and_then(|seq| rows.get(seq)).map_or(Hlc(u64::MAX), |row| row.0));
    row::between(origin, rows.len() as u64, after, before, stamp).unwrap_or(0..0)
}

impl Store for MemoryStore {
    fn origin(&self) -> OriginKey {
        self.origin
    }

    fn vectors(&self) -> Result<BTreeMap<Scope, VersionVector>, StoreError> {
        let disk = self.readable()?;
        let vectors = disk.scopes.iter().map(|(scope, origins)| {
            let mut vector = VersionVector::default();
            for (origin, rows) in origins {
                vector.advance(*origin, rows.len() as u64);
            }
            (scope.clone(), vector)
        });
        Ok(vectors.collect())
    }

    fn origin_key(&self, origin: Origin) -> Result<Option<OriginKey>, StoreError> {
        Ok(self.readable()?.origins.get(&origin).copied())
    }

    fn head(&self, scope: &Scope, origin: Origin) -> Result<Option<Hash>, StoreError> {
        Ok(self.readable()?.rows(scope, origin).last().map(|(_, sealed)| chain::hash(sealed)))
    }

    fn run(&self, scope: &Scope, origin: Origin, first: u64, bytes_max: usize) -> Result<Option<Run>, StoreError> {
        let disk = self.readable()?;
        let Some(key) = disk.origins.get(&origin).copied() else { return Ok(None) };
        let rows = usize::try_from(first).ok().and_then(|first| disk.rows(scope, origin).get(first..)).unwrap_or(&[]);
        let mut run = Run { scope: scope.clone(), origin: key, first, entries: Vec::new() };
        let mut bytes = 0;
        for (_, sealed) in rows {
            bytes += sealed.bytes.len();
            if bytes > bytes_max && run.entries.iter().any(|sealed| sealed.signature.is_some()) {
                break;
            }
            run.entries.push(sealed.clone());
        }
        Ok(row::signed_part(run))
    }

    fn scan(
        &self,
        scope: &Scope,
        after: Option<OrderKey>,
        before: Option<OrderKey>,
        newest_first: bool,
        visit: &mut dyn FnMut(OrderKey, &SealedEntry) -> bool,
    ) -> Result<(), StoreError> {
        let disk = self.readable()?;
        let Some(origins) = disk.scopes.get(scope) else { return Ok(()) };
        let mut cursors: Vec<(Origin, &Rows, Range<u64>)> =
            origins.iter().map(|(origin, rows)| (*origin, rows, between(*origin, rows, after, before))).collect();
        let mut front = BTreeMap::new();
        let mut place: Vec<usize> = (0..cursors.len()).collect();
        loop {
            for index in place.drain(..) {
                let Some((origin, rows, range)) = cursors.get_mut(index) else { continue };
                let number = if newest_first { range.next_back() } else { range.next() };
                let row = number.and_then(|seq| Some((seq, rows.get(usize::try_from(seq).ok()?)?)));
                if let Some((seq, (hlc, sealed))) = row {
                    front.insert(OrderKey { hlc: *hlc, origin: *origin, seq }, (index, sealed));
                }
            }
            let next = if newest_first { front.pop_last() } else { front.pop_first() };
            let Some((key, (index, sealed))) = next else { return Ok(()) };
            if !visit(key, sealed) {
                return Ok(());
            }
            place.push(index);
        }
    }

    fn find(&self, scope: &Scope, id: MsgId) -> Result<Option<OrderKey>, StoreError> {
        let disk = self.readable()?;
        let Some(origins) = disk.scopes.get(scope) else { return Ok(None) };
        let found = origins.iter().filter(|(origin, _)| origin.0.starts_with(&id.origin_prefix())).find_map(
            |(origin, rows)| {
                let (hlc, _) = rows.get(usize::try_from(id.seq()).ok()?)?;
                (*hlc == id.hlc()).then_some(OrderKey { hlc: *hlc, origin: *origin, seq: id.seq() })
            },
        );
        Ok(found)
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.readable()?.meta.get(key).cloned())
    }

    fn meta_prefix(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let disk = self.readable()?;
        let from = disk.meta.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(from.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
