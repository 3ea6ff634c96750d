//! What passes between nodes: whole frames at level L0, QUIC packets at level L2. Nobody else in the world knows which.

use super::World;
use super::net::{self, Fate};
use super::queue::Pending;
use crate::plan::Level;
use crate::wire::{self, Heard, Packet};
use bytes::Bytes;
use lavina_core::node::Input;
use lavina_crdt::entry::Run;
use lavina_crdt::ids::NodeId;
use lavina_gossip::frame::{self, Frame, Lane};
use lavina_gossip::framing::FramingError;
use std::net::SocketAddr;

impl World {
    /// The node that goes by an id now; a node that came back with another key does not go by its old one.
    fn now_at(&self, peer: NodeId) -> Option<usize> {
        self.by_id.get(&peer).copied().filter(|node| self.id(*node) == peer)
    }

    /// The connection of two nodes that both count on, as a number that no earlier or later one of theirs has.
    pub(super) fn connection(&self, one: usize, other: usize) -> Option<u64> {
        if self.plan.level != Level::L2 {
            return self.net.conn(one, other).map(|conn| conn.epoch);
        }
        let number = |one: usize, other: usize| self.nodes[one].station.as_ref()?.link_number(self.id(other));
        let (low, high) = (number(one.min(other), one.max(other))?, number(one.max(other), one.min(other))?);
        Some(low << 32 | high)
    }

    /// All pairs that have a connection, with its number.
    pub(super) fn connections(&self) -> Vec<(usize, usize, u64)> {
        if self.plan.level != Level::L2 {
            return self.net.connections();
        }
        let pairs = (0..self.nodes.len()).flat_map(|one| (one + 1..self.nodes.len()).map(move |other| (one, other)));
        pairs.filter_map(|(one, other)| Some((one, other, self.connection(one, other)?))).collect()
    }

    /// A node sends a frame.
    pub(super) fn send_frame(&mut self, from: usize, peer: NodeId, lane: Lane, frame: Frame) {
        if let Frame::Presence(update) = &frame
            && update.node == self.id(from)
        {
            self.names.hear(update);
        }
        let to = self.now_at(peer);
        let node = &mut self.nodes[from];
        if let (Some(adversary), Some(to)) = (&mut node.adversary, to) {
            if matches!(frame, Frame::Push { .. } | Frame::Delta { .. }) || adversary.replays() {
                self.lied_us = Some(self.now_us);
            }
            for frame in adversary.twist(to, frame, &node.store) {
                self.send_as_it_is(from, peer, frame.lane(), frame);
            }
        } else {
            self.send_as_it_is(from, peer, lane, frame);
        }
    }

    fn send_as_it_is(&mut self, from: usize, peer: NodeId, lane: Lane, frame: Frame) {
        if let Some(station) = &mut self.nodes[from].station {
            station.send(self.now_us, peer, lane, &frame);
            return;
        }
        let Some(to) = self.now_at(peer) else { return };
        let bytes = || frame::encode(&frame).map_or(0, |bytes| bytes.len());
        match self.net.schedule(self.now_us, (from, to), lane, bytes, &mut self.rng) {
            Fate::Arrives(at_us, epoch) => {
                if let Some(later_us) = self.net.paths.comes_again_us(from, to, &mut self.rng) {
                    self.queue.push(at_us + later_us, Pending::FrameAgain(from, to, epoch, Box::new(frame.clone())));
                }
                self.queue.push(at_us, Pending::Frame(from, to, epoch, Box::new(frame)));
            }
            Fate::Dropped => {}
            Fate::Overload => self.drop_connection(from, to),
        }
    }

    /// A node sends a datagram.
    pub(super) fn send_datagram(&mut self, from: usize, peer: NodeId, bytes: Bytes) {
        if let Some(station) = &mut self.nodes[from].station {
            station.datagram(peer, bytes);
            return;
        }
        let Some(to) = self.now_at(peer) else { return };
        if self.net.conn(from, to).is_some() {
            for at_us in self.net.paths.carry(self.now_us, (from, to), bytes.len(), &mut self.rng) {
                self.queue.push(at_us, Pending::Datagram(from, to, bytes.clone()));
            }
        }
    }

    /// A node dials a peer: at level L2 where it is reached now, as its name says.
    pub(super) fn dial(&mut self, from: usize, peer: NodeId) {
        let Some(to) = self.now_at(peer) else { return };
        let address = wire::address(to, self.nodes[to].moves);
        if let Some(station) = &mut self.nodes[from].station {
            station.dial(self.now_us, peer, address);
            return;
        }
        let at_us = self.now_us + 2 * self.net.paths.delay_us(from, to, &mut self.rng);
        self.queue.push(at_us, Pending::Dialled(from, to));
    }

