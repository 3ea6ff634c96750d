//! L2, bounded convergence: after the last fault all nodes are equal within the plan's bound.

use super::Rest;
use crate::world::World;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    if world.converged_us.is_some() {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    let first = world.honest().first().map(|node| world.vectors(*node)).unwrap_or_default();
    for node in world.honest() {
        if world.nodes[node].core.is_none() {
            wrong.push(format!("node {node} is not up"));
        }
        let vectors = world.vectors(node);
        for scope in first.keys().chain(vectors.keys()) {
            let (one, other) =
                (first.get(scope).cloned().unwrap_or_default(), vectors.get(scope).cloned().unwrap_or_default());
            let lacks: u64 = one.missing_in(&other).map(|(_, from, to)| to - from).sum();
            let more: u64 = other.missing_in(&one).map(|(_, from, to)| to - from).sum();
            if lacks + more > 0 {
                wrong.push(format!(
                    "node {node} lacks {lacks} entries of {scope:?} that node 0 has, and has {more} that it lacks"
                ));
            }
        }
    }
    if wrong.is_empty() {
        wrong.push("the nodes became equal only after the bound".to_owned());
    }
    wrong
}
