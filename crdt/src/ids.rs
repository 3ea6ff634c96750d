//! The ids of replicated things: nodes, origins, dots, scopes, sessions, messages.
//!
//! A message id is derived from (hlc, origin, seq), so it sorts by time and is the same on every node and in every
//! protocol (IRC `msgid`, XMPP `stanza-id`).

use crate::clock::Hlc;
use crate::content::Principal;
use crate::derived::{Context, context};
use crate::names::{AccountName, RoomName};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

static ORIGIN: Context = context("lavina 1 origin");
static ID_OF_A_PLACE: Context = context("lavina 1 id of a place");

/// A node: its Ed25519 public key. Shown to people as the libp2p `PeerId` that the transport derives from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeId(pub [u8; 32]);

/// Bytewise, as the array; as numbers, since maps by node compare more than they do anything else.
impl Ord for NodeId {
    fn cmp(&self, other: &Self) -> Ordering {
        cmp_as_numbers(&self.0, &other.0)
    }
}

/// Compares 32 bytes as big-endian numbers, which is bytewise and takes fewer steps.
pub(crate) fn cmp_as_numbers(one: &[u8; 32], other: &[u8; 32]) -> Ordering {
    let halves = |bytes: &[u8; 32]| {
        let [first, second] = bytes.as_chunks::<16>().0 else { return (0, 0) };
        (u128::from_be_bytes(*first), u128::from_be_bytes(*second))
    };
    halves(one).cmp(&halves(other))
}

impl PartialOrd for NodeId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Eight hex digits are enough to tell nodes apart in a log line.
impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{:02x}{:02x}{:02x}{:02x}", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

/// One store's write identity: the first 16 bytes of BLAKE3 over (node key, epoch). A new or restored store mints a
/// new epoch, so a sequence number is never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin(pub [u8; 16]);

/// Bytewise, as the array.
impl Ord for Origin {
    fn cmp(&self, other: &Self) -> Ordering {
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for Origin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "o{:02x}{:02x}{:02x}{:02x}", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

/// What an [`Origin`] is short for. Travels with every run of entries so that signatures can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OriginKey {
    /// The node whose key signs this origin's entries.
    pub node: NodeId,
    /// Random number minted with the store.
    pub epoch: u64,
}

impl OriginKey {
    /// The short name of this origin.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let mut hasher = ORIGIN.hasher();
        hasher.update(&self.node.0);
        hasher.update(&self.epoch.to_be_bytes());
        let mut short = [0; 16];
        short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Origin(short)
    }
}

/// The name of one entry within a scope. The first entry of an origin in a scope has `seq` 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dot {
    /// Who wrote it.
    pub origin: Origin,
    /// Its place among that origin's entries of the scope, from 0 without gaps.
    pub seq: u64,
}

/// What is replicated as a unit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// The mesh itself: admissions and revocations. Replicated everywhere, before anything else.
    Mesh,
    /// One account: credentials, profile, roster.
    Account(AccountName),
    /// A room: state and messages.
    Room(RoomName),
    /// A conversation of two people; the smaller principal first. Build with [`Scope::direct`].
    Direct(Principal, Principal),
}

impl Scope {
    /// The scope of the direct conversation of two people, whichever speaks.
    #[must_use]
    pub fn direct(a: Principal, b: Principal) -> Self {
        if a <= b { Self::Direct(a, b) } else { Self::Direct(b, a) }
    }
}

/// One client connection, unique within the mesh: the node that has it and a number from that node's counter, which
/// starts at a random point so that a restarted node does not reuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId {
    /// The home node.
    pub node: NodeId,
    /// The node's own number for it.
    pub number: u64,
}

/// A position in a scope's total order: (hlc, origin, seq).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderKey {
    /// When.
    pub hlc: Hlc,
    /// Who wrote it.
    pub origin: Origin,
    /// Its number.
    pub seq: u64,
}

impl OrderKey {
    /// The entry's dot.
    #[must_use]
    pub const fn dot(&self) -> Dot {
        Dot { origin: self.origin, seq: self.seq }
    }

    /// The public message id of this position.
    #[must_use]
    pub fn msg_id(&self) -> MsgId {
        let mut raw = [0; 20];
        raw[..8].copy_from_slice(&self.hlc.0.to_be_bytes());
        raw[8..14].copy_from_slice(&self.origin.0[..6]);
        raw[14..].copy_from_slice(&self.seq.to_be_bytes()[2..]);
        MsgId(raw)
    }
}

