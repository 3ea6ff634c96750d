//! The ways between nodes, whatever travels on them: delay, jitter, cuts, loss, bursts, duplicates, reordering, bandwidth, clogs, and the
//! largest packet that passes. Level L0 asks it for frames and datagrams, level L2 for packets.
//!
//! Cuts lie in two layers, so that they nest and overlap: groups that are apart, and single ways that are cut; a packet passes when
//! neither stops it. What waits for bandwidth is bounded: what does not fit is lost, as a router does it.

use crate::plan::{LinkPlan, NodePlan, RegionLink};
use rand::Rng;
use rand::rngs::SmallRng;
use std::collections::{BTreeMap, BTreeSet};

/// One direction between two nodes.
pub(super) type Way = (usize, usize);

/// What waits for a slow way, at most: a router's buffer.
const QUEUE_BYTES: u64 = 256 * 1024;
/// Most packets in a thousand that a way may lose and count as calm.
const LOSS_PERMILLE_CALM: u64 = 50;
/// Up to so many times its usual delay a packet is late when it is overtaken.
const OVERTAKEN_BY: u64 = 4;

/// What a way is like when nothing is wrong.
#[derive(Clone, Copy, Debug)]
struct Nature {
    one_way_us: u64,
    jitter_percent: u64,
    loss_ppm: u64,
    rate_kbps: Option<u64>,
}

/// Bursts of loss (Gilbert and Elliott): mean packets between two and mean packets of one.
#[derive(Clone, Copy, Debug)]
struct Bursts {
    gap: u64,
    length: u64,
}

/// The state of all ways.
#[derive(Debug)]
pub(crate) struct Paths {
    natures: Vec<Vec<Nature>>,
    apart: BTreeSet<Way>,
    cut: BTreeSet<Way>,
    loss_permille: u64,
    bursts: Option<Bursts>,
    in_burst: BTreeSet<Way>,
    duplicate_permille: u64,
    reorder_permille: u64,
    slow: u64,
    rates_kbps: BTreeMap<Way, u64>,
    mtus: BTreeMap<Way, usize>,
    /// Until when a way is busy with what was sent, microseconds.
    busy_us: BTreeMap<Way, u64>,
    /// When the last packet arrives: later ones come after it, unless they overtake.
    arrives_us: BTreeMap<Way, u64>,
}

impl Paths {
    pub(crate) fn new(plan: &LinkPlan, nodes: &[NodePlan]) -> Self {
        let natures = nodes.iter().map(|from| nodes.iter().map(|to| nature(plan, from, to)).collect()).collect();
        Self {
            natures,
            apart: BTreeSet::new(),
            cut: BTreeSet::new(),
            loss_permille: 0,
            bursts: None,
            in_burst: BTreeSet::new(),
            duplicate_permille: 0,
            reorder_permille: 0,
            slow: 1,
            rates_kbps: BTreeMap::new(),
            mtus: BTreeMap::new(),
            busy_us: BTreeMap::new(),
            arrives_us: BTreeMap::new(),
        }
    }

    /// Whether packets pass from the first node to the second.
    pub(crate) fn passes(&self, from: usize, to: usize) -> bool {
        !self.apart.contains(&(from, to)) && !self.cut.contains(&(from, to))
    }

    /// Whether packets pass both ways.
    pub(crate) fn passes_both(&self, one: usize, other: usize) -> bool {
        self.passes(one, other) && self.passes(other, one)
    }

    /// Nodes reach one another only within their group; nodes in no group reach nobody.
    pub(crate) fn partition(&mut self, groups: &[Vec<usize>]) {
        self.apart.clear();
        for (from, to) in self.ways() {
            if !groups.iter().any(|group| group.contains(&from) && group.contains(&to)) {
                self.apart.insert((from, to));
            }
        }
    }

    /// Nodes of different groups do not reach one another, besides what is apart already.
    pub(crate) fn partition_too(&mut self, groups: &[Vec<usize>]) {
        let group_of = |node: usize| groups.iter().position(|group| group.contains(&node));
        for (from, to) in self.ways() {
            if let (Some(one), Some(other)) = (group_of(from), group_of(to))
                && one != other
            {
                self.apart.insert((from, to));
            }
        }
    }

    fn ways(&self) -> Vec<Way> {
        let nodes = 0..self.natures.len();
        nodes.clone().flat_map(|from| nodes.clone().map(move |to| (from, to))).filter(|(from, to)| from != to).collect()
    }

