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
use std::collections::BTreeMap;
use std::sync::Arc;

/// Least time before another gateway gets a copy, milliseconds: a WAN round trip and a commit.
const GATEWAY_PATIENCE_MS: u64 = 500;

/// How many of its next ones in the circle of nodes each tells its heads.
const HEADS_RING: usize = 4;
/// A connection that goes on for longer than this after something was said on it has brought that: it would have been given up else.
const DELIVERED_MS: u64 = 15_000;
/// Every how manieth time another one is told them too.
const HEADS_TURN_EVERY: u64 = 16;

/// How far a peer was told heads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeadsTold {
    /// The version told last.
    told: u64,
    /// The version that has arrived.
    arrived: u64,
    /// When it was told last, microseconds.
    at_us: u64,
}

impl HeadsTold {
    /// What was told a while ago has arrived.
    fn settle(&mut self, now: Now) {
        if now.mono_us.saturating_sub(self.at_us) > DELIVERED_MS * 1000 {
            self.arrived = self.told;
        }
    }

    /// What was told on a connection that is gone may be lost with it.
    pub(super) fn on_down(&mut self, now: Now) {
        self.settle(now);
        self.told = self.arrived;
    }
}

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

/// Who of the connected peers, given in order, is told heads now: the next ones in the circle of all, so that two branches meet wherever they
/// are; and now and then another one in turn, since where not all are connected the circle may fall apart. So what an entry costs does not
/// grow with the square of the mesh. `turn` is how often heads were told, and the peer that was told them in turn last.
fn told_heads(me: NodeId, peers: &[NodeId], turn: &mut (u64, Option<NodeId>)) -> Vec<NodeId> {
    let after = |node: NodeId| {
        let (before, after) = peers.split_at(peers.partition_point(|peer| *peer <= node));
        after.iter().chain(before).copied()
    };
    let (round, last) = *turn;
    let mut to: Vec<NodeId> = after(me).take(HEADS_RING).collect();
    let is_turn = round % HEADS_TURN_EVERY == 0;
    let next = after(last.unwrap_or(me)).find(|peer| is_turn && !to.contains(peer));
    to.extend(next);
    *turn = (round + 1, next.or(last));
    to
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
                self.held.end(now, room);
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

    /// Tells some of the connected peers, given in order, which heads have changed since they were told last.
    pub(super) fn tell_heads(&mut self, now: Now, peers: &[NodeId]) {
        let to = told_heads(self.me(), peers, &mut self.heads_turn);
        // Most peers were told at the same time.
        let mut news: BTreeMap<u64, (u64, Vec<HeadRow>)> = BTreeMap::new();
        for peer in to {
            let known = self.heads_told.entry(peer).or_default();
            let (version, rows) = news.entry(known.told).or_insert_with(|| self.replicas.heads_since(known.told));
            if *version > known.told {
                known.settle(now);
                (known.told, known.at_us) = (*version, now.mono_us);
            }
            if !rows.is_empty() {
                let frame = Frame::Heads(rows.clone());
                self.out.push_back(Output::Send(peer, frame.lane(), frame));
            }
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
        self.heads_told.retain(|peer, _| names.contains_key(peer));
        let peer =
            |one: &Admission| Peer { node: one.node, place: one.place.clone(), addresses: one.addresses.clone() };
        let roster = admitted.iter().map(peer).collect();
        self.gossip(now, machine::Input::Roster(roster));
        let nodes: Vec<NodeId> = admitted.iter().map(|one| one.node).collect();
        self.out.push_back(Output::Admitted(nodes));
        self.end_revoked(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn heads_go_round_the_circle_and_in_time_to_everybody() {
        for count in [2u8, 5, 6, 30] {
            let all: Vec<NodeId> = (0..count).map(|number| NodeId([number; 32])).collect();
            for me in &all {
                let peers: Vec<NodeId> = all.iter().copied().filter(|peer| peer != me).collect();
                let (mut turn, mut told) = ((0, None), BTreeSet::new());
                for round in 0..u64::from(count) * HEADS_TURN_EVERY {
                    let to = told_heads(*me, &peers, &mut turn);
                    let others = to.len() - HEADS_RING.min(peers.len());
                    assert!(others <= usize::from(round % HEADS_TURN_EVERY == 0) && !to.contains(me));
                    let next = peers.iter().find(|peer| *peer > me).unwrap_or(&peers[0]);
                    assert!(to.contains(next));
                    told.extend(to);
                }
                assert_eq!(told, peers.into_iter().collect());
            }
        }
    }
}
