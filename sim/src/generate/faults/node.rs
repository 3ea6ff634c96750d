//! Faults of whole nodes.

use super::{Draw, Kind};
use crate::plan::{Fault, FaultKind, NetFault, NodeFault};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

pub(super) const KINDS: &[Kind] = &[
    crash,
    crash_loop,
    kill_in_start,
    pause,
    gateway_dies,
    gateway_isolated,
    revoke,
    away,
    all_down,
    forget_bootstrap,
];

/// Longest time between the starts of nodes after all were down, milliseconds.
const COLD_START_MS: u64 = 1_500;

fn crash(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    draw.between(FaultKind::Node(NodeFault::Crash(node)), FaultKind::Node(NodeFault::Restart(node)))
}

fn crash_loop(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    draw.once(NodeFault::CrashLoop(node, rng.random_range(2..6)))
}

/// From the first microseconds of a start to the middle of catching up.
fn kill_in_start(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    let most_us = [500, 20_000, 2_000_000][rng.random_range(0..3)];
    draw.once(NodeFault::KillInStart(node, rng.random_range(0..most_us)))
}

/// Short stops, those that peers take for a death, and those that outlast the connections: 0.1 to 600 s.
fn pause(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    let ms = match rng.random_range(0..8) {
        0..3 => rng.random_range(100..1_500),
        3..6 => rng.random_range(1_500..20_000),
        _ => rng.random_range(20_000..=600_000),
    };
    draw.once(NodeFault::Pause(node, ms))
}

fn gateway_dies(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    draw.once(NodeFault::GatewayDies(node))
}

fn gateway_isolated(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    draw.between(FaultKind::Node(NodeFault::GatewayIsolated(node)), FaultKind::Net(NetFault::HealLinks))
}

fn revoke(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let (node, by) = (draw.node(rng), draw.node(rng));
    let thrown_out = FaultKind::Node(NodeFault::Revoke(node, by));
    if rng.random_bool(0.7) {
        draw.between(thrown_out, FaultKind::Node(NodeFault::Rejoin(node, by)))
    } else {
        vec![Fault { at_ms: draw.at_ms, kind: thrown_out }]
    }
}

fn away(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    let away = NodeFault::Away(node, rng.random_range(1..=30));
    draw.between(FaultKind::Node(away), FaultKind::Node(NodeFault::Restart(node)))
}

/// Cold start in any order.
fn all_down(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let mut nodes: Vec<usize> = (0..draw.sizes.nodes).collect();
    nodes.shuffle(rng);
    let mut faults = draw.once(NodeFault::AllDown);
    let mut at_ms = draw.at_ms;
    for node in nodes {
        at_ms += rng.random_range(0..COLD_START_MS);
        faults.push(Fault { at_ms, kind: FaultKind::Node(NodeFault::Restart(node)) });
    }
    faults
}

fn forget_bootstrap(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    draw.once(NodeFault::ForgetBootstrap(node))
}
