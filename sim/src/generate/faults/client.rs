//! Faults of clients and their connections.

use super::{Draw, Kind};
use crate::plan::{ClientFault, Fault, FaultKind};
use rand::Rng;
use rand::rngs::SmallRng;

pub(super) const KINDS: &[Kind] = &[r#move];

fn r#move(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let client = rng.random_range(0..draw.sizes.clients);
    let node = draw.node(rng);
    vec![Fault { at_ms: draw.at_ms, kind: FaultKind::Client(ClientFault::Move(client, node)) }]
}
