//! Questions about rooms and people, answered with what the asker may know: a secret room is there for its occupants only.

use super::Node;
use super::commands::Asker;
use crate::people::principal;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::Principal;
use lavina_crdt::directory::Occupants;
use lavina_crdt::glob;
use lavina_crdt::ids::SessionId;
use lavina_crdt::modes::UserMode;
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::names::{Nick, RoomName};
use lavina_crdt::presence::SessionRecord;
use lavina_crdt::room::{Flag, Rank};
use lavina_protocols::command::{Counts, Gone, RoomSummary, Standing};
use lavina_protocols::event::{Person, RoomView};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most people of one answer to a mask.
const FOUND_MAX: usize = 1_000;

impl<S: Store> Node<S> {
    /// Whether the asker may know of a room. Of one that is not here nobody outside is told anything: it may be secret.
    pub(super) fn sees_room(&self, asker: &SessionRecord, room: &RoomName) -> bool {
        mutant::is_planted(Mutant::SecretListed)
            || asker.rooms.contains_key(room)
            || (self.has_room(room) && !self.room_state(room).has(Flag::Secret))
    }

    /// Whether the asker may see somebody in a room that it may know of.
    fn sees_place(&self, asker: SessionId, room: &RoomName, who: &Principal) -> bool {
        let state = self.room_state(room);
        !state.has(Flag::Auditorium) || state.rank(who) >= Rank::Voice || self.has_voice(&state, asker)
    }

    pub(super) fn room_info(&mut self, asker: &Asker, room: &RoomName) -> Option<Arc<RoomView>> {
        let exists = self.load_room(room).is_open() || self.people.occupants(room).is_some();
        let seen = exists && self.sees_room(&asker.record, room);
        seen.then(|| self.room_view(room, asker.session, false))
    }

    /// Rooms somebody is in, and those that stay when empty.
    pub(super) fn list_rooms(&mut self, asker: &Asker) -> Vec<RoomSummary> {
        let mut rooms = Vec::new();
        for name in self.replicas.rooms() {
            let state = self.load_room(&name);
            let occupants = self.people.occupants_len(&name);
            let there = occupants > 0 || (state.has(Flag::Persistent) && state.is_open());
            if there && self.sees_room(&asker.record, &name) {
                let topic = state.topic.as_ref().map(|topic| topic.text.clone()).unwrap_or_default();
                let title = state.title.clone().unwrap_or_default();
                let created_ms = state.created.map(|at| at.ms());
                let topic_ms = state.topic.as_ref().map(|topic| topic.at.ms());
                rooms.push(RoomSummary { name, occupants, topic, title, created_ms, topic_ms });
            }
        }
        let here: BTreeSet<RoomName> = rooms.iter().map(|room| room.name.clone()).collect();
        let elsewhere = self.lists.rows().filter(|row| !here.contains(&row.name) && !self.has_room(&row.name));
        rooms.extend(elsewhere.filter_map(|row| {
            let occupants = self.people.occupants_len(&row.name);
            (occupants > 0 || row.stays).then(|| RoomSummary {
                name: row.name.clone(),
                occupants,
                topic: row.topic.clone(),
                title: row.title.clone(),
                created_ms: row.created_ms,
                topic_ms: row.topic_ms,
            })
        }));
        rooms.sort_by(|one, other| one.name.cmp(&other.name));
        rooms
    }

    /// Rooms that the asker is invited to.
    pub(super) fn invitations(&self, asker: &Asker) -> Vec<RoomName> {
        self.invites.of(&principal(asker.session, &asker.record)).cloned().collect()
    }

    pub(super) fn find_nick(&self, asker: &Asker, nick: &Nick) -> Vec<Person> {
        let key = nick.key();
        let holders = self.people.directory().holders(&key);
        holders.filter_map(|session| self.person_for(asker, session)).collect()
    }

