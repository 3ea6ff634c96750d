//! Who went by a nick that is nobody's any more, for questions after them (RFC 2812 section 3.6.3): as this node saw them go, wherever they were.
//! It is kept in memory only, and the oldest are forgotten first.

use lavina_crdt::names::NickKey;
use lavina_gossip::gauges::Gauge;
use lavina_protocols::command::Gone;
use std::collections::{BTreeMap, VecDeque};

/// Most of them: some hours of a busy mesh, and no more than a few megabytes.
const GONE_MAX: usize = 4_096;
/// Most of one nick, so that who comes and goes all the time pushes nobody else out.
const OF_ONE_MAX: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// By nick, the newest last, each with its number in the order of going.
    by_nick: BTreeMap<NickKey, VecDeque<(u64, Gone)>>,
    /// Whose entry is the oldest, and so on.
    order: VecDeque<(u64, NickKey)>,
    next: u64,
}

impl Memory {
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge::standing("nicks of before", self.order.len(), GONE_MAX)
    }

    /// Somebody went.
    pub(crate) fn add(&mut self, gone: Gone) {
        let key = gone.record.nick.key();
        let of_one = self.by_nick.entry(key.clone()).or_default();
        of_one.push_back((self.next, gone));
        if of_one.len() > OF_ONE_MAX
            && let Some((oldest, _)) = of_one.pop_front()
        {
            self.order.retain(|(number, _)| *number != oldest);
        }
        self.order.push_back((self.next, key));
        self.next += 1;
        if self.order.len() > GONE_MAX
            && let Some((_, key)) = self.order.pop_front()
            && let Some(of_one) = self.by_nick.get_mut(&key)
        {
            of_one.pop_front();
            if of_one.is_empty() {
                self.by_nick.remove(&key);
            }
        }
    }

    /// Who went by a nick, the newest first.
    pub(crate) fn of<'a>(&'a self, nick: &NickKey) -> impl Iterator<Item = &'a Gone> + use<'a> {
        self.by_nick.get(nick).into_iter().flat_map(|of_one| of_one.iter().rev()).map(|(_, gone)| gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::clock::Hlc;
    use lavina_crdt::modes::UserModes;
    use lavina_crdt::names::Nick;
    use lavina_crdt::presence::{SessionRecord, Show};
    use std::sync::Arc;

    fn gone(nick: &str, at_ms: u64) -> Gone {
        let record = SessionRecord {
            account: None,
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
            rooms: BTreeMap::new(),
            secure: true,
            modes: UserModes::default(),
            signed_on: Hlc(1),
        };
        Gone { record: Arc::new(record), node: "n".into(), at_ms }
    }

    fn times(memory: &Memory, nick: &str) -> Vec<u64> {
        memory.of(&Nick::new(nick).unwrap().key()).map(|gone| gone.at_ms).collect()
    }

    #[test]
    fn the_newest_come_first_and_one_nick_has_only_so_many() {
        let mut memory = Memory::default();
        memory.add(gone("bob", 0));
        for at in 1..=20 {
            memory.add(gone("Alice", at));
        }
        assert_eq!(times(&memory, "alice"), (5..=20).rev().collect::<Vec<_>>());
        assert_eq!(times(&memory, "bob"), [0]);
        assert_eq!(memory.order.len(), OF_ONE_MAX + 1);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut memory = Memory::default();
        for at in 0..=GONE_MAX as u64 {
            memory.add(gone(&format!("n{at}"), at));
        }
        assert_eq!(times(&memory, "n0"), [0; 0]);
        assert_eq!(times(&memory, "n1"), [1]);
        assert_eq!((memory.order.len(), memory.by_nick.len()), (GONE_MAX, GONE_MAX));
    }
}
