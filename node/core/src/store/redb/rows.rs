//! Reading the log of one origin in a scope, wherever its parts lie: older ones in segments, newer ones in rows of their own.

use super::backend::Fault;
use super::layout::{ENTRIES, SEALED, SEGMENTS, Span, entry_key, key_seq, span};
use crate::store::{StoreError, row};
use lavina_crdt::clock::Hlc;
use lavina_crdt::entry::SealedEntry;
use lavina_crdt::ids::{OrderKey, Origin};
use lavina_crdt::segment::{self, Stamped};
use redb::{ReadOnlyTable, ReadTransaction};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Opened segments kept: some megabytes, enough for as many readers of history at a time.
const OPENED_MAX: usize = 32;

/// A segment's entries.
#[derive(Debug)]
pub(super) struct Opened {
    first: u64,
    entries: Vec<Stamped>,
}

impl Opened {
    /// The entries from a number on.
    pub(super) fn from(&self, seq: u64) -> &[Stamped] {
        let skip = usize::try_from(seq.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.entries.get(skip..).unwrap_or_default()
    }

    /// The entry of a number.
    fn at(&self, seq: u64) -> Option<&Stamped> {
        self.entries.get(usize::try_from(seq.checked_sub(self.first)?).ok()?)
    }
}

/// Segments that were opened lately, newest last. What a key leads to changes only in how much it holds: entries that were forgotten and came again may be parted
/// otherwise.
#[derive(Debug, Default)]
pub(super) struct Segments(Mutex<VecDeque<([u8; 32], Arc<Opened>)>>);

impl Segments {
    fn kept(&self) -> MutexGuard<'_, VecDeque<([u8; 32], Arc<Opened>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &[u8; 32]) -> Option<Arc<Opened>> {
        let mut kept = self.kept();
        let place = kept.iter().position(|(known, _)| known == key)?;
        let found = kept.remove(place)?;
        let opened = Arc::clone(&found.1);
        kept.push_back(found);
        Some(opened)
    }

    fn keep(&self, key: [u8; 32], opened: &Arc<Opened>) {
        let mut kept = self.kept();
        kept.retain(|(known, _)| *known != key);
        if kept.len() >= OPENED_MAX {
            kept.pop_front();
        }
        kept.push_back((key, Arc::clone(opened)));
    }

    /// The database is opened anew, perhaps without its latest segments.
    pub(super) fn forget(&self) {
        self.kept().clear();
    }
}

/// The entries of all scopes, as one transaction sees them.
pub(super) struct Rows<'s> {
    entries: ReadOnlyTable<&'static [u8; 32], &'static [u8]>,
    sealed: ReadOnlyTable<&'static [u8; 32], &'static [u8]>,
    segments: ReadOnlyTable<&'static [u8; 32], &'static [u8]>,
    opened: &'s Segments,
}

impl<'s> Rows<'s> {
    pub(super) fn open(read: &ReadTransaction, opened: &'s Segments) -> Result<Self, Fault> {
        let (entries, sealed) = (read.open_table(ENTRIES)?, read.open_table(SEALED)?);
        Ok(Self { entries, sealed, segments: read.open_table(SEGMENTS)?, opened })
    }

    fn row(&self, scope: u64, origin: Origin, seq: u64) -> Result<Option<Stamped>, Fault> {
        let key = entry_key(scope, origin, seq);
        let Some(found) = self.entries.get(&key)? else { return Ok(None) };
        let row = row::checked(&key, found.value())?;
        Ok(Some((row::stamp(row)?, row::decode(row)?)))
    }

    /// The segment that a number lies in.
    fn span(&self, scope: u64, origin: Origin, seq: u64) -> Result<Option<Span>, Fault> {
        let (from, to) = (entry_key(scope, origin, 0), entry_key(scope, origin, seq));
        let Some(found) = self.sealed.range::<&[u8; 32]>(&from..=&to)?.next_back() else { return Ok(None) };
        let (key, value) = found?;
        Ok(Some(span(key.value(), value.value())?).filter(|span| seq < span.end()))
    }

    /// The entries of the segment that a number lies in; `None` when it lies in none.
    pub(super) fn segment(&self, scope: u64, origin: Origin, seq: u64) -> Result<Option<Arc<Opened>>, Fault> {
        let Some(span) = self.span(scope, origin, seq)? else { return Ok(None) };
        let key = entry_key(scope, origin, span.first);
        if let Some(opened) = self.opened.find(&key).filter(|opened| opened.entries.len() as u64 == span.count) {
            return Ok(Some(opened));
        }
        let missing = || StoreError::Damaged(format!("the segment at {} of {origin:?} is missing", span.first));
        let found = self.segments.get(&key)?.ok_or_else(missing)?;
        let entries =
            segment::unpack(origin, span.first, row::checked(&key, found.value())?).map_err(StoreError::from)?;
        if entries.len() as u64 != span.count {
            return Err(missing().into());
        }
        let opened = Arc::new(Opened { first: span.first, entries });
        self.opened.keep(key, &opened);
        Ok(Some(opened))
    }

