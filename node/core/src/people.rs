//! Everybody in the mesh as this node shows them, changed through [`People::set`] alone, so that local and remote sessions are treated alike.
//!
//! Over the directory of claims and places it keeps each record shared, ready for events, and each room's sessions of this node as a
//! sorted list, ready to be the receivers of an event. Knows no rights.

use crate::node::SessionNumber;
use lavina_crdt::clock::Hlc;
use lavina_crdt::content::Principal;
use lavina_crdt::directory::{Directory, Occupants};
use lavina_crdt::ids::{NodeId, SessionId};
use lavina_crdt::names::{Nick, NickKey, RoomName};
use lavina_crdt::presence::{PresenceChange, SessionRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a change of one session did to one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoomDiff {
    /// Where.
    pub(crate) room: RoomName,
    /// The nick before.
    pub(crate) old: Option<Nick>,
    /// The nick after.
    pub(crate) new: Option<Nick>,
    /// Whether the old nick has no session left in the room.
    pub(crate) old_ended: bool,
    /// Whether the new nick has this session alone.
    pub(crate) new_fresh: bool,
}

/// What a change of one session did.
#[derive(Debug, Default)]
pub(crate) struct Diff {
    /// The record before.
    pub(crate) old: Option<Arc<SessionRecord>>,
    /// What changed in rooms, in room order.
    pub(crate) rooms: Vec<RoomDiff>,
    /// Nicks whose claims changed.
    pub(crate) nicks: BTreeSet<NickKey>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct People {
    me: NodeId,
    /// What the ids of this node's sessions are ahead of the shell's numbers.
    base: u64,
    records: BTreeMap<SessionId, Arc<SessionRecord>>,
    /// When those that have said anything that came here last did.
    spoke: BTreeMap<SessionId, Hlc>,
    /// How many of them are this node's.
    own_len: usize,
    directory: Directory,
    /// Room -> sessions of this node in it, sorted.
    local: BTreeMap<RoomName, Vec<SessionNumber>>,
}

impl People {
    /// Nobody, seen from node `me`, whose session ids are `base` ahead of the shell's numbers.
    pub(crate) fn new(me: NodeId, base: u64) -> Self {
        let (records, spoke) = (BTreeMap::new(), BTreeMap::new());
        Self { me, base, records, spoke, own_len: 0, directory: Directory::new(), local: BTreeMap::new() }
    }

    /// Who claims which nick, and who is in which room.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// One session.
    pub(crate) fn get(&self, session: SessionId) -> Option<&Arc<SessionRecord>> {
        self.records.get(&session)
    }

    /// A session has said something.
    pub(crate) fn note_spoke(&mut self, session: SessionId, at: Hlc) {
        if self.records.contains_key(&session) {
            let spoke = self.spoke.entry(session).or_default();
            *spoke = at.max(*spoke);
        }
    }

    /// When a session said something last, or came.
    pub(crate) fn active_at(&self, session: SessionId) -> Option<Hlc> {
        let signed_on = self.records.get(&session)?.signed_on;
        Some(self.spoke.get(&session).copied().unwrap_or_default().max(signed_on))
    }

    /// All sessions, in id order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionId, &Arc<SessionRecord>)> + '_ {
        self.records.iter().map(|(session, record)| (*session, record))
    }

    /// All sessions of a node.
    pub(crate) fn of_node(&self, node: NodeId) -> impl Iterator<Item = (SessionId, &Arc<SessionRecord>)> + '_ {
        let (first, last) = (SessionId { node, number: 0 }, SessionId { node, number: u64::MAX });
        self.records.range(first..=last).map(|(session, record)| (*session, record))
    }

    /// How many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// How many sessions of this node there are.
    pub(crate) const fn own_len(&self) -> usize {
        self.own_len
    }

    /// Whose rights a session acts with.
    pub(crate) fn principal(&self, session: SessionId) -> Option<Principal> {
        Some(principal(session, self.records.get(&session)?))
    }

    /// Who is in a room, by nick; `None` when nobody is.
    pub(crate) fn occupants(&self, room: &RoomName) -> Option<&Occupants> {
        self.directory.occupants(room)
    }

    /// How many nicks are in a room.
    pub(crate) fn occupants_len(&self, room: &RoomName) -> usize {
        self.occupants(room).map_or(0, Occupants::len)
    }

    /// Sessions that hold a nick in a room.
    pub(crate) fn place<'a>(&'a self, room: &RoomName, nick: &NickKey) -> impl Iterator<Item = SessionId> + use<'a> {
        self.occupants(room).and_then(|occupants| occupants.get(nick)).into_iter().flatten().copied()
    }

    /// Sessions of this node in a room, sorted.
    pub(crate) fn local(&self, room: &RoomName) -> &[SessionNumber] {
        self.local.get(room).map_or(&[], Vec::as_slice)
    }

    /// Puts a session's new record (`None`: ended) in the place of the old one.
    pub(crate) fn set(&mut self, session: SessionId, new: Option<Arc<SessionRecord>>) -> Diff {
        let old = match &new {
            Some(record) => self.records.insert(session, Arc::clone(record)),
            None => {
                self.spoke.remove(&session);
                self.records.remove(&session)
            }
        };
        if session.node == self.me {
            self.own_len = self.own_len + usize::from(new.is_some()) - usize::from(old.is_some());
        }
        if old == new {
            return Diff { old, ..Diff::default() };
        }
        let change = PresenceChange { session, old: old.clone(), new };
        let nicks = self.directory.apply(&change);
        self.set_local(&change);
        let rooms = self.room_diffs(&change);
        Diff { old, rooms, nicks }
    }

    fn set_local(&mut self, change: &PresenceChange) {
        if change.session.node != self.me {
            return;
        }
        let number = change.session.number.wrapping_sub(self.base);
        let rooms = |record: &Option<Arc<SessionRecord>>| -> BTreeSet<RoomName> {
            record.iter().flat_map(|record| record.rooms.keys().cloned()).collect()
        };
        let (old, new) = (rooms(&change.old), rooms(&change.new));
        for room in old.difference(&new) {
            let Some(list) = self.local.get_mut(room) else { continue };
            if let Ok(at) = list.binary_search(&number) {
                list.remove(at);
            }
            if list.is_empty() {
                self.local.remove(room);
            }
        }
        for room in new.difference(&old) {
            let list = self.local.entry(room.clone()).or_default();
            if let Err(at) = list.binary_search(&number) {
                list.insert(at, number);
            }
        }
    }

    fn room_diffs(&self, change: &PresenceChange) -> Vec<RoomDiff> {
        let mut nicks: BTreeMap<&RoomName, (Option<&Nick>, Option<&Nick>)> = BTreeMap::new();
        for (room, place) in change.old.iter().flat_map(|record| &record.rooms) {
            nicks.entry(room).or_default().0 = Some(&place.nick);
        }
        for (room, place) in change.new.iter().flat_map(|record| &record.rooms) {
            nicks.entry(room).or_default().1 = Some(&place.nick);
        }
        let changed = nicks.into_iter().filter(|(_, (old, new))| old != new);
        changed.map(|(room, (old, new))| self.room_diff(room, old, new)).collect()
    }

    fn room_diff(&self, room: &RoomName, old: Option<&Nick>, new: Option<&Nick>) -> RoomDiff {
        let holders = |nick: &Nick| self.place(room, &nick.key()).count();
        // A change of letter case keeps the key: the nick has then ended under its old look when this session has it alone.
        let same_key = matches!((old, new), (Some(old), Some(new)) if old.key() == new.key());
        let left = usize::from(same_key);
        RoomDiff {
            room: room.clone(),
            old: old.cloned(),
            new: new.cloned(),
            old_ended: old.is_some_and(|nick| holders(nick) == left),
            new_fresh: new.is_some_and(|nick| holders(nick) == 1),
        }
    }
}

