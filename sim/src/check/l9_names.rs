//! L9, names: after quiet a nick has one holder, the same on every node, and nobody was thrown out over it.

use super::Rest;
use crate::plan::Speaks;
use crate::world::World;
use lavina_crdt::content::Principal;
use lavina_crdt::names::{Nick, NickKey};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut everywhere: Vec<BTreeMap<NickKey, BTreeSet<Principal>>> = Vec::new();
    for node in world.honest() {
        let mut holders: BTreeMap<NickKey, BTreeSet<Principal>> = BTreeMap::new();
        for person in world.people(node) {
            holders.entry(person.record.nick.key()).or_default().insert(person.principal());
        }
        holders.retain(|nick, _| !nick.as_str().starts_with("probe"));
        for (nick, who) in holders.iter().filter(|(_, who)| who.len() > 1) {
            wrong.push(format!("at node {node} the nick {nick} is held by {who:?}"));
        }
        everywhere.push(holders);
    }
    let mut nodes = world.honest().into_iter().zip(&everywhere);
    let Some((first, of_first)) = nodes.next() else { return wrong };
    for (node, holders) in nodes {
        if holders != of_first {
            let differ: Vec<_> = holders
                .keys()
                .chain(of_first.keys())
                .filter(|nick| holders.get(*nick) != of_first.get(*nick))
                .collect();
            wrong.push(format!("nodes {first} and {node} see different holders of {differ:?}"));
        }
    }
    for client in world
        .counted()
        .into_iter()
        .map(|client| &world.clients[client])
        .filter(|client| client.ready && client.plan.speaks == Speaks::Irc)
    {
        let Ok(nick) = Nick::new(&client.nick) else { continue };
        if !world
            .honest()
            .iter()
            .position(|node| *node == client.node)
            .is_some_and(|at| everywhere[at].contains_key(&nick.key()))
        {
            wrong.push(format!("{} goes by a nick that its node does not know", client.nick));
        }
    }
    for client in
        world.counted().into_iter().map(|client| &world.clients[client]).filter(|client| !client.thrown_out.is_empty())
    {
        wrong.push(format!("{} was thrown out although its node lived", client.nick));
    }
    wrong
}