    pub(crate) fn cut_one_way(&mut self, from: usize, to: usize) {
        if from != to {
            self.cut.insert((from, to));
        }
    }

    /// Lifts the cut of one link, both ways; groups stay apart.
    pub(crate) fn heal_link(&mut self, one: usize, other: usize) {
        self.cut.remove(&(one, other));
        self.cut.remove(&(other, one));
    }

    pub(crate) fn heal(&mut self) {
        self.apart.clear();
        self.cut.clear();
    }

    pub(crate) const fn set_loss(&mut self, permille: u64) {
        self.loss_permille = permille;
    }

    pub(crate) fn set_slow(&mut self, factor: u64) {
        self.slow = factor.max(1);
    }

    /// Bursts of loss of a mean length, with a mean gap between them, in packets; a length of 0 ends them.
    pub(crate) fn set_bursts(&mut self, gap: u64, length: u64) {
        self.bursts = (length > 0).then_some(Bursts { gap: gap.max(1), length });
        self.in_burst.clear();
    }

    pub(crate) const fn set_duplicates(&mut self, permille: u64) {
        self.duplicate_permille = permille;
    }

    pub(crate) const fn set_reorder(&mut self, permille: u64) {
        self.reorder_permille = permille;
    }

    /// Caps a link's bandwidth, both ways; 0 lifts the cap.
    pub(crate) fn set_rate(&mut self, one: usize, other: usize, kbps: u64) {
        for way in [(one, other), (other, one)] {
            if kbps == 0 {
                self.rates_kbps.remove(&way)
            } else {
                self.rates_kbps.insert(way, kbps)
            };
        }
    }

    /// Nothing leaves on a link until then; what is sent meanwhile waits, as far as it has room.
    pub(crate) fn clog(&mut self, one: usize, other: usize, until_us: u64) {
        for way in [(one, other), (other, one)] {
            let busy_us = self.busy_us.entry(way).or_default();
            *busy_us = until_us.max(*busy_us);
        }
    }

    /// Packets larger than this vanish on a link, both ways; 0 lifts it.
    pub(crate) fn set_mtu(&mut self, one: usize, other: usize, bytes: usize) {
        for way in [(one, other), (other, one)] {
            if bytes == 0 {
                self.mtus.remove(&way)
            } else {
                self.mtus.insert(way, bytes)
            };
        }
    }

    /// Nobody reaches a node, and it reaches nobody.
    pub(crate) fn isolate(&mut self, node: usize) {
        for other in 0..self.natures.len() {
            self.cut_one_way(node, other);
            self.cut_one_way(other, node);
        }
    }

    /// The ways among these nodes as the plan has them; those to others stay as they are.
    pub(crate) fn reset_among(&mut self, nodes: &[usize]) {
        let other = |(from, to): &Way| !(nodes.contains(from) && nodes.contains(to));
        self.apart.retain(other);
        self.cut.retain(other);
        self.rates_kbps.retain(|way, _| other(way));
        self.mtus.retain(|way, _| other(way));
        self.busy_us.retain(|way, _| other(way));
        self.loss_permille = 0;
        self.set_bursts(0, 0);
        self.duplicate_permille = 0;
        self.reorder_permille = 0;
        self.slow = 1;
    }

    /// Whether ways are about as the plan has them: not slowed down, losing no more than one packet in twenty, none capped or clogged, and
    /// nothing waiting for one any more.
    pub(crate) fn is_calm(&self, now_us: u64) -> bool {
        let unbounded = self.rates_kbps.is_empty() && self.mtus.is_empty();
        let idle = self.busy_us.values().all(|busy_us| *busy_us <= now_us);
        self.slow <= 1 && self.loss_permille <= LOSS_PERMILLE_CALM && self.bursts.is_none() && unbounded && idle
    }

    /// Whether the plan has some way lose more than one packet in twenty all the time.
    pub(crate) fn are_lossy(&self) -> bool {
        self.natures.iter().flatten().any(|nature| nature.loss_ppm > LOSS_PERMILLE_CALM * 1_000)
    }

    /// The one-way delay for the next packet, microseconds.
    pub(crate) fn delay_us(&self, from: usize, to: usize, rng: &mut SmallRng) -> u64 {
        let Nature { one_way_us, jitter_percent, .. } = self.natures[from][to];
        let base = one_way_us * self.slow;
        base + base * rng.random_range(0..=jitter_percent) / 100
    }

