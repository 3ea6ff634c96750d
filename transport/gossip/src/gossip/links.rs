//! Nodes that come and go: who belongs to the mesh, who is connected, who is in reach, and what is void with a connection.

use super::Gossip;
use crate::disseminate::Whom;
use crate::frame::Frame;
use crate::machine::{Peer, Replica};
use lavina_crdt::clock::Now;
use lavina_crdt::ids::NodeId;
use lavina_crdt::presence::PresenceMap;

/// Connections remembered of nodes that the roster does not hold yet.
pub(super) const EARLY_MAX: usize = 1_024;

impl Gossip {
    pub(super) fn on_roster(&mut self, now: Now, roster: Vec<Peer>, presence: &PresenceMap) {
        for gone in self.links.set_roster(now, roster) {
            self.sync.on_gone(gone);
            self.forget(now, gone);
        }
        self.presence.on_roster();
        let changes = self.membership.on_roster(&mut self.links, &mut self.out);
        self.on_reach(now, &changes);
        self.look_who_holds(now);
        let early: Vec<NodeId> = self.early.iter().copied().filter(|node| self.links.is_admitted(*node)).collect();
        for peer in early {
            self.early.remove(&peer);
            self.on_peer_up(now, peer, presence);
        }
    }

    pub(super) fn on_peer_up(&mut self, now: Now, peer: NodeId, presence: &PresenceMap) {
        if !self.links.up(now, peer) {
            if peer != self.links.me && self.early.len() < EARLY_MAX {
                self.early.insert(peer);
            }
            return;
        }
        // What was on an earlier connection is lost with it.
        self.forget(now, peer);
        if let Some(replicas) = self.holders.replicas() {
            self.out.send(peer, Frame::Placing(u16::try_from(replicas.get()).unwrap_or(u16::MAX)));
        }
        let changes = self.membership.on_up(now, peer, &mut self.links, &mut self.out);
        self.on_reach(now, &changes);
        self.sync.on_up(now, peer, &self.links);
        self.presence.tell(now, peer, presence, &self.links, &mut self.out);
    }

    pub(super) fn on_peer_down(&mut self, now: Now, peer: NodeId, replica: &dyn Replica) {
        self.early.remove(&peer);
        self.links.down(now, peer, &mut self.rng);
        self.membership.on_news(now);
        self.sync.on_lost(now, peer);
        self.forget(now, peer);
        for (room, step) in self.fetches.on_lost(now, peer) {
            self.on_step(room, step, replica);
        }
    }

    /// Everything that hung on a connection to the peer is void.
    pub(super) fn forget(&mut self, now: Now, peer: NodeId) {
        self.flights.forget(peer);
        self.arrivals.forget(peer);
        self.sync.forget(peer);
        self.presence.forget(peer);
        self.marks.remove(&peer);
        self.holders.set_placing(peer, false);
        let whom = Whom { links: &self.links, holders: &self.holders };
        self.spread.on_gone(now, peer, whom, &mut self.flights, &mut self.out);
    }

    pub(super) fn on_reach(&mut self, now: Now, changes: &[(NodeId, bool)]) {
        for (node, up) in changes {
            if *up {
                self.sync.on_reach(now, *node, &self.links);
            } else {
                let whom = Whom { links: &self.links, holders: &self.holders };
                self.spread.on_gone(now, *node, whom, &mut self.flights, &mut self.out);
            }
        }
    }

    pub(super) fn on_packet(&mut self, now: Now, from: NodeId, packet: &[u8]) {
        if !self.links.is_admitted(from) {
            self.out.refuse();
            return;
        }
        self.links.heard(now, from);
        let changes = self.membership.on_packet(now, from, packet, &mut self.links, &mut self.out);
        self.on_reach(now, &changes);
    }
}