    /// A node closes its connection to a peer.
    pub(super) fn hang_up(&mut self, from: usize, peer: NodeId, reason: &str) {
        if let Some(station) = &mut self.nodes[from].station {
            station.hangup(self.now_us, peer, reason);
            return;
        }
        if let Some(to) = self.now_at(peer) {
            self.drop_connection(from, to);
        }
    }

    /// A node says who may connect.
    pub(super) fn admit(&mut self, node: usize, nodes: Vec<NodeId>) {
        if let Some(station) = &mut self.nodes[node].station {
            station.set_admitted(self.now_us, nodes);
        }
    }

    pub(super) fn on_dialled(&mut self, from: usize, to: usize) {
        let answers = |node: &super::node::SimNode| node.core.is_some() && node.paused_us.is_none() && !node.revoked;
        let up = answers(&self.nodes[from]) && answers(&self.nodes[to]);
        if !up || !self.net.paths.passes_both(from, to) {
            return;
        }
        if !self.nodes[from].release.speaks_with(self.nodes[to].release) {
            self.on_disconnected(from, to, "they have no version of frames in common");
            return;
        }
        // A connection that stands since before one end's start is known at the other end only.
        let made_us = self.net.conn(from, to).map(|conn| conn.made_us);
        if made_us.is_some_and(|made_us| [from, to].iter().any(|node| self.nodes[*node].up_since_us > made_us)) {
            self.drop_connection(from, to);
        }
        if let Some(epoch) = self.net.connect(self.now_us, from, to) {
            self.book.on_connection(self.now_us, from, to, true);
            self.note("connected", from, || format!("to {to} as {epoch}"));
            let (from_id, to_id) = (self.id(from), self.id(to));
            self.input(from, Input::PeerUp(to_id));
            self.input(to, Input::PeerUp(from_id));
            self.queue.push(self.now_us, Pending::RoundTrip(from, to, epoch));
        }
    }

    /// The ends of a connection measure how long the way is.
    pub(super) fn on_round_trip(&mut self, one: usize, other: usize, epoch: u64) {
        if self.net.conn(one, other).is_none_or(|conn| conn.epoch != epoch) {
            return;
        }
        if self.net.paths.passes_both(one, other) {
            let there_us = self.net.paths.delay_us(one, other, &mut self.rng);
            let back_us = self.net.paths.delay_us(other, one, &mut self.rng);
            if self.net.is_new_round_trip(one, other, there_us + back_us) {
                let (one_id, other_id) = (self.id(one), self.id(other));
                self.input(one, Input::RoundTrip(other_id, there_us + back_us));
                self.input(other, Input::RoundTrip(one_id, there_us + back_us));
            }
        }
        self.queue.push(self.now_us + net::ROUND_TRIP_US, Pending::RoundTrip(one, other, epoch));
    }

    pub(super) fn frame_arrives(&mut self, from: usize, to: usize, frame: Frame) {
        let words = || format!("frame {to}: from {from}, {}", frame_words(&frame));
        self.trace.note_value(self.now_us, [from, to], &frame, words);
        if let Frame::Push { runs, .. } | Frame::Delta { runs, .. } = &frame
            && self.nodes[to].core.is_some()
        {
            let live = matches!(frame, Frame::Push { .. });
            let by_id = &self.by_id;
            let writer = |run: &Run| by_id.get(&run.origin.node).copied().unwrap_or(from);
            self.book.on_runs(self.now_us, (from, to), runs, live, writer);
        }
        let peer = self.id(from);
        self.input(to, Input::Frame(peer, frame));
    }

    /// A frame that has come before comes again, whatever has come since: that is no copy that its sender sent.
    pub(super) fn on_frame_again(&mut self, from: usize, to: usize, epoch: u64, frame: Frame) {
        let stands = self.net.conn(from, to).is_some_and(|conn| conn.epoch == epoch);
        if stands && self.net.paths.passes_both(from, to) {
            self.note("frame again", to, || format!("from {from}, {}", frame_words(&frame)));
            *self.happened.entry("frame-again").or_default() += 1;
            let peer = self.id(from);
            self.input(to, Input::Frame(peer, frame));
        }
    }

    pub(super) fn datagram_arrives(&mut self, from: usize, to: usize, bytes: Bytes) {
        let words = || format!("datagram {to}: from {from}, {} bytes", bytes.len());
        self.trace.note_bytes(self.now_us, [from, to], &bytes, words);
        let peer = self.id(from);
        self.input(to, Input::Datagram(peer, bytes));
    }

