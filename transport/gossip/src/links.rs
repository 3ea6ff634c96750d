//! The admitted nodes as seen from here: who is connected, who is held to be in reach, and when to dial whom again.
//!
//! Knows no frame. Dials with exponential back-off and jitter from the machine's own generator, so that a mesh that heals is not stormed.

use crate::machine::{Output, Peer};
use crate::outbox::Outbox;
use crate::placement::Candidate;
use lavina_crdt::clock::Now;
use lavina_crdt::ids::NodeId;
use lavina_crdt::mesh::Place;
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use std::collections::{BTreeMap, BTreeSet};

/// First wait after a dial that led to no connection: longer than a handshake over most links.
const DIAL_BACKOFF_MS_MIN: u64 = 200;
/// Longest wait between dials: a healed link is used again within it.
const DIAL_BACKOFF_MS_MAX: u64 = 5_000;
/// A connection that lasted this long was a good one, so that the next dial starts over without back-off.
const STABLE_MS: u64 = 5_000;

/// What SWIM holds of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reach {
    /// Nothing yet: a connection is taken as good news.
    #[default]
    Unknown,
    Up,
    Down,
}

/// One admitted node.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) place: Place,
    addresses: Vec<String>,
    is_draining: bool,
    connected_at_us: Option<u64>,
    reach: Reach,
    pub(crate) round_trip_us: Option<u64>,
    /// When anything last came from it.
    pub(crate) heard_us: u64,
    dials: u32,
    dial_at_us: Option<u64>,
}

impl Link {
    fn new(peer: Peer, now: Now) -> Self {
        let dial_at_us = (!peer.addresses.is_empty()).then_some(now.mono_us);
        Self {
            place: peer.place,
            addresses: peer.addresses,
            is_draining: peer.is_draining,
            connected_at_us: None,
            reach: Reach::Unknown,
            round_trip_us: None,
            heard_us: 0,
            dials: 0,
            dial_at_us,
        }
    }

    /// The node as one that may be a home of rooms.
    pub(crate) fn candidate(&self, node: NodeId) -> Candidate {
        let (place, is_dialable) = (self.place.clone(), !self.addresses.is_empty());
        Candidate { node, place, is_dialable, is_draining: self.is_draining }
    }

    pub(crate) const fn connected(&self) -> bool {
        self.connected_at_us.is_some()
    }

    pub(crate) const fn connected_at_us(&self) -> Option<u64> {
        self.connected_at_us
    }

    pub(crate) const fn in_reach(&self) -> bool {
        matches!(self.reach, Reach::Up)
    }

    /// Connected and not held to be down: worth sending to at once.
    const fn live(&self) -> bool {
        self.connected() && !matches!(self.reach, Reach::Down)
    }
}

/// All admitted nodes but this one.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) me: NodeId,
    place: Place,
    /// Whether others can dial this node.
    is_dialable: bool,
    /// Whether this node is being emptied.
    is_draining: bool,
    peers: BTreeMap<NodeId, Link>,
    /// When to dial next; kept, since it is asked for after every input.
    dial_at_us: Option<u64>,
}

impl Links {
    pub(crate) const fn new(me: NodeId, place: Place) -> Self {
        Self { me, place, is_dialable: true, is_draining: false, peers: BTreeMap::new(), dial_at_us: None }
    }

    /// Takes a new roster; returns who is no longer on it.
    pub(crate) fn set_roster(&mut self, now: Now, roster: Vec<Peer>) -> Vec<NodeId> {
        let mut before = std::mem::take(&mut self.peers);
        for peer in roster {
            let node = peer.node;
            if node == self.me {
                self.place = peer.place;
                self.is_dialable = !peer.addresses.is_empty();
                self.is_draining = peer.is_draining;
                continue;
            }
            let link = match before.remove(&node) {
                None => Link::new(peer, now),
                Some(mut link) => {
                    link.place = peer.place;
                    link.is_draining = peer.is_draining;
                    if link.addresses != peer.addresses {
                        link.addresses = peer.addresses;
                        link.dials = 0;
                        let dial = !link.connected() && !link.addresses.is_empty();
                        link.dial_at_us = dial.then_some(now.mono_us);
                    }
                    link
                }
            };
            self.peers.insert(node, link);
        }
        self.set_deadline();
        before.into_keys().collect()
    }

    pub(crate) fn up(&mut self, now: Now, node: NodeId) -> bool {
        let Some(link) = self.peers.get_mut(&node) else { return false };
        link.connected_at_us = Some(now.mono_us);
        link.dial_at_us = None;
        self.set_deadline();
        true
    }

