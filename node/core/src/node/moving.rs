//! A room goes by another name (IRCv3 `draft/channel-rename`): its state is made anew under that name, the old name says where it is now, and everybody
//! inside is there. What was said stays in the log of the old name and is read as the room's history.
//!
//! Each node moves its own sessions when it learns of that; until another node has, its sessions are shown as moved here. Sessions that go by
//! addresses are told the new one and come by themselves. The old name is free for whoever wants it.

use super::commands::Asker;
use super::presence::Why;
use super::{Node, SessionNumber, closing};
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::{Author, Principal};
use lavina_crdt::ids::{Scope, SessionId};
use lavina_crdt::names::{NickKey, RoomName};
use lavina_crdt::presence::SessionRecord;
use lavina_crdt::room::{Act, Closed, Denied, Flag, RoomState};
use lavina_protocols::command::{Refusal, Reply};
use lavina_protocols::event::Event;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many names a room's history is followed back.
const FORMER_MAX: usize = 8;
/// Most moves that wait for what a room takes with it; of more the first by name are given up, and those inside can still leave by themselves.
const MOVES_MAX: usize = 256;

impl<S: Store> Node<S> {
    pub(super) fn rename_room(
        &mut self,
        now: Now,
        asker: &Asker,
        room: &RoomName,
        to: &RoomName,
        reason: String,
        venue: String,
    ) -> Result<Reply, Refusal> {
        let state = self.load_room(room);
        if !state.is_open() {
            return Err(Refusal::Denied(Denied::NoRoom));
        }
        if !asker.record.rooms.contains_key(room) {
            return Err(Refusal::Denied(Denied::NotPresent));
        }
        let author = self.author_in(asker, room);
        let leave = [
            Act::SetMoved(Some(to.clone())),
            Act::SetClosed(Some(Closed { reason, venue, password: state.key.clone().unwrap_or_default() })),
        ];
        state.allows_all(&author, &leave).map_err(Refusal::Denied)?;
        if room == to {
            return Ok(Reply::Done);
        }
        if let Some(words) = self.barred_room(now, to) {
            return Err(Refusal::Barred(words));
        }
        let target = self.load_room(to);
        if target.is_open() || self.people.occupants(to).is_some() {
            return Err(Refusal::RoomExists);
        }
        let who = author.principal();
        let begin = if target.created.is_none() {
            vec![Act::Create]
        } else {
            let mut anew = closing::anew(&target, &who);
            anew.extend(target.has(Flag::Level).then_some(Act::SetFlag { flag: Flag::Level, on: false }));
            anew.push(Act::SetClosed(None));
            anew
        };
        self.append_acts(now, to, author.clone(), &begin)?;
        for acts in closing::changes(carried(&state, room, &who)) {
            self.append_acts(now, to, author.clone(), &acts)?;
        }
        self.append_acts(now, room, author, &leave)?;
        Ok(Reply::Done)
    }

    /// A room has got another name: those inside are there, once what it takes with it is here.
    pub(super) fn on_moved(&mut self, now: Now, room: &RoomName, to: &RoomName, by: &Author, reason: &str) {
        if self.load_room(to).former.as_ref() != Some(room) {
            self.moves.insert(to.clone(), (room.clone(), by.clone(), reason.to_owned()));
            if self.moves.len() > MOVES_MAX {
                self.moves.pop_first();
            }
            if !self.people.local(room).is_empty() {
                self.want_room(now, to);
            }
            return;
        }
        let inside: Vec<(NickKey, Vec<SessionId>)> = self
            .people
            .occupants(room)
            .into_iter()
            .flatten()
            .map(|(nick, sessions)| (nick.clone(), sessions.iter().copied().collect()))
            .collect();
        let all = inside.iter().flat_map(|(_, sessions)| sessions.iter().copied());
        let goes_along =
            |session: &SessionId| self.people.get(*session).is_some_and(|record| record.resource.is_none());
        let (moving, leaving): (Vec<SessionId>, Vec<SessionId>) = all.partition(goes_along);
        // Who comes by itself leaves first, so that the others see it go.
        let me = self.me();
        for session in leaving.into_iter().filter(|session| session.node == me) {
            let why = Why { reason: reason.to_owned(), ..Why::default() };
            self.change_own(now, session, &why, |record| drop(record.rooms.remove(room)));
        }
        for session in &moving {
            self.move_one(now, *session, room, to);
        }
        let known: BTreeSet<&NickKey> = inside.iter().map(|(nick, _)| nick).collect();
        let moved: Vec<(SessionId, SessionNumber)> =
            moving.iter().filter_map(|session| Some((*session, self.sessions.number(*session)?))).collect();
        for (session, number) in &moved {
            let view = self.room_view(to, *session, false);
            let event = Event::Renamed { old: room.clone(), view, by: by.clone(), reason: reason.to_owned() };
            self.sessions.deliver(vec![*number], event, &mut self.out);
        }
        // Whose home was faster than the word of the new name is new to those who were in the room.
        let state = self.room_state(to);
        let early: Vec<NickKey> =
            self.people.occupants(to).into_iter().flatten().map(|(nick, _)| nick.clone()).collect();
        for nick in early.iter().filter(|nick| !known.contains(nick)) {
            if let Some(occupant) = self.occupant_by_nick(to, &state, nick) {
                let to_all = moved.iter().map(|(_, number)| *number).collect();
                self.sessions.deliver(to_all, Event::Joined { room: to.clone(), occupant }, &mut self.out);
            }
        }
    }