    /// A packet is at the far end of its way; what is not cut comes through, if anybody is there.
    pub(super) fn on_packet(&mut self, from: usize, source: SocketAddr, packet: &Packet) {
        let Some(to) = self.at_address(packet.to).filter(|to| self.net.paths.passes(from, *to)) else { return };
        if let Some(station) = &mut self.nodes[to].station {
            let words = || format!("packet {to}: from {from}, {} bytes", packet.bytes.len());
            self.trace.note_bytes(self.now_us, [from, to], &packet.bytes, words);
            station.on_packet(self.now_us, source, packet);
            self.serve_station(to);
        }
    }

    pub(super) fn on_station_time(&mut self, node: usize, start: u64, at_us: u64) {
        let now_us = self.now_us;
        let node_is = &mut self.nodes[node];
        if node_is.start != start || node_is.station_us != Some(at_us) {
            return;
        }
        node_is.station_us = None;
        if let Some(station) = &mut node_is.station {
            station.on_time(now_us);
        }
        self.serve_station(node);
    }

    /// Carries out what a node's station has: packets, news, its timer. News lead to inputs, these to more to send, so it goes round until
    /// nothing is left; the outermost call does it all, so that frames stay in order.
    pub(super) fn serve_station(&mut self, node: usize) {
        if self.nodes[node].station.is_none() || std::mem::replace(&mut self.nodes[node].serving, true) {
            return;
        }
        loop {
            let now_us = self.now_us;
            if let Some(station) = &mut self.nodes[node].station {
                station.drive(now_us);
            }
            let source = wire::address(node, self.nodes[node].moves);
            while let Some(packet) = self.nodes[node].station.as_mut().and_then(wire::Station::poll_packet) {
                self.carry(node, source, packet);
            }
            let Some(heard) = self.nodes[node].station.as_mut().and_then(wire::Station::poll_heard) else { break };
            self.on_heard(node, heard);
        }
        self.nodes[node].serving = false;
        self.arm_station(node);
    }

    fn arm_station(&mut self, node: usize) {
        let wake_us = self.nodes[node].station.as_ref().and_then(wire::Station::wake_us);
        let at_us = wake_us.map(|at_us| at_us.max(self.now_us + 1));
        if at_us != self.nodes[node].station_us {
            self.nodes[node].station_us = at_us;
            let start = self.nodes[node].start;
            if let Some(at_us) = at_us {
                self.queue.push(at_us, Pending::StationTime(node, start, at_us));
            }
        }
    }

    fn carry(&mut self, from: usize, source: SocketAddr, packet: Packet) {
        let Some(to) = self.at_address(packet.to) else { return };
        for at_us in self.net.paths.carry(self.now_us, (from, to), packet.bytes.len(), &mut self.rng) {
            self.queue.push(at_us, Pending::Packet(from, source, Box::new(packet.clone())));
        }
    }

    /// The node that is reached at an address now.
    pub(super) fn at_address(&self, address: SocketAddr) -> Option<usize> {
        (0..self.nodes.len()).find(|node| wire::address(*node, self.nodes[*node].moves) == address)
    }

    fn on_heard(&mut self, node: usize, heard: Heard) {
        match heard {
            Heard::Up(peer) => {
                let to = self.by_id[&peer];
                self.note("connected", node, || format!("to {to}"));
                if self.connection(node, to).is_some() {
                    self.book.on_connection(self.now_us, node, to, true);
                }
                self.input(node, Input::PeerUp(peer));
            }
            Heard::Down(peer, reason) => {
                let to = self.by_id[&peer];
                self.note("disconnected", node, || format!("from {to}: {reason}"));
                self.book.on_connection(self.now_us, node, to, false);
                if reason == FramingError::Undecodable.to_string() {
                    self.on_disconnected(node, to, &reason);
                }
                self.input(node, Input::PeerDown(peer));
            }
            Heard::Frame(peer, frame) => self.frame_arrives(self.by_id[&peer], node, *frame),
            Heard::UnknownFrame(peer) => self.on_unknown_frame(self.by_id[&peer], node),
            Heard::Datagram(peer, bytes) => self.datagram_arrives(self.by_id[&peer], node, bytes),
            Heard::RoundTrip(peer, us) => self.input(node, Input::RoundTrip(peer, us)),
        }
    }
}

fn frame_words(frame: &Frame) -> String {
    let mut words = format!("{frame:?}");
    if let Some((end, _)) = words.char_indices().nth(120) {
        words.truncate(end);
    }
    words
}
