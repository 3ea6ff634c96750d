//! L9, names: after quiet a nick has one holder, the same on every node; nobody was thrown out over it, and nobody lost it to a lesser claim.

use super::{Rest, came_lately, judged_clients};
use crate::client::Client;
use crate::plan::{Class, Speaks};
use crate::world::World;
use lavina_crdt::content::Principal;
use lavina_crdt::ids::NodeId;
use lavina_crdt::names::{Nick, NickKey};
use std::collections::{BTreeMap, BTreeSet};

/// Whether all judged nodes hear of a node alike: not where one stays cut off from some of them.
fn is_in_reach(world: &World, node: NodeId) -> bool {
    let is_judged = || world.by_id.get(&node).is_some_and(|node| world.judged().contains(node));
    world.plan.class != Class::Core || is_judged()
}

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut everywhere: Vec<BTreeMap<NickKey, BTreeSet<Principal>>> = Vec::new();
    let judged = world.judged();
    let lately = world.clients.iter().filter(|client| came_lately(world, client));
    let just_taken: BTreeSet<NickKey> =
        lately.filter_map(|client| Nick::new(&client.nick).ok()).map(|nick| nick.key()).collect();
    for node in judged.iter().copied() {
        let mut holders: BTreeMap<NickKey, BTreeSet<Principal>> = BTreeMap::new();
        for person in world.people(node).into_iter().filter(|person| is_in_reach(world, person.session.node)) {
            holders.entry(person.record.nick.key()).or_default().insert(person.principal());
        }
        holders.retain(|nick, _| !nick.as_str().starts_with("probe") && !just_taken.contains(nick));
        for (nick, who) in holders.iter().filter(|(_, who)| who.len() > 1) {
            wrong.push(format!("at node {node} the nick {nick} is held by {who:?}"));
        }
        everywhere.push(holders);
    }
    for (node, holders) in judged.iter().zip(&everywhere).skip(1) {
        if *holders != everywhere[0] {
            let differ: Vec<_> = holders
                .keys()
                .chain(everywhere[0].keys())
                .filter(|nick| holders.get(*nick) != everywhere[0].get(*nick))
                .collect();
            wrong.push(format!("nodes {} and {node} see different holders of {differ:?}", judged[0]));
        }
    }
    let irc = |client: &&Client| client.ready && client.plan.speaks == Speaks::Irc;
    for client in judged_clients(world).filter(irc) {
        let Some(at) = judged.iter().position(|node| *node == client.home) else { continue };
        let Ok(nick) = Nick::new(&client.nick) else { continue };
        if !everywhere[at].contains_key(&nick.key()) && !just_taken.contains(&nick.key()) {
            wrong.push(format!("{} goes by a nick that its node does not know", client.nick));
        }
    }
    for client in judged_clients(world).filter(|client| !client.thrown_out.is_empty()) {
        wrong.push(format!("{} was thrown out although its node lived", client.nick));
    }
    wrong.extend(world.names.wrong.iter().cloned());
    wrong
}
