//! Who has asked lately to be let into which room, so that nobody does so all the time.

use lavina_crdt::content::Principal;
use lavina_crdt::names::RoomName;
use lavina_gossip::gauges::Gauge;
use std::collections::BTreeMap;

/// How long somebody waits before asking the same room again, milliseconds.
const AGAIN_MS: u64 = 60_000;
/// Most that are remembered; when there are more within a minute, nobody else may ask for a while.
const KNOCKS_MAX: usize = 1_024;

/// See the module. Kept at the home nodes of those who ask.
#[derive(Debug, Default)]
pub(crate) struct Knocks {
    until_us: BTreeMap<(RoomName, Principal), u64>,
}

impl Knocks {
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge::standing("knocks", self.until_us.len(), KNOCKS_MAX)
    }

    /// Notes that somebody asks at this time of the monotonic clock; `false` when it is too soon.
    pub(crate) fn may(&mut self, room: &RoomName, who: &Principal, mono_us: u64) -> bool {
        self.until_us.retain(|_, until| *until > mono_us);
        let asked = (room.clone(), who.clone());
        if self.until_us.len() >= KNOCKS_MAX || self.until_us.contains_key(&asked) {
            return false;
        }
        self.until_us.insert(asked, mono_us.saturating_add(AGAIN_MS * 1000));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::ids::{NodeId, SessionId};

    #[test]
    fn nobody_asks_twice_within_a_minute() {
        let room = |name: &str| RoomName::new(name).unwrap();
        let who = |number| Principal::Guest(SessionId { node: NodeId([1; 32]), number });
        let mut knocks = Knocks::default();
        assert!(
            knocks.may(&room("a"), &who(1), 0)
                && knocks.may(&room("b"), &who(1), 0)
                && knocks.may(&room("a"), &who(2), 0)
        );
        assert!(!knocks.may(&room("a"), &who(1), AGAIN_MS * 1000 - 1));
        assert!(knocks.may(&room("a"), &who(1), AGAIN_MS * 1000));
        assert_eq!(knocks.until_us.len(), 1);
    }
}
