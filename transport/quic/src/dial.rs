//! Dialling: names to addresses, all addresses of a peer against one another, the hello, and the offer to [`Peers`](crate::peers::Peers).

use crate::close::{self, Code};
use crate::endpoint::Shared;
use crate::hello::Hello;
use crate::link::Link;
use crate::tls::{self, TlsError};
use lavina_crdt::ids::NodeId;
use lavina_gossip::plane::{HANDSHAKE_TIMEOUT, HELLO_TIMEOUT};
use quinn::{ClientConfig, Connection};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Addresses tried of one peer: more than anyone has good ones.
const ADDRESSES_MAX: usize = 8;
/// Head start of an address before the next (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);
/// Server name in TLS: nobody reads it, but rustls wants one.
const SERVER_NAME: &str = "lavina";

/// Why a peer could not be dialled.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// It is not admitted, so there is nothing to say to it.
    #[error("the node is not admitted")]
    NotAdmitted,
    /// It is connected, or another dial is under way.
    #[error("the node is connected or being dialled already")]
    Underway,
    /// None of its addresses could be resolved.
    #[error("no address: {0}")]
    NoAddress(String),
    /// This side has no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No address answered as that peer.
    #[error("not reached: {0}")]
    NotReached(String),
    /// The peer ended the connection before or instead of its hello.
    #[error("refused: {0}")]
    Refused(String),
}

/// Dials once. `Ok` when the peer is connected at the end, by this connection or one of its own.
pub(crate) async fn dial(shared: &Arc<Shared>, peer: NodeId, addresses: &[String]) -> Result<(), DialError> {
    if !shared.peers.is_admitted(peer) {
        return Err(DialError::NotAdmitted);
    }
    if !shared.peers.begin_dial(peer) {
        return Err(DialError::Underway);
    }
    let result = tokio::select! {
        biased;
        () = until_connected(shared, peer) => Ok(()),
        result = dial_and_greet(shared, peer, addresses) => result,
    };
    shared.peers.end_dial(peer);
    result
}

async fn until_connected(shared: &Shared, peer: NodeId) {
    let mut changes = shared.peers.changes();
    while shared.peers.link(peer).is_none() {
        if changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn dial_and_greet(shared: &Arc<Shared>, peer: NodeId, addresses: &[String]) -> Result<(), DialError> {
    let config = tls::client(&shared.key, peer, tls::ALPN_FRAMES, shared.idle_timeout)?;
    let connection = connect(&shared.quinn, &config, addresses).await?;
    let (hello, version) = match timeout(HELLO_TIMEOUT, greet(shared, &connection)).await {
        Ok(greeted) => greeted?,
        Err(_elapsed) => return Err(DialError::Refused("no hello in time".to_owned())),
    };
    let link = Arc::new(Link::new(peer, true, hello.boot, version, connection));
    if shared.peers.offer_dialled(&link) {
        tracing::info!(?peer, name = hello.name, remote = %link.connection().remote_address(), "connected by dialling");
        shared.spawn_link(link);
        Ok(())
    } else {
        link.close(Code::Duplicate, "a connection exists already");
        Err(DialError::Underway)
    }
}

/// The peer's hello, and the version of frames that both speak.
async fn greet(shared: &Shared, connection: &Connection) -> Result<(Hello, u16), DialError> {
    let refused = |error: quinn::ConnectionError| DialError::Refused(close::reason(&error));
    let (mut send, mut recv) = connection.open_bi().await.map_err(refused)?;
    let exchange = async {
        shared.hello.write(&mut send).await?;
        let theirs = Hello::read(&mut recv).await?;
        let version = shared.hello.agree(&theirs)?;
        Ok((theirs, version))
    };
    let outcome: Result<(Hello, u16), crate::hello::HelloError> = exchange.await;
    outcome.map_err(|error| match connection.close_reason() {
        Some(closed) => refused(closed),
        None => {
            connection.close(error.code().var_int(), error.to_string().as_bytes());
            DialError::Refused(error.to_string())
        }
    })
}

/// Resolves and connects; the first address to finish the TLS handshake wins.
pub(crate) async fn connect(
    endpoint: &quinn::Endpoint,
    config: &ClientConfig,
    addresses: &[String],
) -> Result<Connection, DialError> {
    let attempt = async { race(endpoint, config, resolve(addresses).await?).await };
    match timeout(HANDSHAKE_TIMEOUT, attempt).await {
        Ok(result) => result,
        Err(_elapsed) => Err(DialError::NotReached("no answer in time".to_owned())),
    }
}

async fn resolve(addresses: &[String]) -> Result<Vec<SocketAddr>, DialError> {
    let (mut found, mut error) = (Vec::new(), "none is known".to_owned());
    for address in addresses.iter().take(ADDRESSES_MAX) {
        match tokio::net::lookup_host(address.as_str()).await {
            Ok(some) => found.extend(some.take(ADDRESSES_MAX)),
            Err(cause) => error = format!("{address}: {cause}"),
        }
    }
    found.truncate(ADDRESSES_MAX);
    if found.is_empty() { Err(DialError::NoAddress(error)) } else { Ok(found) }
}

async fn race(
    endpoint: &quinn::Endpoint,
    config: &ClientConfig,
    addresses: Vec<SocketAddr>,
) -> Result<Connection, DialError> {
    let mut attempts = JoinSet::new();
    let mut wait = Duration::ZERO;
    for address in addresses {
        let (endpoint, config, head_start) = (endpoint.clone(), config.clone(), wait);
        wait += HEAD_START;
        attempts.spawn(async move {
            tokio::time::sleep(head_start).await;
            let connecting =
                endpoint.connect_with(config, address, SERVER_NAME).map_err(|error| format!("{address}: {error}"))?;
            connecting.await.map_err(|error| format!("{address}: {}", close::reason(&error)))
        });
    }
    let mut error = "no attempt was made".to_owned();
    while let Some(outcome) = attempts.join_next().await {
        match outcome {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(cause)) => error = cause,
            Err(cause) => error = cause.to_string(),
        }
    }
    Err(DialError::NotReached(error))
}
