//! L8, role safety among liars: whatever liars do to a room, what somebody at an honest node does on top of what counts is in it.

use super::Rest;
use crate::plan::Class;
use crate::world::World;
use lavina_core::store::Store;
use lavina_crdt::chain;
use lavina_crdt::entry::{Body, Entry};
use lavina_crdt::ids::{Origin, Scope};
use lavina_crdt::names::RoomName;
use lavina_crdt::room::{RoomDoc, Vocabulary};

pub(super) fn check(world: &mut World, rest: &Rest) -> Vec<String> {
    let Some(node) = world.judged().first().copied() else { return Vec::new() };
    if world.plan.class != Class::Byzantine || world.converged_us.is_none() {
        return Vec::new();
    }
    rest.rooms.iter().flat_map(|room| muted(world, node, room)).collect()
}

/// Changes by honest nodes that are left out of a room as the entries on a node's disk make it.
fn muted(world: &World, node: usize, room: &RoomName) -> Vec<String> {
    let scope = Scope::Room(room.clone());
    let Some(core) = &world.nodes[node].core else { return Vec::new() };
    let entries = world.entries(node, &scope);
    let is_void = |entry: &&Entry| core.cut(&scope, entry.origin).is_some_and(|cut| cut <= entry.seq);
    let is_cut = entries.iter().any(|entry| core.cut(&scope, entry.origin).is_some());
    let mut doc = RoomDoc::with(room, Vocabulary::Full, is_cut);
    for (entry, author) in
        entries.iter().filter(|entry| !is_void(entry)).filter_map(|entry| Some((entry, entry.author.as_ref()?)))
    {
        if let Body::DocChange(change) = chain::body(entry) {
            doc.apply(entry.order_key(), author, &change);
        }
    }
    let is_honest = |origin: Origin| {
        let key = world.nodes[node].store.origin_key(origin).ok().flatten();
        let home = key.and_then(|key| world.by_id.get(&key.node).copied());
        home.is_some_and(|home| world.nodes[home].adversary.is_none())
    };
    let left_out = doc.left_out().into_iter().filter(|at| is_honest(at.origin));
    left_out.map(|at| format!("the change {} of {room} rests on what counts and is left out", at.msg_id())).collect()
}
