//! Kicks, against what the homes of the kicked sessions say of them.
//!
//! A kick counts everywhere from the moment its entry is known, but only the home node of a session can end its place. Until its
//! presence says so, the place is masked here, so that all nodes show the removal alike and at once. What a home said before the kick
//! may come from any other node at any later time, after a restart of this one too: so the kicks are kept on the disk, and none is
//! forgotten because a home has carried it out.

use crate::people::principal;
use crate::replica::Replicas;
use crate::store::{Store, StoreError};
use lavina_crdt::content::Principal;
use lavina_crdt::ids::{OrderKey, SessionId};
use lavina_crdt::names::RoomName;
use lavina_crdt::presence::SessionRecord;
use lavina_crdt::room::Kick;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most kicks kept, the newest: far more than are given while a node is out of reach.
const KICKS_MAX: usize = 4_096;

/// Where the rows begin.
const PREFIX: &str = "kick/";

/// A kick in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    room: RoomName,
    who: Principal,
    sessions: Vec<SessionId>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Kicks {
    marks: BTreeMap<OrderKey, Mark>,
    of: BTreeMap<SessionId, BTreeSet<OrderKey>>,
}

impl Kicks {
    /// The kicks that are on the disk.
    pub(crate) fn load<S: Store>(replicas: &Replicas<S>) -> Result<Self, StoreError> {
        let mut kicks = Self::default();
        for (key, row) in replicas.rows(PREFIX)? {
            let (at, mark) =
                postcard::from_bytes(&row).map_err(|_| StoreError::Damaged(format!("the row {key} cannot be read")))?;
            kicks.put(at, mark);
        }
        Ok(kicks)
    }

    fn put(&mut self, at: OrderKey, mark: Mark) {
        for session in &mark.sessions {
            self.of.entry(*session).or_default().insert(at);
        }
        self.marks.insert(at, mark);
    }

    /// Places of the kicked sessions that were taken before `at` are ended.
    pub(crate) fn keep<S: Store>(&mut self, replicas: &mut Replicas<S>, room: &RoomName, kick: &Kick, at: OrderKey) {
        let mark = Mark { room: room.clone(), who: kick.who.clone(), sessions: kick.sessions.clone() };
        if let Ok(row) = postcard::to_stdvec(&(at, &mark)) {
            replicas.keep_row(key_of(at), row);
        }
        self.put(at, mark);
        while self.marks.len() > KICKS_MAX
            && let Some((oldest, _)) = self.marks.first_key_value()
        {
            self.drop(replicas, *oldest);
        }
    }

    fn drop<S: Store>(&mut self, replicas: &mut Replicas<S>, at: OrderKey) -> Vec<SessionId> {
        replicas.keep_row(key_of(at), Vec::new());
        let sessions = self.marks.remove(&at).map(|mark| mark.sessions).unwrap_or_default();
        for session in &sessions {
            if let Some(kicks) = self.of.get_mut(session) {
                kicks.remove(&at);
                if kicks.is_empty() {
                    self.of.remove(session);
                }
            }
        }
        sessions
    }

    /// Forgets the kicks of a room that have become void; gives the sessions they were for.
    pub(crate) fn drop_void<S: Store>(&mut self, replicas: &mut Replicas<S>, room: &RoomName) -> BTreeSet<SessionId> {
        let is_void = |(at, mark): (&OrderKey, &Mark)| {
            (mark.room == *room && replicas.is_void_in_room(room, at.dot())).then_some(*at)
        };
        let void: Vec<OrderKey> = self.marks.iter().filter_map(is_void).collect();
        void.into_iter().flat_map(|at| self.drop(replicas, at)).collect()
    }

    /// Takes the ended places out of what the session's home says.
    pub(crate) fn mask(&self, session: SessionId, record: &mut Arc<SessionRecord>) {
        let who = principal(session, record);
        for at in self.of.get(&session).into_iter().flatten() {
            // Ranks were compared with those of `who`: nobody else is meant, whatever sessions the kick names.
            let mark = self.marks.get(at).filter(|mark| mark.who == who);
            if let Some(mark) =
                mark.filter(|mark| record.rooms.get(&mark.room).is_some_and(|place| place.since < at.hlc))
            {
                Arc::make_mut(record).rooms.remove(&mark.room);
            }
        }
    }
}

/// The key of a kick's row.
fn key_of(at: OrderKey) -> String {
    format!("{PREFIX}{}", at.msg_id())
}
