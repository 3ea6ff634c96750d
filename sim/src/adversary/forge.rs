//! Entries of others: with a changed content, with its own signature under another's origin, and others' entries under its own.

use ed25519_dalek::SigningKey;
use lavina_crdt::chain;
use lavina_crdt::entry::{Run, SealedEntry};
use lavina_crdt::ids::{NodeId, OriginKey};

/// Runs that no honest node takes, made of a true one.
pub(super) fn forged(run: &Run, key: &SigningKey, own: bool) -> Vec<Run> {
    if own {
        return Vec::new();
    }
    let mut forged = Vec::new();
    let seq = run.first + (run.entries.len() as u64).saturating_sub(1);
    if let Some(entry) = run.entries.last().and_then(chain::open) {
        let mut changed = entry;
        changed.hlc.0 += 1;
        let (sealed, hash) = chain::seal(&changed);
        let signature = Some(chain::sign(key, &run.scope, run.origin, seq, hash));
        let mut entries = run.entries.clone();
        entries.pop();
        entries.push(SealedEntry { signature, ..sealed });
        forged.push(Run { entries, ..run.clone() });
    }
    let origin = OriginKey { node: NodeId(key.verifying_key().to_bytes()), epoch: run.origin.epoch };
    forged.push(Run { origin, ..run.clone() });
    forged.push(Run { first: run.first + 1, ..run.clone() });
    forged
}
