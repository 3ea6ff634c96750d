//! The mesh's time as one node estimates it: its own wall clock, kept near what the majority of nodes say.
//!
//! Entries stamped further ahead than the drift are refused by everybody, for ever if the clock was wrong by years: what a node
//! acknowledged with such a stamp would never converge. So the stamp must be right when it is made, and this is how:
//!
//! - Every node tells its peers its raw wall clock. A reading is kept as the distance to this node's monotonic clock, so that it stays good
//!   when the wall clock here steps or drifts, and when a cut or the peer's end makes it the last one.
//! - With readings of a majority (this node's own among them) it is known between which two readings the true time lies, since at most
//!   half of the clocks are wrong: with all heard of an odd number both are the median. The own clock counts as far as it is within the slack
//!   of that. Where it is not, or nothing else is like it, the lower bound is taken: being late is mended by the next reading, and stamps
//!   cannot be taken back. Wrong clocks are unlike one another: where two right ones must have been heard, what is like nobody is no bound. In
//!   a mesh of two, with both heard, who is behind follows.
//! - Before that, after a restart without peers, the newest stamp on the disk is the evidence: the mesh had reached it. The clock goes on
//!   from there, at most the slack ahead. Stamps may then lag by the time the node was down until peers are heard; late stamps are taken
//!   by everybody, early ones are not, and no client has to wait. One peer whose clock is like the own one is enough to believe that
//!   (wrong clocks are not wrong alike), and one that is not like it is believed in nothing: it may be the wrong one.
//! - At the very first start there is no evidence: the time is not known ([`MeshTime::is_known`]) until a majority is heard or a clock
//!   like the own one, and the node should stamp nothing before. A mesh of one has the time of its only node.
//!
//! Not covered, as nothing can tell: a majority of wrong clocks; and a node whose first start (or first with an empty disk) finds nobody
//! for as long as it is willing to wait, and whose wall clock is years ahead. It believes its clock then, and what it writes is
//! refused by all others for good, so that it must be given a new store. Years behind does no harm. The slack is a quarter of the
//! drift, so that two nodes at its opposite ends still take each other's stamps.

use crate::clock::{Hlc, Now};
use crate::ids::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// See the module's head. Drive it: [`MeshTime::set_members`] when the roster changes, [`MeshTime::hear`] with what peers say, and
/// [`MeshTime::read`] before the shell's time is used for anything.
#[derive(Clone, Debug)]
pub struct MeshTime {
    slack_ms: i64,
    /// The newest stamp on the disk at the start, as a distance to the monotonic clock.
    floor: Option<i64>,
    others: usize,
    /// What each peer's wall clock shows, as a distance to the monotonic clock here.
    readings: BTreeMap<NodeId, i64>,
    /// The same distances in order.
    sorted: Vec<i64>,
}

impl MeshTime {
    /// A clock that stays within a quarter of `max_drift_ms` of the mesh's time; `newest` is the newest stamp on the disk, zero for none.
    #[must_use]
    pub fn new(max_drift_ms: u64, newest: Hlc, now: Now) -> Self {
        let floor = (newest > Hlc::default()).then(|| distance(newest.ms(), now));
        Self { slack_ms: signed(max_drift_ms / 4), floor, others: 0, readings: BTreeMap::new(), sorted: Vec::new() }
    }

    /// Who belongs to the mesh beside this node.
    pub fn set_members(&mut self, others: &BTreeSet<NodeId>) {
        self.others = others.len();
        self.readings.retain(|node, _| others.contains(node));
        self.sort();
    }

    /// A member's wall clock shows this.
    pub fn hear(&mut self, now: Now, node: NodeId, wall_ms: u64) {
        self.readings.insert(node, distance(wall_ms, now));
        self.sort();
    }

    /// The time with the wall clock kept near the mesh's.
    #[must_use]
    pub fn read(&self, now: Now) -> Now {
        let own = distance(now.wall_ms, now);
        let taken = self.taken(own);
        let wall_ms = taken.saturating_add(signed(now.mono_us / 1000));
        Now { wall_ms: u64::try_from(wall_ms).unwrap_or(0), ..now }
    }

