//! Faults of disks.

use super::{Draw, Kind};
use crate::plan::{DiskFault, Fault, FaultKind};
use rand::Rng;
use rand::rngs::SmallRng;

pub(super) const KINDS: &[Kind] = &[full, slow];

fn full(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    draw.between(FaultKind::Disk(DiskFault::Full(node)), FaultKind::Disk(DiskFault::Freed(node)))
}

fn slow(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    let comes = DiskFault::Slow(node, rng.random_range(5..500));
    draw.between(FaultKind::Disk(comes), FaultKind::Disk(DiskFault::Slow(node, 1)))
}
