//! Who belongs to the mesh, read from the mesh scope in the store.

use lavina_core::store::{Store, StoreError};
use lavina_crdt::chain;
use lavina_crdt::entry::Body;
use lavina_crdt::ids::{NodeId, Scope};
use lavina_crdt::mesh::{Admission, MeshAct};
use std::collections::{BTreeMap, BTreeSet};

/// The mesh's nodes.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    /// Who is in, as said last.
    pub(crate) admitted: BTreeMap<NodeId, Admission>,
    /// Who was thrown out.
    pub(crate) revoked: BTreeSet<NodeId>,
}

/// Reads the roster; what the scope does not hold yet comes from `bootstrap`.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn read(store: &impl Store, bootstrap: &[Admission]) -> Result<Roster, StoreError> {
    let mut roster = Roster::default();
    for admission in bootstrap {
        roster.admitted.insert(admission.node, admission.clone());
    }
    store.scan(&Scope::Mesh, None, None, false, &mut |_, sealed| {
        // Entries of kinds that say nothing of membership, and those that hold none of ours, are passed over.
        if let Some(Body::Mesh(act)) = chain::open(sealed).map(|entry| chain::body(&entry)) {
            match act {
                MeshAct::Admit(admission) => {
                    roster.admitted.insert(admission.node, admission);
                }
                MeshAct::Revoke { node, .. } => {
                    roster.revoked.insert(node);
                }
            }
        }
        true
    })?;
    for node in &roster.revoked {
        roster.admitted.remove(node);
    }
    Ok(roster)
}
