//! The virtual network between nodes: links with delay, jitter, loss and cuts, and the connections over them.
//!
//! A connection behaves as the QUIC data plane does: frames of a lane arrive in order or not at all, a cut holds them back, and a
//! connection over which nothing passes for [`IDLE_US`] is gone at both ends. Datagrams are simply lost.

use crate::plan::{LinkPlan, RegionLink};
use lavina_gossip::frame::Frame;
use rand::Rng;
use rand::rngs::SmallRng;
use std::collections::BTreeMap;

/// After this long without anything coming through, an end gives a connection up; as the real transport does.
pub(crate) const IDLE_US: u64 = 5_000_000;

/// One direction between two nodes.
type Way = (usize, usize);

/// The state of all links and connections.
#[derive(Debug)]
pub(crate) struct Net {
    plan: LinkPlan,
    regions: Vec<String>,
    /// Per way, what the plan says of its regions' link.
    links: BTreeMap<Way, RegionLink>,
    /// Per way with a rate, until when it is busy with what was sent before.
    busy_us: BTreeMap<Way, u64>,
    cut: BTreeMap<Way, bool>,
    loss_permille: u64,
    slow: u64,
    conns: BTreeMap<Way, Conn>,
    next_epoch: u64,
}

/// A connection between the lower and the higher numbered node.
#[derive(Debug, Default)]
pub(crate) struct Conn {
    /// Distinguishes it from earlier connections of the same two nodes.
    pub(crate) epoch: u64,
    /// When it was made, microseconds.
    pub(crate) made_us: u64,
    /// Per direction, what waits behind a cut.
    held: BTreeMap<Way, Vec<Frame>>,
    /// Per direction, when the last frame arrives: later ones come after it.
    arrives_us: BTreeMap<Way, u64>,
}

const fn pair(one: usize, other: usize) -> Way {
    if one < other { (one, other) } else { (other, one) }
}

/// The link of every way whose regions the plan has one for.
fn region_links(plan: &LinkPlan, regions: &[String]) -> BTreeMap<Way, RegionLink> {
    let mut links = BTreeMap::new();
    for (from, one) in regions.iter().enumerate() {
        for (to, other) in regions.iter().enumerate() {
            if let Some(link) = plan.between.iter().find(|link| link.joins(one, other)) {
                links.insert((from, to), link.clone());
            }
        }
    }
    links
}

impl Net {
    pub(crate) fn new(plan: LinkPlan, regions: Vec<String>) -> Self {
        let loss_permille = plan.loss_permille;
        let links = region_links(&plan, &regions);
        Self {
            plan,
            regions,
            links,
            busy_us: BTreeMap::new(),
            cut: BTreeMap::new(),
            loss_permille,
            slow: 1,
            conns: BTreeMap::new(),
            next_epoch: 1,
        }
    }

    /// Whether packets pass from the first node to the second.
    pub(crate) fn passes(&self, from: usize, to: usize) -> bool {
        !self.cut.get(&(from, to)).copied().unwrap_or(false)
    }

    /// Whether packets pass both ways.
    pub(crate) fn passes_both(&self, one: usize, other: usize) -> bool {
        self.passes(one, other) && self.passes(other, one)
    }

    pub(crate) fn partition(&mut self, groups: &[Vec<usize>]) {
        for from in 0..self.regions.len() {
            for to in 0..self.regions.len() {
                let together = groups.iter().any(|group| group.contains(&from) && group.contains(&to));
                self.cut.insert((from, to), from != to && !together);
            }
        }
    }

    /// Nobody reaches a node, and it reaches nobody.
    pub(crate) fn isolate(&mut self, node: usize) {
        for other in 0..self.regions.len() {
            self.cut_one_way(node, other);
            self.cut_one_way(other, node);
        }
    }