    /// Whether anything but the own wall clock says what time it is, or nothing else could.
    #[must_use]
    pub fn is_known(&self, now: Now) -> bool {
        let own = distance(now.wall_ms, now);
        self.floor.is_some() || self.bounds(own).is_some() || self.has_like(own)
    }

    fn taken(&self, own: i64) -> i64 {
        let bounds = self.bounds(own);
        let (low, high) = bounds.unwrap_or((i64::MIN, i64::MAX));
        let near = own >= low.saturating_sub(self.slack_ms) && own <= high.saturating_add(self.slack_ms);
        if near && self.has_like(own) {
            return if bounds.is_some() { own } else { own.max(self.floor.unwrap_or(own)) };
        }
        let all = self.sorted.len() >= self.others;
        match (bounds, self.floor) {
            // While some are not heard the lower bound may be a wrong clock's; the mesh had reached what the disk holds.
            (Some((low, _)), Some(floor)) if !all && floor > low => {
                within(own, floor, floor.saturating_add(self.slack_ms))
            }
            (Some((low, _)), _) => within(own, low.saturating_sub(self.slack_ms), low.saturating_add(self.slack_ms)),
            (None, Some(floor)) => within(own, floor, floor.saturating_add(self.slack_ms)),
            (None, None) => own,
        }
    }

    /// Two readings, the own among them, between which the true time lies however wrong half of the clocks are. `None` until a majority is
    /// heard.
    fn bounds(&self, own: i64) -> Option<(i64, i64)> {
        let (heard, all) = (self.sorted.len() + 1, self.others + 1);
        if heard * 2 <= all {
            return None;
        }
        if all == 2 {
            // Who is behind follows.
            return Some((self.at(own, 1), self.at(own, 0)));
        }
        let wrong_most = all / 2;
        let least = heard.checked_sub(1 + wrong_most)?;
        // Where two right ones must be among those heard, they are alike, and whoever is below them and like nobody is wrong.
        let is_right = |place: &usize| heard >= wrong_most + 2 && self.is_like_another(own, *place);
        let low = (least..=wrong_most).find(is_right).unwrap_or(least);
        Some((self.at(own, low), self.at(own, wrong_most)))
    }

    /// Whether the reading at this place has one that is like it.
    fn is_like_another(&self, own: i64, place: usize) -> bool {
        let like = |one: usize, other: usize| self.at(own, one).abs_diff(self.at(own, other)) <= self.apart();
        place.checked_sub(1).is_some_and(|below| like(below, place))
            || (place < self.sorted.len() && like(place, place + 1))
    }

    /// The reading at this place when the own one is put among the others.
    fn at(&self, own: i64, place: usize) -> i64 {
        let below = place.checked_sub(1).and_then(|index| self.sorted.get(index)).copied();
        within(own, below.unwrap_or(own), self.sorted.get(place).copied().unwrap_or(i64::MAX))
    }

    /// Whether another clock is like this one.
    fn has_like(&self, own: i64) -> bool {
        self.sorted.iter().any(|reading| reading.abs_diff(own) <= self.apart())
    }

    /// How far apart two right clocks may be.
    const fn apart(&self) -> u64 {
        self.slack_ms.unsigned_abs().saturating_mul(2)
    }

    fn sort(&mut self) {
        self.sorted = self.readings.values().copied().collect();
        self.sorted.sort_unstable();
    }
}

