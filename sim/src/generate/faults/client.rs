//! Faults of clients and their connections.

use super::{Draw, Kind};
use crate::plan::{ClientFault, Fault, FaultKind};
use rand::Rng;
use rand::rngs::SmallRng;

pub(super) const KINDS: &[Kind] = &[r#move, fail_over, storm, half_open, deaf, flood];

fn r#move(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let client = rng.random_range(0..draw.sizes.clients);
    let node = draw.node(rng);
    vec![Fault { at_ms: draw.at_ms, kind: FaultKind::Client(ClientFault::Move(client, node)) }]
}

fn one(draw: &Draw<'_>, fault: ClientFault) -> Vec<Fault> {
    vec![Fault { at_ms: draw.at_ms, kind: FaultKind::Client(fault) }]
}

/// Of one node, or of a region: every third node is of one, at most.
fn fail_over(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let (node, to) = (draw.node(rng), draw.node(rng));
    let region = (0..draw.sizes.nodes).filter(|other| other % 3 == node % 3).collect();
    let nodes = if rng.random_bool(0.5) { region } else { vec![node] };
    one(draw, ClientFault::FailOver(nodes, to))
}

fn storm(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    one(draw, ClientFault::ReconnectStorm(node))
}

fn half_open(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let (client, node) = (rng.random_range(0..draw.sizes.clients), draw.node(rng));
    one(draw, ClientFault::HalfOpen(client, node))
}

fn deaf(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    one(draw, ClientFault::Deaf(rng.random_range(0..draw.sizes.clients)))
}

fn flood(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    one(draw, ClientFault::Flood(rng.random_range(0..draw.sizes.clients), rng.random_range(50..100)))
}
