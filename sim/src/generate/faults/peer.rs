//! One node that is not honest, from some time on, with a few tricks of its own.

use super::STORM_FROM_MS;
use crate::plan::{Fault, FaultKind, PeerFault};
use rand::Rng;
use rand::rngs::SmallRng;

const TRICKS: &[fn(usize) -> PeerFault] = &[
    PeerFault::Equivocate,
    PeerFault::Forge,
    PeerFault::Withhold,
    PeerFault::Replay,
    PeerFault::FakeVectors,
    PeerFault::Poison,
];

/// Makes one node of the mesh lie; it has at least one trick.
pub(in crate::generate) fn one_liar(rng: &mut SmallRng, nodes: usize, faults: &mut Vec<Fault>, heal_at_ms: u64) {
    // Of fewer than four nodes one is no small minority.
    if nodes < 4 {
        return;
    }
    let node = rng.random_range(0..nodes);
    let surely = rng.random_range(0..TRICKS.len());
    for (index, trick) in TRICKS.iter().enumerate() {
        if index == surely || rng.random_bool(0.3) {
            let at_ms = rng.random_range(STORM_FROM_MS..(STORM_FROM_MS + heal_at_ms) / 2);
            faults.push(Fault { at_ms, kind: FaultKind::Peer(trick(node)) });
        }
    }
    faults.sort_by_key(|fault| fault.at_ms);
}
