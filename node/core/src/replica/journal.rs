//! What waits for the disk: the open batch, and the closed ones until the shell says that they are durable.
//!
//! Knows the order of batches and nothing of what entries mean.

use crate::store::{Batch, BatchId, StoreError};
use ed25519_dalek::SigningKey;
use lavina_crdt::chain;
use lavina_crdt::clock::Now;
use lavina_crdt::entry::{Run, SealedEntry};
use lavina_crdt::ids::{Origin, OriginKey, Scope};
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::seals::Seals;
use lavina_gossip::frame::FRAME_BYTES_MAX;
use lavina_gossip::gauges::Gauge;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Most bytes of entries that wait for the disk; what peers send above it is refused and comes again by sync. A slow disk then costs
/// this much memory and not more.
pub(super) const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of entries after which a batch is signed before its end: an entry more stays below what [`chain::verify`] takes.
const SIGNED_BYTES: usize = chain::UNSIGNED_BYTES_MAX - chain::ENTRY_BYTES_MAX;

/// Time between two tries to write to a full disk, milliseconds: soon enough for who freed it, seldom enough to cost nothing.
const RETRY_MS: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Journal {
    key: SigningKey,
    seals: Seals,
    origin: OriginKey,
    /// Number of the open batch.
    open: BatchId,
    own: BTreeMap<Scope, Run>,
    foreign: Vec<Run>,
    forgotten: BTreeSet<(Scope, Origin)>,
    meta: BTreeMap<String, Vec<u8>>,
    /// Closed batches, in order.
    waiting: VecDeque<Batch>,
    /// How many of them the shell has.
    given: usize,
    bytes: usize,
    trouble: Option<StoreError>,
    retry_at: Option<u64>,
}

impl Journal {
    pub(super) fn new(key: SigningKey, seals: Seals, origin: OriginKey) -> Self {
        Self {
            key,
            seals,
            origin,
            open: BatchId(1),
            own: BTreeMap::new(),
            foreign: Vec::new(),
            forgotten: BTreeSet::new(),
            meta: BTreeMap::new(),
            waiting: VecDeque::new(),
            given: 0,
            bytes: 0,
            trouble: None,
            retry_at: None,
        }
    }

    /// Bytes of entries that wait for the disk. What comes in beside own entries is bounded; a frame can go over by itself.
    pub(super) fn gauge(&self) -> Gauge {
        Gauge::passing("bytes waiting for the disk", self.bytes, WAITING_BYTES_MAX + FRAME_BYTES_MAX)
    }

    /// Number of the batch that takes what is put now.
    pub(super) fn open_batch(&self) -> BatchId {
        self.open
    }

    /// Why own entries are refused.
    pub(super) fn trouble(&self) -> Option<&StoreError> {
        self.trouble.as_ref()
    }

