//! Keys of packets, headers, resets and tokens, all of BLAKE3: a packet carries a keyed checksum, so that one that was changed, or that
//! belongs to another connection, is refused as with TLS. **No secrecy:** payloads and headers travel as they are; nothing here is for use
//! outside the simulator.

use bytes::BytesMut;
use quinn_proto::crypto::{AeadKey, CryptoError, HandshakeTokenKey, HeaderKey, HmacKey, KeyPair, Keys, PacketKey};
use quinn_proto::{ConnectionId, ConnectionIdGenerator, Side};
use std::time::Duration;

/// Length of a checksum: that of the AEADs of TLS 1.3.
const TAG_BYTES: usize = 16;
/// Length of a connection id, as the real data plane has it.
const CID_BYTES: usize = 8;

fn tag(key: &[u8; 32], number: u64, parts: &[&[u8]]) -> [u8; TAG_BYTES] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&number.to_le_bytes());
    for part in parts {
        hasher.update(part);
    }
    let mut tag = [0; TAG_BYTES];
    hasher.finalize_xof().fill(&mut tag);
    tag
}

/// One direction's key of one packet space.
struct Checksum([u8; 32]);

impl PacketKey for Checksum {
    fn encrypt(&self, packet: u64, buf: &mut [u8], _header_len: usize) {
        let (bytes, place) = buf.split_at_mut(buf.len() - TAG_BYTES);
        place.copy_from_slice(&tag(&self.0, packet, &[bytes]));
    }

    fn decrypt(&self, packet: u64, header: &[u8], payload: &mut BytesMut) -> Result<(), CryptoError> {
        let length = payload.len().checked_sub(TAG_BYTES).ok_or(CryptoError)?;
        let (bytes, found) = payload.split_at(length);
        if found != tag(&self.0, packet, &[header, bytes]) {
            return Err(CryptoError);
        }
        payload.truncate(length);
        Ok(())
    }

    fn tag_len(&self) -> usize {
        TAG_BYTES
    }

    fn confidentiality_limit(&self) -> u64 {
        u64::MAX
    }

    fn integrity_limit(&self) -> u64 {
        u64::MAX
    }
}

/// Headers are in the open.
struct Open;

impl HeaderKey for Open {
    fn decrypt(&self, _pn_offset: usize, _packet: &mut [u8]) {}

    fn encrypt(&self, _pn_offset: usize, _packet: &mut [u8]) {}

    fn sample_size(&self) -> usize {
        TAG_BYTES
    }
}

/// The packet keys of both directions that follow from a secret both sides know.
pub(super) fn packet_keys(secret: &[u8], side: Side) -> KeyPair<Box<dyn PacketKey>> {
    let client = blake3::derive_key("lavina simulator packets of the client", secret);
    let server = blake3::derive_key("lavina simulator packets of the server", secret);
    let (local, remote) = if side.is_client() { (client, server) } else { (server, client) };
    KeyPair { local: Box::new(Checksum(local)), remote: Box::new(Checksum(remote)) }
}

/// All keys of a packet space.
pub(super) fn keys(secret: &[u8], side: Side) -> Keys {
    Keys { header: KeyPair { local: Box::new(Open), remote: Box::new(Open) }, packet: packet_keys(secret, side) }
}

/// The checksum of a retry packet.
pub(super) fn retry_tag(orig_dst_cid: &ConnectionId, parts: &[&[u8]]) -> [u8; TAG_BYTES] {
    tag(&blake3::derive_key("lavina simulator retry", orig_dst_cid), 0, parts)
}

/// Stateless resets and address tokens of one node: the same after each start, so that a node that is back says at once that it has
/// forgotten (RFC 9000 section 10.3).
#[derive(Clone)]
pub(super) struct NodeKey(pub(super) [u8; 32]);

impl HmacKey for NodeKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        blake3::Hasher::new_keyed(&self.0).update(data).finalize_xof().fill(signature_out);
    }

    fn signature_len(&self) -> usize {
        blake3::OUT_LEN
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        if blake3::keyed_hash(&self.0, data).as_bytes() == signature { Ok(()) } else { Err(CryptoError) }
    }
}

impl HandshakeTokenKey for NodeKey {
    fn aead_from_hkdf(&self, random_bytes: &[u8]) -> Box<dyn AeadKey> {
        Box::new(Self(*blake3::keyed_hash(&self.0, random_bytes).as_bytes()))
    }
}

impl AeadKey for NodeKey {
    fn seal(&self, data: &mut Vec<u8>, additional_data: &[u8]) -> Result<(), CryptoError> {
        let tag = tag(&self.0, 0, &[additional_data, data]);
        data.extend_from_slice(&tag);
        Ok(())
    }

    fn open<'a>(&self, data: &'a mut [u8], additional_data: &[u8]) -> Result<&'a mut [u8], CryptoError> {
        let length = data.len().checked_sub(TAG_BYTES).ok_or(CryptoError)?;
        let (bytes, found) = data.split_at_mut(length);
        if *found == tag(&self.0, 0, &[additional_data, bytes]) { Ok(bytes) } else { Err(CryptoError) }
    }
}

/// Connection ids: a keyed hash of a counter, different in each start of a node.
#[derive(Clone)]
pub(super) struct ConnectionIds {
    /// Of the node and its start.
    pub(super) key: [u8; 32],
    /// How many there were.
    pub(super) next: u64,
}

impl ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; CID_BYTES];
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&self.next.to_be_bytes());
        hasher.finalize_xof().fill(&mut id);
        self.next += 1;
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

    fn sealed(keys: &KeyPair<Box<dyn PacketKey>>, number: u64) -> Vec<u8> {
        let mut packet = [b"head".as_slice(), b"payload", &[0; TAG_BYTES]].concat();
        keys.local.encrypt(number, &mut packet, 4);
        packet
    }

    fn opens(keys: &KeyPair<Box<dyn PacketKey>>, number: u64, packet: &[u8]) -> bool {
        let mut payload = BytesMut::from(&packet[4..]);
        keys.remote.decrypt(number, &packet[..4], &mut payload).is_ok() && payload == b"payload"[..]
    }

    #[test]
    fn a_packet_opens_at_its_own_connection_and_number_only() {
        let (client, server) = (packet_keys(b"one", Side::Client), packet_keys(b"one", Side::Server));
        let packet = sealed(&client, 7);
        assert!(opens(&server, 7, &packet));
        assert!(!opens(&server, 8, &packet));
        assert!(!opens(&client, 7, &packet));
        assert!(!opens(&packet_keys(b"other", Side::Server), 7, &packet));
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let (client, server) = (packet_keys(b"one", Side::Client), packet_keys(b"one", Side::Server));
        let packet = sealed(&client, 7);
        for place in 0..packet.len() {
            let mut packet = packet.clone();
            packet[place] ^= 1;
            assert!(!opens(&server, 7, &packet), "{place}");
        }
    }
}
