//! Meshes of two versions: a rolling restart to the newer one, at some times back again, and at some times left half-way.

use super::STORM_FROM_MS;
use crate::plan::{Action, ClientPlan, Fault, FaultKind, NodeFault, NodePlan, Release};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

/// Longest time between two nodes of a rolling restart, milliseconds.
const GAP_MS: u64 = 2_500;

/// Gives nodes their versions and adds the restarts.
pub(super) fn roll(
    rng: &mut SmallRng,
    nodes: &mut [NodePlan],
    clients: &mut [ClientPlan],
    faults: &mut Vec<Fault>,
    heal_at_ms: u64,
) {
    let older = if rng.random_bool(0.5) { Release::Previous } else { Release::Current };
    for node in nodes.iter_mut() {
        node.release = older;
    }
    if older == Release::Previous {
        // The form that says a title has more in it, which counts nowhere that does not understand all of it.
        for client in clients {
            client.script.retain(|step| !matches!(&step.action, Action::Deed(deed, ..) if deed == "config-title"));
        }
    }
    let mut waiting: Vec<usize> = (0..nodes.len()).collect();
    waiting.shuffle(rng);
    // At some times one node is newer from the start.
    if rng.random_bool(0.3)
        && let Some(first) = waiting.pop()
    {
        nodes[first].release = older.newer().unwrap_or(older);
    }
    let rolling = waiting.clone();
    let mut at_ms = rng.random_range(STORM_FROM_MS..(STORM_FROM_MS + heal_at_ms) / 2);
    let mut roll = |rng: &mut SmallRng, nodes: &[usize], kind: fn(usize) -> NodeFault| {
        for node in nodes {
            faults.push(Fault { at_ms, kind: FaultKind::Node(kind(*node)) });
            at_ms += rng.random_range(100..GAP_MS);
        }
    };
    let half_way = rng.random_range(1..=rolling.len().max(1)).min(rolling.len());
    match rng.random_range(0..4) {
        0 => roll(rng, &rolling, NodeFault::Upgrade),
        1 => roll(rng, &rolling[..half_way], NodeFault::Upgrade),
        2 => {
            roll(rng, &rolling[..half_way], NodeFault::Upgrade);
            roll(rng, &rolling[..half_way], NodeFault::Rollback);
        }
        _ => {
            roll(rng, &rolling[..half_way], NodeFault::Upgrade);
            roll(rng, &rolling[..half_way], NodeFault::Rollback);
            roll(rng, &rolling, NodeFault::Upgrade);
        }
    }
    faults.retain(|fault| fault.at_ms < heal_at_ms);
    faults.sort_by_key(|fault| fault.at_ms);
}
