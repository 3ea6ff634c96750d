//! Nodes that their operators empty: some are to be homes again later, others are thrown out once others have what they had, and come back as
//! new ones. Where rooms live on some nodes only; what a seed draws of it leaves everything else that the seed draws as it is.

use super::{STORM_FROM_MS, Sizes};
use crate::plan::{Fault, FaultKind, NodeFault, NodePlan};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Share of the seeds with rooms on some nodes in which that happens.
const SHARE: f64 = 0.3;
/// Share of these in which the node is replaced.
const REPLACED_SHARE: f64 = 0.7;
/// How far off a clock may be that counts as right, milliseconds.
const RIGHT_MS: u64 = 60_000;

pub(super) fn add(seed: u64, sizes: &Sizes, nodes: &[NodePlan], faults: &mut Vec<Fault>, heal_at_ms: u64) {
    let mut rng = SmallRng::seed_from_u64(seed ^ 0x0064_7261_696e);
    let is_placed = sizes.placing.homes(seed).is_some_and(|homes| homes.get() < sizes.nodes);
    if !is_placed || !rng.random_bool(SHARE) {
        return;
    }
    let (node, by) = (rng.random_range(0..sizes.nodes), rng.random_range(0..sizes.nodes));
    let at_ms = rng.random_range(STORM_FROM_MS..heal_at_ms - 1_000);
    let until_ms = rng.random_range(at_ms..heal_at_ms);
    // Most clocks are to be right, also those of the nodes that are left.
    let is_wrong = |node: &NodePlan| node.clock_offset_ms.unsigned_abs() > RIGHT_MS;
    let are_right =
        !nodes.iter().any(is_wrong) && !faults.iter().any(|fault| matches!(fault.kind, FaultKind::Clock(_)));
    let is_replaced = rng.random_bool(REPLACED_SHARE) && are_right;
    let mut put = |at_ms, fault| faults.push(Fault { at_ms, kind: FaultKind::Node(fault) });
    put(at_ms, NodeFault::Drain(node, by));
    if is_replaced {
        put(at_ms + 1, NodeFault::Revoke(node, by));
        put(until_ms, NodeFault::Rejoin(node, by));
    } else {
        put(until_ms, NodeFault::Undrain(node, by));
    }
    faults.sort_by_key(|fault| fault.at_ms);
}

#[cfg(test)]
mod tests {
    use crate::{Placing, Plan, Sizes, generate};
    use std::num::NonZeroUsize;

    #[test]
    fn nodes_are_emptied_where_rooms_live_on_some_and_some_of_them_are_replaced() {
        let placed = Sizes { placing: Placing::Homes(NonZeroUsize::MIN), ..Sizes::default() };
        let (mut drained, mut replaced) = (0, 0);
        for seed in 0..200 {
            let all = generate(seed, &Sizes { placing: Placing::Everywhere, ..Sizes::default() });
            let Plan { faults, .. } = generate(seed, &placed);
            let is = |name: &'static str| move |fault: &&crate::Fault| fault.kind.name() == name;
            drained += faults.iter().filter(is("drain")).count();
            let revoked = |faults: &[crate::Fault]| faults.iter().filter(is("revoke")).count();
            replaced += revoked(&faults) - revoked(&all.faults);
        }
        assert!(drained > 20 && replaced > 2 && replaced < drained, "{drained} {replaced}");
    }
}
