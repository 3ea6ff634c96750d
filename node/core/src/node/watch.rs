//! Watching nicks: questions, and what watchers are told.

use super::Node;
use super::commands::Asker;
use crate::store::Store;
use lavina_crdt::names::{Nick, NickKey};
use lavina_protocols::command::{Refusal, Reply};
use lavina_protocols::event::Event;
use std::collections::BTreeSet;

/// Most nicks one session watches.
const NICKS_MAX: usize = 256;

impl<S: Store> Node<S> {
    pub(super) fn watch(&mut self, asker: &Asker, nicks: Vec<Nick>) -> Result<Reply, Refusal> {
        if nicks.len() > NICKS_MAX {
            return Err(Refusal::TooMany("watched nicks"));
        }
        let people = &self.people;
        let is_here = |key: &NickKey| people.directory().holder(key).is_some();
        self.watches.set(asker.number, nicks.clone(), is_here);
        let found = nicks.iter().filter_map(|nick| self.find_nick(asker, nick).into_iter().next());
        Ok(Reply::People(found.collect()))
    }

    /// Claims to these nicks changed.
    pub(super) fn tell_watchers(&mut self, nicks: &BTreeSet<NickKey>) {
        for key in nicks {
            let holder = self.people.directory().holder(key);
            let Some((nick, to)) = self.watches.changed(key, holder.is_some()) else { continue };
            let person = holder.and_then(|session| self.person(session));
            self.sessions.deliver(to, Event::Watched { nick, person }, &mut self.out);
        }
    }
}
