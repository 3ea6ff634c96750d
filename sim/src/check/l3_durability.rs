//! L3, durability: what was acknowledged is on the disk of every node that holds its room after quiet, and so on as many as it has homes, except what went with a destroyed disk that alone held it; and no
//! node gives its store up whose disk was honest.

use super::{Rest, judged_clients};
use crate::world::World;
use lavina_crdt::ids::MsgId;
use std::collections::BTreeSet;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    let mut wrong = world.given_up.clone();
    let judged = world.judged();
    let ids: Vec<BTreeSet<MsgId>> = judged.iter().map(|node| world.stored_ids(*node)).collect();
    for client in judged_clients(world) {
        for (text, sent) in &client.sent {
            let Some((id, _)) = &sent.acked else { continue };
            let Ok(id) = id.parse::<MsgId>() else {
                wrong.push(format!("{text} was acknowledged to {} with {id:?}, which is no id", client.nick));
                continue;
            };
            if world.lost.has(id) {
                continue;
            }
            let has = |at: &usize| ids[*at].contains(&id);
            let scope = (0..judged.len()).find(has).and_then(|at| world.scope_of(judged[at], id));
            let is_due = |at: &usize| scope.as_ref().is_none_or(|scope| world.holds(judged[*at], scope));
            for at in (0..judged.len()).filter(|at| is_due(at) && !has(at)) {
                let (nick, node) = (&client.nick, judged[at]);
                wrong.push(format!("{text} was acknowledged to {nick} as {id} and is not on node {node}"));
            }
            let copies = (0..judged.len()).filter(has).count();
            if copies < world.copies_due() {
                wrong.push(format!("{text} was acknowledged to {} as {id} and is on {copies} disks", client.nick));
            }
        }
    }
    wrong
}