fn distance(wall_ms: u64, now: Now) -> i64 {
    signed(wall_ms).saturating_sub(signed(now.mono_us / 1000))
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn within(value: i64, least: i64, most: i64) -> i64 {
    value.max(least).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::node;
    use proptest::prelude::*;

    const DRIFT_MS: u64 = 30_000;
    const TRUE_MS: u64 = 1_800_000_000_000;

    fn at(mono_ms: u64, wall_ms: u64) -> Now {
        Now { mono_us: mono_ms * 1000, wall_ms }
    }

    fn members(count: u8) -> BTreeSet<NodeId> {
        (1..=count).map(node).collect()
    }

    #[test]
    fn a_node_alone_has_its_own_time() {
        let time = MeshTime::new(DRIFT_MS, Hlc::default(), at(0, 7));
        assert_eq!(time.read(at(5, 12)).wall_ms, 12);
    }

    #[test]
    fn a_clock_that_steps_keeps_the_time_of_the_majority() {
        let mut time = MeshTime::new(DRIFT_MS, Hlc::default(), at(0, TRUE_MS));
        time.set_members(&members(2));
        time.hear(at(0, TRUE_MS), node(1), TRUE_MS);
        time.hear(at(0, TRUE_MS), node(2), TRUE_MS);
        assert_eq!(time.read(at(1_000, TRUE_MS + 1_100)).wall_ms, TRUE_MS + 1_100);
        assert_eq!(time.read(at(1_000, TRUE_MS * 2)).wall_ms, TRUE_MS + 1_000 + DRIFT_MS / 4);
        assert_eq!(time.read(at(1_000, 0)).wall_ms, TRUE_MS + 1_000 - DRIFT_MS / 4);
    }

    #[test]
    fn after_a_restart_without_peers_time_goes_on_from_the_newest_stamp() {
        let mut time = MeshTime::new(DRIFT_MS, Hlc::from_ms(TRUE_MS), at(0, TRUE_MS * 2));
        time.set_members(&members(4));
        assert_eq!(time.read(at(3_000, TRUE_MS * 2)).wall_ms, TRUE_MS + 3_000 + DRIFT_MS / 4);
        assert_eq!(time.read(at(3_000, 0)).wall_ms, TRUE_MS + 3_000);
        // A peer that knows better is believed as to how late it is, though it is no majority.
        time.hear(at(3_000, 0), node(1), TRUE_MS + 3_600_000);
        assert_eq!(time.read(at(3_000, TRUE_MS + 3_600_000)).wall_ms, TRUE_MS + 3_600_000);
    }

    #[test]
    fn of_two_nodes_the_one_behind_follows() {
        let mut behind = MeshTime::new(DRIFT_MS, Hlc::default(), at(0, 0));
        behind.set_members(&members(1));
        behind.hear(at(0, 0), node(1), TRUE_MS);
        assert_eq!(behind.read(at(0, 0)).wall_ms, TRUE_MS - DRIFT_MS / 4);
        let mut ahead = MeshTime::new(DRIFT_MS, Hlc::default(), at(0, TRUE_MS));
        ahead.set_members(&members(1));
        ahead.hear(at(0, TRUE_MS), node(1), 0);
        assert_eq!(ahead.read(at(0, TRUE_MS)).wall_ms, TRUE_MS);
    }

    #[test]
    fn half_of_the_clocks_being_behind_draws_nobody_along() {
        let mut right = MeshTime::new(DRIFT_MS, Hlc::default(), at(0, TRUE_MS));
        right.set_members(&members(3));
        right.hear(at(0, TRUE_MS), node(1), TRUE_MS + 1_000);
        right.hear(at(0, TRUE_MS), node(2), TRUE_MS - 3_000_000);
        right.hear(at(0, TRUE_MS), node(3), 0);
        assert_eq!(right.read(at(0, TRUE_MS)).wall_ms, TRUE_MS);
        let mut behind = MeshTime::new(DRIFT_MS, Hlc::default(), at(0, 0));
        behind.set_members(&members(3));
        behind.hear(at(0, 0), node(1), TRUE_MS);
        behind.hear(at(0, 0), node(2), TRUE_MS + 1_000);
        behind.hear(at(0, 0), node(3), TRUE_MS - 3_000_000);
        assert!(behind.read(at(0, 0)).wall_ms >= TRUE_MS - DRIFT_MS / 4);
    }

    #[test]
    fn half_of_the_clocks_being_ahead_draws_nobody_along() {
        let mut time = MeshTime::new(DRIFT_MS, Hlc::default(), at(0, TRUE_MS));
        time.set_members(&members(3));
        time.hear(at(0, TRUE_MS), node(1), TRUE_MS + 1_000);
        time.hear(at(0, TRUE_MS), node(2), TRUE_MS + 3_000_000);
        time.hear(at(0, TRUE_MS), node(3), TRUE_MS * 2);
        assert_eq!(time.read(at(0, TRUE_MS)).wall_ms, TRUE_MS);
        let mut ahead = MeshTime::new(DRIFT_MS, Hlc::default(), at(0, TRUE_MS * 2));
        ahead.set_members(&members(3));
        ahead.hear(at(0, TRUE_MS * 2), node(1), TRUE_MS);
        ahead.hear(at(0, TRUE_MS * 2), node(2), TRUE_MS + 1_000);
        ahead.hear(at(0, TRUE_MS * 2), node(3), TRUE_MS + 3_000_000);
        assert!(ahead.read(at(0, TRUE_MS * 2)).wall_ms <= TRUE_MS + 1_000 + DRIFT_MS / 4);
    }

    #[test]
    fn at_the_first_start_the_time_is_known_when_a_majority_or_a_like_clock_is_heard() {
        let mut time = MeshTime::new(DRIFT_MS, Hlc::default(), at(0, TRUE_MS * 2));
        time.set_members(&members(4));
        assert!(!time.is_known(at(0, TRUE_MS * 2)));
        // One that is not like the own clock may be the wrong one.
        time.hear(at(0, TRUE_MS * 2), node(1), TRUE_MS);
        assert!(!time.is_known(at(0, TRUE_MS * 2)));
        time.hear(at(0, TRUE_MS * 2), node(2), TRUE_MS + 1);
        assert!(time.is_known(at(0, TRUE_MS * 2)));
        assert!(time.read(at(0, TRUE_MS * 2)).wall_ms <= TRUE_MS + DRIFT_MS / 4);
        let mut right = MeshTime::new(DRIFT_MS, Hlc::default(), at(0, TRUE_MS));
        right.set_members(&members(4));
        right.hear(at(0, TRUE_MS), node(1), TRUE_MS + 1);
        assert!(right.is_known(at(0, TRUE_MS)));
    }

    #[test]
    fn after_a_restart_one_peer_that_is_wrong_too_drags_nobody() {
        let mut time = MeshTime::new(DRIFT_MS, Hlc::from_ms(TRUE_MS), at(0, TRUE_MS * 2));
        time.set_members(&members(4));
        time.hear(at(0, TRUE_MS * 2), node(1), TRUE_MS * 3);
        assert_eq!(time.read(at(0, TRUE_MS * 2)).wall_ms, TRUE_MS + DRIFT_MS / 4);
    }

    proptest! {
        /// Five nodes, two of them wrong by anything, up to two not heard: nobody who knows the time stamps what a right clock does not take.
        #[test]
        fn a_minority_of_wrong_clocks_drags_nobody(
            errors in proptest::collection::vec(-2_000i64..2_000, 3),
            wrong in proptest::collection::vec(-400_000_000_000i64..400_000_000_000, 2),
            deaf in 0usize..5,
            deafer in 0usize..5,
        ) {
            let walls: Vec<u64> =
                errors.iter().chain(&wrong).map(|error| TRUE_MS.saturating_add_signed(*error)).collect();
            let ids: Vec<NodeId> = (1..=5).map(node).collect();
            for me in 0..5 {
                let mut time = MeshTime::new(DRIFT_MS, Hlc::default(), at(0, walls[me]));
                time.set_members(&ids.iter().copied().filter(|id| *id != ids[me]).collect());
                for other in (0..5).filter(|other| ![me, deaf, deafer].contains(other)) {
                    time.hear(at(0, walls[me]), ids[other], walls[other]);
                }
                let stamp = time.read(at(0, walls[me])).wall_ms;
                prop_assert!(stamp <= TRUE_MS + 2_000 + DRIFT_MS / 4, "{stamp}");
                prop_assert!(time.is_known(at(0, walls[me])));
                if [deaf, deafer].into_iter().all(|one| one == me || (one >= 3 && deaf == deafer)) {
                    prop_assert!(stamp >= TRUE_MS - 2_000 - DRIFT_MS / 4, "{stamp}");
                }
            }
        }
    }
}
