//! The packed form of [`Frame::Delta`]: its runs as segments ([`lavina_crdt::segment`]), the form in which old entries lie on the disk. Hashes and stamps
//! follow from the entry before, texts are deflated, so that catching up takes a fraction of the bytes.
//!
//! A form of a frame, not a frame of its own: whoever reads the stream sees a delta. It is written only to peers that speak
//! [`SINCE`] or later.

use crate::frame::{FRAME_BYTES_MAX, Frame, FrameError};
use bytes::Bytes;
use lavina_crdt::entry::Run;
use lavina_crdt::ids::{OriginKey, Scope};
use lavina_crdt::segment::{self, SegmentError, Stamped};
use serde::{Deserialize, Serialize};

/// The first version of frames that knows the form.
pub const SINCE: u16 = 2;
/// What it begins with, in the place of a frame's kind: far above these, which grow by one.
pub(crate) const KIND: u32 = 64;
/// Fewer bytes of entries go as they are: there is little in common between them.
const PLAIN_BYTES_MAX: usize = 2 * 1024;

#[derive(Debug, Serialize, Deserialize)]
struct PackedRun {
    scope: Scope,
    origin: OriginKey,
    first: u64,
    segment: Bytes,
}

/// The bytes of a frame's entries, when there are enough to be packed.
#[must_use]
pub fn packable(frame: &Frame) -> Option<usize> {
    let Frame::Delta { runs, .. } = frame else { return None };
    let plain = runs.iter().flat_map(|run| &run.entries).map(|entry| entry.bytes.len()).sum();
    (plain > PLAIN_BYTES_MAX).then_some(plain)
}

/// The packed form of a frame that is worth it; `None` for all others. Takes milliseconds: not for a thread on which others wait.
#[must_use]
pub fn pack(frame: &Frame) -> Option<Bytes> {
    let Frame::Delta { runs, more } = frame else { return None };
    let plain = packable(frame)?;
    // What cannot be packed, as no entry of a chain, goes as it is.
    let packed = runs.iter().map(pack_run).collect::<Option<Vec<PackedRun>>>()?;
    let bytes = postcard::to_stdvec(&(KIND, packed, more)).ok()?;
    (bytes.len() < plain).then(|| Bytes::from(bytes))
}

fn pack_run(run: &Run) -> Option<PackedRun> {
    let stamped = |sealed| Some((segment::stamp(sealed)?, Clone::clone(sealed)));
    let entries = run.entries.iter().map(stamped).collect::<Option<Vec<Stamped>>>()?;
    let segment = segment::pack(run.origin.origin(), run.first, &entries).ok().map(Bytes::from)?;
    // What the other side would not open is not sent so.
    segment::opened_len(&segment)?;
    Some(PackedRun { scope: run.scope.clone(), origin: run.origin, first: run.first, segment })
}

/// The frame of which these bytes are the packed form. What comes out is bounded as a frame is.
pub(crate) fn unpack(bytes: &[u8]) -> Result<Frame, FrameError> {
    let ((_, packed, more), rest) =
        postcard::take_from_bytes::<(u32, Vec<PackedRun>, bool)>(bytes).map_err(|_| FrameError::Malformed)?;
    if !rest.is_empty() {
        return Err(FrameError::Trailing(rest.len()));
    }
    let mut left = FRAME_BYTES_MAX;
    let mut runs = Vec::new();
    for PackedRun { scope, origin, first, segment } in packed {
        let opened = segment::opened_len(&segment).ok_or(FrameError::Malformed)?;
        left = left.checked_sub(opened).ok_or(FrameError::TooLong(opened))?;
        let stamped =
            segment::unpack(origin.origin(), first, &segment).map_err(|_: SegmentError| FrameError::Malformed)?;
        runs.push(Run { scope, origin, first, entries: stamped.into_iter().map(|(_, sealed)| sealed).collect() });
    }
    Ok(Frame::Delta { runs, more })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{decode, encode};
    use lavina_crdt::chain;
    use lavina_crdt::clock::Hlc;
    use lavina_crdt::entry::{Entry, Hash, Signature};
    use lavina_crdt::ids::NodeId;
    use lavina_crdt::names::RoomName;

    fn delta(count: u64, body: impl Fn(u64) -> Vec<u8>) -> Frame {
        let key = OriginKey { node: NodeId([7; 32]), epoch: 3 };
        let mut prev = Hash::default();
        let next = |seq: u64| {
            let (after, link, author, heads) = (Vec::new(), None, None, None);
            let (origin, hlc) = (key.origin(), Hlc((1_700_000_000_000 << 16) + seq * 70_000));
            let entry = Entry { origin, seq, hlc, prev, after, link, author, heads, kind: 999, body: body(seq) };
            let (mut sealed, hash) = chain::seal(&entry);
            prev = hash;
            sealed.signature = (seq + 1 == count).then_some(Signature([3; 64]));
            sealed
        };
        let entries = (0..count).map(next).collect();
        let scope = Scope::Room(RoomName::new("room").unwrap());
        Frame::Delta { runs: vec![Run { scope, origin: key, first: 0, entries }], more: true }
    }

    #[test]
    fn many_entries_take_a_fraction_of_their_bytes_and_come_out_as_they_went_in() {
        let frame = delta(500, |seq| format!("line {seq} of a talk in which much is said again").into_bytes());
        let (packed, plain) = (pack(&frame).unwrap(), encode(&frame).unwrap());
        assert!(packed.len() * 4 < plain.len(), "{} of {}", packed.len(), plain.len());
        assert_eq!(decode(&packed), Ok(frame));
    }

    #[test]
    fn little_goes_as_it_is() {
        assert_eq!(pack(&delta(3, |_| b"hello".to_vec())), None);
        assert_eq!(pack(&Frame::Clock(5)), None);
    }

    #[test]
    fn what_would_open_to_more_than_a_frame_may_hold_is_refused() {
        let zeros = delta(15, |_| vec![0; 90 * 1024]);
        let Frame::Delta { runs, .. } = &zeros else { unreachable!() };
        let many = Frame::Delta { runs: runs.iter().cycle().take(2).cloned().collect(), more: false };
        let packed = pack(&many).unwrap();
        assert!(packed.len() < 100_000, "{}", packed.len());
        assert!(matches!(decode(&packed), Err(FrameError::TooLong(_))));
        assert_eq!(decode(&pack(&zeros).unwrap()), Ok(zeros));
    }

    #[test]
    fn other_bytes_are_an_error() {
        let packed = pack(&delta(100, |seq| format!("{seq}").repeat(20).into_bytes())).unwrap();
        for at in 0..packed.len() {
            let mut other = packed.to_vec();
            other[at] ^= 0x55;
            // Another frame at most: what its entries say is for hashes and signatures to see.
            let _ = decode(&other);
            assert!(decode(&packed[..at]).is_err());
        }
        assert_eq!(decode(&[&packed[..], &[1]].concat()), Err(FrameError::Trailing(1)));
    }
}
