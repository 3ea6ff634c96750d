//! Room for another protocol on the same socket: connections that say ALPN `libp2p` (libp2p specification, "QUIC", section ALPN) are handed
//! over as they are.

use crate::endpoint::Shared;
use crate::tls::{self, TlsError};
use lavina_crdt::ids::NodeId;
use quinn::{ClientConfig, Connection};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Accepted connections that wait to be taken; more are closed.
pub(crate) const GUESTS_MAX: usize = 32;

/// A connection of an admitted node.
#[derive(Debug)]
pub struct Guest {
    /// Who, proven by TLS.
    pub node: NodeId,
    /// Its handshake is done. One stream at a time may be open on it until more are allowed.
    pub connection: Connection,
}

/// What the other protocol is given.
#[derive(Debug)]
pub struct Guests {
    /// The socket, to dial from.
    pub endpoint: quinn::Endpoint,
    /// What was accepted for it.
    pub incoming: mpsc::Receiver<Guest>,
    shared: Arc<Shared>,
}

impl Guests {
    pub(crate) fn new(shared: &Arc<Shared>, incoming: mpsc::Receiver<Guest>) -> Self {
        Self { endpoint: shared.quinn.clone(), incoming, shared: Arc::clone(shared) }
    }

    /// What dialling a node for this protocol takes: only the holder of its key can answer.
    ///
    /// # Errors
    /// When the keys make no certificate.
    pub fn client(&self, node: NodeId) -> Result<ClientConfig, TlsError> {
        tls::client(&self.shared.key, node, tls::ALPN_GUESTS, self.shared.idle_timeout)
    }
}
