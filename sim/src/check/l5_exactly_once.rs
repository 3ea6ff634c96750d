//! L5, exactly once: nobody is shown an id twice on one connection (but for the echo of what one says to oneself), and who was in a room all the time was shown everything
//! acknowledged there; who is told something and is there all the time sees it.

use super::{Rest, judged_clients};
use crate::client::{Client, Seen, Sent, line_of};
use crate::plan::Speaks;
use crate::world::World;
use lavina_crdt::ids::MsgId;
use std::collections::{BTreeMap, BTreeSet};

/// Time after its login in which a client may not be available yet, microseconds.
const SETTLED_US: u64 = 1_000_000;

pub(super) fn check(world: &mut World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for index in world.counted() {
        let client = &world.clients[index];
        for said in client.seen.iter().filter(|said| said.id.is_empty()) {
            wrong.push(format!("{} was shown {} without an id", client.nick, said.text));
        }
        let mut seen: Vec<_> = client.seen.iter().filter(|said| !said.id.is_empty()).collect();
        seen.sort_by_key(|said| (said.connection, &said.id));
        for same in seen.chunk_by(|one, other| one.connection == other.connection && one.id == other.id) {
            if same.len() > times_shown(client, index, same[0]) {
                wrong.push(format!(
                    "{} was shown {} ({}) {}",
                    client.nick,
                    same[0].text,
                    same[0].id,
                    times(same.len())
                ));
            }
        }
    }
    let mut kept = kept(world, &redacted(rest));
    for (index, receiver) in world.clients.iter().enumerate() {
        if !world.is_judged_client(index) {
            continue;
        }
        let shown = lines(receiver.seen.iter().map(|said| said.text.as_str()));
        for (room, since_us) in &receiver.inside {
            for (line, text, sent) in kept.get(room.as_str()).into_iter().flatten() {
                if sent.at_us > *since_us && shown.binary_search(line).is_err() {
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
    // What was said in a room before it was closed is nobody's any more.
    kept.retain(|room, _| !rest.closed.iter().any(|closed| closed.as_str() == *room));
    wrong.extend(lost_after_reading(world, &kept));
    wrong
}

/// How often a client, by its index, may be shown a line: once; what it says to a nick that is its own comes to it over IRC, and its echo beside
/// that (IRCv3 `echo-message`). Whose a line is, is in it; what has no such mark counts as its own.
fn times_shown(client: &Client, index: usize, said: &Seen) -> usize {
    let is_own = line_of(&said.text).is_none_or(|(author, _)| author == index);
    if said.room.is_none() && client.plan.speaks == Speaks::Irc && is_own { 2 } else { 1 }
}

/// A number of times, in words.
fn times(count: usize) -> String {
    if count == 2 { "twice".to_owned() } else { format!("{count} times") }
}

/// What was taken back: nobody need be shown it any more.
fn redacted(rest: &Rest) -> BTreeSet<MsgId> {
    let said = rest.histories.values().flatten();
    said.filter(|said| said.redacted.is_some()).map(|said| said.id).collect()
}

/// By room, the lines that were acknowledged there and neither lost nor taken back, with their texts: all that must be shown and read.
fn kept<'a>(world: &'a World, redacted: &BTreeSet<MsgId>) -> Kept<'a> {
    let mut kept = Kept::new();
    for (text, sent) in judged_clients(world).flat_map(|sender| &sender.sent) {
        if let (Some(room), Some(line)) =
            (sent.room.filter(|_| sent.acked.is_some() && !is_lost(world, sent)), line_of(text))
            && id_of(sent).is_none_or(|id| !redacted.contains(&id))
        {
            kept.entry(&world.plan.rooms[room].name).or_default().push((line, text, sent));
        }
    }
    kept
}

/// By room, lines with their texts.
type Kept<'a> = BTreeMap<&'a str, Vec<((usize, u64), &'a str, &'a Sent)>>;

/// The lines that some texts are, sorted.
fn lines<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<(usize, u64)> {
    let mut lines: Vec<_> = texts.filter_map(line_of).collect();
    lines.sort_unstable();
    lines
}

/// Who reads a room's history after all moves and cuts finds everything acknowledged there, once: as far as both were only at judged nodes,
/// since what is acknowledged in a part that stays cut off, or by a node that lies, need not come out.
fn lost_after_reading(world: &World, kept: &Kept<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    for client in judged_clients(world).filter(|client| client.ready && world.converged_us.is_some()) {
        let Some(caught) = client.caught.as_ref().filter(|caught| caught.is_done()) else { continue };
        for (room, read) in caught.read.iter().filter(|(_, read)| read.whole) {
            let found = lines(read.lines().map(|(_, text)| text));
            for (line, text, _) in kept.get(room.as_str()).into_iter().flatten() {
                let first = found.partition_point(|found| found < line);
                let times = found[first..].iter().take_while(|found| *found == line).count();
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
    id_of(sent).is_some_and(|id| world.lost.has(id))
}

fn id_of(sent: &Sent) -> Option<MsgId> {
    sent.acked.as_ref().and_then(|(id, _)| id.parse().ok())
}
