//! Disks of simulated nodes: the model disk of level L0 and, at level L1, a faulty block of bytes under the real store.
//!
//! Everything random about a disk is drawn by the world and handed in by value, so that a disk itself is a function of what was done to it.

mod lost;
mod platter;
mod store;

pub(crate) use lost::Losses;
pub(crate) use store::SimStore;

use crate::plan::Level;
use lavina_core::store::memory::MemoryStore;
use lavina_core::store::redb::{Opening, RedbStore, Sealing};
use lavina_core::store::{Batch, Commit, Recovered, Store, StoreError, recover};
use lavina_crdt::ids::{NodeId, OriginKey, Scope};
use lavina_crdt::version::VersionVector;
use platter::Platter;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Pages that the real store keeps in memory: few, so that many nodes are cheap and the disk is asked.
const CACHE_BYTES: usize = 256 * 1024;

/// Short segments of what is hardly old, so that short runs read and lose some; all of them made by commits, where the power fails.
const SEALING: Sealing = Sealing { tail: 3, chunk: 5, per_commit: 2, per_rest: 1 };

/// Most writes of a commit after which a power cut may come: more than a commit makes.
pub(crate) const WRITES_MAX: u64 = 40;

/// The disk's side of a node.
#[derive(Debug)]
pub(crate) struct Disk {
    /// What waits, oldest first.
    pub(crate) waiting: Vec<Batch>,
    /// What is being committed.
    pub(crate) committing: Vec<Batch>,
    /// When it looks next at what waits, microseconds.
    pub(crate) due_us: Option<u64>,
    /// Takes no writes.
    pub(crate) full: bool,
    /// Milliseconds a commit takes on top of its usual time.
    pub(crate) slow_ms: u64,
    /// When it was last in trouble, microseconds.
    pub(crate) trouble_us: u64,
    /// Something is wrong with it that only a new start over a mended disk ends.
    pub(crate) ailing: bool,
    /// Whether something was done to it, since the last start, for which its store may be lost.
    pub(crate) harmed: bool,
    /// What is durable on it.
    pub(crate) held: BTreeMap<Scope, VersionVector>,
    node: NodeId,
    /// Counts disks: each has a number of its own.
    media: u64,
    bytes: Bytes,
    backup: Option<Bytes>,
}

/// What a disk is made of.
#[derive(Debug)]
enum Bytes {
    Model(MemoryStore),
    Platter(Platter),
}

impl Disk {
    /// An empty disk of a node.
    pub(crate) fn new(level: Level, node: NodeId, epoch: u64) -> Self {
        let bytes = match level {
            Level::L0 | Level::L2 => Bytes::Model(MemoryStore::new(OriginKey { node, epoch })),
            Level::L1 => Bytes::Platter(Platter::new(0)),
        };
        Self {
            waiting: Vec::new(),
            due_us: None,
            committing: Vec::new(),
            full: false,
            slow_ms: 0,
            trouble_us: 0,
            ailing: false,
            harmed: false,
            held: BTreeMap::new(),
            node,
            media: 0,
            bytes,
            backup: None,
        }
    }

    /// Whose it is.
    pub(crate) const fn node(&self) -> NodeId {
        self.node
    }

    /// Opens the store and what `then` makes of it; a damaged one is set aside for an empty one.
    pub(crate) fn open<T>(
        &mut self,
        seed: u64,
        then: impl Fn(SimStore) -> Result<T, StoreError>,
    ) -> Result<Recovered<T>, StoreError> {
        let (node, media) = (self.node, self.media + 1);
        let bytes = RefCell::new(&mut self.bytes);
        let recovered = recover(
            || match &**bytes.borrow() {
                Bytes::Model(store) => then(SimStore::Memory(store.clone())),
                Bytes::Platter(platter) => {
                    let opening = Opening {
                        node,
                        new_epoch: seed,
                        medium: platter.medium(),
                        cache_bytes: CACHE_BYTES,
                        sealing: SEALING,
                        check: true,
                    };
                    then(SimStore::File(RedbStore::open(platter.opener(), opening)?))
                }
            },
            |_| {
                let mut bytes = bytes.borrow_mut();
                **bytes = match &**bytes {
                    Bytes::Model(store) => Bytes::Model(MemoryStore::new(OriginKey { epoch: seed, ..store.origin() })),
                    Bytes::Platter(_) => Bytes::Platter(Platter::new(media)),
                };
                Ok(())
            },
        )?;
        self.media = media;
        Ok(recovered)
    }

