//! What nodes say to one another: postcard, length-delimited by the transport, versioned by the handshake.

use bytes::Bytes;
use lavina_crdt::entry::{Hash, Run};
use lavina_crdt::ids::{NodeId, Origin, Scope, SessionId};
use lavina_crdt::presence::PresenceUpdate;
use lavina_crdt::version::VersionVector;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the frames this build speaks; it also speaks the one before, once there is one.
pub const PROTOCOL_VERSION: u16 = 1;

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
    /// Sync, step 1: the hash over all common scopes.
    Root(Hash),
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
    Presence(Box<PresenceUpdate>),
    /// Something unstored for one session; best effort. Opaque here: the core's own encoding.
    Signal {
        /// For whom.
        to: SessionId,
        /// What.
        bytes: Bytes,
    },
    /// A SWIM packet that does not fit a datagram.
    Membership(Bytes),
}
