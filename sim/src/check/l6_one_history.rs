//! L6, one history: pages of any size, from either end, on any node, join to the same sequence.

use super::Rest;
use crate::world::World;

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
    wrong
}