/// Whose rights a session with this record acts with.
pub(crate) fn principal(session: SessionId, record: &SessionRecord) -> Principal {
    match &record.account {
        Some(account) => Principal::Account(account.clone()),
        None => Principal::Guest(session),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::clock::Hlc;
    use lavina_crdt::modes::UserModes;
    use lavina_crdt::names::AccountName;
    use lavina_crdt::presence::{Place, Show};

    const ME: NodeId = NodeId([1; 32]);

    fn record(nick: &str, rooms: &[(&str, &str)]) -> Arc<SessionRecord> {
        let place = |nick: &str| Place { nick: Nick::new(nick).unwrap(), since: Hlc(1) };
        Arc::new(SessionRecord {
            account: Some(AccountName::new("alice").unwrap()),
            nick: Nick::new(nick).unwrap(),
            nick_since: Hlc(1),
            user: String::new(),
            host: String::new(),
            realname: String::new(),
            resource: None,
            priority: 0,
            available: true,
            show: Show::Available,
            status: String::new(),
            payloads: Vec::new(),
            rooms: rooms.iter().map(|(room, nick)| (RoomName::new(room).unwrap(), place(nick))).collect(),
            secure: true,
            modes: UserModes::default(),
            signed_on: Hlc(1),
        })
    }

    fn ended_and_fresh(diff: &Diff) -> Vec<(bool, bool)> {
        diff.rooms.iter().map(|room| (room.old_ended, room.new_fresh)).collect()
    }

    #[test]
    fn a_nick_is_in_a_room_from_its_first_session_to_its_last() {
        let mut people = People::new(ME, 100);
        let session = |number| SessionId { node: ME, number };
        let here = record("alice", &[("room", "alice")]);
        assert_eq!(ended_and_fresh(&people.set(session(101), Some(Arc::clone(&here)))), [(false, true)]);
        assert_eq!(ended_and_fresh(&people.set(session(102), Some(Arc::clone(&here)))), [(false, false)]);
        assert_eq!(people.local(&RoomName::new("room").unwrap()), [1, 2]);
        assert_eq!(ended_and_fresh(&people.set(session(101), None)), [(false, false)]);
        let renamed = record("Alice", &[("room", "Alice")]);
        assert_eq!(ended_and_fresh(&people.set(session(102), Some(renamed))), [(true, true)]);
        assert_eq!(ended_and_fresh(&people.set(session(102), None)), [(true, false)]);
        assert!(people.occupants(&RoomName::new("room").unwrap()).is_none());
    }
}
