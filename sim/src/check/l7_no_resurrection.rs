//! L7, no resurrection: a ban that its founder set and nobody lifted is there on every node; bans and exceptions are those of the reference
//! model; and whom a kick meant is out, or came in again after it.

use super::Rest;
use super::held::is_held_by;
use super::judged::Judged;
use crate::world::World;
use lavina_crdt::content::Principal;
use lavina_crdt::ids::Scope;
use lavina_crdt::names::RoomName;
use lavina_crdt::room::Mask;

pub(super) fn check(world: &mut World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for index in 0..world.clients.len() {
        wrong.extend(lost_bans(world, rest, index));
    }
    for (room, judged) in rest.rooms.iter().zip(&rest.judged) {
        if let Some(judged) = judged {
            wrong.extend(differences(world, room, judged));
            wrong.extend(kicked_in_vain(world, room, judged));
        }
    }
    wrong
}

/// Bans of a room's only founder that are gone.
fn lost_bans(world: &mut World, rest: &Rest, index: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(own) = world.clients[index].account().map(Principal::Account) else { return wrong };
    for (room, name) in world.clients[index].bans.keys().cloned().collect::<Vec<_>>() {
        let alone = is_held_by(rest.judged[room].as_ref(), &own);
        // An act that went with a destroyed disk binds nobody.
        let lost = world.lost.touch(&Scope::Room(rest.rooms[room].clone()));
        let closed = rest.closed.contains(&rest.rooms[room]);
        if lost || closed || world.plan.rooms[room].founder != Some(index) || !alone || !world.is_judged_client(index) {
            continue;
        }
        for node in world.judged() {
            let Some(state) = world.room_state(node, &rest.rooms[room]) else { continue };
            let held = state.bans.keys().any(|mask| match mask {
                Mask::Glob(glob) => glob.starts_with(&name),
                Mask::Account(account) => account.as_str() == name,
                Mask::Guests | Mask::Mute(_) => false,
            });
            if !held {
                let nick = &world.clients[index].nick;
                wrong.push(format!("the ban on {name} that {nick} set in {} is gone at node {node}", rest.rooms[room]));
            }
        }
    }
    wrong
}

fn differences(world: &mut World, room: &RoomName, judged: &Judged) -> Vec<String> {
    let mut wrong = Vec::new();
    let model = &judged.state;
    for node in world.judged() {
        let Some(state) = world.room_state(node, room) else { continue };
        let lists = [
            ("bans", &state.bans, &model.bans),
            ("exceptions", &state.exceptions, &model.exceptions),
            ("invitations", &state.invite_exceptions, &model.invite_exceptions),
        ];
        for (what, shown, right) in lists {
            if shown != right {
                wrong.push(format!("{what} of {room} at node {node} are {shown:?}, by the model {right:?}"));
            }
        }
    }
    wrong
}

fn kicked_in_vain(world: &mut World, room: &RoomName, judged: &Judged) -> Vec<String> {
    let mut wrong = Vec::new();
    // Who does not hold the room fetches it before it shows anybody who is in it.
    for node in world.judged_holders(&Scope::Room(room.clone())) {
        for (session, record) in world.people_in(node, room) {
            let Some(place) = record.rooms.get(room) else { continue };
            let met = |kick: &lavina_crdt::room::Kick| kick.sessions.contains(&session);
            if judged.kicks.iter().any(|(at, kick)| met(kick) && place.since < *at) {
                let nick = &place.nick;
                wrong.push(format!("{nick} was kicked from {room} and is there still, as node {node} shows"));
            }
        }
    }
    wrong
}
