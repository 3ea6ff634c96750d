//! L4, order: nobody is shown a line before what its author had been shown of the room, unless that was waited for as long as a node waits.

use super::Rest;
use super::l4_order::sender;
use crate::client::{Client, Seen, Sent};
use crate::world::World;
use lavina_core::node::Limits;
use std::collections::BTreeMap;

/// How many lines back the one is looked for that came too early: it overtakes few.
const BACK: usize = 64;

/// When somebody was first shown each text on each of its connections, microseconds.
type Known = BTreeMap<(u64, String), u64>;

/// A line as it was shown to somebody.
struct Shown<'a> {
    seen: &'a Seen,
    author: usize,
    sent: &'a Sent,
}

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    let known = |client: &Client| {
        client.seen.iter().rev().map(|seen| ((seen.connection, seen.text.clone()), seen.at_us)).collect()
    };
    let known: Vec<Known> = world.clients.iter().map(known).collect();
    let mut wrong = Vec::new();
    for client in world.counted() {
        let mut by_place: BTreeMap<(u64, &str), Vec<Shown<'_>>> = BTreeMap::new();
        for seen in &world.clients[client].seen {
            let Some((author, _)) = sender(world, &seen.text) else { continue };
            let Some(sent) = world.clients[author].sent.get(&seen.text) else { continue };
            let Some(room) = seen.room.as_deref() else { continue };
            by_place.entry((seen.connection, room)).or_default().push(Shown { seen, author, sent });
        }
        for lines in by_place.values() {
            for (place, cause) in lines.iter().enumerate() {
                for early in &lines[place.saturating_sub(BACK)..place] {
                    if overtook(&known, early, cause) {
                        let nick = &world.clients[client].nick;
                        let by = &world.clients[early.author].nick;
                        let (early, cause) = (&early.seen.text, &cause.seen.text);
                        wrong.push(format!(
                            "{nick} was shown {early} before {cause}, which {by} had seen when it said that"
                        ));
                    }
                }
            }
        }
    }
    wrong
}

/// Whether a line was shown before one that its author had been shown. Only what comes soon counts: a node that has waited for a line once
/// for as long as it may, for whatever refers to it, waits for it no more. And who has moved since to a node that does not have it yet may
/// be understood without it.
fn overtook(known: &[Known], early: &Shown<'_>, cause: &Shown<'_>) -> bool {
    let came_us = cause.seen.at_us.saturating_sub(cause.sent.at_us);
    came_us < Limits::default().hold_ms_max * 1000
        && cause.sent.at_us < early.sent.at_us
        && cause.author != early.author
        && known[early.author]
            .get(&(early.sent.connection, cause.seen.text.clone()))
            .is_some_and(|at_us| *at_us < early.sent.at_us)
}
