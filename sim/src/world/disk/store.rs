//! The store of a simulated node at any level: core's own model disk, or the real store over a faulty disk.

use lavina_core::store::memory::MemoryStore;
use lavina_core::store::redb::RedbStore;
use lavina_core::store::{Batch, Commit, Store, StoreError};
use lavina_crdt::entry::{Hash, Run, SealedEntry};
use lavina_crdt::ids::{MsgId, NodeId, OrderKey, Origin, OriginKey, Scope};
use lavina_crdt::version::VersionVector;
use std::collections::BTreeMap;

/// A store as the core sees it.
#[derive(Clone, Debug)]
pub(crate) enum SimStore {
    /// Level L0.
    Memory(MemoryStore),
    /// Level L1.
    File(RedbStore),
    /// Of a node that is down.
    Closed(NodeId),
}

/// Asks whichever store it is.
macro_rules! ask {
    ($store:expr, $found:ident => $ask:expr) => {
        match $store {
            SimStore::Memory($found) => $ask,
            SimStore::File($found) => $ask,
            SimStore::Closed(_) => Err(StoreError::Failed("the node is down".to_owned())),
        }
    };
}

impl Store for SimStore {
    fn origin(&self) -> OriginKey {
        match self {
            Self::Memory(store) => store.origin(),
            Self::File(store) => store.origin(),
            Self::Closed(node) => OriginKey { node: *node, epoch: 0 },
        }
    }

    fn vectors(&self) -> Result<BTreeMap<Scope, VersionVector>, StoreError> {
        ask!(self, store => store.vectors())
    }

    fn origin_key(&self, origin: Origin) -> Result<Option<OriginKey>, StoreError> {
        ask!(self, store => store.origin_key(origin))
    }

    fn head(&self, scope: &Scope, origin: Origin) -> Result<Option<Hash>, StoreError> {
        ask!(self, store => store.head(scope, origin))
    }

    fn run(&self, scope: &Scope, origin: Origin, first: u64, bytes_max: usize) -> Result<Option<Run>, StoreError> {
        ask!(self, store => store.run(scope, origin, first, bytes_max))
    }

    fn scan(
        &self,
        scope: &Scope,
        after: Option<OrderKey>,
        before: Option<OrderKey>,
        newest_first: bool,
        visit: &mut dyn FnMut(OrderKey, &SealedEntry) -> bool,
    ) -> Result<(), StoreError> {
        ask!(self, store => store.scan(scope, after, before, newest_first, visit))
    }

    fn find(&self, scope: &Scope, id: MsgId) -> Result<Option<OrderKey>, StoreError> {
        ask!(self, store => store.find(scope, id))
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        ask!(self, store => store.meta(key))
    }

    fn meta_prefix(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        ask!(self, store => store.meta_prefix(prefix))
    }
}

impl Commit for SimStore {
    fn commit(&self, batches: &[Batch]) -> Result<(), StoreError> {
        ask!(self, store => store.commit(batches))
    }

    fn tidy(&self) -> Result<bool, StoreError> {
        ask!(self, store => store.tidy())
    }
}
