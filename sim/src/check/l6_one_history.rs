//! L6, one history: pages of any size, from either end, on any node, join to the same sequence.

use super::{Rest, judged_clients};
use crate::plan::Class;
use crate::world::World;
use lavina_crdt::content::MessageKind;
use lavina_crdt::ids::{MsgId, Scope};
use lavina_crdt::names::RoomName;
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
        // What was said in a room before it was closed is there, and nobody's to read.
        let is_closed = |room: &str| rest.closed.iter().any(|closed| closed.as_str() == room);
        for (room, read) in caught.read.iter().filter(|(room, _)| !is_closed(room)) {
            let index = world.plan.rooms.iter().position(|plan| plan.name == *room);
            let all = index.and_then(|index| histories.get(&(index, client.home)));
            let (Some(all), true) = (all, caught.is_done()) else { continue };
            if index.is_some_and(|index| is_void_since(world, client.home, &rest.rooms[index])) {
                continue;
            }
            let lines = read.lines().filter(|(id, text)| !id.is_empty() && !text.is_empty());
            let got: Vec<&str> = lines.map(|(id, _)| id).collect();
            let place = |id: Option<&&str>| all.iter().position(|(there, _)| Some(&there.as_str()) == id);
            let asked = match (read.whole, read.is_from_newest()) {
                (true, _) => all.get(..),
                (false, true) => place(got.first()).and_then(|first| all.get(first..)),
                (false, false) => place(got.last()).and_then(|last| all.get(..=last)),
            };
            if !is_read(&got, asked.unwrap_or_default()) {
                let (some, all, whole) = (got.len(), all.len(), read.whole);
                wrong.push(format!(
                    "{} read {some} lines of {room} page by page (to the end: {whole}), and there are {all}",
                    client.nick
                ));
            }
        }
    }
    wrong
}

/// Whether something of a room that counted at a node when its clients began to read counts no more: who signed it was found to have signed two then.
fn is_void_since(world: &World, node: usize, room: &RoomName) -> bool {
    let scope = Scope::Room(room.clone());
    let had = world.had.get(node).and_then(|had| had.get(&scope));
    world.plan.class == Class::Byzantine && had.is_some_and(|had| !world.vector(node, &scope).covers(had))
}

/// Whether an entry is one of those that a vector names.
fn knows(vector: &VersionVector, id: MsgId) -> bool {
    vector.iter().any(|(origin, next)| origin.0.starts_with(&id.origin_prefix()) && id.seq() < next)
}

/// Whether what was read is what there is, in order, without any but such as need not be in it yet.
fn is_read(got: &[&str], all: &[(String, bool)]) -> bool {
    let mut got = got.iter().peekable();
    let in_order = all.iter().all(|(id, had)| got.next_if(|read| *read == id).is_some() || !had);
    in_order && got.peek().is_none()
}

#[cfg(test)]
mod tests {
    use super::is_read;

    #[test]
    fn what_came_while_one_read_may_be_missing_and_nothing_else() {
        let all = [("1", true), ("2", false), ("3", true)].map(|(id, had)| (id.to_owned(), had));
        assert!(is_read(&["1", "2", "3"], &all));
        assert!(is_read(&["1", "3"], &all));
        for wrong in [&["1", "2"][..], &["2", "3"], &["1", "3", "2"], &["1", "3", "3"], &[]] {
            assert!(!is_read(wrong, &all), "{wrong:?}");
        }
    }
}
