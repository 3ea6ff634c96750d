//! A faulty disk as bytes: what is on the platter, what is only in the cache of the operating system, and what has gone wrong.
//!
//! Sectors of 512 bytes are written whole or not at all, in any order, until a sync says that they are there. A killed process leaves the cache,
//! a power cut does not. A failed sync drops what it was to write, as file systems do that mark pages clean: a later sync succeeds and
//! says nothing of them.

use lavina_core::store::redb::Opener;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use redb::StorageBackend;
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SECTOR: usize = 512;

/// One disk. A clone is another handle of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Platter(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Which disk it is: another one gets another number, be its bytes the same.
    medium: u64,
    /// What a power cut leaves.
    platter: Vec<u8>,
    /// What a read sees.
    cache: Vec<u8>,
    /// Sectors that differ, or may.
    dirty: BTreeSet<usize>,
    /// Sectors that have a place: on a full disk no other gets one.
    allocated: BTreeSet<usize>,
    /// Counts openings; handles of an earlier one are those of a dead process.
    opening: u64,
    full: bool,
    reads_fail: bool,
    /// Feeds what a failing sync leaves; the next sync fails.
    sync_fails: Option<u64>,
    /// Writes until the power goes.
    power: Option<u64>,
}

impl Platter {
    pub(crate) fn new(medium: u64) -> Self {
        Self(Arc::new(Mutex::new(State { medium, ..State::default() })))
    }

    // A poisoned lock means that a store panicked; the bytes are what they are.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn medium(&self) -> u64 {
        self.state().medium
    }

    /// Opens it, for as long as the process lives.
    pub(crate) fn opener(&self) -> Opener {
        let (disk, opening) = (self.clone(), self.state().opening);
        Box::new(move || Ok(Box::new(Handle { disk: disk.clone(), opening })))
    }

    /// The process that had it open is dead: its handles do nothing any more. The cache stays.
    pub(crate) fn kill(&self) {
        let mut state = self.state();
        state.opening += 1;
        state.power = None;
    }

    /// The power goes: of what was not synced each sector is there or not, whatever the order of writes.
    pub(crate) fn lose_power(&self, seed: u64) {
        let mut state = self.state();
        state.opening += 1;
        state.power = None;
        state.reads_fail = false;
        state.drop_cache(seed);
    }

    /// The power is to go after this many more writes.
    pub(crate) fn lose_power_after(&self, writes: u64) {
        self.state().power = Some(writes);
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    pub(crate) fn fail_reads(&self) {
        self.state().reads_fail = true;
    }

    pub(crate) fn fail_next_sync(&self, seed: u64) {
        self.state().sync_fails = Some(seed);
    }

    /// What made reads or syncs fail is mended.
    pub(crate) fn mend(&self) {
        let mut state = self.state();
        (state.reads_fail, state.sync_fails) = (false, None);
    }

    /// Flips some bits of what is synced.
    pub(crate) fn rot(&self, seed: u64, bits: u64) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut state = self.state();
        // What was never written holds nothing that could rot.
        let sectors: Vec<usize> = state.allocated.difference(&state.dirty).copied().collect();
        for _ in 0..bits.min(sectors.len() as u64) {
            let sector = sectors[rng.random_range(0..sectors.len())];
            let (at, bit) = (sector * SECTOR + rng.random_range(0..SECTOR), rng.random_range(0..8u8));
            let State { platter, cache, .. } = &mut *state;
            for byte in [platter.get_mut(at), cache.get_mut(at)].into_iter().flatten() {
                *byte ^= 1 << bit;
            }
        }
    }

    /// Cuts the file somewhere, in parts of its length in 65,536.
    pub(crate) fn truncate(&self, part: u16) {
        let mut state = self.state();
        let len = state.platter.len() / 65_536 * usize::from(part);
        state.platter.truncate(len);
        state.cache.truncate(len);
        state.dirty.retain(|sector| sector * SECTOR < len);
        state.allocated.retain(|sector| sector * SECTOR < len);
    }

    /// A copy of what is synced, for a backup.
    pub(crate) fn copy(&self) -> Vec<u8> {
        self.state().platter.clone()
    }

    /// Another disk with these bytes, none for an empty one.
    pub(crate) fn with(medium: u64, bytes: &[u8]) -> Self {
        let allocated = (0..bytes.len().div_ceil(SECTOR)).collect();
        let (platter, cache) = (bytes.to_vec(), bytes.to_vec());
        Self(Arc::new(Mutex::new(State { medium, platter, cache, allocated, ..State::default() })))
    }
}