    /// The longest one-way delay when nothing is wrong, microseconds.
    pub(crate) fn longest_us(&self, from: usize, to: usize) -> u64 {
        let Nature { one_way_us, jitter_percent, .. } = self.natures[from][to];
        one_way_us + one_way_us * jitter_percent / 100
    }

    /// Whether the next packet is lost.
    pub(crate) fn loses(&mut self, from: usize, to: usize, rng: &mut SmallRng) -> bool {
        let ppm = self.natures[from][to].loss_ppm.max(self.loss_permille * 1_000);
        self.bursts_over(from, to, rng) || (ppm > 0 && rng.random_range(0..1_000_000) < ppm)
    }

    fn bursts_over(&mut self, from: usize, to: usize, rng: &mut SmallRng) -> bool {
        let Some(Bursts { gap, length }) = self.bursts else { return false };
        let within = self.in_burst.contains(&(from, to));
        let changes = rng.random_range(0..if within { length } else { gap }) == 0;
        if changes && within {
            self.in_burst.remove(&(from, to));
        } else if changes {
            self.in_burst.insert((from, to));
        }
        within != changes
    }

    /// The cap of a way, if there is one.
    pub(crate) fn rate_kbps(&self, from: usize, to: usize) -> Option<u64> {
        let nature = self.natures[from][to].rate_kbps;
        self.rates_kbps.get(&(from, to)).copied().into_iter().chain(nature).min()
    }

    /// How long a way is still busy, microseconds.
    pub(crate) fn busy_for_us(&self, now_us: u64, from: usize, to: usize) -> u64 {
        self.busy_us.get(&(from, to)).map_or(0, |busy_us| busy_us.saturating_sub(now_us))
    }

    /// When a packet that is sent now has left; `None` when it found no room.
    fn leaves_us(&mut self, now_us: u64, from: usize, to: usize, bytes: usize) -> Option<u64> {
        let waits_us = self.busy_for_us(now_us, from, to);
        let Some(kbps) = self.rate_kbps(from, to) else { return Some(now_us + waits_us) };
        if waits_us * kbps / 8_000 > QUEUE_BYTES {
            return None;
        }
        let left_us = now_us + waits_us + sending_us(bytes, kbps);
        self.busy_us.insert((from, to), left_us);
        Some(left_us)
    }

    /// When a packet sent now arrives, in as many copies as do.
    pub(crate) fn carry(
        &mut self,
        now_us: u64,
        (from, to): Way,
        bytes: usize,
        rng: &mut SmallRng,
    ) -> impl Iterator<Item = u64> + use<> {
        let too_large = self.mtus.get(&(from, to)).is_some_and(|mtu| bytes > *mtu);
        let lost = !self.passes(from, to) || too_large || self.loses(from, to, rng);
        let left_us = if lost { None } else { self.leaves_us(now_us, from, to, bytes) };
        let first = left_us.map(|left_us| self.arrival_us(left_us, from, to, rng));
        let again = self.is_doubled(rng);
        let second = left_us.filter(|_| again).map(|left_us| left_us + self.delay_us(from, to, rng));
        first.into_iter().chain(second)
    }

    /// How much later than the first a second copy of a frame comes; `None` when none does.
    pub(crate) fn comes_again_us(&self, from: usize, to: usize, rng: &mut SmallRng) -> Option<u64> {
        self.is_doubled(rng).then(|| self.delay_us(from, to, rng) * rng.random_range(0..=OVERTAKEN_BY))
    }

    fn is_doubled(&self, rng: &mut SmallRng) -> bool {
        self.duplicate_permille > 0 && rng.random_range(0..1000) < self.duplicate_permille
    }

    fn arrival_us(&mut self, left_us: u64, from: usize, to: usize, rng: &mut SmallRng) -> u64 {
        let delay_us = self.delay_us(from, to, rng);
        if self.reorder_permille > 0 && rng.random_range(0..1000) < self.reorder_permille {
            return left_us + delay_us + rng.random_range(0..=delay_us * OVERTAKEN_BY);
        }
        let arrives_us = self.arrives_us.entry((from, to)).or_default();
        *arrives_us = (*arrives_us).max(left_us + delay_us);
        *arrives_us
    }
}