    pub(crate) fn cut_one_way(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to), from != to);
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }

    pub(crate) fn set_loss(&mut self, permille: u64) {
        self.loss_permille = permille.max(self.plan.loss_permille);
    }

    pub(crate) fn set_slow(&mut self, factor: u64) {
        self.slow = factor.max(1);
    }

    /// The links among these nodes as the plan has them; those to others stay cut where they are.
    pub(crate) fn reset_among(&mut self, nodes: &[usize]) {
        self.cut.retain(|(from, to), _| !(nodes.contains(from) && nodes.contains(to)));
        self.loss_permille = self.plan.loss_permille;
        self.slow = 1;
    }

    /// The one-way delay for the next packet, microseconds.
    pub(crate) fn delay_us(&self, from: usize, to: usize, rng: &mut SmallRng) -> u64 {
        let (base, jitter_percent) = match self.links.get(&(from, to)) {
            Some(link) => (link.delay_us, link.jitter_percent),
            None if self.regions[from] == self.regions[to] => (self.plan.near_us, self.plan.jitter_percent),
            None => (self.plan.far_us, self.plan.jitter_percent),
        };
        let base = base * self.slow;
        base + base * rng.random_range(0..=jitter_percent) / 100
    }

    /// Whether links are about as the plan has them: neither slowed down nor losing more than one packet in twenty.
    pub(crate) const fn is_calm(&self) -> bool {
        self.slow <= 1 && self.loss_permille <= 50
    }

    /// Whether the next packet is lost.
    pub(crate) fn loses(&self, from: usize, to: usize, rng: &mut SmallRng) -> bool {
        let link_ppm = self.links.get(&(from, to)).map_or(0, |link| link.loss_ppm);
        let loss_ppm = link_ppm.max(self.loss_permille * 1_000);
        loss_ppm > 0 && rng.random_range(0..1_000_000) < loss_ppm
    }

    /// The connection of two nodes.
    pub(crate) fn conn(&self, one: usize, other: usize) -> Option<&Conn> {
        self.conns.get(&pair(one, other))
    }

    /// Makes a connection, unless there is one; returns its epoch when it is new.
    pub(crate) fn connect(&mut self, now_us: u64, one: usize, other: usize) -> Option<u64> {
        if self.conn(one, other).is_some() {
            return None;
        }
        let epoch = self.next_epoch;
        self.next_epoch += 1;
        self.conns.insert(pair(one, other), Conn { epoch, made_us: now_us, ..Conn::default() });
        Some(epoch)
    }

    /// Ends a connection and everything under way on it.
    pub(crate) fn disconnect(&mut self, one: usize, other: usize) -> bool {
        self.conns.remove(&pair(one, other)).is_some()
    }

    /// All pairs that have a connection, with its epoch.
    pub(crate) fn connections(&self) -> Vec<(usize, usize, u64)> {
        self.conns.iter().map(|((one, other), conn)| (*one, *other, conn.epoch)).collect()
    }

    /// When a frame sent at `now_us` arrives, and on which connection; `None` when there is no connection.
    pub(crate) fn schedule(
        &mut self,
        now_us: u64,
        from: usize,
        to: usize,
        frame: &Frame,
        rng: &mut SmallRng,
    ) -> Option<(u64, u64)> {
        let mut delay_us = self.delay_us(from, to, rng) + self.queued_us(now_us, from, to, frame);
        while self.loses(from, to, rng) {
            delay_us += 2 * self.delay_us(from, to, rng);
        }
        let conn = self.conns.get_mut(&pair(from, to))?;
        let arrives_us = conn.arrives_us.entry((from, to)).or_default();
        *arrives_us = (*arrives_us + 1).max(now_us + delay_us);
        Some((*arrives_us, conn.epoch))
    }

    /// How long a frame takes to be put on a link of limited rate, behind what is being put there; nothing on others.
    fn queued_us(&mut self, now_us: u64, from: usize, to: usize, frame: &Frame) -> u64 {
        let Some(rate_kbit) = self.links.get(&(from, to)).and_then(|link| link.rate_kbit) else { return 0 };
        let bits = postcard::to_stdvec(frame).map_or(0, |bytes| bytes.len() as u64 * 8);
        let busy_us = self.busy_us.entry((from, to)).or_default();
        *busy_us = (*busy_us).max(now_us) + (bits * 1_000).div_ceil(rate_kbit);
        *busy_us - now_us
    }

    /// A frame is at the far end of its way: gives it back when it comes through, with whatever a cut had held before it.
    pub(crate) fn arrive(&mut self, from: usize, to: usize, epoch: u64, frame: Frame) -> Vec<Frame> {
        let passes = self.passes_both(from, to);
        let Some(conn) = self.conns.get_mut(&pair(from, to)).filter(|conn| conn.epoch == epoch) else {
            return Vec::new();
        };
        let held = conn.held.entry((from, to)).or_default();
        held.push(frame);
        if passes { std::mem::take(held) } else { Vec::new() }
    }

    /// What a cut had held back and now comes through.
    pub(crate) fn release(&mut self) -> Vec<(usize, usize, Vec<Frame>)> {
        let mut released = Vec::new();
        let cut = &self.cut;
        for conn in self.conns.values_mut() {
            for ((from, to), held) in &mut conn.held {
                let blocked = [(*from, *to), (*to, *from)].iter().any(|way| cut.get(way).copied().unwrap_or(false));
                if !blocked && !held.is_empty() {
                    released.push((*from, *to, std::mem::take(held)));
                }
            }
        }
        released
    }
}
