//! L8, role safety: a room keeps a founder, its state is the reference model's, and exactly those acts count and those lines are shown that
//! the model finds just; and what an operator did on one side of a cut does not count when the founder demoted it on the other side of the same cut.

use super::Rest;
use super::held::is_held_by;
use super::judged::Judged;
use crate::client::When;
use crate::plan::{FaultKind, NetFault};
use crate::world::World;
use lavina_crdt::content::Principal;
use lavina_crdt::ids::{MsgId, Scope};
use lavina_crdt::names::RoomName;
use lavina_crdt::room::{Mask, Rank, Vocabulary};
use std::collections::BTreeSet;
use std::fmt::Debug;

pub(super) fn check(world: &mut World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for (room, name) in rest.rooms.iter().enumerate() {
        wrong.extend(lost_founder(world, room, name));
        if let Some(judged) = &rest.judged[room] {
            wrong.extend(differences(world, name, judged));
            wrong.extend(unjust(rest, room, judged));
        }
    }
    for index in 0..world.clients.len() {
        if !world.is_judged_client(index) {
            continue;
        }
        wrong.extend(void_bans(world, rest, index));
    }
    wrong
}

/// A room that was founded and is kept has a founder; the first one as long as nobody else was made one.
fn lost_founder(world: &mut World, room: usize, name: &RoomName) -> Vec<String> {
    let mut wrong = Vec::new();
    let founder = world.plan.rooms[room].founder.and_then(|index| world.clients[index].account());
    let Some(founder) = founder.map(Principal::Account).filter(|_| !is_touched(world, name)) else { return wrong };
    for node in world.judged() {
        let Some(state) = world.room_state(node, name) else { continue };
        let founders = state.ranks.iter().filter(|(_, rank)| **rank == Rank::Founder).count();
        if founders == 0 && !state.is_level() {
            wrong.push(format!("{name} has no founder at node {node}, {founder:?} is {:?}", state.rank(&founder)));
        }
    }
    wrong
}

/// Where the nodes' state is not the model's.
fn differences(world: &mut World, name: &RoomName, judged: &Judged) -> Vec<String> {
    let mut wrong = Vec::new();
    let model = &judged.state;
    for node in world.judged() {
        let Some(state) = world.room_state(node, name) else { continue };
        let mut differ = |what: &str, shown: &dyn Debug, right: &dyn Debug| {
            let (shown, right) = (format!("{shown:?}"), format!("{right:?}"));
            if shown != right {
                wrong.push(format!("{what} of {name} at node {node}: {shown}, by the model {right}"));
            }
        };
        differ("ranks", &state.ranks, &model.ranks);
        differ("flags", &state.flags, &model.flags);
        differ("key", &state.key, &model.key);
        differ("limit", &state.limit, &model.limit);
        differ("topic", &state.topic, &model.topic);
        if world.nodes[node].release.vocabulary() == Vocabulary::Full {
            differ("title", &state.title, &model.title);
            differ("marks", &state.marks, &model.marks);
        }
        differ("creation", &state.created, &model.created);
    }
    wrong
}

/// Acts that count and should not, or the other way round; lines that are shown though their authors might not speak, and lines that are
/// not though they might.
fn unjust(rest: &Rest, room: usize, judged: &Judged) -> Vec<String> {
    let name = &rest.rooms[room];
    let mut wrong = Vec::new();
    for (told, right) in judged.changes.iter().filter(|(told, right)| told.counts != *right) {
        let by = &told.author.nick;
        wrong.push(format!("{:?} by {by} in {name} counts: {}, by the model {right}", told.acts, told.counts));
    }
    for ((_, node), history) in rest.histories.iter().filter(|((of, _), _)| *of == room) {
        let shown: BTreeSet<MsgId> = history.iter().map(|said| said.id).collect();
        for (id, right) in &judged.spoken {
            if shown.contains(id) != *right {
                wrong.push(format!("{id} is shown in {name} at node {node}: {}, by the model {right}", !right));
            }
        }
    }
    wrong
}

/// Bans of a client that stand although the founder had demoted it, concurrently since behind a cut.
fn void_bans(world: &mut World, rest: &Rest, index: usize) -> Vec<String> {
    let mut void: Vec<(RoomName, String)> = Vec::new();
    let operator = &world.clients[index];
    for ((room, mask), banned) in &operator.bans {
        let Some(founder) =
            world.plan.rooms[*room].founder.filter(|founder| *founder != index && world.is_judged_client(*founder))
        else {
            continue;
        };
        let founder = &world.clients[founder];
        let Some(held) = founder.account().map(Principal::Account) else { continue };
        if !is_held_by(rest.judged[*room].as_ref(), &held) {
            continue;
        }
        let demoted = founder.deops.iter().any(|(name, nick, deopped)| {
            let same = *name == world.plan.rooms[*room].name && *nick == operator.plan.nick;
            same && operator.account().is_some() && is_cut(world, *deopped, *banned)
        });
        if demoted && !is_touched(world, &rest.rooms[*room]) {
            void.push((rest.rooms[*room].clone(), mask.clone()));
        }
    }
    let mut wrong = Vec::new();
    for (room, mask) in void {
        for node in world.judged() {
            let Some(state) = world.room_state(node, &room) else { continue };
            if state.bans.keys().any(|ban| matches!(ban, Mask::Glob(glob) if glob.starts_with(&mask))) {
                wrong.push(format!(
                    "the ban on {mask} in {room} stands at node {node}, though its author was demoted concurrently"
                ));
            }
        }
    }
    wrong
}

/// Whether an act of the room may have gone with a destroyed disk.
fn is_touched(world: &World, room: &RoomName) -> bool {
    world.lost.touch(&Scope::Room(room.clone()))
}

/// Whether two acts were done on different sides of one and the same cut.
fn is_cut(world: &World, one: When, other: When) -> bool {
    let (first, last) = (one.at_us.min(other.at_us), one.at_us.max(other.at_us));
    let since_us = |ms: u64| ms * 1000 + SEEN_US;
    let mut changes = world.plan.faults.iter().filter(|fault| {
        matches!(fault.kind, FaultKind::Net(NetFault::Partition(_) | NetFault::HealLinks))
            && since_us(fault.at_ms) <= last
    });
    let Some(cut) = changes.next_back().filter(|cut| since_us(cut.at_ms) <= first) else { return false };
    let FaultKind::Net(NetFault::Partition(groups)) = &cut.kind else { return false };
    !groups.iter().any(|group| group.contains(&one.home) && group.contains(&other.home))
}

/// What a client sees of its own act this long after a cut was durable only after it, microseconds.
const SEEN_US: u64 = 1_000;
