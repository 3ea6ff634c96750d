//! L5, exactly once: nobody is shown an id twice on one connection, and who was in a room all the time was shown everything
//! acknowledged there; who is told something and is there all the time sees it.

use super::Rest;
use crate::client::Sent;
use crate::world::World;
use std::collections::BTreeSet;

/// Time after its login in which a client may not be available yet, microseconds.
const SETTLED_US: u64 = 1_000_000;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for client in &world.clients {
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
        let texts: BTreeSet<&str> = receiver.seen.iter().map(|said| said.text.as_str()).collect();
        for (room, since_us) in &receiver.inside {
            for sender in &world.clients {
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
    for sender in &world.clients {
        for (text, sent) in sender.sent.iter().filter(|(_, sent)| sent.acked.is_some() && !is_lost(world, sent)) {
            let Some(receiver) = sent.to.map(|to| &world.clients[to]) else { continue };
            let there = receiver.ready && receiver.ready_us + SETTLED_US < sent.at_us;
            // A guest's nick may be another's by then.
            let sure = receiver.account().is_some() && receiver.account() != sender.account();
            if there && sure && !receiver.seen.iter().any(|seen| seen.text == *text) {
                wrong.push(format!("{} was told {text} by {} and never shown it", receiver.nick, sender.nick));
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
