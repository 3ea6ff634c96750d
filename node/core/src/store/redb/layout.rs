//! The tables of the file, and how keys and values lie in them.

use crate::store::StoreError;
use lavina_crdt::ids::{NodeId, Origin, OriginKey, Scope};
use redb::TableDefinition;

/// `format`, `epoch` and `medium`.
pub(super) const IDENTITY: TableDefinition<'_, &str, u64> = TableDefinition::new("identity");
/// Scope, postcard, to its number.
pub(super) const SCOPES: TableDefinition<'_, &[u8], u64> = TableDefinition::new("scopes");
/// Origin to node key and epoch.
pub(super) const ORIGINS: TableDefinition<'_, &[u8; 16], &[u8; 40]> = TableDefinition::new("origins");
/// (Scope number, origin) to the next seq.
pub(super) const NEXT: TableDefinition<'_, &[u8; 24], u64> = TableDefinition::new("next");
/// (Scope number, origin, seq) to the entry as `row` lays it out.
pub(super) const ENTRIES: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("entries");
/// Small values, each with its checksum.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

pub(super) fn scope_name(scope: &Scope) -> Result<Vec<u8>, StoreError> {
    postcard::to_stdvec(scope).map_err(|error| StoreError::Failed(error.to_string()))
}

pub(super) fn next_key(scope: u64, origin: Origin) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&scope.to_be_bytes());
    key[8..].copy_from_slice(&origin.0);
    key
}

pub(super) fn entry_key(scope: u64, origin: Origin, seq: u64) -> [u8; 32] {
    let mut key = [0; 32];
    key[..24].copy_from_slice(&next_key(scope, origin));
    key[24..].copy_from_slice(&seq.to_be_bytes());
    key
}

pub(super) fn origin_value(key: OriginKey) -> [u8; 40] {
    let mut value = [0; 40];
    value[..32].copy_from_slice(&key.node.0);
    value[32..].copy_from_slice(&key.epoch.to_be_bytes());
    value
}

pub(super) fn origin_key(value: &[u8; 40]) -> OriginKey {
    let mut node = [0; 32];
    node.copy_from_slice(&value[..32]);
    let mut epoch = [0; 8];
    epoch.copy_from_slice(&value[32..]);
    OriginKey { node: NodeId(node), epoch: u64::from_be_bytes(epoch) }
}

pub(super) fn origin_of(key: &[u8; 24]) -> Origin {
    let mut origin = [0; 16];
    origin.copy_from_slice(&key[8..]);
    Origin(origin)
}
