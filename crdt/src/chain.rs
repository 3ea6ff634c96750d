//! Sealing and verifying: hash chain and batch signatures of one origin's entries in one scope.
//!
//! An entry has one encoding: [`verify`] encodes what it decoded again and refuses bytes that differ, so the same entry never
//! has two hashes. Bodies are judged apart from that ([`body`]): what a later version writes is chained and passed on here.

use crate::content::{Author, Content};
use crate::derived::{Context, context};
use crate::entry::{Body, Entry, Hash, Run, SealedEntry, Signature};
use crate::ids::{OriginKey, Scope};
use crate::room::{Kick, Rank};
use crate::seals::Seals;
use bytes::Bytes;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use postcard::ser_flavors::Flavor;
use serde::de::DeserializeOwned;
use std::sync::Arc;

static ENTRY: Context = context("lavina 1 entry");

/// Most bytes of one encoded entry. A message text is at most 64 KiB (the XMPP stanza bound), its metadata far less.
pub const ENTRY_BYTES_MAX: usize = 96 * 1024;

/// Most bytes of entries between two signatures; longer batches are signed in between. It bounds what a proof of equivocation has to hold.
pub const UNSIGNED_BYTES_MAX: usize = 128 * 1024;

/// Most bytes of an entry of the mesh scope: two halves of a proof of equivocation, each an entry and what follows it to a signature.
pub const PROOF_BYTES_MAX: usize = 2 * (UNSIGNED_BYTES_MAX + ENTRY_BYTES_MAX) + 4 * 1024;

/// Most dots in [`Entry::after`], and most heads in [`Entry::heads`]: one for each origin with concurrent entries, so the
/// number of a large mesh's nodes.
pub const REFERENCES_MAX: usize = 1024;

const KIND_MESSAGE: u16 = 1;
const KIND_DOC_CHANGE: u16 = 2;
const KIND_REGISTER: u16 = 3;
const KIND_KICK: u16 = 4;
const KIND_ACCOUNT_CREATE: u16 = 5;
const KIND_MESH: u16 = 6;
const KIND_REDACTION: u16 = 7;
const KIND_FOR_SOME: u16 = 8;

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
pub fn seal(entry: &Entry) -> (SealedEntry, Hash) {
    let sealed = SealedEntry { bytes: Bytes::from(encode(entry)), signature: None };
    let hash = hash(&sealed);
    (sealed, hash)
}

/// The hash of a sealed entry.
#[must_use]
pub fn hash(sealed: &SealedEntry) -> Hash {
    Hash(ENTRY.hash(&sealed.bytes))
}

/// The entry that sealed bytes hold, for bytes that [`verify`] accepted before (the store's own); `None` when they are not one.
#[must_use]
pub fn open(sealed: &SealedEntry) -> Option<Entry> {
    postcard::from_bytes(&sealed.bytes).ok()
}

/// Signs the head of a batch of `scope`: entry `seq` with hash `head`.
#[must_use]
pub fn sign(key: &SigningKey, scope: &Scope, origin: OriginKey, seq: u64, head: Hash) -> Signature {
    Signature(key.sign(&signed_bytes(scope, origin, seq, head)).to_bytes())
}

/// Checks a run against the hash of the entry before it (`Hash::default()` when `first` is 0) and decodes it. Every signature
/// present is verified strictly, and the last entry must carry one.
///
/// # Errors
/// [`ChainError`] names the first entry at fault; nothing of the run may then be used.
pub fn verify(run: &Run, prev: Hash) -> Result<(Vec<Entry>, Hash), ChainError> {
    let checked = verify_with(run, prev, &Seals::default())?;
    let head = checked.last().map_or(prev, |(_, hash)| *hash);
    Ok((checked.into_iter().map(|(entry, _)| Arc::unwrap_or_clone(entry)).collect(), head))
}

