//! Kicks that a session's home node has not carried out yet.
//!
//! A kick counts everywhere from the moment its entry is known, but only the home node of a session can end its place. Until its
//! presence says so, the place is masked here, so that all nodes show the removal alike and at once.

use lavina_crdt::clock::Hlc;
use lavina_crdt::ids::SessionId;
use lavina_crdt::names::RoomName;
use lavina_crdt::presence::SessionRecord;
use std::collections::BTreeMap;

/// See the module. Holds at most one mark for each place of a remote session.
#[derive(Debug, Default)]
pub(crate) struct Kicks {
    marks: BTreeMap<SessionId, BTreeMap<RoomName, Hlc>>,
}

impl Kicks {
    /// Places of `session` in `room` taken before `at` are ended.
    pub(crate) fn mark(&mut self, session: SessionId, room: &RoomName, at: Hlc) {
        let mark = self.marks.entry(session).or_default().entry(room.clone()).or_insert(at);
        *mark = at.max(*mark);
    }

    /// Takes the ended places out of what the session's home says, and forgets marks that are carried out.
    pub(crate) fn mask(&mut self, session: SessionId, record: &mut SessionRecord) {
        let Some(marks) = self.marks.get_mut(&session) else { return };
        marks.retain(|room, at| {
            let masked = record.rooms.get(room).is_some_and(|place| place.since < *at);
            if masked {
                record.rooms.remove(room);
            }
            masked
        });
        if marks.is_empty() {
            self.marks.remove(&session);
        }
    }

    /// The session has ended.
    pub(crate) fn forget(&mut self, session: SessionId) {
        self.marks.remove(&session);
    }
}
