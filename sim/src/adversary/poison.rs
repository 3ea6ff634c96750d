//! Poison: validly chained and signed entries under another write identity of the node, whose bodies decode to the worst there is, whose
//! stamps are years ahead or at the beginning of time, and whose authors are sessions of other nodes.

use ed25519_dalek::SigningKey;
use lavina_crdt::chain;
use lavina_crdt::clock::Hlc;
use lavina_crdt::entry::{Hash, Run, SealedEntry};
use lavina_crdt::ids::{Dot, NodeId, Origin, OriginKey};

/// Kinds of bodies, known and not.
const KINDS: &[u16] = &[1, 2, 3, 4, 5, 6, 7, 900, u16::MAX];

/// Runs to send beside a true one of the node's own.
pub(super) fn poisoned(run: &Run, key: &SigningKey) -> Vec<Run> {
    let mut runs = Vec::new();
    for (index, kind) in (0u64..).zip(KINDS) {
        let origin = OriginKey { node: run.origin.node, epoch: run.origin.epoch.wrapping_add(1 + index) };
        let Some(mut entry) = run.entries.first().and_then(chain::open) else { continue };
        (entry.origin, entry.seq, entry.prev, entry.kind) = (origin.origin(), 0, Hash::default(), *kind);
        entry.body = vec![0xff; 40 * usize::from(*kind % 40)];
        entry.link = Some(Dot { origin: Origin([0xee; 16]), seq: u64::MAX });
        entry.heads = Some(vec![[0xdd; 32]; 3]);
        match index % 3 {
            0 => entry.hlc = Hlc(1),
            1 => entry.hlc = Hlc(u64::MAX),
            _ => {}
        }
        if let Some(author) = entry.author.as_mut().filter(|_| index % 2 == 0) {
            author.session.node = NodeId([0xcc; 32]);
        }
        let (sealed, hash) = chain::seal(&entry);
        let signature = Some(chain::sign(key, &run.scope, origin, 0, hash));
        runs.push(Run {
            origin,
            first: 0,
            entries: vec![SealedEntry { signature, ..sealed }],
            scope: run.scope.clone(),
        });
    }
    runs
}