/// The same with a memory of what was verified before; gives each entry with its hash.
///
/// # Errors
/// As [`verify`].
pub fn verify_with(run: &Run, prev: Hash, seals: &Seals) -> Result<Vec<(Arc<Entry>, Hash)>, ChainError> {
    let origin = run.origin.origin();
    let mut checked: Vec<(Arc<Entry>, Hash)> = Vec::with_capacity(run.entries.len());
    let mut head = prev;
    let mut seq = run.first;
    let mut unsigned = 0;
    for sealed in &run.entries {
        if unsigned > UNSIGNED_BYTES_MAX {
            return Err(ChainError::Unsigned { seq });
        }
        unsigned = if sealed.signature.is_some() { 0 } else { unsigned + sealed.bytes.len() };
        let known = seals.find(run, seq, sealed);
        let is_known = known.is_some();
        let (entry, own) = match known {
            Some(known) => known,
            None => (Arc::new(decode(sealed, seq)?), hash(sealed)),
        };
        if entry.origin != origin {
            return Err(ChainError::Origin { seq });
        }
        let later = checked.last().is_none_or(|(last, _)| last.hlc < entry.hlc);
        if entry.seq != seq || entry.prev != head || !later {
            return Err(ChainError::Broken { seq });
        }
        head = own;
        if let Some(signature) = &sealed.signature
            && !is_known
        {
            if !is_signed(run, seq, head, signature) {
                return Err(ChainError::Unsigned { seq });
            }
            seals.learn(run, seq, sealed, signature, (&entry, own));
        }
        checked.push((entry, own));
        seq = seq.checked_add(1).ok_or(ChainError::Broken { seq })?;
    }
    match run.entries.last() {
        Some(SealedEntry { signature: Some(_), .. }) => Ok(checked),
        Some(_) | None => Err(ChainError::Unsigned { seq: seq.saturating_sub(1) }),
    }
}

/// Signs the entry at `index` of a run, whose origin has `key`, and remembers that.
pub fn sign_at(key: &SigningKey, run: &mut Run, index: usize, seals: &Seals) {
    let seq = run.first + index as u64;
    let Some(sealed) = run.entries.get(index) else { return };
    let head = hash(sealed);
    let signature = sign(key, &run.scope, run.origin, seq, head);
    if seals.is_on()
        && key.verifying_key().to_bytes() == run.origin.node.0
        && let Ok(entry) = decode(sealed, seq)
    {
        seals.learn(run, seq, sealed, &signature, (&Arc::new(entry), head));
    }
    if let Some(sealed) = run.entries.get_mut(index) {
        sealed.signature = Some(signature);
    }
}

/// Decodes the body of an entry. Total: what is not understood is [`Body::Unknown`]; a known kind that does not decode is
/// `Unknown` too, with its bytes, and never has an effect.
#[must_use]
pub fn body(entry: &Entry) -> Body {
    let bytes = &entry.body;
    let known = match entry.kind {
        KIND_MESSAGE | KIND_REDACTION => {
            exactly(bytes).filter(Content::is_sound).filter(|content| kind_of(content) == entry.kind).map(Body::Message)
        }
        KIND_FOR_SOME => exactly::<(Rank, Content)>(bytes).and_then(|(least, content)| {
            let content = Content { least, ..content };
            (content.is_sound() && kind_of(&content) == entry.kind).then_some(Body::Message(content))
        }),
        KIND_DOC_CHANGE => Some(Body::DocChange(bytes.clone())),
        KIND_REGISTER => exactly(bytes).map(Body::Register),
        KIND_KICK => exactly(bytes).filter(Kick::is_sound).map(Body::Kick),
        KIND_ACCOUNT_CREATE => exactly(bytes).map(Body::AccountCreate),
        KIND_MESH => exactly(bytes).map(Body::Mesh),
        0 | 9.. => None,
    };
    known.unwrap_or_else(|| Body::Unknown { kind: entry.kind, bytes: bytes.clone() })
}

/// The kind and bytes of a body.
#[must_use]
pub fn encode_body(body: &Body) -> (u16, Vec<u8>) {
    match body {
        Body::Message(content) => match kind_of(content) {
            KIND_FOR_SOME => (KIND_FOR_SOME, encode(&(content.least, content))),
            kind => (kind, encode(content)),
        },
        Body::DocChange(bytes) => (KIND_DOC_CHANGE, bytes.clone()),
        Body::Register(set) => (KIND_REGISTER, encode(set)),
        Body::Kick(kick) => (KIND_KICK, encode(kick)),
        Body::AccountCreate(create) => (KIND_ACCOUNT_CREATE, encode(create)),
        Body::Mesh(act) => (KIND_MESH, encode(act)),
        Body::Unknown { kind, bytes } => (*kind, bytes.clone()),
    }
}

/// Whether the entry takes a message back: told without decoding its body, so that who indexes them looks at no other entry.
#[must_use]
pub const fn is_redaction(entry: &Entry) -> bool {
    entry.kind == KIND_REDACTION
}

