//! Who is to hold what, where rooms are placed: as each node has it of itself.

use super::{COMMIT_US, World};
use crate::plan::Class;
use lavina_crdt::ids::Scope;
use lavina_crdt::version::VersionVector;
use std::collections::BTreeMap;

/// What a room may take where something is broken: two rounds of questions that nobody answers, and then as long as what a holder has is waited for while
/// some of it comes.
const UNANSWERED_US: u64 = 2 * 1_500_000 + 10_000_000;

/// How long presence waits at most behind entries that are not durable, microseconds.
const PRESENCE_US: u64 = 200_000;

impl World {
    /// Whether rooms are placed in this run, and not every node holds all.
    pub(crate) const fn is_placed(&self) -> bool {
        self.plan.replicas.is_some()
    }

    /// What has come of rooms in the last starts of all nodes, where they are placed.
    pub(crate) fn placing_counts(&self) -> Vec<(&'static str, u64)> {
        let running = self.nodes.iter().filter_map(|node| node.core.as_ref());
        let counts = running.filter(|_| self.is_placed()).flat_map(lavina_core::node::Node::placing_counts);
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// Whether a node takes itself to be one that holds a scope; one that is down holds what its disk has of it.
    pub(crate) fn holds(&self, node: usize, scope: &Scope) -> bool {
        if !self.is_placed() {
            return true;
        }
        match &self.nodes[node].core {
            Some(core) => core.is_holder(self.id(node), scope),
            None => !self.vector(node, scope).is_empty(),
        }
    }

    /// The judged nodes that hold a scope.
    pub(crate) fn judged_holders(&self, scope: &Scope) -> Vec<usize> {
        self.judged().into_iter().filter(|node| self.holds(*node, scope)).collect()
    }

    /// How many judged nodes must have what is kept of a room: as many as it has homes, of which those who lie may be some. In a part that is cut off some of its
    /// homes may be elsewhere.
    pub(crate) fn copies_due(&self) -> usize {
        let judged = self.judged().len();
        if self.plan.class == Class::Core {
            return judged.min(1);
        }
        let liars = (0..self.nodes.len()).filter(|node| self.plan.lies(*node)).count();
        self.plan.replicas.map_or(judged, |replicas| replicas.get().saturating_sub(liars).max(1).min(judged))
    }

    /// How long a room may take to be fetched, or to be found out of reach: a round trip to the nearest holder and one to the others while nothing is
    /// broken, and what is waited for answers that do not come where something is.
    pub(crate) fn fetch_us(&self) -> u64 {
        let links = &self.plan.links;
        let farthest_us = links.between.iter().map(|link| link.delay_us).max().unwrap_or(0).max(links.far_us);
        match (self.is_placed(), self.plan.class) {
            (false, _) => 0,
            (true, Class::Fair) => 4 * (farthest_us + farthest_us * links.jitter_percent / 100) + COMMIT_US,
            (true, Class::Safety | Class::Core | Class::Byzantine | Class::Upgrade) => UNANSWERED_US,
        }
    }

    /// How long until all nodes know of who has come, where that decides who is sent what.
    pub(super) fn known_us(&self) -> u64 {
        if self.is_placed() { PRESENCE_US + self.fetch_us() } else { 0 }
    }

    /// Whether all judged nodes are up, and whoever holds a scope has all of it that is on any of their disks.
    pub(crate) fn all_equal(&self) -> bool {
        let judged = self.judged();
        if judged.iter().any(|node| self.nodes[*node].core.is_none()) {
            return false;
        }
        let held: Vec<(usize, BTreeMap<Scope, VersionVector>)> =
            judged.into_iter().map(|node| (node, self.vectors(node))).collect();
        if !self.is_placed() {
            return held.windows(2).all(|pair| pair[0].1 == pair[1].1);
        }
        let mut all: BTreeMap<&Scope, VersionVector> = BTreeMap::new();
        for (scope, vector) in held.iter().flat_map(|(_, vectors)| vectors) {
            all.entry(scope).or_default().merge(vector);
        }
        let has_all = |node: usize, vectors: &BTreeMap<Scope, VersionVector>| {
            all.iter().all(|(scope, vector)| {
                vectors.get(*scope).is_some_and(|own| own.covers(vector)) || !self.holds(node, scope)
            })
        };
        held.iter().all(|(node, vectors)| has_all(*node, vectors))
    }
}
