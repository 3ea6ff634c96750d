//! Which nodes have occupants in which rooms, out of presence: what decides, beside a room's homes, who holds it.

use lavina_crdt::ids::NodeId;
use lavina_crdt::names::RoomName;
use lavina_crdt::presence::{PresenceChange, SessionRecord};
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Interest {
    /// How many sessions of each node are in a room.
    sessions: BTreeMap<(NodeId, RoomName), usize>,
}

impl Interest {
    /// Takes in changes of presence; says which nodes have occupants in rooms where they had none, or the other way round.
    pub(crate) fn apply<'a>(
        &mut self,
        changes: impl IntoIterator<Item = &'a PresenceChange>,
    ) -> Vec<(NodeId, RoomName, bool)> {
        let mut concerned: BTreeMap<(NodeId, RoomName), bool> = BTreeMap::new();
        for change in changes {
            let node = change.session.node;
            let (old, new) = (rooms(change.old.as_deref()), rooms(change.new.as_deref()));
            for room in old.difference(&new) {
                let place = (node, (*room).clone());
                let Some(count) = self.sessions.get_mut(&place) else { continue };
                *count -= 1;
                if *count == 0 {
                    self.sessions.remove(&place);
                    concerned.entry(place).or_insert(true);
                }
            }
            for room in new.difference(&old) {
                let place = (node, (*room).clone());
                let count = self.sessions.entry(place.clone()).or_default();
                *count += 1;
                if *count == 1 {
                    concerned.entry(place).or_insert(false);
                }
            }
        }
        let is = |place: &(NodeId, RoomName)| self.sessions.contains_key(place);
        let changed = concerned.into_iter().filter(|(place, was)| is(place) != *was);
        changed.map(|(place, was)| (place.0, place.1, !was)).collect()
    }
}

fn rooms(record: Option<&SessionRecord>) -> BTreeSet<&RoomName> {
    record.into_iter().flat_map(|record| record.rooms.keys()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::clock::Hlc;
    use lavina_crdt::ids::SessionId;
    use lavina_crdt::modes::UserModes;
    use lavina_crdt::names::Nick;
    use lavina_crdt::presence::{Place, PresenceMap, Show};
    use std::sync::Arc;

    const NODE: NodeId = NodeId([1; 32]);

    fn room(name: &str) -> RoomName {
        RoomName::new(name).unwrap()
    }

    fn record(rooms: &[&str]) -> Arc<SessionRecord> {
        let nick = Nick::new("alice").unwrap();
        let place = || Place { nick: nick.clone(), since: Hlc(1) };
        Arc::new(SessionRecord {
            account: None,
            nick: nick.clone(),
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
            rooms: rooms.iter().map(|name| (room(name), place())).collect(),
            secure: true,
            modes: UserModes::default(),
            signed_on: Hlc(1),
        })
    }

    #[test]
    fn a_node_is_interested_from_its_first_occupant_to_its_last() {
        let (mut map, mut interest) = (PresenceMap::new(), Interest::default());
        let mut put = |number: u64, rooms: Option<&[&str]>| {
            let change = map.put(1, SessionId { node: NODE, number }, rooms.map(record));
            interest.apply([&change])
        };
        assert_eq!(put(1, Some(&["a", "b"])), [(NODE, room("a"), true), (NODE, room("b"), true)]);
        assert_eq!(put(2, Some(&["a"])), []);
        assert_eq!(put(1, Some(&["c"])), [(NODE, room("b"), false), (NODE, room("c"), true)]);
        assert_eq!(put(2, None), [(NODE, room("a"), false)]);
        assert_eq!(put(1, None), [(NODE, room("c"), false)]);
    }

    #[test]
    fn a_room_that_one_session_leaves_and_another_enters_at_once_stays() {
        let mut interest = Interest::default();
        let session = |number| SessionId { node: NODE, number };
        let came = PresenceChange { session: session(1), old: None, new: Some(record(&["a"])) };
        interest.apply([&came]);
        let gone = PresenceChange { session: session(1), old: Some(record(&["a"])), new: None };
        let other = PresenceChange { session: session(2), old: None, new: Some(record(&["a"])) };
        assert_eq!(interest.apply([&gone, &other]), []);
    }
}
