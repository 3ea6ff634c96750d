//! Rooms that are nobody's in particular ([`Flag::Level`]): those made by who goes by a nick and not by addresses, until somebody keeps them.
//!
//! A standing in one goes with the place: who leaves with their last session gives it up, and who comes when nobody is there and nobody has a standing
//! begins the room anew. What was said stays where everybody could read it all along.
//!
//! **Invariant:** nobody gets a standing by coming while those who have it cannot be seen: only they, by their homes, give it up. So a cut gives nobody
//! a room.

use super::commands::Asker;
use super::{Node, closing};
use crate::said::nick_when_away;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::{Author, Principal};
use lavina_crdt::ids::SessionId;
use lavina_crdt::names::{AccountName, RoomName};
use lavina_crdt::presence::SessionRecord;
use lavina_crdt::room::{Act, Flag, Rank, RoomState};
use lavina_protocols::command::Refusal;
use std::sync::Arc;

impl<S: Store> Node<S> {
    /// Creates a room.
    pub(super) fn create_room(
        &mut self,
        now: Now,
        asker: &Asker,
        room: &RoomName,
        author: Author,
    ) -> Result<(), Refusal> {
        self.append_acts(now, room, author.clone(), &[Act::Create])?;
        if makes_level(asker) {
            // Apart, so that a version that knows of no such rooms knows that there is one.
            self.append_acts(now, room, author, &[Act::SetFlag { flag: Flag::Level, on: true }])?;
        }
        Ok(())
    }

    /// Begins a room anew that was closed or left.
    pub(super) fn begin_anew(
        &mut self,
        now: Now,
        asker: &Asker,
        room: &RoomName,
        author: Author,
    ) -> Result<(), Refusal> {
        let state = self.load_room(room);
        let mut acts = closing::anew(&state, &author.principal());
        let level = makes_level(asker);
        if state.has(Flag::Level) != level {
            acts.push(Act::SetFlag { flag: Flag::Level, on: level });
        }
        if state.closed.is_some() || is_private(&state) {
            acts.push(Act::SetClosed(None));
        }
        for acts in closing::changes(acts) {
            self.append_acts(now, room, author.clone(), &acts)?;
        }
        Ok(())
    }

    /// Whether a level room is there for whoever comes.
    pub(super) fn is_left(&mut self, now: Now, room: &RoomName) -> bool {
        let state = self.load_room(room);
        if !state.is_level() || self.people.occupants(room).is_some() {
            return false;
        }
        for (session, author) in self.ghosts(&state) {
            let who = Principal::Guest(session);
            if self.append_acts(now, room, author, &[Act::SetRank { who, rank: Rank::None }]).is_err() {
                return false;
            }
        }
        self.load_room(room).is_headless()
    }

    /// Guests of this node with an operator's standing who ended without giving it up: the node went down with them.
    fn ghosts(&self, state: &RoomState) -> Vec<(SessionId, Author)> {
        let ranks = state.ranks.iter().filter(|(_, rank)| **rank >= Rank::Operator);
        let of_ghost = ranks.filter_map(|(who, _)| match who {
            Principal::Guest(session) if session.node == self.me() && self.people.get(*session).is_none() => {
                let nick = nick_when_away(who)?;
                let (user, host) = ("guest".to_owned(), String::new());
                Some((*session, Author { session: *session, account: None, nick, user, host }))
            }
            Principal::Guest(_) | Principal::Account(_) => None,
        });
        of_ghost.collect()
    }

    /// An own session is out of rooms: what standing it had in level ones goes with the last of its person.
    pub(super) fn give_up_standings(
        &mut self,
        now: Now,
        session: SessionId,
        old: &Arc<SessionRecord>,
        left: &[RoomName],
    ) {
        // Who is put out because the node goes down comes back at another one.
        if session.node != self.me() || self.draining {
            return;
        }
        let who = crate::people::principal(session, old);
        for room in left {
            let state = self.room_state(room);
            if !state.is_level() || !state.is_open() || state.rank(&who) <= Rank::Member {
                continue;
            }
            let is_inside = |id: &SessionId| self.people.get(*id).is_some_and(|record| record.rooms.contains_key(room));
            let Some(place) = old.rooms.get(room) else { continue };
            if self.people.directory().sessions_of_principal(&who).iter().any(is_inside) {
                continue;
            }
            let author = self.author(session, old, &place.nick);
            // While the disk takes nothing the standing stays, as it does when a node dies.
            let mut acts = vec![Act::SetRank { who: who.clone(), rank: Rank::None }];
            acts.extend(closing::unmarked(&state, &who));
            let mut changes = closing::changes(acts).into_iter();
            if changes.any(|acts| self.append_acts(now, room, author.clone(), &acts).is_err()) {
                self.count("standings_kept");
            }
        }
    }

    /// A guest is about to be an account: gives it the standing that it has. Says where, with itself as it was.
    pub(super) fn share_standings(
        &mut self,
        now: Now,
        session: SessionId,
        account: &AccountName,
    ) -> Vec<(RoomName, Author)> {
        let Some(record) = self.people.get(session).cloned().filter(|record| record.account.is_none()) else {
            return Vec::new();
        };
        let to = Principal::Account(account.clone());
        let mut shared = Vec::new();
        for (room, place) in &record.rooms {
            let state = self.room_state(room);
            let rank = state.rank(&Principal::Guest(session));
            let author = self.author(session, &record, &place.nick);
            let give = [Act::SetRank { who: to.clone(), rank }];
            let is_more = state.is_open() && rank > state.rank(&to);
            if is_more
                && state.allows_all(&author, &give).is_ok()
                && self.append_acts(now, room, author.clone(), &give).is_ok()
            {
                shared.push((room.clone(), author));
            }
        }
        shared
    }

    /// It is an account: what it was as a guest has no standing any more.
    pub(super) fn leave_standings(&mut self, now: Now, shared: Vec<(RoomName, Author)>) {
        for (room, author) in shared {
            let acts = [Act::SetRank { who: author.principal(), rank: Rank::None }];
            if self.append_acts(now, &room, author, &acts).is_err() {
                self.count("standings_kept");
            }
        }
    }
}

/// Whether rooms that the asker makes are level.
fn makes_level(asker: &Asker) -> bool {
    asker.record.resource.is_none()
}

/// Whether not everybody could come in, so that what was said is not for whoever comes next.
fn is_private(state: &RoomState) -> bool {
    let flags = [Flag::InviteOnly, Flag::RegisteredOnly, Flag::Secret];
    flags.into_iter().any(|flag| state.has(flag)) || state.key.is_some() || !state.bans.is_empty()
}

/// What keeps a level room makes its author the founder, and all others who were that operators.
pub(super) fn keeping(state: &RoomState, author: &Author, acts: &[Act]) -> Vec<Act> {
    let who = author.principal();
    let is_kept = acts.contains(&Act::SetFlag { flag: Flag::Persistent, on: true });
    if !is_kept || !state.is_level() || state.rank(&who) < Rank::Operator {
        return acts.to_vec();
    }
    let founders = state.ranks.iter().filter(|(other, rank)| **rank == Rank::Founder && **other != who);
    let lowered = founders.map(|(who, _)| Act::SetRank { who: who.clone(), rank: Rank::Operator });
    [Act::SetRank { who: who.clone(), rank: Rank::Founder }]
        .into_iter()
        .chain(lowered)
        .chain(acts.iter().cloned())
        .collect()
}
