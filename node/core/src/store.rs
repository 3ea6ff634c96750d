//! What a node keeps: the seam between the state machine and a disk.
//!
//! Writes go out of the machine as [`Batch`]es; the shell commits them in order, many with one fsync, and says so. Reads are made by the
//! machine itself, synchronously, and see committed batches only.

use lavina_crdt::entry::{Hash, Run};
use lavina_crdt::ids::{MsgId, Origin, OriginKey, OrderKey, Scope};
use lavina_crdt::entry::SealedEntry;
use lavina_crdt::version::VersionVector;
use std::collections::BTreeMap;

/// Number of a batch, growing by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u64);

/// What is to be written together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Its number.
    pub id: BatchId,
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
}

/// Reads of committed state.
pub trait Store {
    /// This store's write identity: minted when the store was made.
    fn origin(&self) -> OriginKey;
    /// Every scope with its vector, for start-up.
    fn vectors(&self) -> Result<BTreeMap<Scope, VersionVector>, StoreError>;
    /// Hash of an origin's newest entry in a scope; `None` when there is none.
    fn head(&self, scope: &Scope, origin: Origin) -> Result<Option<Hash>, StoreError>;
    /// Entries of an origin from `first` on, about `bytes_max` bytes of them (at least one), ending with a signed entry.
    fn run(&self, scope: &Scope, origin: Origin, first: u64, bytes_max: usize) -> Result<Option<Run>, StoreError>;
    /// Entries of a scope in its order (hlc, origin, seq), all origins merged: those strictly between the bounds, oldest first or newest first.
    /// `visit` returns whether to go on.
    fn scan(
        &self,
        scope: &Scope,
        after: Option<OrderKey>,
        before: Option<OrderKey>,
        newest_first: bool,
        visit: &mut dyn FnMut(OrderKey, &SealedEntry) -> bool,
    ) -> Result<(), StoreError>;
    /// The position of a message in a scope; `None` when it is not here.
    fn find(&self, scope: &Scope, id: MsgId) -> Result<Option<OrderKey>, StoreError>;
    /// A small value.
    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// All small values whose key begins with `prefix`, in key order.
    fn meta_prefix(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError>;
}
