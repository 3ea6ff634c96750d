//! L4, order: what one session said stays in its order, in history and as others are shown it. Where somebody equivocates, what rests on
//! void changes is judged late and so may be shown late; history has its order there too.

use super::Rest;
use crate::client::line_of;
use crate::plan::{Fault, FaultKind, PeerFault};
use crate::world::World;
use std::collections::BTreeMap;

pub(super) fn check(world: &mut World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for ((room, node), history) in &rest.histories {
        let texts = history.iter().map(|said| said.content.text.as_str());
        if let Some(what) = disorder(world, texts) {
            wrong.push(format!("in the history of {} at node {node} {what}", rest.rooms[*room]));
        }
    }
    let forks = |fault: &Fault| matches!(fault.kind, FaultKind::Peer(PeerFault::Equivocate(_) | PeerFault::Poison(_)));
    let shown_in_order = !world.plan.faults.iter().any(forks);
    for client in world.counted().into_iter().filter(|_| shown_in_order).map(|client| &world.clients[client]) {
        let mut by_place: BTreeMap<(u64, Option<&str>), Vec<&str>> = BTreeMap::new();
        // What waited for somebody comes after what is said while it is being fetched.
        for seen in client.seen.iter().filter(|seen| !seen.delayed || seen.room.is_some()) {
            by_place.entry((seen.connection, seen.room.as_deref())).or_default().push(&seen.text);
        }
        for ((connection, room), texts) in by_place {
            if let Some(what) = disorder(world, texts.into_iter()) {
                wrong.push(format!("{} saw in {room:?} on connection {connection} that {what}", client.nick));
            }
        }
    }
    for judged in rest.judged.iter().flatten() {
        wrong.extend(judged.disorder.iter().cloned());
    }
    wrong
}

/// The first text that comes after a later one of the same sender's connection in the same conversation: when a node has lost its disk, sync
/// brings conversations one after the other, and who was told what in another window does not come before or after.
fn disorder<'a>(world: &World, texts: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut latest: BTreeMap<(usize, u64, Option<usize>), &str> = BTreeMap::new();
    for text in texts {
        let Some((client, connection)) = sender(world, text) else { continue };
        let to = world.clients[client].sent.get(text).and_then(|sent| sent.to);
        if let Some(before) = latest.insert((client, connection, to), text).filter(|before| *before > text) {
            return Some(format!("{text} comes after {before}"));
        }
    }
    None
}

/// Who said a text, and on which connection. Texts of one client grow, see `Client::fresh_text`.
pub(super) fn sender(world: &World, text: &str) -> Option<(usize, u64)> {
    let (index, _) = line_of(text)?;
    let sent = world.clients.get(index)?.sent.get(text)?;
    Some((index, sent.connection))
}
