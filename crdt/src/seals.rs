//! A memory of entries that were verified, for nodes that live in one process: what one of them has checked, byte for byte, the others
//! need not check again. The simulator gives one to its nodes; a node on its own has none, since it verifies every entry once anyway.
//!
//! **Invariant:** only a signature that was verified, or made with the key at hand, gets in; and it is found again only for the same bytes
//! under the same scope, origin and number.

use crate::entry::{Entry, Hash, Run, SealedEntry, Signature};
use crate::ids::{OriginKey, Scope};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// The memory. Clones share it; the default remembers nothing.
#[derive(Clone, Debug, Default)]
pub struct Seals(Option<Arc<Mutex<Memory>>>);

#[derive(Debug)]
struct Memory {
    most: usize,
    known: BTreeMap<[u8; 64], Known>,
    /// What was learnt, oldest first.
    order: VecDeque<[u8; 64]>,
}

#[derive(Debug)]
struct Known {
    scope: Scope,
    origin: OriginKey,
    seq: u64,
    bytes: Bytes,
    entry: Arc<Entry>,
    hash: Hash,
}

impl Seals {
    /// One that remembers the latest `most` entries.
    #[must_use]
    pub fn remembering(most: usize) -> Self {
        Self(Some(Arc::new(Mutex::new(Memory { most, known: BTreeMap::new(), order: VecDeque::new() }))))
    }

    /// What is known of entry `seq` of a run: itself and its hash.
    pub(crate) fn find(&self, run: &Run, seq: u64, sealed: &SealedEntry) -> Option<(Arc<Entry>, Hash)> {
        let (memory, signature) = (self.0.as_ref()?, sealed.signature.as_ref()?);
        let memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
        let known = memory.known.get(&signature.0)?;
        let same =
            known.seq == seq && known.origin == run.origin && known.bytes == sealed.bytes && known.scope == run.scope;
        same.then(|| (Arc::clone(&known.entry), known.hash))
    }

    /// Takes in that entry `seq` of a run was found valid under this signature.
    pub(crate) fn learn(
        &self,
        run: &Run,
        seq: u64,
        sealed: &SealedEntry,
        signature: &Signature,
        (entry, hash): (&Arc<Entry>, Hash),
    ) {
        let Some(memory) = &self.0 else { return };
        let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
        let (scope, bytes) = (run.scope.clone(), sealed.bytes.clone());
        let known = Known { scope, origin: run.origin, seq, bytes, entry: Arc::clone(entry), hash };
        if memory.known.insert(signature.0, known).is_none() {
            memory.order.push_back(signature.0);
        }
        if memory.order.len() > memory.most
            && let Some(oldest) = memory.order.pop_front()
        {
            memory.known.remove(&oldest);
        }
    }

    /// Whether anything is remembered at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::Seals;
    use crate::chain::{ChainError, verify_with};
    use crate::content::Content;
    use crate::entry::{Body, Hash, Run};
    use crate::ids::Scope;
    use crate::names::RoomName;
    use crate::testing::{chain_of, origin_key};

    fn said(text: &str) -> Body {
        Body::Message(Content::text(text))
    }

    #[test]
    fn what_was_verified_is_found_and_the_same() {
        let seals = Seals::remembering(10);
        let (run, _) = chain_of(&[said("one"), said("two")]);
        let first = verify_with(&run, Hash::default(), &seals).unwrap();
        assert!(seals.find(&run, 1, &run.entries[1]).is_some());
        assert_eq!(verify_with(&run, Hash::default(), &seals).unwrap(), first);
        // The chain is looked at all the same.
        assert_eq!(verify_with(&run, Hash([1; 32]), &seals), Err(ChainError::Broken { seq: 0 }));
    }

    #[test]
    fn nothing_else_passes_for_it() {
        let seals = Seals::remembering(10);
        let (run, _) = chain_of(&[said("one")]);
        verify_with(&run, Hash::default(), &seals).unwrap();
        let (other, _) = chain_of(&[said("two")]);
        let mut forged = run.clone();
        forged.entries[0].bytes = other.entries[0].bytes.clone();
        let moved = Run { scope: Scope::Room(RoomName::new("other").unwrap()), ..run.clone() };
        let renamed = Run { origin: origin_key(2), ..run.clone() };
        let mut unsigned = run.clone();
        unsigned.entries[0].signature.as_mut().unwrap().0[9] ^= 1;
        for bad in [forged, moved, renamed, unsigned] {
            assert!(verify_with(&bad, Hash::default(), &seals).is_err());
            // Nor is a refused run learnt.
            assert!(verify_with(&bad, Hash::default(), &seals).is_err());
        }
        assert!(verify_with(&run, Hash::default(), &seals).is_ok());
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let seals = Seals::remembering(2);
        let runs: Vec<Run> = ["one", "two", "three"].iter().map(|text| chain_of(&[said(text)]).0).collect();
        for run in &runs {
            verify_with(run, Hash::default(), &seals).unwrap();
        }
        let found: Vec<bool> = runs.iter().map(|run| seals.find(run, 0, &run.entries[0]).is_some()).collect();
        assert_eq!(found, [false, true, true]);
        assert!(verify_with(&runs[0], Hash::default(), &Seals::default()).is_ok());
    }
}
