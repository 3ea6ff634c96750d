//! What the tests of stores share: entries that look real to a store, and a disk that loses power, room or reliability.

use super::redb::{CACHE_BYTES, Opener, Opening, RedbStore, Sealing};
use super::{Batch, BatchId};
use bytes::Bytes;
use lavina_crdt::clock::Hlc;
use lavina_crdt::entry::{Entry, Hash, Run, SealedEntry, Signature};
use lavina_crdt::ids::{NodeId, Origin, OriginKey, Scope};
use lavina_crdt::names::RoomName;
use redb::StorageBackend;
use std::io;
use std::sync::{Arc, Mutex};

pub(crate) fn room(number: u8) -> Scope {
    Scope::Room(RoomName::new(&format!("room{number}")).unwrap())
}

pub(crate) fn writer(number: u8) -> OriginKey {
    OriginKey { node: NodeId([number; 32]), epoch: u64::from(number) }
}

/// An entry as a store sees it: its stamp can be read, its chain is not asked for.
pub(crate) fn sealed(origin: Origin, seq: u64, hlc: Hlc, signed: bool) -> SealedEntry {
    let entry = Entry {
        origin,
        seq,
        hlc,
        prev: Hash::default(),
        after: Vec::new(),
        link: None,
        author: None,
        heads: None,
        kind: 999,
        body: vec![7; 40],
    };
    let bytes = Bytes::from(postcard::to_stdvec(&entry).unwrap());
    SealedEntry { bytes, signature: signed.then_some(Signature([9; 64])) }
}

/// `count` entries of a writer from `first` on, stamped `hlc`, `hlc + 1`, ..., the last one signed.
pub(crate) fn run(scope: Scope, key: OriginKey, first: u64, count: u64, hlc: u64) -> Run {
    let sealed = |index| sealed(key.origin(), first + index, Hlc(hlc + index), index + 1 == count);
    Run { scope, origin: key, first, entries: (0..count).map(sealed).collect() }
}

pub(crate) fn batch(id: u64, runs: Vec<Run>) -> Batch {
    Batch { id: BatchId(id), runs, ..Batch::default() }
}

/// How tests open a store, with an epoch for a new one.
pub(crate) fn opening(new_epoch: u64) -> Opening {
    let sealing = Sealing { tail: 2, chunk: 5, per_commit: 2, per_rest: 4 };
    Opening { node: NodeId([1; 32]), new_epoch, medium: 1, cache_bytes: CACHE_BYTES, sealing, check: true }
}

/// A disk with a write cache: what was not synced may be lost when the power goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    synced: Vec<u8>,
    cached: Vec<u8>,
    unsynced: Vec<Change>,
    /// Changes until the power goes.
    power: Option<u64>,
    /// Bytes there is room for.
    room: Option<usize>,
    /// Whether the next sync fails.
    sync_fails: bool,
}

#[derive(Clone, Debug)]
enum Change {
    Len(usize),
    Write(usize, Vec<u8>),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Len(len) => bytes.resize(*len, 0),
            Self::Write(at, data) => {
                if bytes.len() < at + data.len() {
                    bytes.resize(at + data.len(), 0);
                }
                bytes[*at..at + data.len()].copy_from_slice(data);
            }
        }
    }
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        match &mut self.power {
            Some(0) => Err(io::Error::other("the power is gone")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        self.step()?;
        change.apply(&mut self.cached);
        self.unsynced.push(change);
        Ok(())
    }
}

impl Disk {
    pub(crate) fn opener(&self) -> Opener {
        let disk = self.clone();
        Box::new(move || Ok(Box::new(disk.clone())))
    }

    pub(crate) fn open(&self) -> RedbStore {
        RedbStore::open(self.opener(), opening(1)).unwrap()
    }

    pub(crate) fn cut_power_after(&self, changes: u64) {
        self.0.lock().unwrap().power = Some(changes);
    }

    pub(crate) fn set_room(&self, room: Option<usize>) {
        self.0.lock().unwrap().room = room;
    }

    pub(crate) fn fail_next_sync(&self) {
        self.0.lock().unwrap().sync_fails = true;
    }

    /// Flips a bit of what is there.
    pub(crate) fn flip(&self, at: usize, bit: u8) {
        let mut state = self.0.lock().unwrap();
        state.cached[at] ^= 1 << bit;
        state.synced = state.cached.clone();
    }

    /// Cuts the file.
    pub(crate) fn cut(&self, len: usize) {
        let mut state = self.0.lock().unwrap();
        state.cached.truncate(len);
        state.synced = state.cached.clone();
    }

    pub(crate) fn used(&self) -> usize {
        self.0.lock().unwrap().cached.len()
    }

    /// What is on the disk when the power is back: all that was synced, and of the rest what `kept` says, torn at a sector where it
    /// says so.
    pub(crate) fn after_power_loss(&self, mut kept: impl FnMut() -> u8) -> Self {
        let state = self.0.lock().unwrap();
        let mut bytes = state.synced.clone();
        for change in &state.unsynced {
            match (kept() % 3, change) {
                (0, _) => {}
                (1, Change::Write(at, data)) => {
                    Change::Write(*at, data[..(data.len() / 2).next_multiple_of(512).min(data.len())].to_vec())
                        .apply(&mut bytes);
                }
                _ => change.apply(&mut bytes),
            }
        }
        Self(Arc::new(Mutex::new(State { synced: bytes.clone(), cached: bytes, ..State::default() })))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock().unwrap();
        let at = usize::try_from(offset).unwrap();
        out.copy_from_slice(state.cached.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let len = usize::try_from(len).unwrap();
        if state.room.is_some_and(|room| len > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.change(Change::Len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        if std::mem::take(&mut state.sync_fails) {
            return Err(io::Error::other("input/output error"));
        }
        let State { synced, unsynced, .. } = &mut *state;
        for change in unsynced.drain(..) {
            change.apply(synced);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().change(Change::Write(usize::try_from(offset).unwrap(), data.to_vec()))
    }
}
