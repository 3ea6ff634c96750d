//! Faults of wall clocks: wrong by anything from the start, stepping and drifting; never a majority's.

use super::{Draw, Kind};
use crate::plan::{ClockFault, DiskFault, Fault, FaultKind, NodeFault, NodePlan};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IteratorRandom;

pub(super) const KINDS: &[Kind] = &[step, drift];

/// The longest jump after which a clock still counts as right.
const STEP_MS: i64 = 10_000;

/// Ten years.
const FAR_MS: i64 = 10 * 365 * 24 * 3_600_000;

/// A jump, there and back. It stays within what keeps a majority near the true time, however many nodes jump.
fn step(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    let ms = rng.random_range(-STEP_MS..STEP_MS);
    draw.between(FaultKind::Clock(ClockFault::Step(node, ms)), FaultKind::Clock(ClockFault::Step(node, -ms)))
}

/// A clock that gains or loses up to a fifth of the time, for a while.
fn drift(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    let ppm = rng.random_range(-200_000..200_000);
    draw.between(FaultKind::Clock(ClockFault::Drift(node, ppm)), FaultKind::Clock(ClockFault::Drift(node, 0)))
}

/// Puts the clocks of some nodes, never half of them, years off from the start or from some time in the storm. Not of a node that comes up
/// without a disk while others may be out of its reach: whose first start finds nobody believes its clock, since nothing can tell it better.
pub(in crate::generate) fn years(rng: &mut SmallRng, nodes: &mut [NodePlan], faults: &mut Vec<Fault>, heal_at_ms: u64) {
    let most = nodes.len().saturating_sub(1) / 2;
    if most == 0 || !rng.random_bool(0.5) {
        return;
    }
    let count = rng.random_range(1..=most);
    let alone = |node: &usize| is_bare(*node, &nodes[*node], faults) && faults.iter().any(is_in_the_way);
    let free: Vec<usize> = (0..nodes.len()).filter(|node| !alone(node)).collect();
    for node in free.into_iter().choose_multiple(rng, count) {
        let ms = rng.random_range(-FAR_MS..FAR_MS);
        if rng.random_bool(0.5) {
            nodes[node].clock_offset_ms = ms;
        } else {
            let at_ms = rng.random_range(super::STORM_FROM_MS..heal_at_ms);
            faults.push(Fault { at_ms, kind: FaultKind::Clock(ClockFault::Step(node, ms)) });
        }
    }
    faults.sort_by_key(|fault| fault.at_ms);
}

/// Puts clocks right again where revoking takes so many of the right ones out of the mesh that no majority of it is right.
pub(in crate::generate) fn keep_most_right(nodes: &mut [NodePlan], faults: &mut Vec<Fault>) {
    let is_far = |ms: i64| ms.unsigned_abs() > STEP_MS.unsigned_abs();
    let steps_far = |fault: &Fault, of: usize| matches!(fault.kind, FaultKind::Clock(ClockFault::Step(node, ms)) if node == of && is_far(ms));
    let is_wrong =
        |node: usize| is_far(nodes[node].clock_offset_ms) || faults.iter().any(|fault| steps_far(fault, node));
    let is_revoked = |of: usize| {
        faults.iter().any(|fault| matches!(fault.kind, FaultKind::Node(NodeFault::Revoke(node, _)) if node == of))
    };
    let wrong: Vec<usize> = (0..nodes.len()).filter(|node| is_wrong(*node)).collect();
    let right = (0..nodes.len()).filter(|node| !wrong.contains(node) && !is_revoked(*node)).count();
    if right > wrong.len() {
        return;
    }
    for node in wrong {
        nodes[node].clock_offset_ms = 0;
        faults.retain(|fault| !steps_far(fault, node));
    }
}

/// Whether a node starts with an empty disk in the storm.
fn is_bare(node: usize, plan: &NodePlan, faults: &[Fault]) -> bool {
    let empties = |fault: &Fault| {
        matches!(fault.kind,
            FaultKind::Disk(DiskFault::Loss(of)) | FaultKind::Node(NodeFault::Rejoin(of, _)) if of == node)
    };
    plan.starts_at_ms > 0 || faults.iter().any(empties)
}

/// Whether a fault can keep nodes from hearing one another.
fn is_in_the_way(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Net(_) | FaultKind::Node(_))
}
