//! Places in rooms and acts upon rooms.

use super::commands::Asker;
use super::presence::Why;
use super::{Node, closing, level};
use crate::farewells;
use crate::people::principal;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::Author;
use lavina_crdt::entry::Body;
use lavina_crdt::ids::{OrderKey, Scope, SessionId};
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::names::{Nick, RoomName};
use lavina_crdt::notes::NOTES_MAX;
use lavina_crdt::presence::Place;
use lavina_crdt::room::{Act, Denied, Kick, MASKS_MAX, Rank, Right, RoomState};
use lavina_protocols::command::{Refusal, Reply};

/// Most acts of one command: an IRC MODE line and an XMPP configuration form are far smaller.
pub(super) const ACTS_MAX: usize = 64;

impl<S: Store> Node<S> {
    pub(super) fn join(
        &mut self,
        now: Now,
        asker: &Asker,
        room: RoomName,
        nick: Option<Nick>,
        key: Option<&str>,
    ) -> Result<Reply, Refusal> {
        let record = &asker.record;
        if let Some(place) = record.rooms.get(&room) {
            if let Some(nick) = nick.filter(|nick| *nick != place.nick) {
                self.set_room_nick(now, asker, &room, &nick)?;
            }
            return Ok(Reply::Joined(self.room_view(&room, asker.session, false), false));
        }
        if record.rooms.len() >= self.config.limits.rooms_per_session_max {
            return Err(Refusal::TooMany("rooms"));
        }
        if mutant::is_planted(Mutant::JoinNeedsAll) && self.gossip.peers().iter().any(|peer| !peer.in_reach) {
            return Err(Refusal::Storage);
        }
        if let Some(words) = self.barred_room(now, &room) {
            return Err(Refusal::Barred(words));
        }
        let nick = nick.unwrap_or_else(|| record.nick.clone());
        let who = principal(asker.session, record);
        self.may_claim(&nick, &who)?;
        let created = self.enter(now, asker, &room, &nick, key)?;
        self.invites.take(&room, &who);
        let since = self.replicas.stamp(now);
        let why = Why { actor: Some(asker.number), ..Why::default() };
        self.change_own(now, asker.session, &why, |record| {
            record.rooms.insert(room.clone(), Place { nick, since });
        });
        self.spread_place(now, asker.session, &room, Some(since));
        Ok(Reply::Joined(self.room_view(&room, asker.session, created), true))
    }

    /// Whether the room lets the asker in; creates it when there is none. Tells whether it did.
    fn enter(
        &mut self,
        now: Now,
        asker: &Asker,
        room: &RoomName,
        nick: &Nick,
        key: Option<&str>,
    ) -> Result<bool, Refusal> {
        self.close_lapsed(now, room)?;
        let state = self.load_room(room);
        let author = self.author(asker.session, &asker.record, nick);
        let who = author.principal();
        if state.created.is_none() {
            self.create_room(now, asker, room, author)?;
            return Ok(true);
        }
        if state.closed.is_some() || self.is_left(now, room) {
            self.begin_anew(now, asker, room, author)?;
            return Ok(true);
        }
        if self.is_locked_to(room, &state, &who) {
            return Err(Refusal::Denied(Denied::NoRoom));
        }
        let inside = self.people.occupants_len(room);
        let shares_a_place = self.people.place(room, &nick.key()).next().is_some();
        // A second session of a nick takes no further place.
        let occupants = if shares_a_place { inside.saturating_sub(1) } else { inside };
        let invited = self.invites.has(room, &who);
        let admitted = state.admits(&author, key, occupants, invited);
        // Who could lift the ban or the limit has said that this one is to come.
        if matches!(admitted, Err(Denied::Banned | Denied::Full)) && self.invites.is_strong(room, &who) {
            return Ok(false);
        }
        admitted.map_err(|denied| match &state.forward {
            Some(to) if to != room => Refusal::Elsewhere(to.clone(), denied),
            Some(_) | None => Refusal::Denied(denied),
        })?;
        Ok(false)
    }

