//! L8, role safety: who founded a room stays its founder, since nobody else may take that away, whatever was done concurrently.

use super::Rest;
use crate::world::World;
use lavina_crdt::content::Principal;
use lavina_crdt::room::Rank;

pub(super) fn check(world: &mut World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for (room, name) in rest.rooms.iter().enumerate() {
        let founder = world.plan.rooms[room].founder.and_then(|index| world.clients[index].account());
        let Some(founder) = founder.map(Principal::Account) else { continue };
        for node in 0..world.nodes.len() {
            let Some(state) = world.room_state(node, name) else { continue };
            let rank = state.rank(&founder);
            if rank != Rank::Founder {
                wrong.push(format!("{founder:?} founded {name} and is {rank:?} at node {node}"));
            }
        }
    }
    wrong
}
