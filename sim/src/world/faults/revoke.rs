//! A node is thrown out of the mesh and comes back as another. The operator waits until what it has is known elsewhere, as one does
//! who takes a machine out of service: then nothing that was promised may be lost.

use crate::plan::NodeFault;
use crate::world::queue::Pending;
use crate::world::{Outfit, World, node_id, signing_key, sim_node};
use lavina_core::node::{AdminCommand, Input, MeshIdentity};
use lavina_crdt::mesh::{Admission, Place, Verdict};
use lavina_crdt::version::VersionVector;
use rand::Rng;

/// How long to wait before trying again what could not be done yet, microseconds.
const AGAIN_US: u64 = 500_000;

impl World {
    pub(super) fn revoke(&mut self, node: usize, by: usize) {
        let by = self.honest(node, by);
        if self.nodes[node].revoked || node == by || self.is_over() {
            return;
        }
        if !self.may_rule(by) || self.nodes[node].core.is_none() || !self.may_go(node, by) {
            self.queue.push(self.now_us + AGAIN_US, Pending::Again(NodeFault::Revoke(node, by)));
            return;
        }
        *self.happened.entry("revoked").or_default() += 1;
        if self.nodes[node].draining {
            *self.happened.entry("emptied").or_default() += 1;
        }
        let root = signing_key(self.plan.seed, usize::MAX);
        let signature = Verdict::Revoke.sign(&root, &self.nodes[by].config.mesh.id, self.id(node));
        let id = self.id(node);
        self.crash(node);
        self.nodes[node].revoked = true;
        for other in 0..self.nodes.len() {
            self.drop_connection(node, other);
        }
        self.input(by, Input::Admin(1, AdminCommand::Revoke(id, signature)));
    }

    /// An operator at another node has a node emptied, or be a home again.
    pub(super) fn set_draining(&mut self, node: usize, by: usize, on: bool) {
        let by = self.honest(node, by);
        if self.nodes[node].revoked || self.is_over() {
            return;
        }
        if !self.may_rule(by) {
            let again = if on { NodeFault::Drain(node, by) } else { NodeFault::Undrain(node, by) };
            self.queue.push(self.now_us + AGAIN_US, Pending::Again(again));
            return;
        }
        self.nodes[node].draining = on;
        self.input(by, Input::Admin(1, AdminCommand::SetDraining(self.id(node), on)));
    }

    pub(super) fn rejoin(&mut self, node: usize, by: usize) {
        let by = self.honest(node, by);
        if !self.nodes[node].revoked || node == by || self.is_over() {
            return;
        }
        if !self.may_rule(by) {
            self.queue.push(self.now_us + AGAIN_US, Pending::Again(NodeFault::Rejoin(node, by)));
            return;
        }
        let start = self.nodes[node].start;
        // Never the key of any node of the plan, nor one that was used before.
        let used = self.by_id.len() + 1_000;
        let key = signing_key(self.plan.seed, used);
        let root = signing_key(self.plan.seed, usize::MAX);
        let plan = &self.plan.nodes[node];
        let mesh: MeshIdentity = self.nodes[by].config.mesh.clone();
        let admission = Admission {
            node: node_id(&key),
            name: plan.name.clone(),
            place: Place { region: plan.region.clone(), zone: plan.zone.clone() },
            addresses: vec![format!("{}:7667", plan.name)],
            signature: Verdict::Admit.sign(&root, &mesh.id, node_id(&key)),
        };
        let others = (0..self.nodes.len()).filter(|other| *other != node).map(|other| self.admission(other));
        let bootstrap: Vec<Admission> = others.chain([admission.clone()]).collect();
        let offset_ms = self.nodes[node].clock_offset_ms;
        let seals = self.nodes[by].config.seals.clone();
        let flood = self.nodes[by].sessions.flood;
        let release = self.nodes[node].release;
        let (level, epoch) = (self.plan.level, self.rng.random());
        let (replicas, room_idle_ms) = (self.plan.replicas, self.plan.room_idle_ms);
        let outfit = Outfit { level, epoch, seals, flood, release, replicas, room_idle_ms };
        let fresh = sim_node(key, &admission, &bootstrap, &mesh, offset_ms, outfit);
        self.by_id.insert(admission.node, node);
        self.nodes[node] = fresh;
        // Whatever was set for the earlier life stays void.
        self.nodes[node].start = start;
        self.input(by, Input::Admin(1, AdminCommand::Admit(admission)));
        self.boot(node);
    }

    /// Where not all come back, who let a node in may be gone with nobody else told: then the operator tells the others.
    pub(super) fn admit_again(&mut self) {
        let healed = self.healed();
        if healed.len() == self.nodes.len() {
            return;
        }
        for node in healed.iter().copied() {
            if self.nodes[node].revoked || self.id(node) == node_id(&signing_key(self.plan.seed, node)) {
                continue;
            }
            let admission = self.admission(node);
            for other in healed.iter().copied().filter(|other| *other != node) {
                self.input(other, Input::Admin(1, AdminCommand::Admit(admission.clone())));
            }
        }
    }

    /// The node that the operator relies on: what only a liar has may be kept back.
    fn honest(&self, node: usize, by: usize) -> usize {
        let count = self.nodes.len();
        let others = (by..by + count).map(|other| other % count);
        if self.plan.lies(by) {
            others.filter(|other| *other != node).find(|other| !self.plan.lies(*other)).unwrap_or(by)
        } else {
            by
        }
    }

    pub(in crate::world) fn is_over(&self) -> bool {
        self.now_us >= self.plan.heal_at_ms * 1000
    }

    /// Whether an operator can use a node.
    fn may_rule(&self, node: usize) -> bool {
        self.is_healthy(node) && !self.nodes[node].revoked
    }

    /// Whether nothing is lost with a node, as its operators see it: it says that it has nothing to hand over any more, when it was to be emptied; else what it
    /// has is known at the other one.
    fn may_go(&self, node: usize, other: usize) -> bool {
        if !self.nodes[node].draining {
            return self.is_known_at(node, other);
        }
        let core = self.nodes[node].core.as_ref();
        core.and_then(lavina_core::node::Node::left_to_hand_over) == Some(0)
    }

    /// Whether all that a node has is on the other node's disk: of what others wrote it may hold the only copy by now.
    fn is_known_at(&self, node: usize, other: usize) -> bool {
        let there = self.vectors(other);
        let known = |scope, origin| there.get(scope).map_or(0, |vector: &VersionVector| vector.next(origin));
        self.vectors(node)
            .iter()
            .all(|(scope, vector)| vector.iter().all(|(origin, next)| next <= known(scope, origin)))
    }

    /// The admission of a node, as the plan has it.
    fn admission(&self, node: usize) -> Admission {
        let (config, root) = (&self.nodes[node].config, signing_key(self.plan.seed, usize::MAX));
        Admission {
            node: self.id(node),
            name: config.name.clone(),
            place: config.place.clone(),
            addresses: config.addresses.clone(),
            signature: Verdict::Admit.sign(&root, &config.mesh.id, self.id(node)),
        }
    }
}
