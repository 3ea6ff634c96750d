//! Faults of links.

use super::{Draw, Kind};
use crate::plan::{Fault, FaultKind, NetFault};
use rand::Rng;
use rand::rngs::SmallRng;

pub(super) const KINDS: &[Kind] = &[partition, loss, slow, cut_one_way];

fn partition(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let nodes = draw.sizes.nodes;
    let count = rng.random_range(2..=3.min(nodes.max(2)));
    let mut groups = vec![Vec::new(); count];
    for node in 0..nodes {
        groups[rng.random_range(0..count)].push(node);
    }
    draw.between(FaultKind::Net(NetFault::Partition(groups)), FaultKind::Net(NetFault::HealLinks))
}

fn loss(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let comes = NetFault::Loss(rng.random_range(1..300));
    draw.between(FaultKind::Net(comes), FaultKind::Net(NetFault::Loss(0)))
}

fn slow(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let comes = NetFault::Slow(rng.random_range(2..10));
    draw.between(FaultKind::Net(comes), FaultKind::Net(NetFault::Slow(1)))
}

fn cut_one_way(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    let other = (node + rng.random_range(1..draw.sizes.nodes.max(2))) % draw.sizes.nodes;
    draw.between(FaultKind::Net(NetFault::CutOneWay(node, other)), FaultKind::Net(NetFault::HealLinks))
}
