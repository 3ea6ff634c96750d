//! TLS and QUIC settings: libp2p certificates both ways (libp2p specification, "libp2p TLS"), TLS 1.3 only, no resumption
//! (each connection proves its key anew), no early data, no key log.

use crate::identity::{self, PeerIdError};
use ed25519_dalek::SigningKey;
use lavina_crdt::ids::NodeId;
use lavina_gossip::plane::{
    CONNECTION_WINDOW_BYTES, DATAGRAM_BUFFER_BYTES, INITIAL_WINDOW_BYTES, KEEP_ALIVES, LANES, STRANGER_WINDOW_BYTES,
    STREAM_WINDOW_BYTES,
};
use quinn::congestion::CubicConfig;
use quinn::crypto::rustls::{HandshakeData, NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use quinn::{Connection, IdleTimeout, TransportConfig, VarInt, VarIntBoundsExceeded};
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use std::time::Duration;

/// ALPN of the data plane: frames between admitted nodes.
pub(crate) const ALPN_FRAMES: &[u8] = b"lavina/1";
/// ALPN of admission: one ticket, one answer.
pub(crate) const ALPN_JOIN: &[u8] = b"lavina-join/1";

/// ALPN of the guests.
pub(crate) const ALPN_GUESTS: &[u8] = b"libp2p";

/// The TLS settings could not be built.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The key is not one that certificates can be made of.
    #[error(transparent)]
    Key(#[from] PeerIdError),
    /// No certificate could be made.
    #[error("no certificate: {0}")]
    Certificate(#[from] libp2p_tls::certificate::GenError),
    /// The TLS provider lacks the cipher suite that QUIC starts with.
    #[error(transparent)]
    Suite(#[from] NoInitialCipherSuite),
    /// The idle timeout is longer than QUIC can say.
    #[error("idle timeout: {0}")]
    IdleTimeout(#[from] VarIntBoundsExceeded),
}

/// What accepted connections run with.
pub(crate) fn server(key: &SigningKey, idle_timeout: Duration, guests: bool) -> Result<quinn::ServerConfig, TlsError> {
    let mut tls = libp2p_tls::make_server_config(&identity::keypair(key)?)?;
    tls.alpn_protocols = vec![ALPN_FRAMES.to_vec(), ALPN_JOIN.to_vec()];
    if guests {
        tls.alpn_protocols.push(ALPN_GUESTS.to_vec());
    }
    tls.key_log = Arc::new(rustls::NoKeyLog);
    tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    tls.send_tls13_tickets = 0;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport(idle_timeout, None)?));
    Ok(config)
}

/// What a dialled connection runs with: only the holder of the key of `peer` can answer it.
pub(crate) fn client(
    key: &SigningKey,
    peer: NodeId,
    alpn: &[u8],
    idle_timeout: Duration,
) -> Result<quinn::ClientConfig, TlsError> {
    let mut tls = libp2p_tls::make_client_config(&identity::keypair(key)?, Some(identity::to_libp2p(peer)?))?;
    tls.alpn_protocols = vec![alpn.to_vec()];
    tls.key_log = Arc::new(rustls::NoKeyLog);
    tls.resumption = rustls::client::Resumption::disabled();
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport(idle_timeout, Some(idle_timeout / KEEP_ALIVES))?));
    Ok(config)
}

/// One side keeping a connection alive is enough (RFC 9000 section 10.1.2): its peer hears it, and it hears the acknowledgement.
fn transport(idle_timeout: Duration, keep_alive: Option<Duration>) -> Result<TransportConfig, TlsError> {
    let mut config = TransportConfig::default();
    let mut congestion = CubicConfig::default();
    congestion.initial_window(INITIAL_WINDOW_BYTES);
    config
        .congestion_controller_factory(Arc::new(congestion))
        .max_idle_timeout(Some(IdleTimeout::try_from(idle_timeout)?))
        .keep_alive_interval(keep_alive)
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(LANES))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(STRANGER_WINDOW_BYTES))
        .send_window(u64::from(CONNECTION_WINDOW_BYTES))
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER_BYTES))
        .datagram_send_buffer_size(DATAGRAM_BUFFER_BYTES);
    Ok(config)
}

/// Who is at the other end: proven by TLS, so `None` only for what is not an Ed25519 key.
pub(crate) fn peer_of(connection: &Connection) -> Option<NodeId> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    let certificate = libp2p_tls::certificate::parse(chain.first()?).ok()?;
    identity::from_libp2p(certificate.peer_id()).ok()
}

/// What an accepted connection is for.
pub(crate) fn alpn_of(connection: &Connection) -> Option<Vec<u8>> {
    connection.handshake_data()?.downcast::<HandshakeData>().ok()?.protocol
}
