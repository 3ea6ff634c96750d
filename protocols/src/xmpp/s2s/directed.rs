//! Whom sessions of this mesh have shown themselves to at other servers, rooms there above all (RFC 6121 section 4.6): when a session ends without a
//! word of its own, they are told that it is gone.

use super::super::element::Element;
use super::super::ns;
use super::Hub;
use crate::event::Person;
use std::collections::{BTreeMap, BTreeSet};

/// Most that are remembered of one session: as many rooms as anybody is in.
const OF_ONE_MAX: usize = 256;
/// Most sessions that are remembered.
const SESSIONS_MAX: usize = 50_000;

/// By the session's address, the addresses that have seen it.
#[derive(Debug, Default)]
pub(super) struct Directed(BTreeMap<String, BTreeSet<String>>);

impl Directed {
    /// A session shows itself, or takes that back.
    pub(super) fn note(&mut self, presence: &Element) {
        let (Some(from), Some(to)) = (presence.get_attr("from"), presence.get_attr("to")) else { return };
        match presence.get_attr("type") {
            None if self.0.len() < SESSIONS_MAX || self.0.contains_key(from) => {
                let seen = self.0.entry(from.to_owned()).or_default();
                if seen.len() < OF_ONE_MAX {
                    seen.insert(to.to_owned());
                }
            }
            Some("unavailable") => {
                let Some(seen) = self.0.get_mut(from) else { return };
                seen.remove(to);
                if seen.is_empty() {
                    self.0.remove(from);
                }
            }
            Some(_) | None => {}
        }
    }
}

impl Hub {
    /// A session of this node has ended.
    pub(super) fn take_back(&mut self, person: &Person) {
        let from = self.domains.person(person);
        for to in self.directed.0.remove(&from).unwrap_or_default() {
            let gone = Element::new("presence", ns::CLIENT).attr("from", from.as_str()).attr("to", to);
            self.send(gone.attr("type", "unavailable"));
        }
    }
}
