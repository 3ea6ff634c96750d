//! What was written or came in only just now. Dissemination is bringing it to everybody, so sync leaves it out for a moment: on a busy
//! mesh two replicas are never equal at one instant, and sync would send much of the live traffic a second time.

use crate::gauges::Gauge;
use crate::outbox::Outbox;
use lavina_crdt::entry::Hash;
use lavina_crdt::ids::Origin;
use lavina_crdt::mutant::{self, Mutant};
use std::collections::{BTreeMap, VecDeque};

/// How long: a far copy, its relay and two commits.
const FRESH_MS: u64 = 1_500;
/// Notes closer together than this count as one, so that a busy room takes few.
const GRAIN_MS: u64 = 50;
/// Most notes; the oldest is forgotten beyond it, which may cost a duplicate.
const NOTES_MAX: usize = 65_536;

type Pair = (Hash, Origin);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    /// Per pair: (when, the first seq that came then), oldest first.
    pairs: BTreeMap<Pair, VecDeque<(u64, u64)>>,
    order: VecDeque<(u64, Pair)>,
}

impl Fresh {
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge::standing("notes of what is fresh", self.order.len(), NOTES_MAX)
    }

    /// Entries from `first` on have just come.
    pub(crate) fn note(&mut self, now_us: u64, key: Hash, origin: Origin, first: u64, out: &mut Outbox) {
        self.expire(now_us);
        let notes = self.pairs.entry((key, origin)).or_default();
        if notes.back().is_some_and(|(at, _)| now_us.saturating_sub(*at) < GRAIN_MS * 1000) {
            return;
        }
        notes.push_back((now_us, first));
        self.order.push_back((now_us, (key, origin)));
        if self.order.len() > NOTES_MAX {
            self.forget_oldest();
            out.overflow();
        }
    }

    /// Where what is fresh begins for a peer that has been connected since `since_us`: it is not being sent what came before that.
    pub(crate) fn begins(&self, now_us: u64, since_us: u64, key: Hash, origin: Origin) -> Option<u64> {
        if mutant::is_planted(Mutant::RelayFreshOnly) {
            return None;
        }
        let notes = self.pairs.get(&(key, origin))?;
        let fresh = |at: u64| at >= since_us && now_us.saturating_sub(at) < FRESH_MS * 1000;
        notes.iter().filter(|(at, _)| fresh(*at)).map(|(_, first)| *first).min()
    }

    fn expire(&mut self, now_us: u64) {
        while self.order.front().is_some_and(|(at, _)| now_us.saturating_sub(*at) >= FRESH_MS * 1000) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, pair)) = self.order.pop_front() else { return };
        if let Some(notes) = self.pairs.get_mut(&pair) {
            notes.pop_front();
            if notes.is_empty() {
                self.pairs.remove(&pair);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freshness_passes_and_does_not_hold_for_a_later_connection() {
        let (mut fresh, mut out) = (Fresh::default(), Outbox::default());
        let (key, origin) = (Hash([1; 32]), Origin([1; 16]));
        fresh.note(1_000_000, key, origin, 5, &mut out);
        fresh.note(1_010_000, key, origin, 6, &mut out);
        fresh.note(2_000_000, key, origin, 9, &mut out);
        assert_eq!(fresh.begins(2_000_000, 0, key, origin), Some(5));
        assert_eq!(fresh.begins(2_000_000, 1_500_000, key, origin), Some(9));
        assert_eq!(fresh.begins(3_000_000, 0, key, origin), Some(9));
        assert_eq!(fresh.begins(4_000_000, 0, key, origin), None);
    }
}