impl State {
    /// Of what is not synced each sector reaches the platter or not; the rest is gone from the cache too.
    fn drop_cache(&mut self, seed: u64) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let len = if rng.random_bool(0.5) { self.cache.len() } else { self.platter.len() };
        self.platter.resize(len, 0);
        for sector in std::mem::take(&mut self.dirty) {
            if rng.random_bool(0.5) {
                self.settle(sector);
            }
        }
        self.cache.clone_from(&self.platter);
    }

    /// Writes a sector of the cache to the platter, as far as the file goes there.
    fn settle(&mut self, sector: usize) {
        let from = sector * SECTOR;
        let to = (from + SECTOR).min(self.cache.len()).min(self.platter.len());
        if let (Some(platter), Some(cache)) = (self.platter.get_mut(from..to), self.cache.get(from..to)) {
            platter.copy_from_slice(cache);
        }
    }

    /// One more write under the power that is left.
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

    fn read(&self, offset: usize, out: &mut [u8]) -> io::Result<()> {
        if self.reads_fail {
            return Err(io::Error::other("input/output error"));
        }
        let found = offset.checked_add(out.len()).and_then(|end| self.cache.get(offset..end));
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&mut self, len: usize) -> io::Result<()> {
        self.step()?;
        self.cache.resize(len, 0);
        self.dirty.retain(|sector| sector * SECTOR < len);
        self.allocated.retain(|sector| sector * SECTOR < len);
        Ok(())
    }

    fn write(&mut self, offset: usize, data: &[u8]) -> io::Result<()> {
        self.step()?;
        let end = offset + data.len();
        let sectors = offset / SECTOR..end.div_ceil(SECTOR);
        if self.full && sectors.clone().any(|sector| !self.allocated.contains(&sector)) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.cache.len() < end {
            self.cache.resize(end, 0);
        }
        self.cache[offset..end].copy_from_slice(data);
        self.allocated.extend(sectors.clone());
        self.dirty.extend(sectors);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.step()?;
        if let Some(seed) = self.sync_fails.take() {
            self.drop_cache(seed);
            return Err(io::Error::other("input/output error"));
        }
        let len = self.cache.len();
        self.platter.resize(len, 0);
        for sector in std::mem::take(&mut self.dirty) {
            self.settle(sector);
        }
        Ok(())
    }
}

/// The disk as one process has it open.
#[derive(Debug)]
struct Handle {
    disk: Platter,
    opening: u64,
}

impl Handle {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.opening == self.opening { Ok(state) } else { Err(io::Error::other("the process is dead")) }
    }
}

fn place(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.cache.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.state()?.read(place(offset)?, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.state()?.set_len(place(len)?)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.state()?.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.state()?.write(place(offset)?, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(disk: &Platter) -> Box<dyn StorageBackend> {
        disk.opener()().unwrap()
    }

    fn bytes(disk: &Platter) -> Vec<u8> {
        let handle = open(disk);
        let mut out = vec![0; usize::try_from(handle.len().unwrap()).unwrap()];
        handle.read(0, &mut out).unwrap();
        out
    }

    #[test]
    fn a_kill_leaves_the_cache_and_a_power_cut_tears_at_sectors() {
        let disk = Platter::new(1);
        let handle = open(&disk);
        handle.write(0, &[1; 4096]).unwrap();
        handle.sync_data().unwrap();
        handle.write(0, &[2; 4096]).unwrap();
        disk.kill();
        assert!(handle.write(0, &[3; 512]).is_err(), "a dead process writes nothing");
        assert_eq!(bytes(&disk), vec![2; 4096]);
        disk.lose_power(5);
        let left = bytes(&disk);
        let sectors: Vec<u8> = left.chunks(SECTOR).map(|sector| sector[0]).collect();
        assert!(sectors.contains(&1) && sectors.contains(&2), "{sectors:?}");
        assert!(left.chunks(SECTOR).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
    }

    #[test]
    fn what_a_failed_sync_dropped_no_later_one_brings() {
        let disk = Platter::new(1);
        let handle = open(&disk);
        handle.write(0, &[1; 8192]).unwrap();
        handle.sync_data().unwrap();
        handle.write(0, &[2; 8192]).unwrap();
        disk.fail_next_sync(3);
        assert!(handle.sync_data().is_err());
        handle.sync_data().unwrap();
        disk.lose_power(1);
        assert!(bytes(&disk).contains(&1), "some of it never came");
    }

    #[test]
    fn a_full_disk_takes_only_what_has_a_place() {
        let disk = Platter::new(1);
        let handle = open(&disk);
        handle.write(0, &[1; 1024]).unwrap();
        disk.set_full(true);
        handle.set_len(8192).unwrap();
        handle.write(512, &[2; 512]).unwrap();
        assert_eq!(handle.write(1024, &[2; 512]).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
