//! Who belongs to the mesh, read from the mesh scope in the store.

use lavina_core::node::MeshIdentity;
use lavina_core::store::{Store, StoreError};
use lavina_crdt::chain;
use lavina_crdt::entry::Body;
use lavina_crdt::ids::{NodeId, Origin, Scope};
use lavina_crdt::mesh::{Admission, MeshState};
use std::collections::BTreeMap;

/// Reads the roster; what the scope does not hold yet comes from `bootstrap`.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn read(store: &impl Store, mesh: &MeshIdentity, bootstrap: &[Admission]) -> Result<MeshState, StoreError> {
    let mut state = MeshState::new(mesh.id, mesh.root);
    for admission in bootstrap {
        state.bootstrap(admission);
    }
    let mut acts = Vec::new();
    store.scan(&Scope::Mesh, None, None, false, &mut |at, sealed| {
        // Entries of kinds that say nothing of membership, and those that hold none of ours, are passed over.
        if let Some(Body::Mesh(act)) = chain::open(sealed).map(|entry| chain::body(&entry)) {
            acts.push((at, act));
        }
        true
    })?;
    let mut writers: BTreeMap<Origin, Option<NodeId>> = BTreeMap::new();
    for (at, act) in acts {
        let by = match writers.get(&at.origin) {
            Some(by) => *by,
            None => {
                let by = store.origin_key(at.origin)?.map(|key| key.node);
                *writers.entry(at.origin).or_insert(by)
            }
        };
        state.apply(by, at, &act);
    }
    Ok(state)
}
