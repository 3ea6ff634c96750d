//! Sealing and verifying: hash chain and batch signatures of one origin's entries in one scope.

use crate::entry::{Body, Entry, Hash, Run, SealedEntry, Signature};
use crate::ids::{NodeId, OriginKey, Scope};
use ed25519_dalek::SigningKey;

/// Most bytes of one encoded entry. A message text is at most 64 KiB (the XMPP stanza bound), its metadata far less.
pub const ENTRY_BYTES_MAX: usize = 96 * 1024;

/// Why a run of entries is refused as a whole. Whoever sent it is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// An entry does not decode, or is not in its canonical encoding.
    #[error("entry {seq} is malformed")]
    Malformed {
        /// Which.
        seq: u64,
    },
    /// An entry is larger than [`ENTRY_BYTES_MAX`].
    #[error("entry {seq} has {bytes} bytes")]
    TooLarge {
        /// Which.
        seq: u64,
        /// How large.
        bytes: usize,
    },
    /// The run does not continue what is here.
    #[error("entry {seq} does not follow the one before it")]
    Broken {
        /// Which.
        seq: u64,
    },
    /// The last entry carries no signature, or a signature does not verify.
    #[error("no valid signature at entry {seq}")]
    Unsigned {
        /// Which.
        seq: u64,
    },
    /// The origin does not match its key, or an entry names another origin.
    #[error("entry {seq} is not of the run's origin")]
    Origin {
        /// Which.
        seq: u64,
    },
}

/// Encodes an entry canonically and hashes it. The signature is set by [`sign`] on the last entry of a batch.
#[must_use]
pub fn seal(_entry: &Entry) -> (SealedEntry, Hash) {
    unimplemented!()
}

/// The hash of a sealed entry.
#[must_use]
pub fn hash(_sealed: &SealedEntry) -> Hash {
    unimplemented!()
}

/// Signs the head of a batch of `scope`: entry `seq` with hash `head`.
#[must_use]
pub fn sign(_key: &SigningKey, _scope: &Scope, _origin: OriginKey, _seq: u64, _head: Hash) -> Signature {
    unimplemented!()
}

/// Checks a run against the hash of the entry before it (`Hash::default()` when `first` is 0) and decodes it. Every signature
/// present is verified strictly, and the last entry must carry one.
///
/// # Errors
/// [`ChainError`] names the first entry at fault; nothing of the run may then be used.
pub fn verify(_run: &Run, _prev: Hash) -> Result<(Vec<Entry>, Hash), ChainError> {
    unimplemented!()
}

/// Decodes the body of an entry. Total: what is not understood is [`Body::Unknown`]; a known kind that does not decode is
/// `Unknown` too, with its bytes, and never has an effect.
#[must_use]
pub fn body(_entry: &Entry) -> Body {
    unimplemented!()
}

/// The kind and bytes of a body.
#[must_use]
pub fn encode_body(_body: &Body) -> (u16, Vec<u8>) {
    unimplemented!()
}

/// Two different signed contents of one dot: portable proof that an origin equivocated.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Equivocation {
    /// Where.
    pub scope: Scope,
    /// Who.
    pub origin: OriginKey,
    /// One content and the entries to the signature that covers it.
    pub one: Run,
    /// Another.
    pub other: Run,
}

/// Whether `node`'s key signs for the origin.
#[must_use]
pub fn is_of(origin: &OriginKey, node: NodeId) -> bool {
    origin.node == node
}
