//! L2, bounded convergence: after the last fault all judged nodes are equal in what they hold within the plan's bound; if not, this says what is pending.

use super::Rest;
use crate::world::World;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    if world.converged_us.is_some() {
        return Vec::new();
    }
    let judged = world.judged();
    let Some((one, others)) = judged.split_first() else { return Vec::new() };
    let mut wrong: Vec<String> = judged
        .iter()
        .filter(|node| world.nodes[**node].core.is_none())
        .map(|node| format!("node {node} is not up"))
        .collect();
    for node in others {
        wrong.extend(difference(world, *one, *node));
    }
    if wrong.is_empty() {
        wrong.push("the nodes became equal only after the bound".to_owned());
    }
    wrong
}

/// What two nodes lack of one another, and what is under way at both.
fn difference(world: &World, one: usize, other: usize) -> Vec<String> {
    let (ours, theirs) = (world.vectors(one), world.vectors(other));
    let mut wrong = Vec::new();
    let all = ours.keys().chain(theirs.keys().filter(|scope| !ours.contains_key(*scope)));
    for scope in all.filter(|scope| world.holds(one, scope) && world.holds(other, scope)) {
        let vector = ours.get(scope).cloned().unwrap_or_default();
        let there = theirs.get(scope).cloned().unwrap_or_default();
        let lacks: u64 = vector.missing_in(&there).map(|(_, from, to)| to - from).sum();
        let more: u64 = there.missing_in(&vector).map(|(_, from, to)| to - from).sum();
        if lacks + more > 0 {
            wrong.push(format!(
                "node {other} lacks {lacks} entries of {scope:?} that node {one} has, and has {more} that it lacks; {}; pending at {one}: {}; at {other}: {}",
                if world.are_connected(one, other) { "they are connected" } else { "they are not connected" },
                pending(world, one),
                pending(world, other),
            ));
        }
    }
    wrong
}

/// What is under way at a node.
fn pending(world: &World, node: usize) -> String {
    let Some(core) = &world.nodes[node].core else { return "it is down".to_owned() };
    let under_way: Vec<String> = core
        .gauges()
        .into_iter()
        .filter(|gauge| gauge.now > 0)
        .map(|gauge| format!("{} {}", gauge.now, gauge.name))
        .collect();
    if under_way.is_empty() { "nothing".to_owned() } else { under_way.join(", ") }
}
