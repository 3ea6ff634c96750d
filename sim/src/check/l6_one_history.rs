//! L6, one history: pages of any size, from either end, on any node, join to the same sequence.

use super::{Rest, judged_clients};
use crate::world::World;
use lavina_crdt::content::MessageKind;
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

/// What clients read through their protocols, page after page, is the history of their node: everything with words once, in order.
fn as_clients_read(world: &World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    let with_words = |said: &&Arc<Said>| said.content.kind != MessageKind::Signal && !said.content.text.is_empty();
    let ids = |history: &Vec<Arc<Said>>| history.iter().filter(with_words).map(|said| said.id.to_string()).collect();
    let histories: BTreeMap<(usize, usize), Vec<String>> =
        rest.histories.iter().map(|(place, history)| (*place, ids(history))).collect();
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
            let lines = read.lines().filter(|(id, text)| !id.is_empty() && !text.is_empty());
            let got: Vec<&str> = lines.map(|(id, _)| id).collect();
            let end = if read.is_from_newest() { all.len().saturating_sub(got.len())..all.len() } else { 0..got.len() };
            let same = (!read.whole || got.len() == all.len()) && all.get(end).is_some_and(|end| *end == got);
            if !same {
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
