//! The mesh scope: who may be a node.

use crate::entry::Signature;
use crate::ids::NodeId;
use serde::{Deserialize, Serialize};

/// Where a node stands; free words chosen by the operator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Region: what is near is in one region.
    pub region: String,
    /// Zone within the region: what fails together.
    pub zone: String,
}

/// The statement that a node belongs to the mesh, signed by the mesh root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// Who is admitted.
    pub node: NodeId,
    /// A short name for people, unique by habit, not by rule.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Addresses it can be dialled at, `host:port`; may be empty for a node that only dials out.
    pub addresses: Vec<String>,
    /// Ed25519 by the mesh root key over (mesh id, node).
    pub signature: Signature,
}

/// The body of an entry of the mesh scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MeshAct {
    /// A node comes in, or says anew where it is (only name, place and addresses may differ).
    Admit(Admission),
    /// A node is thrown out; signed by the root key over (mesh id, "revoke", node).
    Revoke {
        /// Who.
        node: NodeId,
        /// By the mesh root key.
        signature: Signature,
    },
}
