//! The node among its peers: what gossip wants, and who belongs to the mesh.

use super::presence::Why;
use super::{Node, NodeConfig, Output};
use crate::replica::HeadRow;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::ids::{NodeId, Origin, Scope};
use lavina_crdt::mesh::Admission;
use lavina_crdt::mutant::{self, Mutant};
use lavina_gossip::frame::Frame;
use lavina_gossip::machine::{self, GossipConfig, Peer};
use std::sync::Arc;

/// Least time before another gateway gets a copy, milliseconds: a WAN round trip and a commit.
const GATEWAY_PATIENCE_MS: u64 = 500;

pub(super) fn gossip_config(config: &NodeConfig, me: NodeId, generation: u64) -> GossipConfig {
    GossipConfig {
        me,
        place: config.place.clone(),
        generation,
        sync_period_ms: config.limits.sync_period_ms,
        probe_period_ms: config.limits.probe_period_ms,
        gateway_patience_ms: GATEWAY_PATIENCE_MS,
        replicas: config.limits.replicas,
        linger_ms: config.limits.linger_ms,
    }
}

impl<S: Store> Node<S> {
    /// Gives gossip an input and does what it wants.
    pub(super) fn gossip(&mut self, now: Now, input: machine::Input) {
        self.gossip.handle(now, input, &self.replicas, &self.presence);
        while let Some(output) = self.gossip.poll_output() {
            self.on_gossip(now, output);
        }
    }

    fn on_gossip(&mut self, now: Now, output: machine::Output) {
        match output {
            machine::Output::Send(peer, lane, frame) => self.out.push_back(Output::Send(peer, lane, frame)),
            machine::Output::Datagram(peer, bytes) => self.out.push_back(Output::Datagram(peer, bytes)),
            machine::Output::Dial(peer, addresses) => self.out.push_back(Output::Dial(peer, addresses)),
            machine::Output::Received { from, runs, relay } => self.on_received(now, from, runs, relay),
            machine::Output::Presence(update) => self.on_presence(now, &update),
            machine::Output::Incarnation(incarnation) => self.say_presence_anew(now, incarnation),
            machine::Output::Signal(to, bytes) => self.on_signal_bytes(now, to, &bytes),
            machine::Output::Reach(node, in_reach) => self.on_reach(now, node, in_reach),
            machine::Output::Thin(rooms) => self.out.push_back(Output::Thin(rooms)),
            machine::Output::Spare(room) => self.let_go(now, room),
            machine::Output::Fetched(room, complete) => {
                if complete {
                    self.replicas.make_whole(&room);
                }
                self.held.end(now, room, complete);
            }
            machine::Output::Timeout(at) => self.gossip_timeout = Some(at),
        }
    }

    fn on_received(&mut self, now: Now, from: NodeId, runs: Vec<lavina_crdt::entry::Run>, relay: bool) {
        let mut received = self.replicas.receive(now, from, runs);
        if mutant::is_planted(Mutant::BurstReversed) {
            received.effects.reverse();
        }
        let (runs, refuted) = (received.verified, received.refuted);
        self.gossip(now, machine::Input::Verified { from, runs, refuted, relay });
        self.on_effects(now, received.effects);
        for (scope, origin, first) in received.differ {
            self.show_own(from, &scope, origin, first);
        }
        for (node, fault) in received.faults {
            self.count("peer_faults");
            self.out.push_back(Output::Hangup(node, fault.to_string()));
        }
    }

    /// A peer that has other entries of an origin is shown those of this node, and so finds the proof.
    fn show_own(&mut self, to: NodeId, scope: &Scope, origin: Origin, first: u64) {
        if let Some(run) = self.replicas.shown(scope, origin, first) {
            let frame = Frame::Delta { runs: vec![run], more: false };
            self.out.push_back(Output::Send(to, frame.lane(), frame));
        }
    }

    pub(super) fn on_heads(&mut self, from: NodeId, rows: &[HeadRow]) {
        if !self.names.contains_key(&from) {
            return;
        }
        for (scope, origin, first) in self.replicas.differences(rows) {
            self.count("heads_differ");
            self.show_own(from, &scope, origin, first);
        }
    }

    /// A part of a scope is void: what is known of it is less, and is looked at anew.
    pub(super) fn on_quarantined(&mut self, now: Now, scope: Scope) {
        if let Scope::Room(name) = &scope {
            self.states.remove(name);
            self.load_room(name);
            for session in self.kicks.drop_void(&mut self.replicas, name) {
                if let Some(record) = self.told(session) {
                    self.show(now, session, Some(record), &Why::default());
                }
            }
        }
        let vector = lavina_gossip::machine::Replica::vector(&self.replicas, &scope);
        self.gossip(now, machine::Input::Durable(vec![(scope, vector)]));
    }

    /// What counts of what is durable here, by scope.
    #[must_use]
    pub fn vectors(&self) -> std::collections::BTreeMap<Scope, lavina_crdt::version::VersionVector> {
        self.replicas.vectors().map(|(scope, vector)| (scope.clone(), vector)).collect()
    }

    /// Scopes of which what is durable and counts has changed since a version of this start, the first being 0, and the version now.
    pub fn changed_since(&self, version: u64) -> (u64, std::collections::BTreeSet<Scope>) {
        self.replicas.changed_since(version)
    }

    /// What counts of what is durable here in a scope.
    pub fn vector(&self, scope: &Scope) -> lavina_crdt::version::VersionVector {
        lavina_gossip::machine::Replica::vector(&self.replicas, scope)
    }

    /// Whether this node knows another one as one that belongs to the mesh: others are not connected to.
    #[must_use]
    pub fn knows(&self, node: NodeId) -> bool {
        self.replicas.mesh().admission(node).is_some()
    }

    /// From which number on an origin's entries in a scope are void, when it has been shown to equivocate.
    #[must_use]
    pub fn cut(&self, scope: &Scope, origin: Origin) -> Option<u64> {
        self.replicas.mesh().cut(scope, origin)
    }

    /// The people of nodes that are revoked are gone at once.
    fn end_revoked(&mut self, now: Now) {
        let mut known = self.presence.versions();
        known.retain(|node, _| !self.names.contains_key(node));
        for node in known.into_keys() {
            let changes = self.presence.drop_node(node);
            self.note_interest(now, &changes);
            for change in changes {
                self.show(now, change.session, change.new, &Why::default());
            }
        }
    }

    /// Who belongs to the mesh has changed, or is known for the first time.
    pub(super) fn on_roster_changed(&mut self, now: Now) {
        let admitted: Vec<Admission> = self.replicas.mesh().admitted().cloned().collect();
        self.names = admitted.iter().map(|one| (one.node, Arc::from(one.name.as_str()))).collect();
        self.names.entry(self.replicas.me()).or_insert_with(|| Arc::from(self.config.name.as_str()));
        self.set_clock_members();
        let names = &self.names;
        self.quotas.retain(|peer| names.contains_key(&peer));
        self.heads.retain(|peer| names.contains_key(&peer));
        let mesh = self.replicas.mesh();
        let peer = |one: &Admission| Peer {
            node: one.node,
            place: one.place.clone(),
            addresses: one.addresses.clone(),
            is_draining: mesh.is_draining(one.node),
        };
        let roster = admitted.iter().map(peer).collect();
        self.gossip(now, machine::Input::Roster(roster));
        let nodes: Vec<NodeId> = admitted.iter().map(|one| one.node).collect();
        self.out.push_back(Output::Admitted(nodes));
        self.end_revoked(now);
    }
}
