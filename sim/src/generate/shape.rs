//! Shapes of a run that faults do not make: a node that is added late, one node with nearly all clients, and people on both sides of each
//! cut who enter and speak in a room that is new to both.

use super::STORM_FROM_MS;
use crate::plan::{Action, ClientPlan, Fault, FaultKind, NetFault, NodePlan, RoomPlan, Step};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

/// How long after a cut somebody enters a new room, milliseconds.
const ENTERS_MS: u64 = 400;
/// How long after that they speak there, milliseconds.
const SPEAKS_MS: u64 = 300;
/// Cuts of a run in which that happens.
const CUTS: usize = 2;
/// Lines that each client of a hot node says in the busiest room.
const HOT_LINES: usize = 8;

/// In some runs a node that no founder uses comes late, with everything to catch up on.
pub(super) fn late_node(
    rng: &mut SmallRng,
    nodes: &mut [NodePlan],
    clients: &[ClientPlan],
    founders: usize,
    heal_at_ms: u64,
) {
    let used = |node: &usize| clients.iter().take(founders).any(|client| client.node == *node);
    let free: Vec<usize> = (1..nodes.len()).filter(|node| !used(node)).collect();
    if rng.random_bool(0.2)
        && let Some(node) = free.choose(rng)
    {
        nodes[*node].starts_at_ms = rng.random_range(STORM_FROM_MS..heal_at_ms);
    }
}

/// In some runs nearly all clients are on one node, in one room, and talk.
pub(super) fn hot_node(rng: &mut SmallRng, nodes: usize, clients: &mut [ClientPlan], founders: usize, heal_at_ms: u64) {
    if !rng.random_bool(0.15) {
        return;
    }
    let hot = rng.random_range(0..nodes);
    for client in clients.iter_mut().skip(founders) {
        if rng.random_bool(0.9) {
            client.node = hot;
        }
        if !client.rooms.contains(&0) {
            client.rooms.push(0);
        }
        for _ in 0..HOT_LINES {
            let at_ms = rng.random_range(STORM_FROM_MS..heal_at_ms);
            client.script.push(Step { at_ms, action: Action::Say(0) });
        }
        client.script.sort_by_key(|step| step.at_ms);
    }
}

/// Somebody on each node enters a new room in a cut, and speaks there.
pub(super) fn rooms_in_cuts(
    rng: &mut SmallRng,
    nodes: usize,
    rooms: &mut Vec<RoomPlan>,
    clients: &mut [ClientPlan],
    faults: &[Fault],
) {
    let cuts = faults.iter().filter(|fault| matches!(fault.kind, FaultKind::Net(NetFault::Partition(_))));
    for (number, cut) in cuts.take(CUTS).enumerate() {
        let room = rooms.len();
        rooms.push(RoomPlan { name: format!("cut{number}"), founder: None });
        for node in 0..nodes {
            let there = |index: &usize| clients[*index].node == node && clients[*index].connect_at_ms < cut.at_ms;
            let there: Vec<usize> = (0..clients.len()).filter(there).collect();
            let Some(client) = there.choose(rng).copied() else { continue };
            let at_ms = cut.at_ms + rng.random_range(1..ENTERS_MS);
            let script = &mut clients[client].script;
            script.push(Step { at_ms, action: Action::Join(room) });
            script.push(Step { at_ms: at_ms + SPEAKS_MS, action: Action::Say(room) });
            script.sort_by_key(|step| step.at_ms);
        }
    }
}
