//! Whose turn it is to be compared with: the near peers, and of each other region one. Where there are many, all in turn.
//!
//! A question costs one small frame, so that near ones, who answer over a cheap link, are all asked each round. Of a region one is enough: what
//! it has the others have a round later.

use crate::links::Links;
use lavina_crdt::ids::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Most near peers, and most other regions, in one round.
const PER_ROUND_MAX: usize = 8;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    near_last: Option<NodeId>,
    /// The regions in turn, and the peers of each.
    region_last: Option<String>,
    far_last: BTreeMap<String, NodeId>,
    changed_last: Option<NodeId>,
}

impl Turns {
    /// The peers of the next round, with far ones or without.
    pub(crate) fn next(&mut self, links: &Links, with_far: bool) -> Vec<NodeId> {
        let mut near = BTreeSet::new();
        let mut far: BTreeMap<String, BTreeSet<NodeId>> = BTreeMap::new();
        for (peer, link) in links.iter().filter(|(_, link)| link.connected()) {
            if links.is_near(peer) {
                near.insert(peer);
            } else {
                far.entry(link.place.region.clone()).or_default().insert(peer);
            }
        }
        let mut chosen = in_turn(&near, &mut self.near_last, PER_ROUND_MAX);
        if with_far {
            let regions = far.keys().cloned().collect();
            for region in in_turn(&regions, &mut self.region_last, PER_ROUND_MAX) {
                let mut last = self.far_last.get(&region).copied();
                chosen.extend(in_turn(&far[&region], &mut last, 1));
                self.far_last.extend(last.map(|last| (region, last)));
            }
        }
        self.far_last.retain(|region, _| far.contains_key(region));
        chosen
    }

    /// Of the peers with whom something in common has changed those whose turn it is: what one of them has, others may not hold. Each pair is asked about by
    /// both, so that these are enough.
    pub(crate) fn of_changed(&mut self, changed: &BTreeSet<NodeId>) -> Vec<NodeId> {
        in_turn(changed, &mut self.changed_last, PER_ROUND_MAX)
    }
}

/// The next at most `count` of all, in a circle.
fn in_turn<T: Ord + Clone>(all: &BTreeSet<T>, last: &mut Option<T>, count: usize) -> Vec<T> {
    let start = last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let end = last.as_ref().map_or(Bound::Unbounded, Bound::Included);
    let after = all.range((start, Bound::Unbounded));
    let before = all.range((Bound::Unbounded, end)).take(if last.is_some() { usize::MAX } else { 0 });
    let chosen: Vec<T> = after.chain(before).take(count).cloned().collect();
    if let Some(newest) = chosen.last() {
        *last = Some(newest.clone());
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_have_their_turn() {
        let all: BTreeSet<u8> = (0..5).collect();
        let mut last = None;
        assert_eq!(in_turn(&all, &mut last, 2), [0, 1]);
        assert_eq!(in_turn(&all, &mut last, 2), [2, 3]);
        assert_eq!(in_turn(&all, &mut last, 2), [4, 0]);
        assert_eq!(in_turn(&all, &mut last, 9), [1, 2, 3, 4, 0], "each once");
        assert_eq!(in_turn(&BTreeSet::<u8>::new(), &mut last, 2), [0u8; 0]);
    }
}