    /// Whoever shares a nick, the standing of that person in each of their rooms that the asker may know of, and for how many milliseconds they have
    /// said nothing that came here.
    pub(super) fn look_up(&self, now: Now, asker: &Asker, nick: &Nick) -> (Vec<Person>, Vec<Standing>, u64) {
        let people = self.find_nick(asker, nick);
        let rooms: BTreeSet<&RoomName> = people.iter().flat_map(|person| person.record.rooms.keys()).collect();
        let active = people.iter().filter_map(|person| self.people.active_at(person.session)).max();
        let idle_ms = active.map_or(0, |at| now.wall_ms.saturating_sub(at.ms()));
        let Some(who) = people.first().map(Person::principal) else { return (people, Vec::new(), 0) };
        let standing = |room: &RoomName| Standing {
            room: room.clone(),
            rank: self.rank_of(room, &who),
            in_lasting_room: self.room_state(room).has(Flag::Persistent),
        };
        let standings = rooms.into_iter().map(standing).collect();
        (people, standings, idle_ms)
    }

    pub(super) fn find_gone(&self, nick: &Nick, limit: usize) -> Vec<Gone> {
        self.gone.of(&nick.key()).take(limit).cloned().collect()
    }

    pub(super) fn find_mask(&self, asker: &Asker, mask: &str, limit: usize) -> Vec<Person> {
        let mask = mask.to_lowercase();
        let fits = |text: &str| glob::matches(&mask, &text.to_lowercase());
        let matches = |record: &SessionRecord| {
            record.available
                && (fits(record.nick.as_str())
                    || fits(&record.realname)
                    || fits(&record.user)
                    || fits(&record.host)
                    || fits(&format!("{}!{}@{}", record.nick, record.user, record.host)))
        };
        // Who is named is no secret; what else is known of them is.
        let named = Nick::new(&mask).ok().map(|nick| nick.key());
        let is_named = |record: &SessionRecord| record.available && named.as_ref() == Some(&record.nick.key());
        let found = self.people.iter().filter(|(session, record)| {
            is_named(record) || (matches(record) && self.may_find(asker, *session, record))
        });
        found.take(limit.min(FOUND_MAX)).filter_map(|(session, _)| self.person_for(asker, session)).collect()
    }

    /// Whether a session is found by a mask: an invisible one (RFC 2812 section 3.6.1) by itself, by operators and by who shares a room with it.
    fn may_find(&self, asker: &Asker, session: SessionId, record: &SessionRecord) -> bool {
        !record.modes.has(UserMode::Invisible)
            || session == asker.session
            || asker.record.modes.has(UserMode::Operator)
            || record.rooms.keys().any(|room| asker.record.rooms.contains_key(room))
    }

    /// A person with the rooms that the asker may know of.
    fn person_for(&self, asker: &Asker, session: SessionId) -> Option<Person> {
        let person = self.person(session)?;
        let who = person.principal();
        let is_shut = person.record.modes.has(UserMode::Invisible) && !asker.record.modes.has(UserMode::Operator);
        let sees = |room: &RoomName| {
            self.sees_room(&asker.record, room)
                && self.sees_place(asker.session, room, &who)
                && (!is_shut || asker.record.rooms.contains_key(room))
        };
        let hides = person.record.rooms.keys().any(|room| !sees(room));
        if session == asker.session || !hides {
            return Some(person);
        }
        let mut record = SessionRecord::clone(&person.record);
        record.rooms.retain(|room, _| sees(room));
        Some(Person { record: Arc::new(record), ..person })
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            sessions: self.people.len(),
            sessions_max: self.most.0,
            sessions_here: self.people.own_len(),
            sessions_here_max: self.most.1,
            unknown: self.sessions.len().saturating_sub(self.people.own_len()),
            invisible: self.people.iter().filter(|(_, record)| record.modes.has(UserMode::Invisible)).count(),
            operators: self.people.iter().filter(|(_, record)| record.modes.has(UserMode::Operator)).count(),
            rooms: self.people.directory().rooms().filter(|(_, occupants)| !Occupants::is_empty(occupants)).count(),
            nodes: self.names.len().max(1),
        }
    }
}
