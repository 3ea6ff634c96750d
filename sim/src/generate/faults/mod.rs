//! Which faults a run has: first which kinds exist in it at all, then when each comes and goes. A new kind is a row of its family's table.

mod client;
pub(super) mod clock;
mod disk;
mod net;
mod node;

use super::{STORM_FROM_MS, Sizes, clash};
use crate::plan::{Class, Fault, FaultKind, NodeFault};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

/// What a kind of fault is drawn for.
struct Draw<'a> {
    sizes: &'a Sizes,
    /// When it comes, milliseconds.
    at_ms: u64,
    /// When it goes, milliseconds.
    until_ms: u64,
}

/// Draws one fault of a kind: its coming and its going.
type Kind = fn(&mut SmallRng, &Draw<'_>) -> Vec<Fault>;

const KINDS: &[&[Kind]] = &[net::KINDS, disk::KINDS, node::KINDS, clock::KINDS, client::KINDS];

pub(super) fn draw(rng: &mut SmallRng, class: Class, sizes: &Sizes, heal_at_ms: u64) -> Vec<Fault> {
    if class == Class::Fair {
        return Vec::new();
    }
    let kinds: Vec<Kind> = KINDS.concat().into_iter().filter(|_| rng.random_bool(0.5)).collect();
    let count = if kinds.is_empty() { 0 } else { rng.random_range(1..=sizes.faults_max) };
    let mut faults = Vec::new();
    for _ in 0..count {
        let at_ms = rng.random_range(STORM_FROM_MS..heal_at_ms - 1_000);
        let until_ms = rng.random_range(at_ms..heal_at_ms);
        if let Some(kind) = kinds.choose(rng) {
            faults.extend(kind(rng, &Draw { sizes, at_ms, until_ms }));
        }
    }
    clash::slow_disks_before_crashes(rng, &mut faults);
    faults.sort_by_key(|fault| fault.at_ms);
    faults
}

impl Draw<'_> {
    fn node(&self, rng: &mut SmallRng) -> usize {
        rng.random_range(0..self.sizes.nodes)
    }

    /// What happens to a node at one time, or ends by itself.
    fn once(&self, fault: NodeFault) -> Vec<Fault> {
        vec![Fault { at_ms: self.at_ms, kind: FaultKind::Node(fault) }]
    }

    /// What comes, and what ends it.
    fn between(&self, comes: FaultKind, goes: FaultKind) -> Vec<Fault> {
        vec![Fault { at_ms: self.at_ms, kind: comes }, Fault { at_ms: self.until_ms, kind: goes }]
    }
}
