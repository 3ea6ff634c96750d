//! Who belongs to the mesh, as its scope says: admissions and revocations, each signed by the root key.

use super::{Effect, Replicas, Scope};
use crate::node::MeshIdentity;
use crate::replica::room::read_tail;
use crate::store::{Store, StoreError};
use lavina_crdt::chain;
use lavina_crdt::entry::{Body, Entry};
use lavina_crdt::ids::{NodeId, OrderKey};
use lavina_crdt::mesh::{Admission, MeshAct, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// The nodes of a mesh. Equal on all nodes that have the same entries, in whatever order they came.
#[derive(Clone, Debug)]
pub struct MeshState {
    mesh: [u8; 16],
    root: NodeId,
    /// By node: whether it spoke for itself, when, and what was said.
    admissions: BTreeMap<NodeId, (bool, Option<OrderKey>, Admission)>,
    /// Thrown out, for ever: the signature of an admission can be replayed, so a node that is to return takes a new key.
    revoked: BTreeSet<NodeId>,
}

impl MeshState {
    /// A mesh of the nodes in `bootstrap`, those that the root key has signed.
    #[must_use]
    pub fn new(identity: &MeshIdentity, bootstrap: &[Admission]) -> Self {
        let mut state =
            Self { mesh: identity.id, root: identity.root, admissions: BTreeMap::new(), revoked: BTreeSet::new() };
        for admission in bootstrap {
            state.admit(None, None, admission);
        }
        state
    }

    /// Nodes that belong to the mesh, in id order.
    pub fn admitted(&self) -> impl Iterator<Item = &Admission> + '_ {
        self.admissions
            .values()
            .map(|(_, _, admission)| admission)
            .filter(|admission| !self.revoked.contains(&admission.node))
    }

    /// What is known of a node of the mesh.
    #[must_use]
    pub fn admission(&self, node: NodeId) -> Option<&Admission> {
        self.admissions.get(&node).map(|(_, _, admission)| admission).filter(|_| !self.revoked.contains(&node))
    }

    /// Whether a node belongs to the mesh, or did until it was revoked: what it wrote until then is part of the logs.
    #[must_use]
    pub fn was_admitted(&self, node: NodeId) -> bool {
        self.admissions.contains_key(&node)
    }

    /// Takes an act in, written by a node at a position. Returns whether anything changed.
    pub fn apply(&mut self, by: Option<NodeId>, at: OrderKey, act: &MeshAct) -> bool {
        match act {
            MeshAct::Admit(admission) => self.admit(by, Some(at), admission),
            MeshAct::Revoke { node, signature } => {
                Verdict::Revoke.is_signed(self.root, &self.mesh, *node, signature) && self.revoked.insert(*node)
            }
        }
    }

    /// The signature covers the node alone; of its name, place and addresses the node itself has the last word, then the newest statement.
    fn admit(&mut self, by: Option<NodeId>, at: Option<OrderKey>, admission: &Admission) -> bool {
        if !Verdict::Admit.is_signed(self.root, &self.mesh, admission.node, &admission.signature) {
            return false;
        }
        let own = by == Some(admission.node);
        let newer =
            self.admissions.get(&admission.node).is_none_or(|(known_own, known, _)| (own, at) > (*known_own, *known));
        if !newer {
            return false;
        }
        let old = self.admissions.insert(admission.node, (own, at, admission.clone()));
        old.is_none_or(|(_, _, old)| old != *admission)
    }
}

impl<S: Store> Replicas<S> {
    pub(super) fn load_mesh(&mut self) -> Result<(), StoreError> {
        for (origin, next) in self.durable(&Scope::Mesh).iter() {
            let (mesh, by) = (&mut self.mesh, self.nodes.get(&origin).copied());
            read_tail(&self.store, &Scope::Mesh, origin, 0, next, &mut |entry| {
                if let Body::Mesh(act) = chain::body(&entry) {
                    mesh.apply(by, entry.order_key(), &act);
                }
            })?;
        }
        Ok(())
    }

    pub(super) fn apply_mesh(&mut self, entry: &Entry, effects: &mut Vec<Effect>) {
        let by = self.nodes.get(&entry.origin).copied();
        if let Body::Mesh(act) = chain::body(entry)
            && self.mesh.apply(by, entry.order_key(), &act)
        {
            effects.push(Effect::Mesh);
        }
    }

    /// Whether entries of a node are taken: from those of the mesh, and from revoked ones what reached somebody before.
    pub(super) fn was_admitted(&self, node: NodeId) -> bool {
        self.mesh.was_admitted(node)
    }
}
