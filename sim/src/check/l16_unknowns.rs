//! L16, unknowns: an entry that older versions do not know is on every judged node that holds its scope as it was written, through upgrades and rollbacks; an act that was not
//! understood counts where it is; and no connection fails for what a version does not speak or understand.

use super::Rest;
use crate::plan::{Class, Release, release};
use crate::world::World;
use crate::world::news::Written;
use lavina_core::store::Store;
use lavina_crdt::chain;
use lavina_crdt::entry::SealedEntry;

pub(super) fn check(world: &mut World, rest: &Rest) -> Vec<String> {
    if world.plan.class == Class::Byzantine {
        return Vec::new();
    }
    let mut wrong = world.news.disconnected.clone();
    let held = world.news.written.iter().filter(|written| written.durable && !world.lost.has(written.key.msg_id()));
    for written in held {
        wrong.extend(difference(world, written));
    }
    if release::oldest(&world.plan) == Release::Previous {
        wrong.extend(titles(world, rest));
    }
    wrong
}

/// Where an entry is not, or not as it was written.
fn difference(world: &World, written: &Written) -> Option<String> {
    let Written { node, scope, key, kind, body, .. } = written;
    let what = format!("entry {:?} of kind {kind} in {scope:?}, written by node {node},", key.dot());
    let mut first: Option<(usize, SealedEntry)> = None;
    for judged in world.judged_holders(scope) {
        let run = world.nodes[judged].store.run(scope, key.origin, key.seq, 0).ok().flatten();
        let Some(sealed) = run.and_then(|run| run.entries.into_iter().next()) else {
            return Some(format!("{what} is not on node {judged}"));
        };
        if !chain::open(&sealed).is_some_and(|entry| entry.kind == *kind && entry.body == *body) {
            return Some(format!("{what} is another on node {judged}"));
        }
        match &first {
            Some((one, other)) if other.bytes != sealed.bytes => {
                return Some(format!("{what} has other bytes on node {judged} than on node {one}"));
            }
            Some(_) => {}
            None => first = Some((judged, sealed)),
        }
    }
    None
}

/// Rooms whose title is not the one that the acts come to, at nodes that understand them.
fn titles(world: &mut World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for (room, judged) in rest.rooms.iter().zip(&rest.judged) {
        let Some(judged) = judged else { continue };
        for node in world.judged() {
            let Some(state) = world.room_state(node, room) else { continue };
            let right = if world.nodes[node].release == Release::Previous { &None } else { &judged.state.title };
            if state.title != *right {
                wrong.push(format!("the title of {room} at node {node} is {:?} and comes to {right:?}", state.title));
            }
        }
    }
    wrong
}
