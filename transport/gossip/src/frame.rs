//! What nodes say to one another: postcard, length-delimited by the transport, versioned by the handshake.
//!
//! [`encode`] and [`decode`] are total: whatever a peer sends gives a frame or a [`FrameError`]. Nothing here knows what a frame is for,
//! nor whether its sender may send it.

use crate::packed;
use bytes::Bytes;
use lavina_crdt::entry::{Hash, Run};
use lavina_crdt::ids::{NodeId, Origin, Scope, SessionId};
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::names::RoomName;
use lavina_crdt::presence::PresenceUpdate;
use lavina_crdt::version::VersionVector;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Version of the frames this build speaks; it also speaks the one before. Since 2: the packed form of [`Frame::Delta`].
pub const PROTOCOL_VERSION: u16 = 2;

/// Largest encoded frame in bytes: a delta is at most 1 MiB of entries, and one entry is far smaller than the rest.
pub const FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Which of a connection's streams a frame goes on, most urgent first; control is never behind bulk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lane {
    /// Digests, acknowledgements, presence.
    Control,
    /// Entries as they are written.
    Live,
    /// Catch-up.
    Bulk,
}

/// One frame. New variants go at the end; a variant is never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// Entries as they are written. `relay`: the receiver is its region's gateway for them and sends them on within its region.
    Push {
        /// The entries.
        runs: Vec<Run>,
        /// Whether to send on.
        relay: bool,
    },
    /// What is durable at the sender: (scope, origin, next seq). Acknowledges pushes.
    Durable(Vec<(Scope, Origin, u64)>),
    /// Sync, step 1: the hash over all common scopes, and the one over what is known of presence. Who knows other presence answers
    /// with [`Frame::PresenceHave`].
    Root {
        /// Over the vectors of all scopes.
        entries: Hash,
        /// Over the versions of all admitted nodes' presence.
        presence: Hash,
    },
    /// Sync, step 2, when roots differ: the hashes of the 256 buckets of scopes that are not empty.
    Buckets(Vec<(u8, Hash)>),
    /// Sync, step 3, for buckets that differ: the vectors of their scopes. The receiver sends what the sender lacks, and with
    /// `answer` its own vectors of the same buckets.
    Vectors {
        /// Which buckets this covers completely.
        buckets: Vec<u8>,
        /// The vectors of all scopes in them.
        vectors: Vec<(Scope, VersionVector)>,
        /// Whether the receiver is to answer with its own.
        answer: bool,
    },
    /// Sync, step 4: missing entries, in bounded batches. `more`: another follows after [`Frame::Durable`] for this one.
    Delta {
        /// The entries.
        runs: Vec<Run>,
        /// Whether more will follow.
        more: bool,
    },
    /// What is known of presence: node -> (incarnation, version). The receiver sends what the sender lacks.
    PresenceHave(BTreeMap<NodeId, (u64, u64)>),
    /// Presence of a node, from it or passed on.
    Presence(Arc<PresenceUpdate>),
    /// Something unstored for one session; best effort. Opaque here: the core's own encoding.
    Signal {
        /// For whom.
        to: SessionId,
        /// What.
        bytes: Bytes,
        /// How many more nodes may pass it on.
        hops: u8,
    },
    /// A SWIM packet that does not fit a datagram.
    Membership(Bytes),
    /// Later entries have come, but none from these (scope, origin, seq) on: what was sent of them is lost, send it again.
    Resend(Vec<(Scope, Origin, u64)>),
    /// The sender's wall clock, milliseconds since the Unix epoch.
    Clock(u64),
    /// Hashes of the newest durable entries of some origins: (scope, origin, seq, hash). Who has another hash for one sends its own entries.
    Heads(Vec<(Scope, Origin, u64, Hash)>),
    /// Sync in short, between two that have been equal before: the vectors of the scopes that have changed at the sender since. The receiver sends what the
    /// sender lacks of them, and with `answer` its own vectors of those of which it lacks something itself.
    Changed {
        /// The vectors.
        vectors: Vec<(Scope, VersionVector)>,
        /// Whether the receiver is to answer with its own.
        answer: bool,
    },
    /// The sender holds only the rooms it is to, with so many homes each. Who does not say so on a connection holds everything.
    Placing(u16),
    /// What has the receiver of these scopes? The vectors are the sender's. It answers with [`Frame::Holding`], and with `send` sends what the
    /// sender lacks.
    Ask {
        /// The scopes, with what the sender has.
        vectors: Vec<(Scope, VersionVector)>,
        /// Whether the sender wants what it lacks.
        send: bool,
    },
    /// What is durable at the sender of scopes that it was asked about.
    Holding(Vec<(Scope, VersionVector)>),
    /// Which rooms may anybody see, of those whose first home the receiver is? It answers with [`Frame::Rooms`].
    AskRooms,
    /// Rooms that anybody may see. `more`: others follow.
    Rooms {
        /// The rooms.
        rows: Vec<RoomRow>,
        /// Whether more will follow.
        more: bool,
    },
}

