//! L11, bounded memory: no table of any node was ever found over its cap, and once nothing is under way those that pass are empty: what a node
//! keeps is explained by what is stored.

use super::Rest;
use crate::plan::Class;
use crate::world::World;

/// How long before the end the nodes must have been equal, and who lies silent, for tables to be empty, microseconds: as long as a gap that nobody closes is
/// asked about.
const AT_REST_US: u64 = 9_000_000;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    let mut wrong: Vec<String> = world.watch.over.iter().cloned().collect();
    // What a liar sends is under way until it is given up as refused, and one that replays never stops.
    let since_us = world.converged_us.map(|at_us| at_us.max(world.lied_us.unwrap_or(0)));
    let rested = since_us.is_some_and(|at_us| at_us + AT_REST_US <= world.now_us);
    if world.plan.class == Class::Core || !rested {
        return wrong;
    }
    for node in world.judged() {
        let Some(core) = &world.nodes[node].core else { continue };
        for gauge in core.gauges().into_iter().filter(|gauge| gauge.passing && gauge.now > 0) {
            wrong.push(format!("node {node} still has {} {} although nothing is under way", gauge.now, gauge.name));
        }
    }
    wrong
}
