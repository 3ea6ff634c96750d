//! L6, one history: pages of any size, from either end, on any node, join to the same sequence.

use super::{Rest, judged_clients};
use crate::world::World;
use lavina_crdt::content::MessageKind;
use lavina_crdt::ids::{MsgId, Scope};
use lavina_crdt::version::VersionVector;
use lavina_protocols::event::Said;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Page sizes tried beside the one big page.
const PAGES: &[(usize, bool)] = &[(7, false), (7, true), (50, true)];

pub(super) fn check(world: &mut World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for ((room, node), whole) in &rest.histories {
        for (page, newest) in PAGES {
            let name = &rest.rooms[*room];
            match world.history(*node, name, *page, *newest) {
                Ok(paged) => {
                    let same = paged.iter().map(|said| said.id).eq(whole.iter().map(|said| said.id));
                    if !same {
                        let (some, all) = (paged.len(), whole.len());
                        wrong.push(format!("{name} at node {node} in pages of {page} (newest first: {newest}) has {some} messages, whole {all}"));
                    }
                }
                Err(what) => wrong.push(what),
            }
        }
    }
    wrong.extend(as_clients_read(world, rest));
    wrong
}

/// What clients read through their protocols, page after page, is the history of their node: everything with words that the node had when
/// they began, once, in order. A line that comes while they read, as from a node that kept it to itself, is read where they have not been yet.
fn as_clients_read(world: &World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    let with_words = |said: &&Arc<Said>| said.content.kind != MessageKind::Signal && !said.content.text.is_empty();
    let mut histories: BTreeMap<(usize, usize), Vec<(String, bool)>> = BTreeMap::new();
    for ((room, node), history) in &rest.histories {
        let had = world.had.get(*node).and_then(|had| had.get(&Scope::Room(rest.rooms[*room].clone())));
        let had = |id: MsgId| had.is_some_and(|had| knows(had, id));
        let lines = history.iter().filter(with_words).map(|said| (said.id.to_string(), had(said.id))).collect();
        histories.insert((*room, *node), lines);
    }
    for client in judged_clients(world) {
        for page in &client.pages {
            let ids: Vec<&String> = page.lines.iter().map(|(id, _)| id).filter(|id| !id.is_empty()).collect();
            let ordered = ids.windows(2).all(|pair| pair[0] < pair[1]) || ids.windows(2).all(|pair| pair[0] > pair[1]);
            if !ordered {
                wrong.push(format!("{} was shown a page of {:?} out of order: {ids:?}", client.nick, page.room));
            }
        }
        let Some(caught) = client.caught.as_ref().filter(|_| world.converged_us.is_some() && client.ready) else {
            continue;
        };
        if !caught.is_done() {
            wrong.push(format!("{} asked for history and was not answered", client.nick));
        }
        for (room, read) in &caught.read {
            let index = world.plan.rooms.iter().position(|plan| plan.name == *room);
            let all = index.and_then(|index| histories.get(&(index, client.home)));
            let (Some(all), true) = (all, caught.is_done()) else { continue };
            let got: Vec<&String> =
                read.iter().filter(|(id, text)| !id.is_empty() && !text.is_empty()).map(|(id, _)| id).collect();
            if !is_read(&got, all) {
                let (some, all) = (got.len(), all.len());
                wrong.push(format!("{} read {some} lines of {room} page by page, and there are {all}", client.nick));
            }
        }
    }
    wrong
}

/// Whether an entry is one of those that a vector names.
fn knows(vector: &VersionVector, id: MsgId) -> bool {
    vector.iter().any(|(origin, next)| origin.0.starts_with(&id.origin_prefix()) && id.seq() < next)
}

/// Whether what was read is what there is, in order, without any but such as need not be in it yet.
fn is_read(got: &[&String], all: &[(String, bool)]) -> bool {
    let mut got = got.iter().peekable();
    let in_order = all.iter().all(|(id, had)| got.next_if(|read| **read == id).is_some() || !had);
    in_order && got.peek().is_none()
}

#[cfg(test)]
mod tests {
    use super::is_read;

    #[test]
    fn what_came_while_one_read_may_be_missing_and_nothing_else() {
        let [one, two, three] = ["1", "2", "3"].map(str::to_owned);
        let all = [(one.clone(), true), (two.clone(), false), (three.clone(), true)];
        assert!(is_read(&[&one, &two, &three], &all));
        assert!(is_read(&[&one, &three], &all));
        for wrong in
            [vec![&one, &two], vec![&two, &three], vec![&one, &three, &two], vec![&one, &three, &three], vec![]]
        {
            assert!(!is_read(&wrong, &all), "{wrong:?}");
        }
    }
}