/// How long so many bytes take, microseconds.
pub(super) fn sending_us(bytes: usize, kbps: u64) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(8_000) / kbps.max(1)
}

fn nature(plan: &LinkPlan, from: &NodePlan, to: &NodePlan) -> Nature {
    let near = from.region == to.region;
    let usual = Nature {
        one_way_us: if near { plan.near_us } else { plan.far_us },
        jitter_percent: plan.jitter_percent,
        loss_ppm: plan.loss_permille * 1_000,
        rate_kbps: None,
    };
    let special = plan.between.iter().find(|link| link.joins(&from.region, &to.region));
    special.map_or(usual, |link: &RegionLink| Nature {
        one_way_us: link.delay_us,
        jitter_percent: link.jitter_percent,
        loss_ppm: link.loss_ppm.max(usual.loss_ppm),
        rate_kbps: link.rate_kbit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn paths(between: Vec<RegionLink>) -> Paths {
        let node = |region: &str, name: &str| NodePlan {
            name: name.to_owned(),
            region: region.to_owned(),
            zone: String::new(),
            clock_offset_ms: 0,
            starts_at_ms: 0,
            release: crate::plan::Release::default(),
        };
        let plan = LinkPlan { near_us: 1_000, far_us: 50_000, jitter_percent: 0, loss_permille: 0, between };
        Paths::new(&plan, &[node("eu", "a"), node("eu", "b"), node("us", "c"), node("ap", "d")])
    }

    fn sent(paths: &mut Paths, way: Way, bytes: usize) -> Vec<u64> {
        paths.carry(0, way, bytes, &mut SmallRng::seed_from_u64(1)).collect()
    }

    #[test]
    fn cuts_nest_and_overlap() {
        let mut paths = paths(Vec::new());
        paths.partition(&[vec![0, 1, 2], vec![3]]);
        paths.partition_too(&[vec![0], vec![1]]);
        paths.cut_one_way(0, 2);
        assert!(!paths.passes(0, 3) && !paths.passes(0, 1) && !paths.passes(0, 2));
        assert!(paths.passes(2, 0) && paths.passes(1, 2));
        paths.heal_link(0, 2);
        assert!(paths.passes(0, 2) && !paths.passes(0, 1));
        paths.heal();
        assert!(paths.passes(0, 3) && paths.passes(0, 1));
    }

    #[test]
    fn regions_have_links_of_their_own() {
        let between = ["us".to_owned(), "eu".to_owned()];
        let link = RegionLink { between, delay_us: 7_000, jitter_percent: 0, loss_ppm: 0, rate_kbit: Some(8_000) };
        let mut paths = paths(vec![link]);
        assert_eq!(sent(&mut paths, (0, 2), 1_000), [8_000]);
        assert_eq!(sent(&mut paths, (2, 1), 1_000), [8_000]);
        assert_eq!(sent(&mut paths, (0, 3), 1_000), [50_000]);
    }

    #[test]
    fn a_capped_link_delays_and_then_drops() {
        let mut paths = paths(Vec::new());
        paths.set_rate(0, 2, 80);
        assert_eq!(sent(&mut paths, (0, 2), 1_000), [150_000]);
        assert_eq!(sent(&mut paths, (0, 2), 1_000), [250_000]);
        let taken = (0..1_000).filter(|_| !sent(&mut paths, (0, 2), 1_000).is_empty()).count();
        assert!((200..300).contains(&taken), "{taken}");
    }

    #[test]
    fn large_packets_vanish_and_small_ones_pass() {
        let mut paths = paths(Vec::new());
        paths.set_mtu(0, 1, 1_280);
        assert!(sent(&mut paths, (1, 0), 1_281).is_empty());
        assert_eq!(sent(&mut paths, (1, 0), 1_280).len(), 1);
    }

    #[test]
    fn losses_come_in_bursts() {
        let (mut paths, mut rng) = (paths(Vec::new()), SmallRng::seed_from_u64(3));
        paths.set_bursts(50, 10);
        let lost: Vec<bool> = (0..20_000).map(|_| paths.loses(0, 1, &mut rng)).collect();
        let count = lost.iter().filter(|lost| **lost).count();
        let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        assert!((2_000..5_000).contains(&count), "{count} lost");
        assert!(count / bursts >= 6, "{count} lost in {bursts} bursts");
    }
}
