//! Signals: what sessions of different nodes tell one another and nobody keeps, over one other node where two are not connected.

use super::Gossip;
use crate::frame::Frame;
use crate::links::Link;
use crate::machine::Output;
use bytes::Bytes;
use lavina_crdt::ids::{NodeId, SessionId};

/// Largest signal passed on: it is a stanza or a line, not a file.
const SIGNAL_BYTES_MAX: usize = 64 * 1024;

impl Gossip {
    /// To the session's node, or through one other that is in reach.
    pub(super) fn on_signal(&mut self, to: SessionId, bytes: Bytes) {
        if to.node == self.links.me {
            self.out.push(Output::Signal(to, bytes));
        } else if bytes.len() > SIGNAL_BYTES_MAX || !self.links.is_admitted(to.node) {
            self.out.counters.signals_dropped += 1;
        } else if self.links.is_connected(to.node) {
            self.out.send(to.node, Frame::Signal { to, bytes, hops: 0 });
        } else if let Some(via) = self.way_to(to.node) {
            self.out.send(via, Frame::Signal { to, bytes, hops: 1 });
        } else {
            self.out.counters.signals_dropped += 1;
        }
    }

    pub(super) fn on_signal_frame(&mut self, to: SessionId, bytes: Bytes, hops: u8) {
        if to.node == self.links.me {
            self.out.push(Output::Signal(to, bytes));
        } else if hops > 0 && bytes.len() <= SIGNAL_BYTES_MAX && self.links.is_connected(to.node) {
            self.out.send(to.node, Frame::Signal { to, bytes, hops: 0 });
        } else {
            self.out.counters.signals_dropped += 1;
        }
    }

    /// A live peer that is likely connected to a node that this one is not: of that node's region, else the one nearest by.
    pub(super) fn way_to(&self, node: NodeId) -> Option<NodeId> {
        let region = &self.links.get(node)?.place.region;
        let live = self.links.iter().filter(|(peer, _)| *peer != node && self.links.is_live(*peer));
        let key = |(peer, link): &(NodeId, &Link)| {
            (link.place.region != *region, link.round_trip_us.unwrap_or(u64::MAX), *peer)
        };
        live.min_by_key(key).map(|(peer, _)| peer)
    }
}
