//! The node's time: the shell's wall clock, kept near what the majority of nodes say, see [`MeshTime`].
//!
//! Peers tell their raw wall clocks when they connect and every few seconds after. What the core does is done at the time read here.

use super::{Node, Output};
use crate::store::Store;
use lavina_crdt::clock::{Hlc, Now};
use lavina_crdt::ids::NodeId;
use lavina_crdt::mesh_time::MeshTime;
use lavina_gossip::frame::Frame;
use std::collections::BTreeSet;

/// How often peers are told, milliseconds: a clock that runs half as fast again is off by less than the slack in that time.
const PERIOD_MS: u64 = 3_000;

#[derive(Debug)]
pub(super) struct Clock {
    time: MeshTime,
    tell_at: u64,
}

impl Clock {
    pub(super) fn new(max_drift_ms: u64, newest: Hlc, now: Now) -> Self {
        Self { time: MeshTime::new(max_drift_ms, newest, now), tell_at: 0 }
    }

    pub(super) fn read(&self, now: Now) -> Now {
        self.time.read(now)
    }
}

impl<S: Store> Node<S> {
    /// The time as this node takes it when its shell's clocks show `now`.
    #[must_use]
    pub fn time(&self, now: Now) -> Now {
        self.clock.read(now)
    }

    pub(super) fn on_clock(&mut self, now: Now, peer: NodeId, wall_ms: u64) {
        if peer != self.me() && self.names.contains_key(&peer) {
            self.clock.time.hear(now, peer, wall_ms);
        }
    }

    pub(super) fn tell_clock(&mut self, now: Now, peer: NodeId) {
        let frame = Frame::Clock(now.wall_ms);
        self.out.push_back(Output::Send(peer, frame.lane(), frame));
    }

    pub(super) fn tell_clocks(&mut self, now: Now) {
        if now.mono_us < self.clock.tell_at {
            return;
        }
        self.clock.tell_at = now.deadline_ms(PERIOD_MS);
        for peer in self.gossip.peers().into_iter().filter(|peer| peer.connected) {
            self.tell_clock(now, peer.node);
        }
    }

    /// The clocks of these count.
    pub(super) fn set_clock_members(&mut self) {
        let others: BTreeSet<NodeId> = self.names.keys().copied().filter(|node| *node != self.me()).collect();
        self.clock.time.set_members(&others);
    }
}
