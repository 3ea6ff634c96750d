//! Who belongs to the mesh, as its scope says, and how far what was written by nodes that were thrown out counts.

use super::room::read_tail;
use super::{Effect, Replicas, Scope};
use crate::node::MeshIdentity;
use crate::store::{Store, StoreError};
use lavina_crdt::chain;
use lavina_crdt::clock::Now;
use lavina_crdt::entry::{Body, Entry, Run};
use lavina_crdt::fence::{FenceRow, Fenced};
use lavina_crdt::ids::{NodeId, Origin};
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
            read_tail(&self.store, &Scope::Mesh, origin, 0, next, &mut |entry, _| {
                if let Body::Mesh(act) = chain::body(&entry) {
                    mesh.apply(by, entry.order_key(), &act);
                }
            })?;
        }
        self.cut_at_fences(None);
        Ok(())
    }

    /// Cuts off what lies behind fences, of one node or of all. Where that is new.
    fn cut_at_fences(&mut self, node: Option<NodeId>) -> Vec<(Scope, Origin)> {
        let mut fresh = Vec::new();
        for (scope, replica) in &self.scopes {
            for (origin, _) in replica.known.iter() {
                let Some(by) = self.nodes.get(&origin).filter(|by| node.is_none_or(|node| node == **by)) else {
                    continue;
                };
                let next = match self.mesh.fenced(*by, scope, origin) {
                    Some(Fenced::Below(next, _)) => next,
                    Some(Fenced::Whole) => 0,
                    None => continue,
                };
                if self.mesh.cut_at_fence(scope, origin, next) {
                    fresh.push((scope.clone(), origin));
                }
            }
        }
        fresh
    }

    /// What of a node is here and counts, except in the mesh scope: what its fence lets stand, if it is thrown out now.
    pub fn fence_rows(&self, node: NodeId) -> Result<Vec<FenceRow>, StoreError> {
        let mut rows = Vec::new();
        for (scope, vector) in self.vectors().filter(|(scope, _)| **scope != Scope::Mesh) {
            for (origin, next) in vector.iter().filter(|(origin, _)| self.nodes.get(origin) == Some(&node)) {
                let Some(newest) = next.checked_sub(1) else { continue };
                let Some(run) = self.store.run(scope, origin, newest, 0)? else { continue };
                let Some(head) = run.entries.first().map(chain::hash) else { continue };
                rows.push(FenceRow { scope: scope.clone(), epoch: run.origin.epoch, next, head });
            }
        }
        Ok(rows)
    }

    /// Whether a run lies behind its node's fence, or leads to another branch than the one that counts.
    pub(super) fn is_fenced(&self, run: &Run) -> bool {
        match self.mesh.fenced(run.origin.node, &run.scope, run.origin.origin()) {
            None => false,
            Some(Fenced::Whole) => true,
            Some(Fenced::Below(next, head)) => {
                let last = next.checked_sub(1).and_then(|last| last.checked_sub(run.first));
                let last = last.and_then(|at| run.entries.get(usize::try_from(at).ok()?));
                run.first >= next || last.is_some_and(|last| chain::hash(last) != head)
            }
        }
    }

    pub(super) fn apply_mesh(&mut self, now: Now, entry: &Entry, effects: &mut Vec<Effect>) {
        let by = self.nodes.get(&entry.origin).copied();
        let Body::Mesh(act) = chain::body(entry) else { return };
        if !self.mesh.apply(by, entry.order_key(), &act) {
            return;
        }
        match act {
            MeshAct::Admit(_) | MeshAct::Revoke { .. } | MeshAct::Drain { .. } => effects.push(Effect::Mesh),
            MeshAct::Bar { target, .. } => effects.push(Effect::Barred(target)),
            // Whoever asks reads them anew.
            MeshAct::ClientsAt(_) | MeshAct::Invite { .. } | MeshAct::Invited { .. } => {}
            MeshAct::Fence(fence) => {
                for (scope, origin) in self.cut_at_fences(Some(fence.node)) {
                    self.on_cut(now, &scope, origin, effects);
                }
            }
            MeshAct::Quarantine(proof) => self.on_cut(now, &proof.scope, proof.origin.origin(), effects),
        }
    }

    /// Whether entries of a node are taken: from those of the mesh, and from revoked ones what reached somebody before.
    pub(super) fn was_admitted(&self, node: NodeId) -> bool {
        self.mesh.was_admitted(node)
    }
}
