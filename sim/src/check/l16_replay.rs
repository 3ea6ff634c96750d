//! L16, replay: every register of an account has the value that was written last, however often and in whatever order the writes came, and whether
//! this version knows the register or not.

use super::Rest;
use crate::plan::Class;
use crate::world::World;
use lavina_crdt::chain;
use lavina_crdt::entry::{Body, Entry};
use lavina_crdt::ids::{OrderKey, Scope};
use lavina_crdt::names::AccountName;
use std::collections::BTreeMap;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    if world.plan.class == Class::Byzantine {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    for node in world.judged() {
        for scope in world.vectors(node).into_keys() {
            if let Scope::Account(account) = &scope {
                wrong.extend(differences(world, node, account, &world.entries(node, &scope)));
            }
        }
    }
    wrong
}

fn differences(world: &World, node: usize, account: &AccountName, entries: &[Entry]) -> Vec<String> {
    let is_creation = |entry: &&Entry| matches!(chain::body(entry), Body::AccountCreate(_));
    let Some(created) = entries.iter().filter(is_creation).map(Entry::order_key).min() else { return Vec::new() };
    let Some(core) = &world.nodes[node].core else { return Vec::new() };
    let mut last: BTreeMap<String, (OrderKey, Vec<u8>)> = BTreeMap::new();
    for entry in entries {
        let Body::Register(set) = chain::body(entry) else { continue };
        let writer = entry.author.as_ref().and_then(|author| author.account.as_ref());
        let is_own = writer == Some(account) || set.key.strip_prefix("roster/") == writer.map(AccountName::as_str);
        if set.of != Some(created.dot()) || writer.is_none() || !is_own {
            continue;
        }
        let held = last.entry(set.key).or_insert_with(|| (entry.order_key(), set.value.clone()));
        if held.0 < entry.order_key() {
            *held = (entry.order_key(), set.value);
        }
    }
    let mut wrong = Vec::new();
    for (key, (at, value)) in last {
        let right = Some(value).filter(|value| !value.is_empty());
        if core.look_at_register(account, &key) != right {
            wrong.push(format!(
                "register {key} of {account} at node {node} is not what was written last, by {:?}",
                at.dot()
            ));
        }
    }
    wrong
}
