//! Stateless resets (RFC 9000 section 10.3) that outlive a restart: the key behind them comes from the node's key, so a node that was killed
//! and is back tells its peers at their next packet that it knows nothing of their connections, instead of leaving them to time out.

use ed25519_dalek::SigningKey;
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{ConnectionId, ConnectionIdGenerator};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Length of a connection id: too many to guess or to meet by chance.
const CID_BYTES: usize = 8;

/// The endpoint's settings: BLAKE3 keyed by the node's key gives reset tokens and connection ids. `boot` keeps the ids of two
/// runs apart.
pub(crate) fn endpoint(key: &SigningKey, boot: u64) -> quinn::EndpointConfig {
    let resets = blake3::derive_key("lavina 1 stateless reset", key.as_bytes());
    let ids = ConnectionIds {
        key: blake3::derive_key("lavina 1 connection id", key.as_bytes()),
        boot,
        next: Arc::new(AtomicU64::new(0)),
    };
    let mut config = quinn::EndpointConfig::new(Arc::new(ResetKey(resets)));
    config.cid_generator(move || Box::new(ids.clone()));
    config
}

struct ResetKey([u8; 32]);

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        blake3::Hasher::new_keyed(&self.0).update(data).finalize_xof().fill(signature_out);
    }

    fn signature_len(&self) -> usize {
        blake3::OUT_LEN
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let signature = <[u8; blake3::OUT_LEN]>::try_from(signature).map_err(|_| CryptoError)?;
        // Compares in constant time.
        if blake3::keyed_hash(&self.0, data) == signature { Ok(()) } else { Err(CryptoError) }
    }
}

#[derive(Clone)]
struct ConnectionIds {
    key: [u8; 32],
    boot: u64,
    next: Arc<AtomicU64>,
}

impl ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; CID_BYTES];
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&self.boot.to_be_bytes());
        hasher.update(&self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        hasher.finalize_xof().fill(&mut id);
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        CID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_fits_its_data_and_key_only() {
        let (key, other) = (ResetKey([1; 32]), ResetKey([2; 32]));
        let mut signature = [0; blake3::OUT_LEN];
        key.sign(b"id", &mut signature);
        assert!(key.verify(b"id", &signature).is_ok());
        assert!(key.verify(b"other", &signature).is_err());
        assert!(other.verify(b"id", &signature).is_err());
        assert!(key.verify(b"id", &signature[1..]).is_err());
    }

    #[test]
    fn connection_ids_differ_within_a_run_and_between_runs() {
        let mut first = ConnectionIds { key: [1; 32], boot: 1, next: Arc::default() };
        let mut again = ConnectionIds { key: [1; 32], boot: 2, next: Arc::default() };
        let ids = [first.generate_cid(), first.generate_cid(), again.generate_cid()];
        assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
    }
}
