//! L3, durability: what was acknowledged is on every node's disk after quiet, except what went with a destroyed disk that alone held it; and no
//! node gives its store up whose disk was honest.

use super::{Rest, judged_clients};
use crate::world::World;
use lavina_crdt::ids::MsgId;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    let mut wrong = world.given_up.clone();
    for node in world.judged() {
        let ids = world.stored_ids(node);
        for client in judged_clients(world) {
            for (text, sent) in &client.sent {
                let Some((id, _)) = &sent.acked else { continue };
                match id.parse::<MsgId>() {
                    Ok(id) if ids.contains(&id) || world.lost.has(id) => {}
                    Ok(id) => wrong
                        .push(format!("{text} was acknowledged to {} as {id} and is not on node {node}", client.nick)),
                    Err(_) => {
                        wrong.push(format!("{text} was acknowledged to {} with {id:?}, which is no id", client.nick))
                    }
                }
            }
        }
    }
    wrong
}
