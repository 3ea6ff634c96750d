//! Faults of links.

use super::{Draw, Kind};
use crate::plan::{Fault, FaultKind, NetFault};
use rand::Rng;
use rand::rngs::SmallRng;

pub(super) const KINDS: &[Kind] =
    &[partition, loss, slow, cut_one_way, nested, cut_link, bursts, duplicate, reorder, rate, clog];
/// What only whole packets can show.
pub(super) const PACKET_KINDS: &[Kind] = &[mtu, rebind];

fn net(draw: &Draw<'_>, comes: NetFault, goes: NetFault) -> Vec<Fault> {
    draw.between(FaultKind::Net(comes), FaultKind::Net(goes))
}

fn groups(rng: &mut SmallRng, nodes: usize) -> Vec<Vec<usize>> {
    let count = rng.random_range(2..=3.min(nodes.max(2)));
    let mut groups = vec![Vec::new(); count];
    for node in 0..nodes {
        groups[rng.random_range(0..count)].push(node);
    }
    groups
}

/// A node and another.
fn link(rng: &mut SmallRng, draw: &Draw<'_>) -> (usize, usize) {
    let node = draw.node(rng);
    (node, (node + rng.random_range(1..draw.sizes.nodes.max(2))) % draw.sizes.nodes)
}

fn partition(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let groups = groups(rng, draw.sizes.nodes);
    net(draw, NetFault::Partition(groups), NetFault::HealLinks)
}

/// A cut, and another across it before the first has healed.
fn nested(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let (outer, inner) = (groups(rng, draw.sizes.nodes), groups(rng, draw.sizes.nodes));
    let mut faults = net(draw, NetFault::Partition(outer), NetFault::HealLinks);
    let at_ms = draw.at_ms + (draw.until_ms - draw.at_ms) / 2;
    faults.push(Fault { at_ms, kind: FaultKind::Net(NetFault::PartitionToo(inner)) });
    faults
}

fn loss(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    net(draw, NetFault::Loss(rng.random_range(1..300)), NetFault::Loss(0))
}

fn bursts(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    net(draw, NetFault::Bursts(rng.random_range(20..500), rng.random_range(2..30)), NetFault::Bursts(0, 0))
}

fn duplicate(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    net(draw, NetFault::Duplicate(rng.random_range(10..500)), NetFault::Duplicate(0))
}

fn reorder(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    net(draw, NetFault::Reorder(rng.random_range(10..500)), NetFault::Reorder(0))
}

fn slow(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    net(draw, NetFault::Slow(rng.random_range(2..10)), NetFault::Slow(1))
}

fn cut_one_way(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let (from, to) = link(rng, draw);
    net(draw, NetFault::CutOneWay(from, to), NetFault::HealLinks)
}

fn cut_link(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let (one, other) = link(rng, draw);
    net(draw, NetFault::CutLink(one, other), NetFault::HealLink(one, other))
}

fn rate(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let (one, other) = link(rng, draw);
    net(draw, NetFault::Rate(one, other, rng.random_range(32..1_000)), NetFault::Rate(one, other, 0))
}

fn clog(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let (one, other) = link(rng, draw);
    let ms = (draw.until_ms - draw.at_ms).min(rng.random_range(200..8_000));
    vec![Fault { at_ms: draw.at_ms, kind: FaultKind::Net(NetFault::Clog(one, other, ms)) }]
}

/// Below what QUIC finds by probing, not below what it needs (RFC 9000 section 14).
fn mtu(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let (one, other) = link(rng, draw);
    net(draw, NetFault::Mtu(one, other, rng.random_range(1_200..1_420)), NetFault::Mtu(one, other, 0))
}

fn rebind(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    vec![Fault { at_ms: draw.at_ms, kind: FaultKind::Net(NetFault::Rebind(draw.node(rng))) }]
}
