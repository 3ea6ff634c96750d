//! How an entry lies in a store: its stamp and signature in front, so that neither order nor place needs the entry decoded.
//!
//! `hlc (8, big endian) | 0` or `hlc | 1 | signature (64)`, then the entry's bytes as its origin wrote them, then a checksum over the key and
//! all of that: a disk that gives back other bytes than it was given, or those of another place, is noticed before anybody sees them.

use super::StoreError;
use bytes::Bytes;
use lavina_crdt::clock::Hlc;
use lavina_crdt::entry::{Run, SealedEntry, Signature};
use lavina_crdt::ids::{OrderKey, Origin};
use std::ops::Range;

/// Bytes of a checksum: enough against accidents, which is all it is for; against people there are signatures.
const CHECKSUM_BYTES: usize = 8;

fn checksum(key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(value);
    let mut sum = [0; CHECKSUM_BYTES];
    hasher.finalize_xof().fill(&mut sum);
    sum
}

/// Appends the checksum of a value that lies under `key`.
pub(super) fn protect(key: &[u8], value: &mut Vec<u8>) {
    let sum = checksum(key, value);
    value.extend_from_slice(&sum);
}

/// A value without its checksum.
///
/// # Errors
/// [`StoreError::Damaged`] when it is not what was written under `key`.
pub(super) fn checked<'a>(key: &[u8], protected: &'a [u8]) -> Result<&'a [u8], StoreError> {
    match protected.split_last_chunk::<CHECKSUM_BYTES>() {
        Some((value, sum)) if checksum(key, value) == *sum => Ok(value),
        Some(_) | None => Err(StoreError::Damaged("a row is not what was written".to_owned())),
    }
}

/// Appends the row of a sealed entry to `out`.
pub(super) fn encode(hlc: Hlc, sealed: &SealedEntry, out: &mut Vec<u8>) {
    out.extend_from_slice(&hlc.0.to_be_bytes());
    match &sealed.signature {
        Some(signature) => {
            out.push(1);
            out.extend_from_slice(&signature.0);
        }
        None => out.push(0),
    }
    out.extend_from_slice(&sealed.bytes);
}

/// The stamp of a row.
pub(super) fn stamp(row: &[u8]) -> Result<Hlc, StoreError> {
    let hlc = row.first_chunk::<8>().ok_or_else(damaged)?;
    Ok(Hlc(u64::from_be_bytes(*hlc)))
}

/// Whether the row's entry carries a signature.
pub(super) fn is_signed(row: &[u8]) -> bool {
    row.get(8) == Some(&1)
}

/// The entry of a row.
pub(super) fn decode(row: &[u8]) -> Result<SealedEntry, StoreError> {
    let rest = row.get(9..).ok_or_else(damaged)?;
    if !is_signed(row) {
        return Ok(SealedEntry { bytes: Bytes::copy_from_slice(rest), signature: None });
    }
    let (signature, bytes) = rest.split_first_chunk::<64>().ok_or_else(damaged)?;
    Ok(SealedEntry { bytes: Bytes::copy_from_slice(bytes), signature: Some(Signature(*signature)) })
}

fn damaged() -> StoreError {
    StoreError::Damaged("a row is shorter than its head".to_owned())
}

/// The stamp of the `seq`th entry of `origin`, read from the front of its encoding: (origin, seq, hlc) come first in an entry.
pub(super) fn stamp_of(sealed: &SealedEntry, origin: Origin, seq: u64) -> Result<Hlc, StoreError> {
    match postcard::take_from_bytes::<(Origin, u64, Hlc)>(&sealed.bytes) {
        Ok(((of, number, hlc), _)) if of == origin && number == seq => Ok(hlc),
        Ok(_) | Err(_) => Err(StoreError::Damaged(format!("what was to be entry {seq} of {origin:?} is none"))),
    }
}

/// The numbers of an origin's `next` entries that lie strictly between two positions of the scope's order. The stamps grow with the
/// number, so both ends are found by halving.
pub(super) fn between(
    origin: Origin,
    next: u64,
    after: Option<OrderKey>,
    before: Option<OrderKey>,
    stamp: impl Fn(u64) -> Result<Hlc, StoreError>,
) -> Result<Range<u64>, StoreError> {
    let key = |seq| Ok::<OrderKey, StoreError>(OrderKey { hlc: stamp(seq)?, origin, seq });
    let from = match after {
        Some(after) => halve(0..next, |seq| Ok::<bool, StoreError>(key(seq)? <= after))?,
        None => 0,
    };
    let to = match before {
        Some(before) => halve(from..next, |seq| Ok::<bool, StoreError>(key(seq)? < before))?,
        None => next,
    };
    Ok(from..to)
}

/// The first number of the range for which `holds` does not; it holds for all before that one.
pub(super) fn halve<E>(mut range: Range<u64>, mut holds: impl FnMut(u64) -> Result<bool, E>) -> Result<u64, E> {
    while !range.is_empty() {
        let middle = range.start.midpoint(range.end);
        if holds(middle)? {
            range.start = middle + 1;
        } else {
            range.end = middle;
        }
    }
    Ok(range.start)
}

/// Ends a run with its last signed entry; `None` when there is no signed one.
pub(super) fn signed_part(mut run: Run) -> Option<Run> {
    let end = run.entries.iter().rposition(|sealed| sealed.signature.is_some())?;
    run.entries.truncate(end + 1);
    Some(run)
}

/// The error of a run that does not continue what is stored.
pub(super) fn gap(run: &Run, next: u64) -> StoreError {
    let origin = run.origin.origin();
    StoreError::Damaged(format!("a run of {origin:?} in {:?} begins at {}, not at {next}", run.scope, run.first))
}
