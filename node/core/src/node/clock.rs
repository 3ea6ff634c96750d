//! The node's time: the shell's wall clock, kept near what the majority of nodes say, see [`MeshTime`].
//!
//! Peers tell their raw wall clocks when they connect and every few seconds after. What the core does is done at the time read here.
//!
//! At its very first start a node does not know the time before peers are heard, and a stamp from a clock that is years ahead cannot be
//! taken back. So what would stamp waits then, in order: sessions and the operator's writes. It waits for a connection's set-up, or, when
//! nobody is there, for the patience; then the own clock is believed, so that clients of a node that starts alone are served.

use super::{AdminCommand, Input, Node, Output};
use crate::store::Store;
use lavina_crdt::clock::{Hlc, Now};
use lavina_crdt::ids::NodeId;
use lavina_crdt::mesh_time::MeshTime;
use lavina_gossip::frame::Frame;
use lavina_gossip::machine;
use std::collections::{BTreeSet, VecDeque};

/// How often peers are told, milliseconds: a clock that runs half as fast again is off by less than the slack in that time.
const PERIOD_MS: u64 = 3_000;

/// How many peers are told at a time; more have their turn later. A reading stays good for longer than that, see [`MeshTime`], and in a large
/// mesh one that has grown old is one of many: what telling the time costs a node does not grow with the mesh.
const TOLD_AT_ONCE_MAX: usize = 8;

/// How long the first start waits to hear the time, milliseconds: several times what a dial and a handshake across the world take.
const PATIENCE_MS: u64 = 3_000;

#[derive(Debug)]
pub(super) struct Clock {
    time: MeshTime,
    tell_at: u64,
    /// Who was told last.
    told: Option<NodeId>,
    /// Until when what would stamp waits for the time to be known; `None` once it is.
    wait_until: Option<u64>,
    /// What waits. The shell bounds it, as it bounds sessions and the commands of each that are not answered.
    waiting: VecDeque<Input>,
}

impl Clock {
    pub(super) fn new(max_drift_ms: u64, newest: Hlc, now: Now) -> Self {
        let wait_until = Some(now.deadline_ms(PATIENCE_MS));
        Self {
            time: MeshTime::new(max_drift_ms, newest, now),
            tell_at: 0,
            told: None,
            wait_until,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.wait_until
    }

    /// The input, unless it waits for the time.
    pub(super) fn pass(&mut self, input: Input) -> Option<Input> {
        if self.wait_until.is_some() && stamps(&input) {
            self.waiting.push_back(input);
            return None;
        }
        Some(input)
    }

    pub(super) fn read(&self, now: Now) -> Now {
        self.time.read(now)
    }
}

/// Whether an input may make a stamp, or must not come before one that does.
fn stamps(input: &Input) -> bool {
    match input {
        Input::Admin(_, command) => !matches!(command, AdminCommand::Status),
        Input::SessionOpened(..)
        | Input::SessionMoved(..)
        | Input::Command(..)
        | Input::SessionClosed(..)
        | Input::DeviceGone(..) => true,
        Input::Persisted(_)
        | Input::PersistFailed(..)
        | Input::PeerUp(_)
        | Input::PeerDown(_)
        | Input::RoundTrip(..)
        | Input::Frame(..)
        | Input::Datagram(..)
        | Input::Timeout => false,
    }
}

impl<S: Store> Node<S> {
    /// Lets go what has waited for the time, when it is known or the patience is over.
    pub(super) fn end_wait_for_time(&mut self, now: Now) {
        let Some(until) = self.clock.wait_until else { return };
        let is_known = self.clock.time.is_known(now);
        if !is_known && now.mono_us < until {
            return;
        }
        if !is_known {
            self.count("time_not_known");
        }
        self.clock.wait_until = None;
        for input in std::mem::take(&mut self.clock.waiting) {
            self.take(now, input);
        }
    }

    /// Whether clients are served: not while the first start waits to hear the time.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.clock.wait_until.is_none()
    }

    /// The time as this node takes it when its shell's clocks show `now`.
    #[must_use]
    pub fn time(&self, now: Now) -> Now {
        self.clock.read(now)
    }

    pub(super) fn on_clock(&mut self, now: Now, peer: NodeId, wall_ms: u64) {
        if peer != self.me() && self.names.contains_key(&peer) {
            let before_ms = self.clock.read(now).wall_ms;
            self.clock.time.hear(now, peer, wall_ms);
            let after = self.clock.read(now);
            // What was too far ahead a moment ago need not wait for the next comparison.
            if after.wall_ms > before_ms + PERIOD_MS {
                self.gossip(after, machine::Input::Compare);
            }
        }
    }

    pub(super) fn tell_clock(&mut self, now: Now, peer: NodeId) {
        let frame = Frame::Clock(now.wall_ms);
        self.out.push_back(Output::Send(peer, frame.lane(), frame));
    }

    /// Tells the next peers the clock, and what heads have changed, when it is time.
    pub(super) fn tell_clocks(&mut self, now: Now) {
        if now.mono_us < self.clock.tell_at {
            return;
        }
        self.clock.tell_at = now.deadline_ms(PERIOD_MS);
        let peers = self.gossip.connected();
        let told = self.clock.told.unwrap_or(self.me());
        let (before, after) = peers.split_at(peers.partition_point(|peer| *peer <= told));
        for peer in after.iter().chain(before).take(TOLD_AT_ONCE_MAX) {
            self.clock.told = Some(*peer);
            self.tell_clock(now, *peer);
        }
        self.tell_heads(now, &peers);
    }

    /// The clocks of these count.
    pub(super) fn set_clock_members(&mut self) {
        let others: BTreeSet<NodeId> = self.names.keys().copied().filter(|node| *node != self.me()).collect();
        self.clock.time.set_members(&others);
    }
}
