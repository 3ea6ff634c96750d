//! What a node keeps: the seam between the state machine and a disk.
//!
//! Writes go out of the machine as [`Batch`]es; the shell commits them in order, many with one fsync, and says so. Reads are made by the
//! machine itself, synchronously, and see committed batches only. [`redb::RedbStore`] keeps a file (or any other block of bytes),
//! [`memory::MemoryStore`] is the model disk of simulations.

pub mod memory;
mod recover;
pub mod redb;
mod row;

pub use recover::{Recovered, recover};

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod testing;

use lavina_crdt::entry::{Hash, Run, SealedEntry};
use lavina_crdt::ids::{MsgId, OrderKey, Origin, OriginKey, Scope};
use lavina_crdt::segment::SegmentError;
use lavina_crdt::version::VersionVector;
use std::collections::{BTreeMap, BTreeSet};

/// Number of a batch, growing by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u64);

/// What is to be written together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Its number.
    pub id: BatchId,
    /// What is taken off the disk before anything is written: all entries of an origin in a scope.
    pub forgotten: BTreeSet<(Scope, Origin)>,
    /// Entries; each run continues what is stored.
    pub runs: Vec<Run>,
    /// Small values by key: snapshots, tickets. An empty value removes.
    pub meta: BTreeMap<String, Vec<u8>>,
    /// Whether it holds entries of this node, which somebody waits for: commit soon. Others may be coalesced longer.
    pub urgent: bool,
}

/// Why a write failed. Nothing of the batch is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk: writes are taken again when there is.
    #[error("the disk is full")]
    Full,
    /// The disk failed: nothing is written until the node is restarted.
    #[error("the disk failed: {0}")]
    Failed(String),
    /// What was read is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// A later version of Lavina wrote it.
    #[error(
        "the store has format {found}, this version reads formats up to {known}: use the version that wrote it, or a later one"
    )]
    Newer {
        /// The format found.
        found: u64,
        /// The newest one this build reads.
        known: u64,
    },
}

impl From<SegmentError> for StoreError {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::Compress(_) => Self::Failed(error.to_string()),
            SegmentError::Malformed => Self::Damaged(error.to_string()),
        }
    }
}

/// The small value by which the machine asks for a new epoch at the next opening: it has met entries of its own origin that it does not hold, so
/// this store is an older copy of itself and must not go on under the same write identity.
pub const RENEW_EPOCH: &str = "renew epoch";

/// Reads of committed state.
pub trait Store {
    /// This store's write identity: minted when the store was made, or last found to be an older copy of itself ([`RENEW_EPOCH`]).
    fn origin(&self) -> OriginKey;
    /// Every scope with its vector, for start-up.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn vectors(&self) -> Result<BTreeMap<Scope, VersionVector>, StoreError>;
    /// What an origin seen here is short for.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn origin_key(&self, origin: Origin) -> Result<Option<OriginKey>, StoreError>;
    /// Hash of an origin's newest entry in a scope; `None` when there is none.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn head(&self, scope: &Scope, origin: Origin) -> Result<Option<Hash>, StoreError>;
    /// Entries of an origin from `first` on, about `bytes_max` bytes of them (at least one), ending with a signed entry. `None` when there
    /// is none.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn run(&self, scope: &Scope, origin: Origin, first: u64, bytes_max: usize) -> Result<Option<Run>, StoreError>;
    /// Entries of a scope in its order (hlc, origin, seq), all origins merged: those strictly between the bounds, oldest first or newest first.
    /// `visit` returns whether to go on.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn scan(
        &self,
        scope: &Scope,
        after: Option<OrderKey>,
        before: Option<OrderKey>,
        newest_first: bool,
        visit: &mut dyn FnMut(OrderKey, &SealedEntry) -> bool,
    ) -> Result<(), StoreError>;
    /// The position of a message in a scope; `None` when it is not here.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn find(&self, scope: &Scope, id: MsgId) -> Result<Option<OrderKey>, StoreError>;
    /// A small value.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// All small values whose key begins with `prefix`, in key order.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn meta_prefix(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError>;
}

/// Writes, made by a shell's one writer.
pub trait Commit {
    /// Makes batches durable, all of them or none, in order: one fsync however many they are.
    ///
    /// # Errors
    /// [`StoreError`] says why nothing was written. After [`StoreError::Failed`] every further call fails alike; after
    /// [`StoreError::Full`] the same batches may be given again when there may be room.
    fn commit(&self, batches: &[Batch]) -> Result<(), StoreError>;

    /// Does a part of what the store has to do for itself; for when nothing waits to be written. Whether there is more.
    ///
    /// # Errors
    /// As [`Commit::commit`]: the next one says the same.
    fn tidy(&self) -> Result<bool, StoreError> {
        Ok(false)
    }
}
