//! The tables of the file, and how keys and values lie in them.

use crate::store::{StoreError, row};
use lavina_crdt::clock::Hlc;
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
/// (Scope number, origin, seq of its first entry) to what a segment holds: entries, first stamp, with a checksum.
pub(super) const SEALED: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("sealed");
/// The same to the segment, with its checksum.
pub(super) const SEGMENTS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("segments");
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

/// Of a key of entries: its seq.
pub(super) fn key_seq(key: &[u8; 32]) -> u64 {
    let mut seq = [0; 8];
    seq.copy_from_slice(&key[24..]);
    u64::from_be_bytes(seq)
}

/// Of the key of an origin in a scope: the scope's number and the origin.
pub(super) fn pair_of(key: &[u8; 24]) -> (u64, Origin) {
    let mut scope = [0; 8];
    scope.copy_from_slice(&key[..8]);
    (u64::from_be_bytes(scope), origin_of(key))
}

/// The part of an origin's entries that one segment holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// Its first number.
    pub(super) first: u64,
    /// How many entries.
    pub(super) count: u64,
    /// The stamp of the first.
    pub(super) hlc: Hlc,
}

impl Span {
    /// The number after its last.
    pub(super) const fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }
}

pub(super) fn span_value(key: &[u8; 32], span: &Span) -> Vec<u8> {
    let mut value = [span.count.to_be_bytes(), span.hlc.0.to_be_bytes()].concat();
    row::protect(key, &mut value);
    value
}

/// # Errors
/// [`StoreError::Damaged`] when the value is not what was written under the key.
pub(super) fn span(key: &[u8; 32], value: &[u8]) -> Result<Span, StoreError> {
    let damaged = || StoreError::Damaged("what a segment holds cannot be read".to_owned());
    let (count, hlc) = row::checked(key, value)?.split_first_chunk::<8>().ok_or_else(damaged)?;
    let hlc = hlc.first_chunk::<8>().ok_or_else(damaged)?;
    Ok(Span { first: key_seq(key), count: u64::from_be_bytes(*count), hlc: Hlc(u64::from_be_bytes(*hlc)) })
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
