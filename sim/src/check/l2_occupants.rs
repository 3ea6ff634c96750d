//! L2, bounded convergence of who is where: after quiet all nodes show the same occupants of a room, and those are the clients that take
//! themselves to be there.

use super::Rest;
use crate::world::World;
use std::collections::BTreeSet;

pub(super) fn check(world: &mut World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for name in &rest.rooms {
        let believed: BTreeSet<String> = world
            .counted()
            .into_iter()
            .filter(|client| world.clients[*client].inside.contains_key(name.as_str()))
            .map(|client| format!("host{client}.cloak"))
            .collect();
        for node in world.honest() {
            let shown = world.occupants(node, name);
            let counted = |host: &str| world.counted().iter().any(|client| host == format!("host{client}.cloak"));
            let shown: BTreeSet<String> = shown.into_iter().filter(|host| counted(host)).collect();
            let ghosts: Vec<_> = shown.difference(&believed).collect();
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
