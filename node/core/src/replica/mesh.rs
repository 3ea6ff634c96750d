//! Who belongs to the mesh, as its scope says.

use super::room::read_tail;
use super::{Effect, Replicas, Scope};
use crate::node::MeshIdentity;
use crate::store::{Store, StoreError};
use lavina_crdt::chain;
use lavina_crdt::clock::Now;
use lavina_crdt::entry::{Body, Entry};
use lavina_crdt::ids::NodeId;
use lavina_crdt::mesh::{Admission, MeshAct, MeshState};

/// The mesh with the nodes in `bootstrap`, those that the root key has signed.
pub(super) fn state(identity: &MeshIdentity, bootstrap: &[Admission]) -> MeshState {
    let mut state = MeshState::new(identity.id, identity.root);
    for admission in bootstrap {
        state.bootstrap(admission);
    }
    state
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

    pub(super) fn apply_mesh(&mut self, now: Now, entry: &Entry, effects: &mut Vec<Effect>) {
        let by = self.nodes.get(&entry.origin).copied();
        let Body::Mesh(act) = chain::body(entry) else { return };
        if !self.mesh.apply(by, entry.order_key(), &act) {
            return;
        }
        match act {
            MeshAct::Admit(_) | MeshAct::Revoke { .. } => effects.push(Effect::Mesh),
            MeshAct::Bar { target, .. } => effects.push(Effect::Barred(target)),
            MeshAct::Quarantine(proof) => self.on_cut(now, &proof.scope, proof.origin.origin(), effects),
        }
    }

    /// Whether entries of a node are taken: from those of the mesh, and from revoked ones what reached somebody before.
    pub(super) fn was_admitted(&self, node: NodeId) -> bool {
        self.mesh.was_admitted(node)
    }
}
