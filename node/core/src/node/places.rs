//! Views: persons, occupants and rooms as events and answers show them.

use super::Node;
use crate::people::principal;
use crate::store::Store;
use lavina_crdt::content::{Author, Principal};
use lavina_crdt::ids::{NodeId, SessionId};
use lavina_crdt::names::{Nick, NickKey, RoomName};
use lavina_crdt::presence::SessionRecord;
use lavina_crdt::room::{Flag, Rank, RoomState};
use lavina_protocols::event::{Occupant, Person, RoomView};
use std::sync::Arc;

impl<S: Store> Node<S> {
    /// A session as it is.
    pub(super) fn person(&self, session: SessionId) -> Option<Person> {
        Some(self.person_as(session, self.people.get(session)?))
    }

    /// A session with the record given.
    pub(super) fn person_as(&self, session: SessionId, record: &Arc<SessionRecord>) -> Person {
        Person {
            session,
            record: Arc::clone(record),
            node: self.node_name(session.node),
            unreachable_since: self.splits.since(session.node),
            notes: self.notes_of(record),
        }
    }

    /// A node's name for people.
    pub(super) fn node_name(&self, node: NodeId) -> Arc<str> {
        self.names.get(&node).cloned().unwrap_or_else(|| format!("{node:?}").into())
    }

    /// Reads a room's state in, where there is one.
    pub(super) fn load_room(&mut self, room: &RoomName) -> Arc<RoomState> {
        if let Some(state) = self.states.get(room) {
            return Arc::clone(state);
        }
        let Some(state) = self.replicas.room(room) else { return Arc::default() };
        self.states.insert(room.clone(), Arc::clone(&state));
        state
    }

    /// The state of a room that was read in; the default one when nobody has created it.
    pub(super) fn room_state(&self, room: &RoomName) -> Arc<RoomState> {
        self.states.get(room).cloned().unwrap_or_default()
    }

    /// The standing of a principal in a room.
    pub(super) fn rank_of(&self, room: &RoomName, who: &Principal) -> Rank {
        self.room_state(room).rank(who)
    }

    /// An occupant by one session with the record given.
    pub(super) fn lone_occupant(
        &self,
        session: SessionId,
        record: &Arc<SessionRecord>,
        room: &RoomName,
        nick: Nick,
    ) -> Occupant {
        let (state, who) = (self.room_state(room), principal(session, record));
        let (rank, beneath, in_lasting_room) = (state.rank(&who), state.beneath(&who), state.has(Flag::Persistent));
        Occupant { nick, rank, beneath, in_lasting_room, people: vec![self.person_as(session, record)] }
    }

    /// A nick's place in a room whose state is given; `None` when nobody has it.
    pub(super) fn occupant_by_nick(&self, room: &RoomName, state: &RoomState, nick: &NickKey) -> Option<Occupant> {
        self.occupant(room, state, self.people.place(room, nick))
    }

    fn occupant(
        &self,
        room: &RoomName,
        state: &RoomState,
        sessions: impl Iterator<Item = SessionId>,
    ) -> Option<Occupant> {
        let people: Vec<Person> = sessions.filter_map(|session| self.person(session)).collect();
        let first = people.first()?;
        let nick = first.record.rooms.get(room)?.nick.clone();
        let (who, in_lasting_room) = (first.principal(), state.has(Flag::Persistent));
        Some(Occupant { nick, rank: state.rank(&who), beneath: state.beneath(&who), in_lasting_room, people })
    }

    /// A room as `asker` sees it.
    pub(super) fn room_view(&self, room: &RoomName, asker: SessionId, created: bool) -> Arc<RoomView> {
        let own_nick = self.people.get(asker).and_then(|record| Some(record.rooms.get(room)?.nick.clone()));
        let mut view = self.whole_room(room);
        if view.state.has(Flag::Auditorium) && !self.has_voice(&view.state, asker) {
            view.occupants.retain(|occupant| {
                occupant.rank >= Rank::Voice || occupant.people.iter().any(|person| person.session == asker)
            });
        }
        Arc::new(RoomView { own_nick, created, ..view })
    }

    /// Who is in a room as it is kept here, whoever may see it: for whoever watches a node, not for its clients.
    pub fn look_at_people_in(&self, room: &RoomName) -> impl Iterator<Item = (SessionId, &Arc<SessionRecord>)> + '_ {
        let sessions = self.people.occupants(room).into_iter().flat_map(|occupants| occupants.values().flatten());
        sessions.filter_map(|session| Some((*session, self.people.get(*session)?)))
    }

    /// A room's state as it is kept here, likewise. None when there is no such room.
    pub fn look_at_room_state(&mut self, room: &RoomName) -> Option<Arc<RoomState>> {
        let state = self.load_room(room);
        (state.created.is_some() || self.people.occupants(room).is_some()).then_some(state)
    }

    /// Everybody who is visible, as kept here: for whoever watches a node, not for its clients.
    #[must_use]
    pub fn look_at_people(&self) -> Vec<Person> {
        let visible = self.people.iter().filter(|(_, record)| record.available);
        visible.map(|(session, record)| self.person_as(session, record)).collect()
    }

    fn whole_room(&self, room: &RoomName) -> RoomView {
        let state = self.room_state(room);
        let places = self.people.occupants(room).into_iter().flatten();
        let occupants =
            places.filter_map(|(_, sessions)| self.occupant(room, &state, sessions.iter().copied())).collect();
        RoomView { name: room.clone(), state, occupants, own_nick: None, created: false }
    }

    /// A session as the author of an entry, under the nick given.
    pub(super) fn author(&self, session: SessionId, record: &SessionRecord, nick: &Nick) -> Author {
        Author {
            session,
            account: record.account.clone(),
            nick: nick.clone(),
            user: record.user.clone(),
            host: record.host.clone(),
        }
    }
}