/// Whether the entry changes a document: told without decoding its body.
#[must_use]
pub const fn is_doc_change(entry: &Entry) -> bool {
    entry.kind == KIND_DOC_CHANGE
}

fn kind_of(content: &Content) -> u16 {
    match content.redaction() {
        Some(_) => KIND_REDACTION,
        None if content.least > Rank::None => KIND_FOR_SOME,
        None => KIND_MESSAGE,
    }
}

/// Postcard cannot fail on values without unsized or unknown-length parts, and ours have none.
fn encode<T: serde::Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).unwrap_or_default()
}

/// A value whose only encoding is `bytes`.
fn exactly<T: DeserializeOwned + serde::Serialize>(bytes: &[u8]) -> Option<T> {
    let value = postcard::from_bytes(bytes).ok()?;
    postcard::serialize_with_flavor(&value, Same(bytes)).is_ok_and(|is_all| is_all).then_some(value)
}

/// Holds what is encoded against what it was decoded from, as it comes. In the end it says whether that was all of it.
struct Same<'a>(&'a [u8]);

impl Flavor for Same<'_> {
    type Output = bool;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        let (first, rest) = self.0.split_first().ok_or(postcard::Error::SerializeBufferFull)?;
        self.0 = rest;
        if *first == byte { Ok(()) } else { Err(postcard::Error::SerializeBufferFull) }
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0 = self.0.strip_prefix(bytes).ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<bool> {
        Ok(self.0.is_empty())
    }
}

fn decode(sealed: &SealedEntry, seq: u64) -> Result<Entry, ChainError> {
    let bytes = sealed.bytes.len();
    if bytes > PROOF_BYTES_MAX {
        return Err(ChainError::TooLarge { seq, bytes });
    }
    let entry: Entry = exactly(&sealed.bytes).ok_or(ChainError::Malformed { seq })?;
    if bytes > ENTRY_BYTES_MAX && entry.kind != KIND_MESH {
        return Err(ChainError::TooLarge { seq, bytes });
    }
    let references = entry.after.len().max(entry.heads.as_ref().map_or(0, Vec::len));
    if references > REFERENCES_MAX || !entry.author.as_ref().is_none_or(Author::is_sound) {
        return Err(ChainError::Malformed { seq });
    }
    Ok(entry)
}

fn signed_bytes(scope: &Scope, origin: OriginKey, seq: u64, head: Hash) -> Vec<u8> {
    encode(&("lavina 1 entries", scope, origin, seq, head))
}