    /// A room says by which name it went before: who waits for that comes.
    pub(super) fn on_former(&mut self, now: Now, to: &RoomName) {
        if let Some((room, by, reason)) = self.moves.remove(to) {
            self.on_moved(now, &room, to, &by, &reason);
        }
    }

    /// Where a room is now, and all that it has taken with it is here.
    fn moved_to(&mut self, room: &RoomName) -> Option<RoomName> {
        let to = self.load_room(room).moved.clone()?;
        (self.load_room(&to).former.as_ref() == Some(room)).then_some(to)
    }

    fn move_one(&mut self, now: Now, session: SessionId, room: &RoomName, to: &RoomName) {
        let why = Why { quiet: true, ..Why::default() };
        if self.sessions.number(session).is_none() {
            if let Some(record) = self.told(session) {
                self.show(now, session, Some(record), &why);
            }
            return;
        }
        let Some(place) = self.people.get(session).and_then(|record| record.rooms.get(room)).cloned() else { return };
        let since = place.since;
        self.change_own(now, session, &why, |record| {
            record.rooms.remove(room);
            record.rooms.entry(to.clone()).or_insert(place);
        });
        self.spread_place(now, session, room, None);
        self.spread_place(now, session, to, Some(since));
    }

    /// What another node says of a session's places, as far as it has not heard that rooms go by other names.
    pub(super) fn follow_moves(&mut self, session: SessionId, record: &mut Arc<SessionRecord>) {
        let rooms: Vec<RoomName> = record.rooms.keys().cloned().collect();
        for room in rooms {
            let state = self.load_room(&room);
            let Some(place) = record.rooms.get(&room).cloned() else { continue };
            if let Some(to) = self.moved_to(&room) {
                let record = Arc::make_mut(record);
                record.rooms.remove(&room);
                if record.resource.is_none() {
                    record.rooms.entry(to).or_insert(place);
                }
            } else if self.always_on.contains_key(&session) && !state.is_open_to(place.since) {
                // Nobody was there to say that an account without a session has left with the others.
                Arc::make_mut(record).rooms.remove(&room);
            }
        }
    }

    /// The names that a room says it went by before, whether these say so too or not.
    pub(super) fn former_names(&mut self, room: &RoomName) -> Vec<RoomName> {
        let mut names = Vec::new();
        while names.len() < FORMER_MAX
            && let Some(former) = self.load_room(names.last().unwrap_or(room)).former.clone()
        {
            names.push(former);
        }
        names
    }

    /// The logs that a room's history is in: its own, and those of the names it went by before, where these say so too.
    pub(super) fn history_of_room(&mut self, room: &RoomName) -> Vec<Scope> {
        let mut scopes = vec![Scope::Room(room.clone())];
        let mut name = room.clone();
        while scopes.len() <= FORMER_MAX
            && let Some(former) = self.load_room(&name).former.clone()
            && self.moved_to(&former).as_ref() == Some(&name)
        {
            scopes.push(Scope::Room(former.clone()));
            name = former;
        }
        scopes
    }
}

/// What a room takes with it.
fn carried(state: &RoomState, from: &RoomName, by: &Principal) -> Vec<Act> {
    let ranks = state.ranks.iter().filter(|(who, _)| *who != by);
    let mut acts: Vec<Act> = ranks.map(|(who, rank)| Act::SetRank { who: who.clone(), rank: *rank }).collect();
    let marks = state.marks.iter().flat_map(|(who, marks)| marks.iter().map(move |rank| (who, *rank)));
    acts.extend(marks.map(|(who, rank)| Act::SetMark { who: who.clone(), rank, on: true }));
    acts.extend(state.bans.iter().map(|(mask, ban)| Act::SetBan { mask: mask.clone(), ban: Some(ban.reason.clone()) }));
    acts.extend(state.exceptions.keys().map(|mask| Act::SetException { mask: mask.clone(), on: true }));
    acts.extend(state.invite_exceptions.keys().map(|mask| Act::SetInviteException { mask: mask.clone(), on: true }));
    acts.extend(state.flags.iter().map(|flag| Act::SetFlag { flag: *flag, on: true }));
    let off = Act::FLAGS_OF_A_NEW_ROOM.into_iter().filter(|flag| !state.has(*flag));
    acts.extend(off.map(|flag| Act::SetFlag { flag, on: false }));
    acts.extend(state.key.clone().map(|key| Act::SetKey(Some(key))));
    acts.extend(state.limit.map(|limit| Act::SetLimit(Some(limit))));
    acts.extend(state.topic.as_ref().map(|topic| Act::SetTopic(topic.text.clone())));
    acts.extend(state.forward.clone().map(|room| Act::SetForward(Some(room))));
    acts.extend(state.title.clone().map(Act::SetTitle));
    acts.extend(state.description.clone().map(Act::SetDescription));
    let note = |(key, value): (&String, &String)| Act::SetNote { key: key.clone(), value: Some(value.clone()) };
    acts.extend(state.notes.iter().map(note));
    // The last: where it is here, all the others are.
    acts.push(Act::SetFormer(from.clone()));
    acts
}