    pub(crate) fn down(&mut self, now: Now, node: NodeId, rng: &mut Xoshiro256PlusPlus) {
        let Some(link) = self.peers.get_mut(&node) else { return };
        let Some(since_us) = link.connected_at_us.take() else { return };
        link.round_trip_us = None;
        if now.mono_us.saturating_sub(since_us) >= STABLE_MS * 1000 {
            link.dials = 0;
        }
        if !link.addresses.is_empty() {
            link.dial_at_us = Some(now.deadline_ms(backoff_ms(link.dials, rng)));
        }
        self.set_deadline();
    }

    pub(crate) fn set_reach(&mut self, node: NodeId, up: bool) {
        if let Some(link) = self.peers.get_mut(&node) {
            link.reach = if up { Reach::Up } else { Reach::Down };
        }
    }

    pub(crate) fn heard(&mut self, now: Now, node: NodeId) {
        if let Some(link) = self.peers.get_mut(&node) {
            link.heard_us = now.mono_us;
        }
    }

    pub(crate) fn set_round_trip(&mut self, node: NodeId, us: u64) {
        if let Some(link) = self.peers.get_mut(&node) {
            link.round_trip_us = Some(us);
        }
    }

    /// Dials whoever is due.
    pub(crate) fn on_time(&mut self, now: Now, rng: &mut Xoshiro256PlusPlus, out: &mut Outbox) {
        if self.dial_at_us.is_none_or(|at| at > now.mono_us) {
            return;
        }
        for (node, link) in &mut self.peers {
            if link.dial_at_us.is_some_and(|at| at <= now.mono_us) {
                out.push(Output::Dial(*node, link.addresses.clone()));
                link.dial_at_us = Some(now.deadline_ms(backoff_ms(link.dials, rng)));
                link.dials = link.dials.saturating_add(1);
            }
        }
        self.set_deadline();
    }

    fn set_deadline(&mut self) {
        self.dial_at_us = self.peers.values().filter_map(|link| link.dial_at_us).min();
    }

    pub(crate) const fn deadline_us(&self) -> Option<u64> {
        self.dial_at_us
    }

    pub(crate) fn get(&self, node: NodeId) -> Option<&Link> {
        self.peers.get(&node)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &Link)> + '_ {
        self.peers.iter().map(|(node, link)| (*node, link))
    }

    pub(crate) fn is_admitted(&self, node: NodeId) -> bool {
        self.peers.contains_key(&node)
    }

    pub(crate) fn is_connected(&self, node: NodeId) -> bool {
        self.peers.get(&node).is_some_and(Link::connected)
    }

    pub(crate) fn is_live(&self, node: NodeId) -> bool {
        self.peers.get(&node).is_some_and(Link::live)
    }

    /// This node as one that may be a home of rooms.
    pub(crate) fn candidate(&self) -> Candidate {
        let (place, is_dialable, is_draining) = (self.place.clone(), self.is_dialable, self.is_draining);
        Candidate { node: self.me, place, is_dialable, is_draining }
    }

    /// Whether the node stands in this node's region.
    pub(crate) fn is_near(&self, node: NodeId) -> bool {
        self.peers.get(&node).is_some_and(|link| link.place.region == self.place.region)
    }

    pub(crate) fn connected(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.iter().filter(|(_, link)| link.connected()).map(|(node, _)| node)
    }

    /// Live nodes of this region.
    pub(crate) fn near_live(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.iter().filter(|(_, link)| link.live() && link.place.region == self.place.region).map(|(node, _)| node)
    }

    /// Live nodes of every other region that has one.
    pub(crate) fn far_live(&self) -> BTreeMap<&str, Vec<NodeId>> {
        let mut regions: BTreeMap<&str, Vec<NodeId>> = BTreeMap::new();
        for (node, link) in self.iter().filter(|(_, link)| link.live() && link.place.region != self.place.region) {
            regions.entry(&link.place.region).or_default().push(node);
        }
        regions
    }

    /// Admitted nodes of a region, this one too.
    pub(crate) fn of_region(&self, region: &str) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> =
            self.iter().filter(|(_, link)| link.place.region == region).map(|(node, _)| node).collect();
        if self.place.region == region {
            nodes.push(self.me);
        }
        nodes
    }

    /// All regions, this node's too.
    pub(crate) fn regions(&self) -> BTreeSet<&str> {
        let others = self.peers.values().map(|link| link.place.region.as_str());
        others.chain([self.place.region.as_str()]).collect()
    }

    pub(crate) fn region(&self) -> &str {
        &self.place.region
    }
}

/// The wait after `dials` dials in vain: doubling, and anywhere in its upper half.
fn backoff_ms(dials: u32, rng: &mut Xoshiro256PlusPlus) -> u64 {
    let full = DIAL_BACKOFF_MS_MIN.saturating_mul(1 << dials.min(16)).min(DIAL_BACKOFF_MS_MAX);
    rng.random_range(full / 2..=full)
}
