//! Segments: consecutive entries of one origin in a scope, compressed together, and opened again to the very bytes that went in. So old entries lie
//! on the disk, and so many at once travel between nodes.
//!
//! What can be computed from the entry before is left out: an entry begins with its origin, number, stamp and the hash of the one before it
//! ([`Entry`](crate::entry::Entry)), and hashes and signatures are what no compression makes smaller. An entry that does not begin so is kept as it is.
//!
//! `version, entries, signatures, length (postcard) | signatures (64 bytes each) | the entries, deflated (RFC 1951)`. Per entry: its rest's length with
//! two marks (begins as said, is signed), its stamp (as the distance to the one before where it begins as said), its rest.

use crate::chain;
use crate::clock::Hlc;
use crate::entry::{Hash, SealedEntry, Signature};
use crate::ids::Origin;
use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Most bytes of entries in one segment beside a last entry that goes beyond: opening one takes as much memory.
pub const RAW_BYTES_MAX: usize = 512 * 1024;
/// Longest that the uncompressed form of a segment can be: that, an entry, and what is written of each entry besides.
const OPENED_BYTES_MAX: usize = 4 * RAW_BYTES_MAX;
/// How a segment is written.
const VERSION: u8 = 1;
/// Quick before small: who compresses does so beside everything else.
const LEVEL: u32 = 3;

/// An entry of a segment with its stamp.
pub type Stamped = (Hlc, SealedEntry);

/// Why entries make no segment, or bytes are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// The library that compresses has failed.
    #[error("entries cannot be compressed: {0}")]
    Compress(String),
    /// The bytes are no segment of this origin from this number on.
    #[error("a segment is not what was written")]
    Malformed,
}

/// The stamp that a sealed entry bears, read from its beginning; `None` when it begins otherwise than an entry does.
#[must_use]
pub fn stamp(sealed: &SealedEntry) -> Option<Hlc> {
    let ((_, _, hlc), _) = postcard::take_from_bytes::<(Origin, u64, Hlc)>(&sealed.bytes).ok()?;
    Some(hlc)
}

/// How many bytes a segment has when it is opened, at least, before it is opened; `None` when it says more than any can have.
#[must_use]
pub fn opened_len(packed: &[u8]) -> Option<usize> {
    let ((_, _, _, len), _) = postcard::take_from_bytes::<(u8, u64, u64, u64)>(packed).ok()?;
    usize::try_from(len).ok().filter(|len| *len <= OPENED_BYTES_MAX)
}

/// How an entry begins that follows one with this hash.
fn front(origin: Origin, seq: u64, hlc: Hlc, before: Hash) -> Result<Vec<u8>, SegmentError> {
    postcard::to_stdvec(&(origin, seq, hlc, before)).map_err(|error| SegmentError::Compress(error.to_string()))
}

fn put(out: &mut Vec<u8>, number: u64) -> Result<(), SegmentError> {
    *out =
        postcard::to_extend(&number, std::mem::take(out)).map_err(|error| SegmentError::Compress(error.to_string()))?;
    Ok(())
}

/// The segment of these entries, of which the first has the number `first`.
///
/// # Errors
/// [`SegmentError::Compress`].
pub fn pack(origin: Origin, first: u64, entries: &[Stamped]) -> Result<Vec<u8>, SegmentError> {
    let (mut raw, mut signatures) = (Vec::new(), Vec::new());
    let mut before: Option<(Hlc, Hash)> = None;
    for ((hlc, sealed), seq) in entries.iter().zip(first..) {
        let step = before.and_then(|(last, hash)| Some((hlc.0.checked_sub(last.0)?, hash)));
        let begins = match step {
            Some((_, hash)) => Some(front(origin, seq, *hlc, hash)?).filter(|front| sealed.bytes.starts_with(front)),
            None => None,
        };
        let rest = sealed.bytes.get(begins.as_ref().map_or(0, Vec::len)..).unwrap_or_default();
        let marks = (u64::from(begins.is_some()) << 1) | u64::from(sealed.signature.is_some());
        put(&mut raw, ((rest.len() as u64) << 2) | marks)?;
        put(&mut raw, if begins.is_some() { step.map_or(0, |(step, _)| step) } else { hlc.0 })?;
        raw.extend_from_slice(rest);
        signatures.extend(sealed.signature.iter().flat_map(|signature| signature.0));
        before = Some((*hlc, chain::hash(sealed)));
    }
    let signed = entries.iter().filter(|(_, sealed)| sealed.signature.is_some()).count();
    let head = (VERSION, entries.len() as u64, signed as u64, raw.len() as u64);
    let mut out = postcard::to_stdvec(&head).map_err(|error| SegmentError::Compress(error.to_string()))?;
    out.append(&mut signatures);
    deflate(&raw, &mut out)?;
    Ok(out)
}

fn deflate(raw: &[u8], out: &mut Vec<u8>) -> Result<(), SegmentError> {
    let mut compress = Compress::new(Compression::new(LEVEL), false);
    loop {
        // What has been taken in so far is far below what memory holds.
        let taken = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        out.reserve(raw.len() / 2 + 1024);
        let rest = raw.get(taken..).unwrap_or_default();
        match compress.compress_vec(rest, out, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => return Ok(()),
            Ok(Status::Ok | Status::BufError) => {}
            Err(error) => return Err(SegmentError::Compress(error.to_string())),
        }
    }
}

