//! L3, durability: what was acknowledged is on the disk of every node that holds its room after quiet, and so on as many as it has homes, except what went with a destroyed disk that alone held it; and no
//! node gives its store up whose disk was honest.

use super::{Rest, judged_clients};
use crate::world::World;
use lavina_crdt::ids::{MsgId, Scope};
use std::collections::BTreeMap;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    let mut wrong = world.given_up.clone();
    let judged = world.judged();
    let mut scopes: BTreeMap<Scope, usize> = BTreeMap::new();
    let ids: Vec<BTreeMap<MsgId, usize>> = judged.iter().map(|node| world.stored_ids(*node, &mut scopes)).collect();
    let is_held = |scope: &Scope| judged.iter().map(|node| world.holds(*node, scope)).collect::<Vec<bool>>();
    let held: BTreeMap<usize, Vec<bool>> = scopes.iter().map(|(scope, place)| (*place, is_held(scope))).collect();
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
            let has = |at: &usize| ids[*at].contains_key(&id);
            let scope = ids.iter().find_map(|ids| ids.get(&id));
            let is_due = |at: &usize| scope.and_then(|scope| held.get(scope)).is_none_or(|held| held[*at]);
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
