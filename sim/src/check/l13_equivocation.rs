//! L13, no equivocation: one content for each entry, the same on every honest node; an origin that signed two is cut off at the same entry
//! everywhere, and nothing of it from there on is shown.

use super::Rest;
use crate::world::World;
use lavina_core::store::Store;
use lavina_crdt::entry::SealedEntry;
use lavina_crdt::ids::{Dot, OrderKey, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(world: &mut World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut contents: BTreeMap<(Scope, Dot), (usize, SealedEntry)> = BTreeMap::new();
    for node in world.judged() {
        let Some(core) = &world.nodes[node].core else { continue };
        for scope in core.vectors().into_keys() {
            let mut differ = BTreeSet::new();
            let visit = &mut |key: OrderKey, sealed: &SealedEntry| {
                let counts = core.cut(&scope, key.origin).is_none_or(|cut| key.seq < cut);
                if counts {
                    let dot = (scope.clone(), key.dot());
                    let (first, held) = contents.entry(dot).or_insert_with(|| (node, sealed.clone()));
                    if held.bytes != sealed.bytes {
                        differ.insert((*first, key.dot()));
                    }
                }
                true
            };
            if world.nodes[node].store.scan(&scope, None, None, false, visit).is_err() {
                wrong.push(format!("node {node} cannot read {scope:?}"));
            }
            wrong.extend(differ.into_iter().map(|(first, dot)| {
                format!("nodes {first} and {node} hold two contents of {dot:?} in {scope:?} and count both")
            }));
        }
    }
    for ((room, node), history) in &rest.histories {
        let scope = Scope::Room(rest.rooms[*room].clone());
        let Some(core) = &world.nodes[*node].core else { continue };
        let origins = core.vector(&scope);
        for said in history {
            let origin = origins.iter().find(|(origin, _)| origin.0[..6] == said.id.origin_prefix());
            let cut = origin.and_then(|(origin, _)| core.cut(&scope, origin));
            if cut.is_some_and(|cut| cut <= said.id.seq()) {
                wrong.push(format!("node {node} shows {} in {scope:?}, whose origin equivocated before it", said.id));
            }
        }
    }
    wrong
}
