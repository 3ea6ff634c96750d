//! Class `core`: one part of the mesh is healed, everything else stays broken.

use super::Sizes;
use crate::plan::{DiskFault, Fault, FaultKind, NetFault, NodeFault, NodePlan};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

/// How long before the healing the rest breaks, milliseconds.
const BREAKS_MS: u64 = 1_500;
/// A pause that outlasts every run, milliseconds.
const FOR_GOOD_MS: u64 = 600_000;

/// Draws the part that is healed, a majority or a region, and adds what the rest suffers from then on.
pub(super) fn draw(
    rng: &mut SmallRng,
    sizes: &Sizes,
    nodes: &[NodePlan],
    heal_at_ms: u64,
    faults: &mut Vec<Fault>,
) -> Vec<usize> {
    let mut all: Vec<usize> = (0..sizes.nodes).collect();
    let region = &nodes[rng.random_range(0..nodes.len())].region;
    let of_region: Vec<usize> = all.iter().copied().filter(|node| nodes[*node].region == *region).collect();
    let mut core = if of_region.len() < all.len() && rng.random_bool(0.4) {
        of_region
    } else {
        all.shuffle(rng);
        all[..sizes.nodes / 2 + 1].to_vec()
    };
    core.sort_unstable();
    let rest: Vec<usize> = (0..sizes.nodes).filter(|node| !core.contains(node)).collect();
    let at_ms = heal_at_ms.saturating_sub(rng.random_range(1..BREAKS_MS));
    if rng.random_bool(0.5) {
        let groups = vec![core.clone(), rest.clone()];
        faults.push(Fault { at_ms, kind: FaultKind::Net(NetFault::Partition(groups)) });
    }
    for node in rest {
        let kind = match rng.random_range(0..5) {
            0 => FaultKind::Node(NodeFault::Crash(node)),
            1 => FaultKind::Node(NodeFault::Pause(node, FOR_GOOD_MS)),
            2 => FaultKind::Disk(DiskFault::Full(node)),
            3 => FaultKind::Net(NetFault::CutOneWay(node, core[0])),
            _ => continue,
        };
        faults.push(Fault { at_ms, kind });
    }
    // What ends a fault no longer comes after these.
    faults.retain(|fault| fault.at_ms <= at_ms);
    // When days pass, who is up learns it from most of the others, and most may be gone for good.
    for fault in faults.iter_mut() {
        if let FaultKind::Node(NodeFault::Away(node, _)) = fault.kind {
            fault.kind = FaultKind::Node(NodeFault::Crash(node));
        }
    }
    faults.sort_by_key(|fault| fault.at_ms);
    core
}
