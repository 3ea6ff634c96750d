//! Everybody of other servers for whom there is something to do, and how many that may be.

use super::person::{Person, Stage};
use crate::abroad::Remote;
use std::collections::BTreeMap;

/// Most people at a time: large rooms' of many servers.
const PEOPLE_MAX: usize = 20_000;
/// Most of one server, so that none of them takes the places of all others.
const OF_ONE_DOMAIN_MAX: usize = 5_000;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct People {
    table: BTreeMap<Remote, Person>,
    domains: BTreeMap<String, usize>,
}

fn domain(remote: &Remote) -> &str {
    remote.account.domain().unwrap_or_default()
}

impl People {
    pub(super) fn get(&self, remote: &Remote) -> Option<&Person> {
        self.table.get(remote)
    }

    pub(super) fn get_mut(&mut self, remote: &Remote) -> Option<&mut Person> {
        self.table.get_mut(remote)
    }

    /// Takes somebody in; `false` when there are too many.
    pub(super) fn insert(&mut self, remote: &Remote, person: impl FnOnce() -> Person) -> bool {
        let count = self.domains.get(domain(remote)).copied().unwrap_or_default();
        if self.table.len() >= PEOPLE_MAX || count >= OF_ONE_DOMAIN_MAX {
            return false;
        }
        if self.table.insert(remote.clone(), person()).is_none() {
            self.domains.insert(domain(remote).to_owned(), count + 1);
        }
        true
    }

    pub(super) fn remove(&mut self, remote: &Remote) -> Option<Person> {
        let person = self.table.remove(remote)?;
        if let Some(count) = self.domains.get_mut(domain(remote)) {
            *count -= 1;
            if *count == 0 {
                self.domains.remove(domain(remote));
            }
        }
        Some(person)
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Remote> {
        self.table.keys().cloned().collect()
    }

    /// All of one server.
    pub(super) fn of_domain(&self, of: &str) -> Vec<Remote> {
        self.table.keys().filter(|remote| domain(remote) == of).cloned().collect()
    }

    /// Forgets who has no session.
    pub(super) fn retain_open(&mut self) {
        let has_none = |person: &Person| matches!(person.stage, Stage::Nowhere | Stage::Asking);
        let gone: Vec<Remote> =
            self.table.iter().filter(|(_, person)| has_none(person)).map(|(remote, _)| remote.clone()).collect();
        for remote in gone {
            self.remove(&remote);
        }
    }
}
