//! Rendezvous hashing (Thaler and Ravishankar, 1998): every node ranks the same candidates alike without asking anybody, and the loss
//! of one moves only what was its own.

use crate::tree::scope_hash;
use lavina_crdt::derived::{Context, context};
use lavina_crdt::entry::Hash;
use lavina_crdt::ids::{NodeId, Origin, Scope};
use std::collections::BTreeSet;

static GATEWAY: Context = context("lavina 1 gateway");
static ENVOY: Context = context("lavina 1 envoy");
static REGIONS: Context = context("lavina 1 regions");

/// The gateway of a region for what an origin writes in a scope, when these are the region's live nodes.
#[must_use]
pub fn gateway(scope: &Scope, origin: Origin, candidates: &[NodeId]) -> Option<NodeId> {
    gateways(&scope_hash(scope), origin, candidates).into_iter().next()
}

/// Gateways of one region for the entries of an origin in a scope, best first.
pub(crate) fn gateways(scope: &Hash, origin: Origin, candidates: &[NodeId]) -> Vec<NodeId> {
    rank(&GATEWAY, &[&scope.0, &origin.0], candidates)
}

/// Nodes of one region that compare replicas with another region, best first.
pub(crate) fn envoys(regions: (&str, &str), candidates: &[NodeId]) -> Vec<NodeId> {
    rank(&ENVOY, &[regions.0.as_bytes(), &[0], regions.1.as_bytes()], candidates)
}

/// How many of the pairs that `region` makes with all others rank before its pair with `other`.
pub(crate) fn region_rank(region: &str, other: &str, regions: &BTreeSet<&str>) -> usize {
    let score = |with: &str| {
        let mut hasher = REGIONS.hasher();
        hasher.update(region.min(with).as_bytes());
        hasher.update(&[0]);
        hasher.update(region.max(with).as_bytes());
        (*hasher.finalize().as_bytes(), region.min(with).to_owned(), region.max(with).to_owned())
    };
    let own = score(other);
    regions.iter().filter(|with| **with != region && score(with) > own).count()
}

fn rank(context: &Context, key: &[&[u8]], candidates: &[NodeId]) -> Vec<NodeId> {
    let mut base = context.hasher();
    for part in key {
        base.update(part);
    }
    let mut scored: Vec<([u8; 32], NodeId)> = candidates
        .iter()
        .map(|node| {
            let mut hasher = base.clone();
            hasher.update(&node.0);
            (*hasher.finalize().as_bytes(), *node)
        })
        .collect();
    scored.sort_unstable_by(|a, b| b.cmp(a));
    scored.into_iter().map(|(_, node)| node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeId {
        NodeId([n; 32])
    }

    #[test]
    fn losing_a_candidate_moves_only_what_it_ranked_first_for() {
        let all: Vec<NodeId> = (0..5).map(node).collect();
        for origin in 0..50 {
            let origin = Origin([origin; 16]);
            let ranked = gateways(&Hash([7; 32]), origin, &all);
            let fewer: Vec<NodeId> = all.iter().copied().filter(|node| *node != ranked[0]).collect();
            assert_eq!(gateways(&Hash([7; 32]), origin, &fewer), ranked[1..]);
        }
    }

    #[test]
    fn gateways_spread_over_a_region() {
        let all: Vec<NodeId> = (0..4).map(node).collect();
        let firsts = (0..=255u8).map(|n| gateways(&Hash([n; 32]), Origin([1; 16]), &all)[0]);
        let mut counts = [0; 4];
        firsts.for_each(|node| counts[usize::from(node.0[0])] += 1);
        assert!(counts.iter().all(|count| *count > 32), "{counts:?}");
    }
}
