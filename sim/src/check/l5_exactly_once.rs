//! L5, exactly once: nobody is shown an id twice on one connection, and who was in a room all the time was shown everything
//! acknowledged there; who is told something and is there all the time sees it.

use super::{Rest, judged_clients};
use crate::client::Sent;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// Time after its login in which a client may not be available yet, microseconds.
const SETTLED_US: u64 = 1_000_000;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for client in world.counted().into_iter().map(|client| &world.clients[client]) {
        let mut seen = BTreeSet::new();
        for said in &client.seen {
            if said.id.is_empty() {
                wrong.push(format!("{} was shown {} without an id", client.nick, said.text));
            } else if !seen.insert((said.connection, &said.id)) {
                wrong.push(format!("{} was shown {} ({}) twice", client.nick, said.text, said.id));
            }
        }
    }
    let kept = kept(world);
    for (index, receiver) in world.clients.iter().enumerate() {
        if !world.is_judged_client(index) {
            continue;
        }
        let texts: BTreeSet<&str> = receiver.seen.iter().map(|said| said.text.as_str()).collect();
        for (room, since_us) in &receiver.inside {
            for (text, sent) in kept.get(room.as_str()).into_iter().flatten() {
                if sent.at_us > *since_us && !texts.contains(text) {
                    wrong.push(format!("{} (client {index}) was in {room} and never shown {text}", receiver.nick));
                }
            }
        }
    }
    for sender in judged_clients(world) {
        for (text, sent) in sender.sent.iter().filter(|(_, sent)| sent.acked.is_some() && !is_lost(world, sent)) {
            let to = sent.to.filter(|to| world.is_judged_client(*to));
            let Some(receiver) = to.map(|to| &world.clients[to]) else { continue };
            let there = receiver.ready && receiver.ready_us + SETTLED_US < sent.at_us;
            // A guest's nick may be another's by then, and who has an account is a guest where that was not known yet.
            let logged_in = receiver.logged_in_us.is_some_and(|since_us| since_us < sent.at_us);
            let sure = logged_in && receiver.account() != sender.account();
            if there && sure && !receiver.seen.iter().any(|seen| seen.text == *text) {
                wrong.push(format!("{} was told {text} by {} and never shown it", receiver.nick, sender.nick));
            }
        }
    }
    wrong.extend(lost_after_reading(world, &kept));
    wrong
}

/// By room, the lines that were acknowledged there and not lost, with their texts: all that must be shown and read.
fn kept(world: &World) -> BTreeMap<&str, Vec<(&str, &Sent)>> {
    let mut kept: BTreeMap<&str, Vec<(&str, &Sent)>> = BTreeMap::new();
    for (text, sent) in judged_clients(world).flat_map(|sender| &sender.sent) {
        if let Some(room) = sent.room.filter(|_| sent.acked.is_some() && !is_lost(world, sent)) {
            kept.entry(&world.plan.rooms[room].name).or_default().push((text, sent));
        }
    }
    kept
}

/// Who reads a room's history after all moves and cuts finds everything acknowledged there, once: as far as both were only at judged nodes,
/// since what is acknowledged in a part that stays cut off, or by a node that lies, need not come out.
fn lost_after_reading(world: &World, kept: &BTreeMap<&str, Vec<(&str, &Sent)>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for client in judged_clients(world).filter(|client| client.ready && world.converged_us.is_some()) {
        let Some(caught) = client.caught.as_ref().filter(|caught| caught.is_done()) else { continue };
        for (room, read) in &caught.read {
            let mut texts: Vec<&str> = read.iter().map(|(_, text)| text.as_str()).collect();
            texts.sort_unstable();
            for (text, _) in kept.get(room.as_str()).into_iter().flatten() {
                let first = texts.partition_point(|read| read < text);
                let times = texts[first..].iter().take_while(|read| *read == text).count();
                if times != 1 {
                    wrong.push(format!("{} read the history of {room} and found {text} {times} times", client.nick));
                }
            }
        }
    }
    wrong
}

/// Whether a line went with a destroyed disk that alone held it: nobody can be shown it any more.
fn is_lost(world: &World, sent: &Sent) -> bool {
    let id = sent.acked.as_ref().and_then(|(id, _)| id.parse().ok());
    id.is_some_and(|id| world.lost.has(id))
}
