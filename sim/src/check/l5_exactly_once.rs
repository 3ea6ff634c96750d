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
    for (index, receiver) in world.clients.iter().enumerate() {
        if !world.is_judged_client(index) {
            continue;
        }
        let texts: BTreeSet<&str> = receiver.seen.iter().map(|said| said.text.as_str()).collect();
        for (room, since_us) in &receiver.inside {
            for sender in judged_clients(world) {
                for (text, sent) in &sender.sent {
                    let here = sent.room.is_some_and(|sent| world.plan.rooms[sent].name == *room);
                    if here
                        && sent.acked.is_some()
                        && !is_lost(world, sent)
                        && sent.at_us > *since_us
                        && !texts.contains(text.as_str())
                    {
                        wrong.push(format!("{} (client {index}) was in {room} and never shown {text}", receiver.nick));
                    }
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
    wrong.extend(lost_after_reading(world));
    wrong
}

/// Who reads a room's history after all moves and cuts finds everything acknowledged there, once: as far as both were only at judged nodes,
/// since what is acknowledged in a part that stays cut off, or by a node that lies, need not come out.
fn lost_after_reading(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    for client in judged_clients(world).filter(|client| client.ready && world.converged_us.is_some()) {
        let Some(caught) = client.caught.as_ref().filter(|caught| caught.is_done()) else { continue };
        for (room, read) in &caught.read {
            let mut times: BTreeMap<&str, usize> = BTreeMap::new();
            for (_, text) in read {
                *times.entry(text).or_default() += 1;
            }
            let sent = judged_clients(world).flat_map(|sender| &sender.sent);
            let here = |sent: &Sent| sent.room.is_some_and(|sent| world.plan.rooms[sent].name == *room);
            for (text, _) in sent.filter(|(_, sent)| here(sent) && sent.acked.is_some() && !is_lost(world, sent)) {
                let times = times.get(text.as_str()).copied().unwrap_or_default();
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