fn inflate(bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    // One byte more than there is to be, so that the end is seen.
    let mut raw = Vec::with_capacity(len.checked_add(1)?);
    let mut decompress = Decompress::new(false);
    let status = decompress.decompress_vec(bytes, &mut raw, FlushDecompress::Finish).ok()?;
    (status == Status::StreamEnd && raw.len() == len).then_some(raw)
}

/// The entries of a segment.
///
/// # Errors
/// [`SegmentError::Malformed`] when it is none.
pub fn unpack(origin: Origin, first: u64, packed: &[u8]) -> Result<Vec<Stamped>, SegmentError> {
    open(origin, first, packed).ok_or(SegmentError::Malformed)
}

fn open(origin: Origin, first: u64, packed: &[u8]) -> Option<Vec<Stamped>> {
    let ((version, count, signed, len), rest) = postcard::take_from_bytes::<(u8, u64, u64, u64)>(packed).ok()?;
    let len = usize::try_from(len).ok().filter(|len| version == VERSION && *len <= OPENED_BYTES_MAX)?;
    let (signatures, deflated) = rest.split_at_checked(usize::try_from(signed).ok()?.checked_mul(64)?)?;
    let raw = inflate(deflated, len)?;
    let (mut rest, mut signatures) = (raw.as_slice(), signatures);
    let mut entries: Vec<Stamped> = Vec::new();
    let mut before: Option<(Hlc, Hash)> = None;
    for seq in first..first.checked_add(count)? {
        let (marked, after) = postcard::take_from_bytes::<u64>(rest).ok()?;
        let (stamp, after) = postcard::take_from_bytes::<u64>(after).ok()?;
        let (body, after) = after.split_at_checked(usize::try_from(marked >> 2).ok()?)?;
        rest = after;
        let (hlc, bytes) = if marked & 2 > 0 {
            let (last, hash) = before?;
            let hlc = Hlc(last.0.checked_add(stamp)?);
            (hlc, [front(origin, seq, hlc, hash).ok()?.as_slice(), body].concat())
        } else {
            (Hlc(stamp), body.to_vec())
        };
        let mut signature = None;
        if marked & 1 > 0 {
            let (own, others) = signatures.split_first_chunk::<64>()?;
            (signature, signatures) = (Some(Signature(*own)), others);
        }
        let sealed = SealedEntry { bytes: Bytes::from(bytes), signature };
        before = Some((hlc, chain::hash(&sealed)));
        entries.push((hlc, sealed));
    }
    (rest.is_empty() && signatures.is_empty()).then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Entry;
    use proptest::prelude::*;

    const ORIGIN: Origin = Origin([5; 16]);

    fn entry(seq: u64, hlc: Hlc, prev: Hash, body: Vec<u8>) -> Entry {
        let (after, link, author, heads) = (Vec::new(), None, None, None);
        Entry { origin: ORIGIN, seq, hlc, prev, after, link, author, heads, kind: 999, body }
    }

    /// Entries as a node writes them.
    fn chained(count: u64) -> Vec<Stamped> {
        let mut prev = Hash::default();
        let next = |seq: u64| {
            let body = format!("message {seq} of many that are much alike").into_bytes();
            let hlc = Hlc((1_700_000_000_000 << 16) + seq * 70_000);
            let (mut sealed, hash) = chain::seal(&entry(seq + 7, hlc, prev, body));
            prev = hash;
            sealed.signature = (seq % 50 == 49).then_some(Signature([3; 64]));
            (hlc, sealed)
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn a_chain_takes_a_fraction_of_its_bytes_and_comes_out_as_it_went_in() {
        let entries = chained(300);
        let packed = pack(ORIGIN, 7, &entries).unwrap();
        let bytes: usize = entries.iter().map(|(_, sealed)| sealed.len()).sum();
        assert!(packed.len() * 4 < bytes, "{} of {bytes}", packed.len());
        assert_eq!(unpack(ORIGIN, 7, &packed).unwrap(), entries);
    }

    #[test]
    fn entries_that_are_no_chain_are_kept_as_they_are() {
        let loose =
            |(seq, hlc): (u64, u64)| (Hlc(hlc), chain::seal(&entry(seq, Hlc(hlc), Hash::default(), vec![7; 40])).0);
        let mut entries: Vec<Stamped> = [(0, 9), (1, 3), (2, 4)].into_iter().map(loose).collect();
        assert!(entries.iter().all(|(hlc, sealed)| stamp(sealed) == Some(*hlc)));
        entries.push((Hlc(5), SealedEntry { bytes: Bytes::new(), signature: None }));
        let packed = pack(ORIGIN, 0, &entries).unwrap();
        assert_eq!(unpack(ORIGIN, 0, &packed).unwrap(), entries);
    }

    proptest! {
        #[test]
        fn other_bytes_are_no_segment_or_another_one(at in any::<prop::sample::Index>(), flip in 1..=255u8) {
            let entries = chained(20);
            let mut packed = pack(ORIGIN, 7, &entries).unwrap();
            let at = at.index(packed.len());
            packed[at] ^= flip;
            // It never panics; that it is another one is for the checksum around it to see.
            let _ = unpack(ORIGIN, 7, &packed);
        }
    }
}
