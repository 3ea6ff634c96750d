//! L8, role safety: who founded a room stays its founder, since nobody else may take that away, whatever was done concurrently; and what
//! an operator did on one side of a cut does not count when the founder demoted it on the other side of the same cut.

use super::Rest;
use crate::client::When;
use crate::plan::{FaultKind, NetFault};
use crate::world::World;
use lavina_crdt::content::Principal;
use lavina_crdt::names::RoomName;
use lavina_crdt::room::{Mask, Rank};

pub(super) fn check(world: &mut World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for (room, name) in rest.rooms.iter().enumerate() {
        let founder = world.plan.rooms[room].founder.and_then(|index| world.clients[index].account());
        let Some(founder) = founder.map(Principal::Account) else { continue };
        for node in world.judged() {
            let Some(state) = world.room_state(node, name) else { continue };
            let rank = state.rank(&founder);
            if rank != Rank::Founder {
                wrong.push(format!("{founder:?} founded {name} and is {rank:?} at node {node}"));
            }
        }
    }
    for index in 0..world.clients.len() {
        wrong.extend(void_bans(world, rest, index));
    }
    wrong
}

/// Bans of a client that stand although the founder had demoted it, concurrently since behind a cut.
fn void_bans(world: &mut World, rest: &Rest, index: usize) -> Vec<String> {
    let mut void: Vec<(RoomName, String)> = Vec::new();
    let operator = &world.clients[index];
    for ((room, mask), banned) in &operator.bans {
        let Some(founder) =
            world.plan.rooms[*room].founder.filter(|founder| *founder != index && world.is_judged_client(*founder))
        else {
            continue;
        };
        let founder = &world.clients[founder];
        let demoted = founder.deops.iter().any(|(name, nick, deopped)| {
            let same = *name == world.plan.rooms[*room].name && *nick == operator.plan.nick;
            same && operator.account().is_some() && is_cut(world, *deopped, *banned)
        });
        if demoted {
            void.push((rest.rooms[*room].clone(), mask.clone()));
        }
    }
    let mut wrong = Vec::new();
    for (room, mask) in void {
        for node in world.judged() {
            let Some(state) = world.room_state(node, &room) else { continue };
            if state.bans.keys().any(|ban| matches!(ban, Mask::Glob(glob) if glob.starts_with(&mask))) {
                wrong.push(format!(
                    "the ban on {mask} in {room} stands at node {node}, though its author was demoted concurrently"
                ));
            }
        }
    }
    wrong
}

/// Whether two acts were done on different sides of one and the same cut.
fn is_cut(world: &World, one: When, other: When) -> bool {
    let (first, last) = (one.at_us.min(other.at_us), one.at_us.max(other.at_us));
    let since_us = |ms: u64| ms * 1000 + SEEN_US;
    let mut changes = world.plan.faults.iter().filter(|fault| {
        matches!(fault.kind, FaultKind::Net(NetFault::Partition(_) | NetFault::HealLinks))
            && since_us(fault.at_ms) <= last
    });
    let Some(cut) = changes.next_back().filter(|cut| since_us(cut.at_ms) <= first) else { return false };
    let FaultKind::Net(NetFault::Partition(groups)) = &cut.kind else { return false };
    !groups.iter().any(|group| group.contains(&one.home) && group.contains(&other.home))
}

/// What a client sees of its own act this long after a cut was durable only after it, microseconds.
const SEEN_US: u64 = 1_000;