fn is_signed(run: &Run, seq: u64, head: Hash, signature: &Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    VerifyingKey::from_bytes(&run.origin.node.0)
        .is_ok_and(|key| key.verify_strict(&signed_bytes(&run.scope, run.origin, seq, head), &signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{author, batch, chain_of, entry, origin_key, signing_key};
    use proptest::prelude::*;

    fn said(text: &str) -> Body {
        Body::Message(Content::text(text))
    }

    #[test]
    fn a_batch_verifies_and_gives_its_entries_back() {
        let (run, entries) = chain_of(&[said("one"), said("two"), Body::Unknown { kind: 900, bytes: vec![1, 2, 3] }]);
        let (got, head) = verify(&run, Hash::default()).unwrap();
        assert_eq!(got, entries);
        assert_eq!(head, hash(&run.entries[2]));
        assert_eq!(body(&got[0]), said("one"));
        assert_eq!(body(&got[2]), Body::Unknown { kind: 900, bytes: vec![1, 2, 3] });
        assert_eq!(open(&run.entries[1]).as_ref(), Some(&entries[1]));
    }

    #[test]
    fn a_run_continues_only_what_is_before_it() {
        let (whole, _) = chain_of(&[said("one"), said("two")]);
        let tail = Run { first: 1, entries: whole.entries[1..].to_vec(), ..whole.clone() };
        assert!(verify(&tail, hash(&whole.entries[0])).is_ok());
        assert_eq!(verify(&tail, Hash::default()), Err(ChainError::Broken { seq: 1 }));
        let moved = Run { scope: Scope::Room(crate::names::RoomName::new("other").unwrap()), ..whole };
        assert_eq!(verify(&moved, Hash::default()), Err(ChainError::Unsigned { seq: 1 }));
    }

    #[test]
    fn a_run_without_a_signature_at_its_end_is_refused() {
        let (mut run, _) = chain_of(&[said("one"), said("two")]);
        run.entries[1].signature = None;
        assert_eq!(verify(&run, Hash::default()), Err(ChainError::Unsigned { seq: 1 }));
        run.entries.clear();
        assert_eq!(verify(&run, Hash::default()), Err(ChainError::Unsigned { seq: 0 }));
    }

    #[test]
    fn an_entry_of_another_origin_or_earlier_stamp_is_refused() {
        let key = signing_key(1);
        let first = entry(1, 0, 10, Hash::default(), &said("one"));
        let (_, head) = seal(&first);
        let back = entry(1, 1, 10, head, &said("same stamp"));
        let run = batch(&key, origin_key(1), &[first.clone(), back]);
        assert_eq!(verify(&run, Hash::default()), Err(ChainError::Broken { seq: 1 }));
        let foreign = entry(2, 0, 10, Hash::default(), &said("one"));
        let run = batch(&key, origin_key(1), &[foreign]);
        assert_eq!(verify(&run, Hash::default()), Err(ChainError::Origin { seq: 0 }));
        let run = batch(&signing_key(2), origin_key(1), &[first]);
        assert_eq!(verify(&run, Hash::default()), Err(ChainError::Unsigned { seq: 0 }));
    }

    #[test]
    fn what_cannot_be_shown_safely_is_refused() {
        let mut bad = entry(1, 0, 10, Hash::default(), &said("one"));
        bad.author = Some(crate::content::Author { host: "a b\r\n".to_owned(), ..author(1, "alice") });
        let run = batch(&signing_key(1), origin_key(1), &[bad]);
        assert_eq!(verify(&run, Hash::default()), Err(ChainError::Malformed { seq: 0 }));
        let nul = entry(1, 0, 10, Hash::default(), &said("a\0b"));
        assert!(matches!(body(&nul), Body::Unknown { kind: KIND_MESSAGE, .. }));
        let large = entry(1, 0, 10, Hash::default(), &said(&"x".repeat(ENTRY_BYTES_MAX)));
        let run = batch(&signing_key(1), origin_key(1), &[large]);
        assert!(matches!(verify(&run, Hash::default()), Err(ChainError::TooLarge { seq: 0, .. })));
    }

    #[test]
    fn what_is_not_for_everybody_is_of_a_kind_of_its_own() {
        let content = Content { least: Rank::Operator, ..Content::text("psst") };
        let entry = entry(1, 0, 10, Hash::default(), &Body::Message(content.clone()));
        assert_eq!(entry.kind, KIND_FOR_SOME);
        assert_eq!(body(&entry), Body::Message(content));
        let for_all = crate::entry::Entry { body: encode(&(Rank::None, Content::text("psst"))), ..entry.clone() };
        assert!(matches!(body(&for_all), Body::Unknown { kind: KIND_FOR_SOME, .. }));
        let as_message = crate::entry::Entry { kind: KIND_MESSAGE, ..entry };
        assert!(matches!(body(&as_message), Body::Unknown { kind: KIND_MESSAGE, .. }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_byte_can_be_changed(index in any::<prop::sample::Index>(), flip in 1u8..) {
            let (mut run, _) = chain_of(&[said("one"), said("two")]);
            let which = index.index(2);
            let mut bytes = run.entries[which].bytes.to_vec();
            let at = index.index(bytes.len());
            bytes[at] ^= flip;
            run.entries[which].bytes = bytes.into();
            prop_assert!(verify(&run, Hash::default()).is_err());
        }

        #[test]
        fn no_bit_of_a_signature_can_be_changed(at in 0usize..64, flip in 1u8..) {
            let (mut run, _) = chain_of(&[said("one")]);
            run.entries[0].signature.as_mut().unwrap().0[at] ^= flip;
            prop_assert_eq!(verify(&run, Hash::default()), Err(ChainError::Unsigned { seq: 0 }));
        }

        #[test]
        fn any_kind_and_bytes_come_through_byte_equal(kind in any::<u16>(), bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let (run, entries) = chain_of(&[Body::Unknown { kind, bytes: bytes.clone() }]);
            let (got, _) = verify(&run, Hash::default()).unwrap();
            prop_assert_eq!(&got, &entries);
            prop_assert_eq!(encode_body(&body(&got[0])), (kind, bytes));
        }

        #[test]
        fn junk_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let (mut run, _) = chain_of(&[said("one")]);
            run.entries[0].bytes = bytes.into();
            prop_assert!(verify(&run, Hash::default()).is_err());
        }
    }
}
