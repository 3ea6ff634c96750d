//! Letting a room go that others hold: what this store's own origin wrote stays, the rest is taken off the disk.
//!
//! Own entries stay because their numbers go on: whoever wrote up to some number must never write it again, and knows only from its own entries how far that is. The
//! room is marked as held in part until all of it has been fetched again, so that nobody takes the rest for the whole.
//!
//! What was applied before is shown to nobody again when it comes back while somebody is there, as it does where the room could not be fetched at once.

use super::scope::ScopeReplica;
use super::{Replicas, Scope, room};
use crate::store::{Store, StoreError};
use lavina_crdt::ids::{Dot, Origin};
use lavina_crdt::names::RoomName;
use lavina_crdt::version::VersionVector;

/// Before the names of rooms that are held in part.
const PARTIAL: &str = "partial/";
/// Of how many rooms it is remembered what was shown of them: more than anybody who is still connected has left and comes back to.
const SHOWN_MAX: usize = 4_096;

impl<S: Store> Replicas<S> {
    /// Takes what others wrote in a room off the disk, unless something of it is under way; whether it did.
    pub fn let_go(&mut self, name: &RoomName) -> bool {
        let scope = Scope::Room(name.clone());
        let Some(replica) = self.scopes.get(&scope) else { return false };
        let is_at_rest = replica.known == replica.durable && replica.log.held() == 0;
        if !is_at_rest || self.trouble().is_some() || self.mesh.cuts(&scope).is_some() {
            return false;
        }
        let gone: Vec<Origin> =
            replica.durable.iter().map(|(origin, _)| origin).filter(|origin| *origin != self.origin).collect();
        if gone.is_empty() {
            return false;
        }
        let mut own = VersionVector::default();
        own.advance(self.origin, replica.durable.next(self.origin));
        for (key, _) in self.store.meta_prefix(&room::heads_prefix(name)).unwrap_or_default() {
            if !room::is_heads_of(name, &key, self.origin) {
                self.journal.put_meta(key, Vec::new());
            }
        }
        self.journal.put_meta(room::saved_key(name), Vec::new());
        self.journal.put_meta(format!("{PARTIAL}{name}"), vec![1]);
        for origin in gone {
            self.journal.forget(&scope, origin);
            self.heads.note(&scope, origin);
        }
        self.partial.insert(name.clone());
        if self.shown.len() >= SHOWN_MAX {
            self.shown.clear();
        }
        self.shown.entry(name.clone()).or_default().merge(replica.log.vector());
        self.rooms.remove(name);
        self.glimpses.borrow_mut().remove(name);
        self.readings.forget(&scope);
        self.scopes.insert(scope, ScopeReplica::stored(own));
        self.counters.rooms_let_go += 1;
        true
    }

    /// Whether an entry of a room was applied here before the room was let go.
    pub(super) fn was_shown(&self, name: &RoomName, dot: Dot) -> bool {
        self.shown.get(name).is_some_and(|shown| shown.contains(dot))
    }

    /// Rooms that were let go and not fetched again.
    pub fn partial(&self) -> impl Iterator<Item = &RoomName> + '_ {
        self.partial.iter()
    }

    pub(super) fn load_partial(&mut self) -> Result<(), StoreError> {
        let rows = self.store.meta_prefix(PARTIAL)?;
        self.partial = rows.iter().filter_map(|(key, _)| RoomName::new(key.strip_prefix(PARTIAL)?).ok()).collect();
        Ok(())
    }

    /// All of a room is here again.
    pub fn make_whole(&mut self, name: &RoomName) {
        if self.partial.remove(name) {
            self.journal.put_meta(format!("{PARTIAL}{name}"), Vec::new());
        }
    }
}