/// What a list says of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomRow {
    /// Its name.
    pub name: RoomName,
    /// Topic, or nothing.
    pub topic: String,
    /// Title, or nothing.
    pub title: String,
    /// When it was created, milliseconds.
    pub created_ms: Option<u64>,
    /// When the topic was set, milliseconds.
    pub topic_ms: Option<u64>,
    /// Whether it is there though nobody is inside.
    pub stays: bool,
}

/// How many kinds of frames this version knows: what begins with a higher number is a newer version's.
pub const KINDS: u32 = 19;

/// What each kind of frame is called in metrics, by its number.
pub const KIND_NAMES: [&str; KINDS as usize] = [
    "push",
    "durable",
    "root",
    "buckets",
    "vectors",
    "delta",
    "presence_have",
    "presence",
    "signal",
    "membership",
    "resend",
    "clock",
    "heads",
    "changed",
    "placing",
    "ask",
    "holding",
    "ask_rooms",
    "rooms",
];

impl Frame {
    /// Its number among the kinds, as its encoding begins.
    #[must_use]
    pub const fn kind(&self) -> usize {
        match self {
            Self::Push { .. } => 0,
            Self::Durable(_) => 1,
            Self::Root { .. } => 2,
            Self::Buckets(_) => 3,
            Self::Vectors { .. } => 4,
            Self::Delta { .. } => 5,
            Self::PresenceHave(_) => 6,
            Self::Presence(_) => 7,
            Self::Signal { .. } => 8,
            Self::Membership(_) => 9,
            Self::Resend(_) => 10,
            Self::Clock(_) => 11,
            Self::Heads(_) => 12,
            Self::Changed { .. } => 13,
            Self::Placing(_) => 14,
            Self::Ask { .. } => 15,
            Self::Holding(_) => 16,
            Self::AskRooms => 17,
            Self::Rooms { .. } => 18,
        }
    }

    /// The lane it travels on. Vectors go with catch-up, since they can be as large.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Push { .. } | Self::Signal { .. } => Lane::Live,
            Self::Vectors { .. } | Self::Delta { .. } | Self::Rooms { .. } => Lane::Bulk,
            Self::Durable(_)
            | Self::Root { .. }
            | Self::Buckets(_)
            | Self::PresenceHave(_)
            | Self::Presence(_)
            | Self::Membership(_)
            | Self::Resend(_)
            | Self::Clock(_)
            | Self::Heads(_)
            | Self::Changed { .. }
            | Self::Placing(_)
            | Self::Ask { .. }
            | Self::Holding(_)
            | Self::AskRooms => Lane::Control,
        }
    }
}

/// Why bytes are no frame, or a frame has no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`FRAME_BYTES_MAX`].
    #[error("the frame has {0} bytes, at most {FRAME_BYTES_MAX} are taken")]
    TooLong(usize),
    /// A kind of frame that this version does not know: to be skipped.
    #[error("frames of kind {0} are not known")]
    Unknown(u32),
    /// Not the encoding of any frame of this version.
    #[error("the bytes are no frame of this version")]
    Malformed,
    /// A whole frame, and then something.
    #[error("{0} bytes follow the frame")]
    Trailing(usize),
}

/// The bytes of a frame in its plain form, without a length prefix.
///
/// # Errors
/// [`FrameError::TooLong`] when a peer would refuse it.
pub fn encode(frame: &Frame) -> Result<Bytes, FrameError> {
    let bytes = postcard::to_stdvec(frame).map_err(|_| FrameError::Malformed)?;
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong(bytes.len()));
    }
    Ok(Bytes::from(bytes))
}

/// The frame that `bytes` are, all of them.
///
/// # Errors
/// [`FrameError`] when they are too many or no frame.
pub fn decode(bytes: &[u8]) -> Result<Frame, FrameError> {
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong(bytes.len()));
    }
    if let Ok((kind, _)) = postcard::take_from_bytes::<u32>(bytes)
        && kind >= KINDS
    {
        if kind == packed::KIND {
            return packed::unpack(bytes);
        }
        let is_refused = mutant::is_planted(Mutant::UnknownFrameRefused);
        return Err(if is_refused { FrameError::Malformed } else { FrameError::Unknown(kind) });
    }
    let (frame, rest) = postcard::take_from_bytes(bytes).map_err(|_| FrameError::Malformed)?;
    if rest.is_empty() { Ok(frame) } else { Err(FrameError::Trailing(rest.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_a_newer_kind_is_told_from_a_malformed_one() {
        let newest = Frame::Rooms { rows: Vec::new(), more: true };
        let last = encode(&newest).unwrap();
        assert_eq!(u32::from(last[0]) + 1, KINDS);
        assert_eq!(usize::from(last[0]), newest.kind());
        let root = Frame::Root { entries: Hash::default(), presence: Hash::default() };
        assert_eq!(usize::from(encode(&root).unwrap()[0]), root.kind());
        assert_eq!(decode(&[last[0] + 1, 1, 2, 3]), Err(FrameError::Unknown(KINDS)));
        assert_eq!(decode(&[0xff, 0xff, 0x03]), Err(FrameError::Unknown(0xffff)));
        assert_eq!(decode(&[0, 9]), Err(FrameError::Malformed));
        assert_eq!(decode(&[]), Err(FrameError::Malformed));
    }
}
