//! Faults of disks.

use super::{Draw, Kind};
use crate::plan::{DiskFault, Fault, FaultKind, Level, NodeFault};
use rand::Rng;
use rand::rngs::SmallRng;

pub(super) const KINDS: &[Kind] =
    &[full, slow, read_error, sync_error, bit_rot, truncate, loss, old_backup, power_loss];

fn full(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    draw.between(FaultKind::Disk(DiskFault::Full(node)), FaultKind::Disk(DiskFault::Freed(node)))
}

fn slow(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    let comes = DiskFault::Slow(node, rng.random_range(5..500));
    draw.between(FaultKind::Disk(comes), FaultKind::Disk(DiskFault::Slow(node, 1)))
}

fn read_error(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    mended(draw, node, DiskFault::ReadError(node))
}

fn sync_error(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    mended(draw, node, DiskFault::SyncError(node))
}

/// From one bit to a bad patch. Whether the node notices by itself or at its next start is a matter of what it reads.
fn bit_rot(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let (node, bits) = (draw.node(rng), 1 << rng.random_range(0..10));
    if draw.has_bytes() { mended(draw, node, DiskFault::BitRot(node, bits)) } else { Vec::new() }
}

fn truncate(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let (node, part) = (draw.node(rng), rng.random());
    if draw.has_bytes() { mended(draw, node, DiskFault::Truncate(node, part)) } else { Vec::new() }
}

fn loss(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    draw.between(FaultKind::Disk(DiskFault::Loss(node)), FaultKind::Node(NodeFault::Restart(node)))
}

/// The copy is made at some time, put back later, and the node started at once or after a while.
fn old_backup(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    let mut faults =
        draw.between(FaultKind::Disk(DiskFault::Backup(node)), FaultKind::Disk(DiskFault::OldBackup(node)));
    let kind = FaultKind::Node(NodeFault::Restart(node));
    faults.push(Fault { at_ms: draw.until_ms + rng.random_range(1..1_000), kind });
    faults
}

fn power_loss(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    draw.between(FaultKind::Disk(DiskFault::PowerLoss(node)), FaultKind::Node(NodeFault::Restart(node)))
}

fn mended(draw: &Draw<'_>, node: usize, comes: DiskFault) -> Vec<Fault> {
    draw.between(FaultKind::Disk(comes), FaultKind::Disk(DiskFault::Mended(node)))
}

impl Draw<'_> {
    /// Whether disks are made of bytes.
    fn has_bytes(&self) -> bool {
        self.sizes.level == Level::L1
    }
}
