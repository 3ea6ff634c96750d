//! Sealing: what has grown old moves from rows of its own into compressed segments, in the same transaction, so that it is always in one place and in
//! no other.
//!
//! The newest entries stay in rows, where appending and looking at a room's end are cheapest. A segment takes as many as fill a block of
//! pages: what is left over of a page in the file holds nothing else.

use super::Writer;
use super::backend::Fault;
use super::layout::{Span, entry_key, pair_of, span, span_value};
use crate::store::{StoreError, row};
use lavina_crdt::ids::Origin;
use lavina_crdt::segment::{self, RAW_BYTES_MAX};
use redb::ReadableTable;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most bytes of a segment: with its key and what the database adds it fills four pages.
const SEGMENT_BYTES_MAX: usize = 16 * 1024 - 128;
/// How often a segment is made again to fill its pages.
const TRIES_MAX: usize = 3;

/// When entries are sealed.
#[derive(Clone, Copy, Debug)]
pub struct Sealing {
    /// How many of an origin's newest entries in a scope stay rows.
    pub tail: u64,
    /// How many beyond these go into one segment, or as many of them as fit.
    pub chunk: u64,
    /// Most segments made by a small commit that came for something else: those who wait for it wait for them too. A large one makes as many more as
    /// it brings entries for, so that rows do not pile up, since a file does not shrink again.
    pub per_commit: usize,
    /// Most segments made at once while nobody waits.
    pub per_rest: usize,
}

impl Sealing {
    /// In a server.
    pub const SERVER: Self = Self { tail: 64, chunk: 512, per_commit: 1, per_rest: 16 };

    /// Most segments made by a commit that writes so many entries; a segment often has no room for a whole chunk.
    pub(super) fn most_of(&self, written: usize) -> usize {
        let chunk = usize::try_from(self.chunk / 2).unwrap_or(usize::MAX).max(1);
        if self.per_commit == 0 { 0 } else { self.per_commit + written / chunk }
    }
}

/// How many entries in rows each origin has in each scope, as far as they are enough for a segment.
#[derive(Debug, Default)]
pub(super) struct Ripe(Mutex<BTreeMap<[u8; 24], u64>>);

impl Ripe {
    pub(super) fn pairs(&self) -> MutexGuard<'_, BTreeMap<[u8; 24], u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer<'_> {
    /// Where the sealed part of an origin's entries ends.
    fn sealed_end(&self, pair: &[u8; 24]) -> Result<u64, Fault> {
        let (scope, origin) = pair_of(pair);
        let (from, to) = (entry_key(scope, origin, 0), entry_key(scope, origin, u64::MAX));
        let Some(found) = self.sealed.range::<&[u8; 32]>(&from..=&to)?.next_back() else { return Ok(0) };
        let (key, value) = found?;
        Ok(span(key.value(), value.value())?.end())
    }

    /// Seals up to `most` segments of the pairs that are ripe; what is ripe after that.
    pub(super) fn seal(
        &mut self,
        pairs: impl IntoIterator<Item = [u8; 24]>,
        sealing: &Sealing,
        most: usize,
    ) -> Result<BTreeMap<[u8; 24], u64>, Fault> {
        let mut ripe = BTreeMap::new();
        let mut left = most;
        for pair in pairs {
            let next = self.next.get(&pair)?.map_or(0, |next| next.value());
            let mut end = self.sealed_end(&pair)?;
            while left > 0 && is_ripe(next.saturating_sub(end), sealing) {
                end = self.seal_one(&pair, end, sealing.chunk)?;
                left -= 1;
            }
            ripe.insert(pair, next.saturating_sub(end));
        }
        Ok(ripe)
    }

    /// Seals up to `count` entries from `first` on; where the sealed part ends then.
    fn seal_one(&mut self, pair: &[u8; 24], first: u64, count: u64) -> Result<u64, Fault> {
        let (scope, origin) = pair_of(pair);
        let mut entries = Vec::new();
        let mut bytes = 0;
        for seq in first..first.saturating_add(count) {
            let key = entry_key(scope, origin, seq);
            let found = self.entries.get(&key)?.ok_or_else(|| missing(origin, seq))?;
            let row = row::checked(&key, found.value())?;
            let sealed = row::decode(row)?;
            bytes += sealed.len();
            entries.push((row::stamp(row)?, sealed));
            if bytes > RAW_BYTES_MAX {
                break;
            }
        }
        let mut packed = segment::pack(origin, first, &entries).map_err(StoreError::from)?;
        for _ in 0..TRIES_MAX {
            if packed.len() <= SEGMENT_BYTES_MAX || entries.len() <= 1 {
                break;
            }
            // A little less than the share that fits, since fewer entries compress a little worse.
            let fits = entries.len() * SEGMENT_BYTES_MAX / packed.len();
            entries.truncate((fits - fits / 32).max(1));
            packed = segment::pack(origin, first, &entries).map_err(StoreError::from)?;
        }
        let hlc = entries.first().map(|(hlc, _)| *hlc).ok_or_else(|| missing(origin, first))?;
        let span = Span { first, count: entries.len() as u64, hlc };
        let key = entry_key(scope, origin, first);
        row::protect(&key, &mut packed);
        self.segments.insert(&key, packed.as_slice())?;
        self.sealed.insert(&key, span_value(&key, &span).as_slice())?;
        for seq in first..span.end() {
            self.entries.remove(&entry_key(scope, origin, seq))?;
        }
        Ok(span.end())
    }
}

/// Whether so many entries in rows are enough for a segment beside those that stay.
pub(super) const fn is_ripe(rows: u64, sealing: &Sealing) -> bool {
    rows >= sealing.tail.saturating_add(sealing.chunk)
}

fn missing(origin: Origin, seq: u64) -> StoreError {
    StoreError::Damaged(format!("entry {seq} of {origin:?} is missing"))
}
