//! The mesh scope: who may be a node.
//!
//! Admissions and revocations are signed by the mesh root key, so that each is trusted by itself, wherever it comes from.

use crate::entry::Signature;
use crate::ids::NodeId;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
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

/// What the root key says of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs to the mesh.
    Admit,
    /// It is thrown out.
    Revoke,
}

impl Verdict {
    fn bytes(self, mesh: &[u8; 16], node: NodeId) -> Vec<u8> {
        let word: &[u8] = match self {
            Self::Admit => b"lavina 1 admit",
            Self::Revoke => b"lavina 1 revoke",
        };
        [word, mesh, &node.0].concat()
    }

    /// Signs the verdict on a node of a mesh.
    #[must_use]
    pub fn sign(self, root: &SigningKey, mesh: &[u8; 16], node: NodeId) -> Signature {
        Signature(root.sign(&self.bytes(mesh, node)).to_bytes())
    }

    /// Whether a signature is the root key's for this verdict on that node. Strict, as for entries.
    #[must_use]
    pub fn is_signed(self, root: NodeId, mesh: &[u8; 16], node: NodeId, signature: &Signature) -> bool {
        VerifyingKey::from_bytes(&root.0).is_ok_and(|key| {
            let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
            key.verify_strict(&self.bytes(mesh, node), &signature).is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_holds_for_its_mesh_its_node_and_itself_only() {
        let root = SigningKey::from_bytes(&[7; 32]);
        let (id, node) = (NodeId(root.verifying_key().to_bytes()), NodeId([1; 32]));
        let signature = Verdict::Admit.sign(&root, &[3; 16], node);
        assert!(Verdict::Admit.is_signed(id, &[3; 16], node, &signature));
        assert!(!Verdict::Revoke.is_signed(id, &[3; 16], node, &signature));
        assert!(!Verdict::Admit.is_signed(id, &[4; 16], node, &signature));
        assert!(!Verdict::Admit.is_signed(id, &[3; 16], NodeId([2; 32]), &signature));
        assert!(!Verdict::Admit.is_signed(NodeId([9; 32]), &[3; 16], node, &signature));
    }
}
