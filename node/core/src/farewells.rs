//! The words with which people of other nodes leave: they travel beside presence, which says only that somebody has left.

use lavina_crdt::ids::SessionId;
use lavina_crdt::names::RoomName;
use lavina_gossip::gauges::Gauge;
use std::collections::{BTreeMap, VecDeque};

/// Most words kept until the leave they belong to is known; the oldest are forgotten first, and that leave is shown without words.
const FAREWELLS_MAX: usize = 1_024;

/// Longest reason of a leave, bytes: what fits an IRC line beside the rest.
pub(crate) const REASON_BYTES_MAX: usize = 400;

/// A session leaves one room, or all with the mesh (`None`).
type Leaving = (SessionId, Option<RoomName>);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Farewells {
    words: BTreeMap<Leaving, String>,
    order: VecDeque<Leaving>,
}

impl Farewells {
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge::standing("words of leaving", self.order.len(), FAREWELLS_MAX)
    }

    /// Somebody is about to leave with these words.
    pub(crate) fn add(&mut self, session: SessionId, room: Option<RoomName>, words: String) {
        let leaving = (session, room);
        if self.words.insert(leaving.clone(), words).is_none() {
            self.order.push_back(leaving);
        }
        while self.order.len() > FAREWELLS_MAX {
            let oldest = self.order.pop_front();
            oldest.and_then(|oldest| self.words.remove(&oldest));
        }
    }

    /// The words of a leave, once.
    pub(crate) fn take(&mut self, session: SessionId, room: Option<&RoomName>) -> String {
        let leaving = (session, room.cloned());
        let Some(words) = self.words.remove(&leaving) else { return String::new() };
        self.order.retain(|kept| *kept != leaving);
        words
    }
}

/// The reason of a leave, cut to its longest and free of what ends a line.
pub(crate) fn reason(words: &str) -> String {
    let end = (0..=REASON_BYTES_MAX.min(words.len())).rev().find(|end| words.is_char_boundary(*end)).unwrap_or(0);
    words.get(..end).unwrap_or_default().replace(['\0', '\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::ids::NodeId;

    #[test]
    fn words_are_said_once_and_the_oldest_are_forgotten() {
        let session = |number| SessionId { node: NodeId([1; 32]), number };
        let mut farewells = Farewells::default();
        for number in 0..=FAREWELLS_MAX as u64 {
            farewells.add(session(number), None, format!("bye {number}"));
        }
        assert_eq!(farewells.take(session(0), None), "");
        assert_eq!(farewells.take(session(1), None), "bye 1");
        assert_eq!(farewells.take(session(1), None), "");
    }

    #[test]
    fn a_reason_is_one_short_line() {
        assert_eq!(reason("a\r\nb"), "a  b");
        assert!(reason(&"ë".repeat(400)).len() <= REASON_BYTES_MAX);
    }
}
