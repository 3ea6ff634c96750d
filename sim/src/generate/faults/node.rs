//! Faults of whole nodes.

use super::{Draw, Kind};
use crate::plan::{Fault, FaultKind, NodeFault};
use rand::rngs::SmallRng;

pub(super) const KINDS: &[Kind] = &[crash];

fn crash(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    draw.between(FaultKind::Node(NodeFault::Crash(node)), FaultKind::Node(NodeFault::Restart(node)))
}