/// A message's public id: hlc (8 bytes), the first 6 bytes of the origin, and 6 bytes of seq, written as 32 characters of
/// lower-case base32hex (RFC 4648 section 7), which sorts as text exactly as it does as bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MsgId(pub [u8; 20]);

const BASE32HEX: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

impl MsgId {
    /// The id of a session's coming into a room, which no entry tells: the same wherever its place is known. A room that goes by another name
    /// keeps places as they are, so its name is in it.
    #[must_use]
    pub fn of_place(room: &RoomName, since: Hlc, session: SessionId) -> Self {
        let mut hasher = ID_OF_A_PLACE.hasher();
        hasher.update(&session.number.to_be_bytes());
        hasher.update(room.as_str().as_bytes());
        let mut id = [0; 20];
        id[..8].copy_from_slice(&since.0.to_be_bytes());
        id[8..14].copy_from_slice(&session.node.0[..6]);
        id[14..].copy_from_slice(&hasher.finalize().as_bytes()[..6]);
        Self(id)
    }

    /// When the message was said.
    #[must_use]
    pub fn hlc(&self) -> Hlc {
        let mut hlc = [0; 8];
        hlc.copy_from_slice(&self.0[..8]);
        Hlc(u64::from_be_bytes(hlc))
    }

    /// The first 6 bytes of the origin that minted it.
    #[must_use]
    pub fn origin_prefix(&self) -> [u8; 6] {
        let mut prefix = [0; 6];
        prefix.copy_from_slice(&self.0[8..14]);
        prefix
    }

    /// The entry's sequence number.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.0[14..].iter().fold(0, |seq, byte| seq << 8 | u64::from(*byte))
    }
}

impl fmt::Display for MsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 32];
        for (out, chunk) in text.chunks_exact_mut(8).zip(self.0.chunks_exact(5)) {
            let bits = chunk.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
            for (index, digit) in out.iter_mut().rev().enumerate() {
                *digit = BASE32HEX[usize::try_from(bits >> (index * 5) & 31).unwrap_or(0)];
            }
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for MsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text was not a message id of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message id: 32 characters of 0-9 and a-v are expected")]
pub struct MsgIdError;

impl FromStr for MsgId {
    type Err = MsgIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.as_bytes();
        if text.len() != 32 {
            return Err(MsgIdError);
        }
        let mut raw = [0; 20];
        for (out, chunk) in raw.chunks_exact_mut(5).zip(text.chunks_exact(8)) {
            let mut bits = 0u64;
            for digit in chunk {
                let value = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'v' => digit - b'a' + 10,
                    _ => return Err(MsgIdError),
                };
                bits = bits << 5 | u64::from(value);
            }
            out.copy_from_slice(&bits.to_be_bytes()[3..]);
        }
        Ok(Self(raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_are_in_the_order_of_their_bytes(a: [u8; 32], b: [u8; 32], same in 0usize..33) {
            let mut b = b;
            b[..same].copy_from_slice(&a[..same]);
            prop_assert_eq!(NodeId(a).cmp(&NodeId(b)), a.cmp(&b));
            let short = |bytes: [u8; 32]| bytes[..16].try_into().unwrap();
            prop_assert_eq!(Origin(short(a)).cmp(&Origin(short(b))), a[..16].cmp(&b[..16]));
        }
    }

    #[test]
    fn message_ids_sort_as_text_like_their_positions() {
        let key = |ms, origin, seq| OrderKey { hlc: Hlc::from_ms(ms), origin: Origin([origin; 16]), seq };
        let keys = [key(1, 9, 3), key(2, 0, 0), key(2, 0, 1), key(2, 7, 0), key(3_000_000_000_000, 0, 5)];
        let texts: Vec<String> = keys.iter().map(|key| key.msg_id().to_string()).collect();
        assert!(texts.is_sorted());
        for (key, text) in keys.iter().zip(&texts) {
            let id: MsgId = text.parse().unwrap();
            assert_eq!((id.hlc(), id.seq()), (key.hlc, key.seq));
        }
        assert_eq!("z".repeat(32).parse::<MsgId>(), Err(MsgIdError));
    }
}