    pub(super) fn part(&mut self, now: Now, asker: &Asker, room: &RoomName, reason: String) -> Result<Reply, Refusal> {
        if !asker.record.rooms.contains_key(room) {
            return Err(Refusal::Denied(self.absent(room)));
        }
        // Or an always-on account would be inside again with its last session gone.
        self.keep_place_of(now, asker.session, room, None)?;
        let why = Why { actor: Some(asker.number), reason: farewells::reason(&reason), ..Why::default() };
        self.say_farewell(now, asker.session, Some(room.clone()), &why.reason);
        self.change_own(now, asker.session, &why, |record| {
            record.rooms.remove(room);
        });
        self.tell_companions_of_place(now, asker.session, room, None);
        Ok(Reply::Done)
    }

    pub(super) fn set_room_nick(
        &mut self,
        now: Now,
        asker: &Asker,
        room: &RoomName,
        nick: &Nick,
    ) -> Result<Reply, Refusal> {
        let place = asker.record.rooms.get(room).ok_or_else(|| Refusal::Denied(self.absent(room)))?;
        if place.nick != *nick {
            self.may_claim(nick, &principal(asker.session, &asker.record))?;
            self.change_own(now, asker.session, &Why::default(), |record| {
                if let Some(place) = record.rooms.get_mut(room) {
                    place.nick = nick.clone();
                }
            });
        }
        Ok(Reply::Done)
    }

    pub(super) fn act(&mut self, now: Now, asker: &Asker, room: &RoomName, acts: &[Act]) -> Result<Reply, Refusal> {
        if acts.len() > ACTS_MAX {
            return Err(Refusal::TooMany("changes"));
        }
        let state = self.load_room(room);
        if !state.is_open() {
            return Err(Refusal::Denied(Denied::NoRoom));
        }
        let author = self.author_in(asker, room);
        let acts = &level::keeping(&state, &author, acts)[..];
        state.allows_all(&author, acts).map_err(Refusal::Denied)?;
        self.within_bounds(&author, &state, acts)?;
        if acts.iter().any(|act| matches!(act, Act::SetClosed(Some(_)))) {
            for acts in closing::changes(closing::cleared(&state, &author.principal())) {
                self.append_acts(now, room, author.clone(), &acts)?;
            }
        }
        for acts in closing::changes_in_order(acts) {
            self.append_acts(now, room, author.clone(), acts)?;
        }
        Ok(Reply::Done)
    }

    /// What is asked of acts where they are made and not of those of a merge: lists that are full take no more, and people are forwarded only to
    /// a room whose operators want it.
    fn within_bounds(&mut self, author: &Author, state: &RoomState, acts: &[Act]) -> Result<(), Refusal> {
        let adds = |act: &&Act| match act {
            Act::SetBan { mask, ban } => ban.is_some() && !state.bans.contains_key(mask),
            Act::SetException { mask, on } => *on && !state.exceptions.contains_key(mask),
            Act::SetInviteException { mask, on } => *on && !state.invite_exceptions.contains_key(mask),
            Act::Create
            | Act::SetRank { .. }
            | Act::SetFlag { .. }
            | Act::SetKey(_)
            | Act::SetLimit(_)
            | Act::SetTopic(_)
            | Act::SetForward(_)
            | Act::SetTitle(_)
            | Act::SetDescription(_)
            | Act::SetNote { .. }
            | Act::SetMark { .. }
            | Act::SetMoved(_)
            | Act::SetFormer(_)
            | Act::SetClosed(_) => false,
        };
        let added = acts.iter().filter(adds).count();
        let held = state.bans.len() + state.exceptions.len() + state.invite_exceptions.len();
        if added > 0 && held + added > MASKS_MAX {
            return Err(Refusal::TooMany("masks"));
        }
        let adds_note =
            |act: &&Act| matches!(act, Act::SetNote { key, value: Some(_) } if !state.notes.contains_key(key));
        if acts.iter().filter(adds_note).count() > NOTES_MAX.saturating_sub(state.notes.len()) {
            return Err(Refusal::TooMany("notes"));
        }
        for act in acts {
            let Act::SetForward(Some(to)) = act else { continue };
            let target = self.load_room(to);
            if !target.is_open() {
                return Err(Refusal::Denied(Denied::NoRoom));
            }
            if target.rank(&author.principal()) < Rank::Operator {
                return Err(Refusal::Denied(Denied::Rank));
            }
        }
        Ok(())
    }

