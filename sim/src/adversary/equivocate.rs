//! Two signed contents of one dot: from the first message of a scope on, some peers are given another branch of the chain, as long as the
//! true one and with the same stamps, so that nothing but the contents tells them apart.

use crate::world::disk::SimStore;
use ed25519_dalek::SigningKey;
use lavina_core::store::Store;
use lavina_crdt::chain;
use lavina_crdt::entry::{Body, Hash, Run, SealedEntry};
use lavina_crdt::ids::Scope;
use std::collections::BTreeMap;

/// Hashes of the other branch, by scope and number, from the fork on.
#[derive(Debug, Default)]
pub(super) struct Branches(BTreeMap<Scope, BTreeMap<u64, Hash>>);

impl Branches {
    /// The same run on the other branch; `None` when its beginning cannot be made.
    pub(super) fn other(&mut self, run: &Run, key: &SigningKey, store: &SimStore) -> Option<Run> {
        if !matches!(run.scope, Scope::Room(_) | Scope::Direct(..)) {
            return Some(run.clone());
        }
        let branch = self.0.entry(run.scope.clone()).or_default();
        if let Some(next) = branch.last_key_value().map(|(seq, _)| seq + 1).filter(|next| *next < run.first) {
            let between = store.run(&run.scope, run.origin.origin(), next, usize::MAX).ok().flatten()?;
            rewrite(branch, &between, key);
        }
        Some(rewrite(branch, run, key))
    }
}

fn rewrite(branch: &mut BTreeMap<u64, Hash>, run: &Run, key: &SigningKey) -> Run {
    let mut entries = Vec::new();
    for (seq, sealed) in (run.first..).zip(&run.entries) {
        let Some(mut entry) = chain::open(sealed) else { continue };
        let is_message = matches!(chain::body(&entry), Body::Message(_));
        if branch.is_empty() && !is_message || branch.first_key_value().is_some_and(|(fork, _)| seq < *fork) {
            entries.push(sealed.clone());
            continue;
        }
        if let Some(before) = seq.checked_sub(1).and_then(|before| branch.get(&before)) {
            entry.prev = *before;
        }
        if let Body::Message(mut content) = chain::body(&entry) {
            content.text.push_str(" to you");
            entry.body = chain::encode_body(&Body::Message(content)).1;
        }
        let (resealed, hash) = chain::seal(&entry);
        branch.insert(seq, hash);
        let signature = sealed.signature.map(|_| chain::sign(key, &run.scope, run.origin, seq, hash));
        entries.push(SealedEntry { signature, ..resealed });
    }
    Run { entries, ..run.clone() }
}