    /// One entry with its stamp.
    pub(super) fn get(&self, scope: u64, origin: Origin, seq: u64) -> Result<Option<Stamped>, Fault> {
        if let Some(found) = self.row(scope, origin, seq)? {
            return Ok(Some(found));
        }
        let opened = self.segment(scope, origin, seq)?;
        Ok(opened.and_then(|opened| opened.at(seq).cloned()))
    }

    /// The entries from `first` on, in order, as long as `take` wants them.
    pub(super) fn each_from(
        &self,
        scope: u64,
        origin: Origin,
        first: u64,
        mut take: impl FnMut(SealedEntry) -> bool,
    ) -> Result<(), Fault> {
        let mut seq = first;
        while let Some(opened) = self.segment(scope, origin, seq)? {
            for (_, sealed) in opened.from(seq) {
                if !take(sealed.clone()) {
                    return Ok(());
                }
                seq += 1;
            }
        }
        let (from, to) = (entry_key(scope, origin, seq), entry_key(scope, origin, u64::MAX));
        for (found, seq) in self.entries.range::<&[u8; 32]>(&from..=&to)?.zip(seq..) {
            let (at, value) = found?;
            if key_seq(at.value()) != seq {
                return Err(missing(origin, seq).into());
            }
            if !take(row::decode(row::checked(at.value(), value.value())?)?) {
                break;
            }
        }
        Ok(())
    }

    /// The stamp of an entry.
    pub(super) fn stamp(&self, scope: u64, origin: Origin, seq: u64) -> Result<Option<Hlc>, Fault> {
        let key = entry_key(scope, origin, seq);
        if let Some(found) = self.entries.get(&key)? {
            return Ok(Some(row::stamp(row::checked(&key, found.value())?)?));
        }
        if let Some(span) = self.span(scope, origin, seq)?.filter(|span| span.first == seq) {
            return Ok(Some(span.hlc));
        }
        Ok(self.get(scope, origin, seq)?.map(|(hlc, _)| hlc))
    }

    /// The numbers of an origin's `next` entries that lie strictly between two positions of the scope's order.
    pub(super) fn between(
        &self,
        scope: u64,
        origin: Origin,
        next: u64,
        after: Option<OrderKey>,
        before: Option<OrderKey>,
    ) -> Result<Range<u64>, Fault> {
        let from = match after {
            Some(after) => self.first_not(scope, origin, 0..next, |key| key <= after)?,
            None => 0,
        };
        let to = match before {
            Some(before) => self.first_not(scope, origin, from..next, |key| key < before)?,
            None => next,
        };
        Ok(from..to)
    }

    /// The first number of the range for which `holds` does not; it holds for all before that one, because stamps grow with numbers. Segments are told
    /// apart by their first stamps, so that one is opened at most.
    fn first_not(
        &self,
        scope: u64,
        origin: Origin,
        mut range: Range<u64>,
        holds: impl Fn(OrderKey) -> bool,
    ) -> Result<u64, Fault> {
        let holds_at = |seq: u64| {
            let hlc = self.stamp(scope, origin, seq)?.ok_or_else(|| missing(origin, seq))?;
            Ok::<bool, Fault>(holds(OrderKey { hlc, origin, seq }))
        };
        while !range.is_empty() {
            let middle = range.start.midpoint(range.end);
            let Some(span) = self.span(scope, origin, middle)? else {
                if holds_at(middle)? {
                    range.start = middle + 1
                } else {
                    range.end = middle
                }
                continue;
            };
            if span.first > range.start {
                if holds_at(span.first)? { range.start = span.first } else { range.end = span.first }
            } else if span.end() < range.end {
                if holds_at(span.end())? { range.start = span.end() } else { range.end = span.end() }
            } else {
                break;
            }
        }
        row::halve(range, holds_at)
    }
}

/// The entries of one origin that a scan covers, read from either end.
pub(super) struct Cursor {
    scope: u64,
    origin: Origin,
    left: Range<u64>,
    opened: Option<Arc<Opened>>,
}

impl Cursor {
    pub(super) const fn new(scope: u64, origin: Origin, left: Range<u64>) -> Self {
        Self { scope, origin, left, opened: None }
    }

    pub(super) fn step(
        &mut self,
        rows: &Rows<'_>,
        newest_first: bool,
    ) -> Result<Option<(OrderKey, SealedEntry)>, Fault> {
        let next = if newest_first { self.left.next_back() } else { self.left.next() };
        let Some(seq) = next else { return Ok(None) };
        let (hlc, sealed) = self.at(rows, seq)?;
        Ok(Some((OrderKey { hlc, origin: self.origin, seq }, sealed)))
    }

    fn at(&mut self, rows: &Rows<'_>, seq: u64) -> Result<Stamped, Fault> {
        if let Some(found) = self.opened.as_ref().and_then(|opened| opened.at(seq)) {
            return Ok(found.clone());
        }
        if let Some(found) = rows.row(self.scope, self.origin, seq)? {
            return Ok(found);
        }
        self.opened = rows.segment(self.scope, self.origin, seq)?;
        let found = self.opened.as_ref().and_then(|opened| opened.at(seq));
        found.cloned().ok_or_else(|| missing(self.origin, seq).into())
    }
}

fn missing(origin: Origin, seq: u64) -> StoreError {
    StoreError::Damaged(format!("entry {seq} of {origin:?} is missing"))
}
