//! The entry: one immutable record in a scope's log, and how it is signed.
//!
//! Entries of an origin in a scope form a BLAKE3 hash chain; the origin signs the head of each commit batch. A node passes on
//! another's entries byte-equal, and cannot make or change them. The body is an opaque (kind, bytes) pair on the wire, so an
//! entry of a kind that this version does not know is stored, chained and passed on like any other.

use crate::clock::Hlc;
use crate::content::{Author, Content};
use crate::ids::{Dot, OrderKey, Origin, OriginKey, Scope, cmp_as_numbers};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// A BLAKE3 hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hash(pub [u8; 32]);

/// Bytewise, as the array; as numbers, since scopes are looked up by their hashes at every turn.
impl Ord for Hash {
    fn cmp(&self, other: &Self) -> Ordering {
        cmp_as_numbers(&self.0, &other.0)
    }
}

impl PartialOrd for Hash {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Head of an Automerge document: the hash of a change that no other known change depends on.
pub type DocHead = [u8; 32];

/// One record, decoded. [`crate::chain`] turns it into a [`SealedEntry`] and back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Who wrote it.
    pub origin: Origin,
    /// Its number among the origin's entries of the scope, from 0.
    pub seq: u64,
    /// When; grows with `seq` within an origin, over all scopes.
    pub hlc: Hlc,
    /// Hash of the origin's previous entry in this scope; zero for `seq` 0.
    pub prev: Hash,
    /// What its author's node had applied in this scope and had not yet seen any entry refer to: the frontier of the causal
    /// past. Without the origin's own previous entry, which is implied.
    pub after: Vec<Dot>,
    /// The same session's (or account's) previous entry in this scope when it has another origin: keeps a sender's order
    /// when the session moves to another node.
    pub link: Option<Dot>,
    /// On whose behalf; `None` for the node's own acts.
    pub author: Option<Author>,
    /// The room document's heads at the author's node, when they differ from those of the origin's previous entry in this
    /// scope that carried some. Rights are judged there.
    pub heads: Option<Vec<DocHead>>,
    /// Kind of the body, see [`Body`].
    pub kind: u16,
    /// The body, postcard.
    pub body: Vec<u8>,
}

impl Entry {
    /// Its dot.
    #[must_use]
    pub const fn dot(&self) -> Dot {
        Dot { origin: self.origin, seq: self.seq }
    }

    /// Its position in the scope's order.
    #[must_use]
    pub const fn order_key(&self) -> OrderKey {
        OrderKey { hlc: self.hlc, origin: self.origin, seq: self.seq }
    }
}

/// What an entry says, by kind. Kinds are never reused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Kind 1: a message, in a room or direct scope. Kind 7: one that redacts another. Kind 8: one that is not for everybody in the room.
    Message(Content),
    /// Kind 2: a change of the room document, as [`crate::room::RoomDoc::mint`] encodes it.
    DocChange(Vec<u8>),
    /// Kind 3: a register is set.
    Register(crate::register::RegisterSet),
    /// Kind 4: somebody is removed from a room.
    Kick(crate::room::Kick),
    /// Kind 5: an account comes to be.
    AccountCreate(crate::account::AccountCreate),
    /// Kind 6: an act of the mesh scope.
    Mesh(crate::mesh::MeshAct),
    /// Any other kind: kept and passed on untouched, never applied.
    Unknown {
        /// The kind.
        kind: u16,
        /// The body's bytes.
        bytes: Vec<u8>,
    },
}

/// One encoded entry as it is stored and sent, with the origin's signature where its commit batch ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedEntry {
    /// The entry, postcard: what the chain hashes.
    pub bytes: Bytes,
    /// Ed25519 by the origin's node over (scope, origin, seq, hash of `bytes`), on the last entry of a commit batch.
    pub signature: Option<Signature>,
}

impl SealedEntry {
    /// Its own size in bytes, with its signature.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.signature.map_or(0, |signature| signature.0.len())
    }

    /// Whether there is nothing in it, as in no true entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An Ed25519 signature, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

/// Consecutive entries of one origin in one scope: the unit that is sent and stored. Its last entry is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Where.
    pub scope: Scope,
    /// Whose; its key verifies the signatures.
    pub origin: OriginKey,
    /// `seq` of the first entry.
    pub first: u64,
    /// The entries, in order.
    pub entries: Vec<SealedEntry>,
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sig{:02x}{:02x}", self.0[0], self.0[1])
    }
}

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <Vec<u8>>::deserialize(deserializer)?;
        let bytes = bytes.try_into().map_err(|_| serde::de::Error::custom("a signature has 64 bytes"))?;
        Ok(Self(bytes))
    }
}
