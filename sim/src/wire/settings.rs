//! Settings of simulated endpoints: those of the real data plane ([`lavina_gossip::plane`]), with every generator seeded.

use super::handshake::{Acceptor, Dialler, Party};
use super::keys::{ConnectionIds, NodeKey};
use lavina_crdt::ids::NodeId;
use lavina_gossip::plane::{
    CONNECTION_WINDOW_BYTES, DATAGRAM_BUFFER_BYTES, IDLE_TIMEOUT, INITIAL_WINDOW_BYTES, KEEP_ALIVES, LANES,
    STRANGER_WINDOW_BYTES, STREAM_WINDOW_BYTES,
};
use quinn_proto::congestion::CubicConfig;
use quinn_proto::{
    ClientConfig, ConnectionIdGenerator, EndpointConfig, IdleTimeout, NoneTokenStore, ServerConfig, TransportConfig,
    ValidationTokenConfig, VarInt,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Version 1 of QUIC.
const VERSION: u32 = 1;

/// The endpoint's settings in one start of a node.
pub(super) fn endpoint(node: NodeId, boot: u64) -> EndpointConfig {
    let resets = NodeKey(blake3::derive_key("lavina simulator resets", &node.0));
    let ids = ConnectionIds { key: start_key("lavina simulator connection ids", node, boot), next: 0 };
    let mut config = EndpointConfig::new(Arc::new(resets));
    config.supported_versions(vec![VERSION]).cid_generator(move || Box::new(ids.clone())).rng_seed(Some(start_key(
        "lavina simulator endpoint",
        node,
        boot,
    )));
    config
}

fn start_key(what: &str, node: NodeId, boot: u64) -> [u8; 32] {
    blake3::derive_key(what, &[node.0.as_slice(), &boot.to_be_bytes()].concat())
}

/// What accepted connections run with. Address tokens, which need a wall clock, are neither given nor asked for.
pub(super) fn server(party: &Arc<Party>) -> ServerConfig {
    let tokens = NodeKey(blake3::derive_key("lavina simulator tokens", &party.node.0));
    let mut unused = ValidationTokenConfig::default();
    unused.sent(0);
    let mut config = ServerConfig::new(Arc::new(Acceptor(Arc::clone(party))), Arc::new(tokens));
    config.transport_config(Arc::new(transport(None))).validation_token_config(unused);
    config
}

/// What a dialled connection runs with: only `peer` can answer it.
pub(super) fn client(party: &Arc<Party>, boot: u64, peer: NodeId, dials: u64) -> ClientConfig {
    let key = start_key("lavina simulator first ids", party.node, boot);
    let ids = Mutex::new(ConnectionIds { key, next: dials });
    let mut config = ClientConfig::new(Arc::new(Dialler(Arc::clone(party), peer)));
    config
        .version(VERSION)
        .transport_config(Arc::new(transport(Some(IDLE_TIMEOUT / KEEP_ALIVES))))
        .token_store(Arc::new(NoneTokenStore))
        .initial_dst_cid_provider(Arc::new(move || ids.lock().unwrap_or_else(PoisonError::into_inner).generate_cid()));
    config
}

/// The dialling side keeps a connection alive.
fn transport(keep_alive: Option<Duration>) -> TransportConfig {
    let mut config = TransportConfig::default();
    let mut congestion = CubicConfig::default();
    congestion.initial_window(INITIAL_WINDOW_BYTES);
    config
        .congestion_controller_factory(Arc::new(congestion))
        // As long as the number says; it is far from what QUIC cannot express.
        .max_idle_timeout(IdleTimeout::try_from(IDLE_TIMEOUT).ok())
        .keep_alive_interval(keep_alive)
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(LANES))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(STRANGER_WINDOW_BYTES))
        .send_window(u64::from(CONNECTION_WINDOW_BYTES))
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER_BYTES))
        .datagram_send_buffer_size(DATAGRAM_BUFFER_BYTES);
    config
}