    pub(super) fn kick(
        &mut self,
        now: Now,
        asker: &Asker,
        room: &RoomName,
        nick: &Nick,
        reason: String,
    ) -> Result<Reply, Refusal> {
        let state = self.load_room(room);
        if !state.is_open() {
            return Err(Refusal::Denied(Denied::NoRoom));
        }
        let sessions: Vec<SessionId> = self.people.place(room, &nick.key()).collect();
        let who = sessions.first().and_then(|session| self.people.principal(*session));
        let who = who.ok_or(Refusal::NoSuchOccupant)?;
        let kick = Kick { nick: nick.key(), who, sessions, reason };
        let author = self.author_in(asker, room);
        state.allows(&author, &Right::Kick(&kick)).map_err(Refusal::Denied)?;
        let appended = self.append(now, Scope::Room(room.clone()), Some(author), Body::Kick(kick))?;
        self.on_effects(now, appended.effects);
        Ok(Reply::Done)
    }

    /// A kick counts: the places it means end, here at once and elsewhere as this node shows it.
    pub(super) fn on_kicked(&mut self, now: Now, room: &RoomName, by: &Author, kick: &Kick, at: OrderKey) {
        if by.session.node != self.me() && mutant::is_planted(Mutant::ForeignKickIgnored) {
            return;
        }
        self.kicks.keep(&mut self.replicas, room, kick, at);
        for session in &kick.sessions {
            let Some(record) = self.people.get(*session) else { continue };
            let Some(place) = record.rooms.get(room).filter(|place| place.since < at.hlc) else { continue };
            // Ranks were compared with those of `who`: nobody else is meant, whatever sessions the kick names.
            if principal(*session, record) != kick.who {
                continue;
            }
            let who = self.author(*session, record, &place.nick);
            let banned = self.room_state(room).admits(&who, None, 0, true) == Err(Denied::Banned);
            let why = Why {
                reason: kick.reason.clone(),
                kick: Some((by.clone(), banned, Some(at.msg_id()))),
                ..Why::default()
            };
            if self.sessions.number(*session).is_some() {
                self.change_own(now, *session, &why, |record| {
                    record.rooms.remove(room);
                });
                self.spread_place(now, *session, room, None);
            } else if let Some(record) = self.told(*session) {
                self.show(now, *session, Some(record), &why);
            }
        }
    }

    pub(super) fn append_acts(
        &mut self,
        now: Now,
        room: &RoomName,
        author: Author,
        acts: &[Act],
    ) -> Result<(), Refusal> {
        self.may_write()?;
        let appended = self.replicas.append_acts(now, room, author, acts)?;
        self.on_appended(&appended);
        self.on_effects(now, appended.effects);
        Ok(())
    }

    /// The asker as an author, under its nick in the room when it is inside.
    pub(super) fn author_in(&self, asker: &Asker, room: &RoomName) -> Author {
        let nick = asker.record.rooms.get(room).map_or(&asker.record.nick, |place| &place.nick);
        self.author(asker.session, &asker.record, nick)
    }

    /// Why somebody outside cannot do what occupants do.
    fn absent(&self, room: &RoomName) -> Denied {
        if self.room_state(room).is_open() { Denied::NotPresent } else { Denied::NoRoom }
    }
}