    /// The process is dead.
    pub(crate) fn kill(&mut self) {
        self.due_us = None;
        self.waiting.clear();
        self.committing.clear();
        if let Bytes::Platter(platter) = &self.bytes {
            platter.kill();
        }
    }

    /// The power is gone, in the midst of a commit when one is under way: after this many writes of it.
    pub(crate) fn lose_power(&mut self, store: &SimStore, writes: u64, seed: u64) {
        let Bytes::Platter(platter) = &self.bytes else { return };
        if !self.committing.is_empty() {
            platter.lose_power_after(writes);
            // Nobody is there any more to hear what became of it.
            let _ = store.commit(&self.committing);
        }
        platter.lose_power(seed);
    }

    /// Whether the model refuses a commit as a full disk does; a disk of bytes does that by itself.
    pub(crate) fn refuses(&self) -> bool {
        self.full && matches!(self.bytes, Bytes::Model(_))
    }

    /// Whether it has room.
    pub(crate) fn set_full(&mut self, full: bool) {
        self.full = full;
        if let Bytes::Platter(platter) = &self.bytes {
            platter.set_full(full);
        }
    }

    /// Reads fail.
    pub(crate) fn fail_reads(&mut self) {
        self.ailing = true;
        match &self.bytes {
            Bytes::Model(store) => {
                store.set_read_fault(Some(broken()));
                store.set_fault(Some(broken()));
            }
            Bytes::Platter(platter) => platter.fail_reads(),
        }
    }

    /// The next sync fails, and what it was to write is partly lost.
    pub(crate) fn fail_sync(&mut self, seed: u64) {
        self.ailing = true;
        match &self.bytes {
            Bytes::Model(store) => store.set_fault(Some(broken())),
            Bytes::Platter(platter) => platter.fail_next_sync(seed),
        }
    }

    /// Bits flip.
    pub(crate) fn rot(&mut self, seed: u64, bits: u64) {
        if let Bytes::Platter(platter) = &self.bytes {
            (self.ailing, self.harmed) = (true, true);
            platter.rot(seed, bits);
        }
    }

    /// The file is cut.
    pub(crate) fn truncate(&mut self, part: u16) {
        if let Bytes::Platter(platter) = &self.bytes {
            (self.ailing, self.harmed) = (true, true);
            platter.truncate(part);
        }
    }

    /// What made it fail is mended, though not what it lost.
    pub(crate) fn mend(&mut self) {
        self.ailing = false;
        match &self.bytes {
            Bytes::Model(store) => {
                store.set_read_fault(None);
                store.set_fault(None);
            }
            Bytes::Platter(platter) => platter.mend(),
        }
    }

    /// An empty disk takes its place.
    pub(crate) fn lose(&mut self, epoch: u64) {
        self.harmed = true;
        self.media += 1;
        self.bytes = match &self.bytes {
            Bytes::Model(store) => Bytes::Model(MemoryStore::new(OriginKey { epoch, ..store.origin() })),
            Bytes::Platter(_) => Bytes::Platter(Platter::new(self.media)),
        };
    }

    /// A copy is made of what is durable.
    pub(crate) fn back_up(&mut self) {
        self.backup = Some(match &self.bytes {
            Bytes::Model(store) => Bytes::Model(store.fork(store.origin())),
            Bytes::Platter(platter) => Bytes::Platter(Platter::with(0, &platter.copy())),
        });
    }

    /// The copy is put back onto another disk. The model takes a new epoch here as the real store does when it finds itself on another medium.
    pub(crate) fn restore(&mut self, epoch: u64) {
        let Some(backup) = self.backup.take() else { return };
        self.harmed = true;
        self.media += 1;
        self.bytes = match backup {
            Bytes::Model(store) => Bytes::Model(store.fork(OriginKey { epoch, ..store.origin() })),
            Bytes::Platter(platter) => Bytes::Platter(Platter::with(self.media, &platter.copy())),
        };
    }

    /// These batches are durable.
    pub(crate) fn holds(&mut self, batches: &[Batch]) {
        for run in batches.iter().flat_map(|batch| &batch.runs) {
            let next = run.first + run.entries.len() as u64;
            self.held.entry(run.scope.clone()).or_default().advance(run.origin.origin(), next);
        }
    }
}

fn broken() -> StoreError {
    StoreError::Failed("input/output error".to_owned())
}
