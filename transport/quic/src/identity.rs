//! Names of nodes as the libp2p world writes them, and the keys behind them.
//!
//! An Ed25519 `PeerId` is the identity multihash over the key's protobuf, so the key can be read out of it
//! (libp2p specification, peer-ids section "Ed25519"). Other kinds of keys are refused everywhere.

use ed25519_dalek::{SigningKey, VerifyingKey};
use lavina_crdt::ids::NodeId;
use libp2p_identity::{Keypair, PeerId};

/// Multihash code "identity" and length 36, then the protobuf (type Ed25519, data of 32 bytes).
const ED25519_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The text was not the `PeerId` of an Ed25519 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the PeerId of an Ed25519 key: text like 12D3KooW... is expected")]
pub struct PeerIdError;

/// The libp2p `PeerId` of a node, in the base58 text that people see.
#[must_use]
pub fn peer_id(node: NodeId) -> String {
    to_libp2p(node).map_or_else(|PeerIdError| format!("{node:?}"), PeerId::to_base58)
}

/// Reads the text that [`peer_id`] writes.
///
/// # Errors
/// When the text is no `PeerId`, or one of another kind of key, or of a weak key.
pub fn parse_peer_id(text: &str) -> Result<NodeId, PeerIdError> {
    from_libp2p(text.parse().map_err(|_| PeerIdError)?)
}

/// The node of a signing key.
#[must_use]
pub fn node_id(key: &SigningKey) -> NodeId {
    NodeId(key.verifying_key().to_bytes())
}

/// The name of a node in the libp2p world.
///
/// # Errors
/// Never for the id of a node; the library's types allow for it.
pub fn to_libp2p(node: NodeId) -> Result<PeerId, PeerIdError> {
    let mut bytes = ED25519_PREFIX.to_vec();
    bytes.extend_from_slice(&node.0);
    PeerId::from_bytes(&bytes).map_err(|_| PeerIdError)
}

/// The node of a name in the libp2p world. A key of small order would make signatures that fit many messages, so it is no identity.
///
/// # Errors
/// When it is of another kind of key, or of a weak key.
pub fn from_libp2p(peer: PeerId) -> Result<NodeId, PeerIdError> {
    let bytes = peer.to_bytes();
    let key = bytes.strip_prefix(ED25519_PREFIX.as_slice()).ok_or(PeerIdError)?;
    let key = <[u8; 32]>::try_from(key).map_err(|_| PeerIdError)?;
    let point = VerifyingKey::from_bytes(&key).map_err(|_| PeerIdError)?;
    if point.is_weak() { Err(PeerIdError) } else { Ok(NodeId(key)) }
}

/// The key as the libp2p world holds it.
///
/// # Errors
/// Never for an Ed25519 key; the library's types allow for it.
pub fn keypair(key: &SigningKey) -> Result<Keypair, PeerIdError> {
    Keypair::ed25519_from_bytes(key.to_bytes()).map_err(|_| PeerIdError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_id_reads_back_and_agrees_with_libp2p() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let node = node_id(&key);
        let text = peer_id(node);
        assert!(text.starts_with("12D3KooW"), "{text}");
        assert_eq!(parse_peer_id(&text), Ok(node));
        assert_eq!(keypair(&key).unwrap().public().to_peer_id().to_base58(), text);
    }

    #[test]
    fn other_text_other_keys_and_weak_keys_are_refused() {
        assert_eq!(parse_peer_id(""), Err(PeerIdError));
        assert_eq!(parse_peer_id("12D3KooW"), Err(PeerIdError));
        assert_eq!(parse_peer_id("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"), Err(PeerIdError));
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        assert_eq!(parse_peer_id(&peer_id(NodeId(identity_point))), Err(PeerIdError));
    }
}
