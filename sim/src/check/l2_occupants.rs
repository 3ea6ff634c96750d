//! L2, bounded convergence of who is where: after quiet all nodes show the same occupants of a room, and those are the clients that take
//! themselves to be there.

use super::{Rest, came_lately};
use crate::world::World;
use std::collections::BTreeSet;

pub(super) fn check(world: &mut World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_counted = |client: &usize| world.is_judged_client(*client) && !came_lately(world, &world.clients[*client]);
    let (counted, others): (Vec<usize>, Vec<usize>) = (0..world.clients.len()).partition(is_counted);
    let elsewhere: BTreeSet<String> = others.into_iter().map(|client| format!("host{client}.cloak")).collect();
    let silent = half_open(world);
    for name in &rest.rooms {
        let inside = counted.iter().filter(|client| world.clients[**client].inside.contains_key(name.as_str()));
        let believed: BTreeSet<String> = inside.map(|client| format!("host{client}.cloak")).collect();
        for node in world.judged() {
            let mut shown = world.occupants(node, name);
            shown.retain(|host| !elsewhere.contains(host));
            let mut ghosts: Vec<_> = shown.difference(&believed).filter(|host| !silent.contains(*host)).collect();
            if !ghosts.is_empty() {
                // Their clients are guests here, with places of their own.
                let alone = world.without_session(node, name);
                ghosts.retain(|host| !alone.contains(*host));
            }
            let unseen: Vec<_> = believed.difference(&shown).collect();
            if !ghosts.is_empty() || !unseen.is_empty() {
                wrong.push(format!(
                    "node {node} shows in {name} {ghosts:?}, who are not there, and not {unseen:?}, who are"
                ));
            }
        }
    }
    wrong
}

/// Hosts of clients that vanished without a word from a connection that their node has not given up yet.
fn half_open(world: &World) -> BTreeSet<String> {
    let links = world.nodes.iter().flat_map(|node| &node.links);
    let gone = links.filter(|(number, link)| world.clients[link.client].connection != **number);
    gone.map(|(_, link)| format!("host{}.cloak", link.client)).collect()
}