    /// Whether foreign entries can still wait.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < WAITING_BYTES_MAX && !matches!(self.trouble, Some(StoreError::Failed(_) | StoreError::Damaged(_)))
    }

    pub(super) fn put_own(&mut self, scope: &Scope, seq: u64, sealed: SealedEntry) {
        self.bytes += sealed.bytes.len();
        let origin = self.origin;
        let run = self.own.entry(scope.clone());
        let run = run.or_insert_with(|| Run { scope: scope.clone(), origin, first: seq, entries: Vec::new() });
        run.entries.push(sealed);
    }

    pub(super) fn put_foreign(&mut self, run: Run) {
        self.bytes += bytes_of(&run);
        self.foreign.push(run);
    }

    /// What the disk holds of an origin in a scope is taken away, before whatever comes after this is written.
    pub(super) fn forget(&mut self, scope: &Scope, origin: Origin) {
        self.forgotten.insert((scope.clone(), origin));
    }

    pub(super) fn put_meta(&mut self, key: String, value: Vec<u8>) {
        self.meta.insert(key, value);
    }

    /// Whether the open batch holds entries.
    pub(super) fn has_entries(&self) -> bool {
        !self.own.is_empty() || !self.foreign.is_empty()
    }

    /// The scopes that the open batch holds entries of; some more than once.
    pub(super) fn open_scopes(&self) -> impl Iterator<Item = &Scope> + '_ {
        self.own.keys().chain(self.foreign.iter().map(|run| &run.scope))
    }

    /// An entry that waits for the disk.
    pub(super) fn find(&self, scope: &Scope, origin: Origin, seq: u64) -> Option<&SealedEntry> {
        let waiting = self.waiting.iter().flat_map(|batch| &batch.runs);
        let mut runs = self.own.get(scope).into_iter().chain(&self.foreign).chain(waiting);
        runs.find_map(|run| {
            let index = usize::try_from(seq.checked_sub(run.first)?).ok()?;
            run.entries.get(index).filter(|_| run.scope == *scope && run.origin.origin() == origin)
        })
    }

    /// Closes the open batch when it holds anything, and gives the next batch that the shell has not.
    pub(super) fn take(&mut self) -> Option<Batch> {
        self.close();
        if self.trouble.is_some() {
            return None;
        }
        let batch = self.waiting.get(self.given)?.clone();
        self.given += 1;
        Some(batch)
    }

    fn close(&mut self) {
        if self.own.is_empty() && self.foreign.is_empty() && self.meta.is_empty() && self.forgotten.is_empty() {
            return;
        }
        let urgent = !self.own.is_empty();
        let mut runs: Vec<Run> = std::mem::take(&mut self.own).into_values().collect();
        for run in &mut runs {
            self.sign(run);
        }
        runs.append(&mut self.foreign);
        let (forgotten, meta) = (std::mem::take(&mut self.forgotten), std::mem::take(&mut self.meta));
        self.waiting.push_back(Batch { id: self.open, forgotten, runs, meta, urgent });
        self.open.0 += 1;
    }

    /// Signs the last entry, and others before it where too much would follow a signature.
    fn sign(&self, run: &mut Run) {
        let (mut unsigned, count) = (0, run.entries.len());
        for index in 0..count {
            unsigned += run.entries.get(index).map_or(0, |sealed| sealed.bytes.len());
            if index + 1 == count || unsigned > SIGNED_BYTES {
                chain::sign_at(&self.key, run, index, &self.seals);
                unsigned = 0;
            }
        }
    }

    /// The batches that are durable now, in order.
    pub(super) fn persisted(&mut self, up_to: BatchId) -> Vec<Batch> {
        let mut done = Vec::new();
        while self.waiting.front().is_some_and(|batch| batch.id <= up_to) {
            let Some(batch) = self.waiting.pop_front() else { break };
            self.given = self.given.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(batch.runs.iter().map(bytes_of).sum());
            done.push(batch);
        }
        done
    }

    /// `batch` and those after it were not written.
    pub(super) fn failed(&mut self, now: Now, batch: BatchId, error: StoreError) {
        self.given = self.waiting.iter().take_while(|waiting| waiting.id < batch).count().min(self.given);
        if mutant::is_planted(Mutant::FullDiskForgets) {
            self.waiting.truncate(self.given);
        }
        self.retry_at = match error {
            StoreError::Full => Some(now.deadline_ms(RETRY_MS)),
            StoreError::Failed(_) | StoreError::Damaged(_) | StoreError::Newer { .. } => None,
        };
        self.trouble = Some(error);
    }

    /// When to call [`Journal::on_timeout`].
    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.retry_at
    }

    /// Gives the batches out again when it is time.
    pub(super) fn on_timeout(&mut self, now: Now) {
        if self.retry_at.is_some_and(|at| at <= now.mono_us) {
            self.retry_at = None;
            self.trouble = None;
        }
    }
}

fn bytes_of(run: &Run) -> usize {
    run.entries.iter().map(|sealed| sealed.bytes.len()).sum()
}
