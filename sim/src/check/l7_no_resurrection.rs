//! L7, no resurrection: a ban that its founder set and nobody lifted is there on every node.

use super::Rest;
use crate::world::World;
use lavina_crdt::room::Mask;

pub(super) fn check(world: &mut World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for index in 0..world.clients.len() {
        for (room, name) in world.clients[index].bans.keys().cloned().collect::<Vec<_>>() {
            if world.plan.rooms[room].founder != Some(index) || !world.is_judged_client(index) {
                continue;
            }
            for node in world.judged() {
                let Some(state) = world.room_state(node, &rest.rooms[room]) else { continue };
                let held = state.bans.keys().any(|mask| match mask {
                    Mask::Glob(glob) => glob.starts_with(&name),
                    Mask::Account(account) => account.as_str() == name,
                });
                if !held {
                    let nick = &world.clients[index].nick;
                    wrong.push(format!(
                        "the ban on {name} that {nick} set in {} is gone at node {node}",
                        rest.rooms[room]
                    ));
                }
            }
        }
    }
    wrong
}
