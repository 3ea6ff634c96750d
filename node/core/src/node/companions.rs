//! Sessions of one account that go by one nick are one person, on whichever nodes they are: a new one begins where the others are, and what one of
//! them enters, leaves or is called from then on, all of them do. Of an account that is always on, all sessions without an address are.
//!
//! Nodes tell one another by signals. What one was not told across a cut it finds out when the cut is healed, as far as it is a place taken.

use super::commands::Asker;
use super::presence::Why;
use super::{Node, SessionNumber};
use crate::signal::Signal;
use crate::store::Store;
use lavina_crdt::clock::{Hlc, Now};
use lavina_crdt::content::Author;
use lavina_crdt::ids::{NodeId, SessionId};
use lavina_crdt::names::{AccountName, Nick, NickKey, RoomName};
use lavina_crdt::presence::{Place, SessionRecord};
use lavina_protocols::command::Refusal;
use lavina_protocols::event::Event;
use std::collections::BTreeMap;

impl<S: Store> Node<S> {
    /// Sessions of an account that go by a nick, without those that have an address or only stand for the account.
    fn going_by(&self, account: &AccountName, nick: &NickKey) -> Vec<(SessionId, &SessionRecord)> {
        let sessions = self.people.directory().sessions_of(account);
        let records = sessions.filter_map(|session| Some((session, &**self.people.get(session)?)));
        let is_one = |session: &SessionId, record: &SessionRecord| {
            record.resource.is_none() && !self.always_on.contains_key(session)
        };
        records.filter(|(session, record)| is_one(session, record) && record.nick.key() == *nick).collect()
    }

    /// All other sessions of the person.
    fn companions(&self, session: SessionId, record: &SessionRecord) -> Vec<SessionId> {
        let Some(account) = record.account.as_ref().filter(|_| record.resource.is_none()) else { return Vec::new() };
        let all = self.going_by(account, &record.nick.key()).into_iter().map(|(other, _)| other);
        all.filter(|other| *other != session).collect()
    }

    /// The places that a new session of an account begins with under a nick that others of it go by; `None` when none does.
    pub(super) fn places_of_companions(
        &self,
        account: &AccountName,
        nick: &Nick,
    ) -> Option<(Nick, BTreeMap<RoomName, Place>)> {
        let companions = self.going_by(account, &nick.key());
        let (_, first) = companions.first()?;
        let rooms = companions.iter().flat_map(|(_, record)| places_by(record)).collect();
        Some((first.nick.clone(), rooms))
    }

    /// A session took a place or (`None`) gave one up: so have all of the person.
    pub(super) fn spread_place(&mut self, now: Now, session: SessionId, room: &RoomName, since: Option<Hlc>) {
        // While the disk takes nothing the place is kept for sessions only.
        if self.keep_place_of(now, session, room, since).is_err() {
            self.count("places_not_kept");
        }
        self.tell_companions_of_place(now, session, room, since);
    }

    /// Keeps a place that a session takes or (`None`) gives up for its account, where that is always on.
    ///
    /// # Errors
    /// When the disk takes nothing: without a session the account is where it was.
    pub(super) fn keep_place_of(
        &mut self,
        now: Now,
        session: SessionId,
        room: &RoomName,
        since: Option<Hlc>,
    ) -> Result<(), Refusal> {
        let Some(record) = self.people.get(session).cloned() else { return Ok(()) };
        let account = record.account.as_ref().filter(|_| record.resource.is_none());
        let Some(account) = account.filter(|account| self.is_always_on(account)).cloned() else { return Ok(()) };
        let by = self.author(session, &record, &record.nick);
        self.keep_place(now, &account, by, room, since)
    }

    /// Tells all other sessions of a person of a place.
    pub(super) fn tell_companions_of_place(
        &mut self,
        now: Now,
        session: SessionId,
        room: &RoomName,
        since: Option<Hlc>,
    ) {
        let Some(record) = self.people.get(session).cloned() else { return };
        let by = self.author(session, &record, &record.nick);
        for other in self.companions(session, &record) {
            self.signal(now, other, &Signal::Placed { by: by.clone(), room: room.clone(), since });
        }
    }

    /// Another session of an own session's person took a place or gave one up.
    pub(super) fn on_placed(
        &mut self,
        now: Now,
        number: SessionNumber,
        by: &Author,
        room: &RoomName,
        since: Option<Hlc>,
    ) {
        let session = self.sessions.id(number);
        let Some(record) = self.people.get(session).cloned() else { return };
        if !is_companion(&record, by) || record.rooms.contains_key(room) == since.is_some() {
            return;
        }
        let nick = record.nick.clone();
        if since.is_some() {
            self.load_room(room);
        }
        self.change_own(now, session, &Why::default(), |record| {
            match since {
                Some(since) => record.rooms.insert(room.clone(), Place { nick, since }),
                None => record.rooms.remove(room),
            };
        });
        if since.is_some() {
            let view = self.room_view(room, session, false);
            self.sessions.deliver(vec![number], Event::Entered(view), &mut self.out);
        }
    }

    /// A session goes by another nick: so do all of the person.
    pub(super) fn rename_person(&mut self, now: Now, asker: &Asker, nick: &Nick) {
        let by = self.author(asker.session, &asker.record, &asker.record.nick);
        let others = self.companions(asker.session, &asker.record);
        self.rename(now, asker.session, nick);
        for other in others {
            self.signal(now, other, &Signal::Renamed { by: by.clone(), nick: nick.clone() });
        }
    }

    /// Another session of an own session's person, as it was called, goes by another nick.
    pub(super) fn on_person_renamed(&mut self, now: Now, number: SessionNumber, by: &Author, nick: &Nick) {
        let session = self.sessions.id(number);
        let Some(record) = self.people.get(session).cloned() else { return };
        if is_companion(&record, by) && self.may_claim(nick, &by.principal()).is_ok() {
            self.rename(now, session, nick);
        }
    }

    /// A node is in reach again: own sessions are where their persons went there.
    pub(super) fn meet_companions(&mut self, now: Now, node: NodeId) {
        let there: Vec<(Author, BTreeMap<RoomName, Place>)> = self
            .people
            .of_node(node)
            .filter(|(_, record)| record.account.is_some() && record.resource.is_none())
            .map(|(session, record)| (self.author(session, record, &record.nick), places_by(record).collect()))
            .collect();
        for (by, places) in there {
            let places: Vec<(RoomName, Hlc)> = places.into_iter().map(|(room, place)| (room, place.since)).collect();
            self.lead_companions(now, &by, &places);
        }
    }

    /// Somebody has places that this node learns of late: own sessions of the person take them.
    pub(super) fn lead_companions(&mut self, now: Now, by: &Author, places: &[(RoomName, Hlc)]) {
        let Some(account) = &by.account else { return };
        let own = self.going_by(account, &by.nick.key()).into_iter().map(|(session, _)| session);
        let own: Vec<SessionNumber> = own.filter_map(|session| self.sessions.number(session)).collect();
        for number in own {
            for (room, since) in places {
                self.on_placed(now, number, by, room, Some(*since));
            }
        }
    }
}

/// The places that a session has under the nick it goes by.
fn places_by(record: &SessionRecord) -> impl Iterator<Item = (RoomName, Place)> + '_ {
    let own = record.rooms.iter().filter(|(_, place)| place.nick == record.nick);
    own.map(|(room, place)| (room.clone(), place.clone()))
}

/// Whether a session is of one person with somebody.
fn is_companion(record: &SessionRecord, by: &Author) -> bool {
    record.account.is_some()
        && record.account == by.account
        && record.resource.is_none()
        && record.nick.key() == by.nick.key()
}
