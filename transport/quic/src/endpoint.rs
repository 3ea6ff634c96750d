//! The endpoint: see [`Endpoint`].

use crate::close::Code;
use crate::counters::{Counters, DATAGRAMS, Tally, count};
use crate::dial::{self, DialError};
use crate::event::Event;
use crate::guests::{GUESTS_MAX, Guest, Guests};
use crate::handshakes::{Entry, Handshakes};
use crate::hello::Hello;
use crate::identity;
use crate::join::{self, Tickets};
use crate::link::Link;
use crate::outbox::{Full, Queued};
use crate::peers::{Admittance, Peers};
use crate::reset;
use crate::tls::{self, TlsError};
use crate::wan::Wan;
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use lavina_crdt::ids::NodeId;
use lavina_gossip::frame::{Frame, Lane};
use lavina_gossip::framing::PREFIX_BYTES;
pub use lavina_gossip::plane::{DATAGRAM_BYTES_MAX, IDLE_TIMEOUT};
use lavina_gossip::plane::{HANDSHAKE_TIMEOUT, TURN_TIMEOUT};
use lavina_gossip::versions::Versions;
use quinn::{Connection, Incoming, Runtime, TokioRuntime};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Events waiting for the shell; a full channel stops reading from peers. Frames are at most 2 MiB, so this bounds memory too.
const EVENTS_MAX: usize = 128;
/// How long closing waits for the peers to hear of it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What an endpoint is made of.
#[derive(Debug)]
pub struct EndpointConfig {
    /// The node's key; its public half is the node's id.
    pub key: SigningKey,
    /// The UDP address.
    pub listen: SocketAddr,
    /// Which mesh; nodes of another are refused with a reason.
    pub mesh_id: [u8; 16],
    /// The node's name, told to peers for their logs.
    pub name: String,
    /// Random number of this run of the process.
    pub boot: u64,
    /// Emulated delays and cuts of this socket, for the demo and tests.
    pub wan: Option<Wan>,
    /// Silence after which a connection counts as dead.
    pub idle_timeout: Duration,
    /// Whether admitted nodes may speak libp2p here, see [`Endpoint::guests`].
    pub guests: bool,
    /// The versions of frames to speak.
    pub versions: Versions,
}

impl EndpointConfig {
    /// Without a name, emulated ways and guests, with the usual idle timeout and all versions that this build speaks. `boot` is a random number
    /// of this run of the process.
    #[must_use]
    pub const fn new(key: SigningKey, listen: SocketAddr, mesh_id: [u8; 16], boot: u64) -> Self {
        Self {
            key,
            listen,
            mesh_id,
            name: String::new(),
            boot,
            wan: None,
            idle_timeout: IDLE_TIMEOUT,
            guests: false,
            versions: Versions::SPOKEN,
        }
    }
}

/// The endpoint could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be had.
    #[error("cannot listen on UDP {0}: {1}")]
    Socket(SocketAddr, std::io::Error),
    /// The key makes no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// One UDP socket with all connections of a node. Methods return at once; what comes of them are [`Event`]s.
///
/// Nobody is admitted at first. Dropping it closes all connections.
#[derive(Debug)]
pub struct Endpoint {
    shared: Arc<Shared>,
}

/// What the tasks of an endpoint share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) key: SigningKey,
    pub(crate) hello: Hello,
    pub(crate) quinn: quinn::Endpoint,
    pub(crate) peers: Peers,
    pub(crate) tickets: Tickets,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) tally: Tally,
    pub(crate) idle_timeout: Duration,
    handshakes: Handshakes,
    /// Where connections of guests go.
    guests: mpsc::Sender<Guest>,
    /// The other end, until it is taken.
    guests_taken: Mutex<Option<mpsc::Receiver<Guest>>>,
}

impl Endpoint {
    /// Opens the socket and starts accepting. Call it within a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be had or the key makes no certificate.
    pub fn bind(config: EndpointConfig) -> Result<(Self, mpsc::Receiver<Event>), BindError> {
        let quinn = open_socket(&config)?;
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let (guests, guests_taken) = mpsc::channel(GUESTS_MAX);
        let hello = Hello { versions: config.versions, mesh: config.mesh_id, boot: config.boot, name: config.name };
        let shared = Arc::new(Shared {
            peers: Peers::new(identity::node_id(&config.key)),
            key: config.key,
            hello,
            quinn,
            tickets: Tickets::default(),
            events,
            tally: Tally::default(),
            idle_timeout: config.idle_timeout,
            handshakes: Handshakes::default(),
            guests,
            guests_taken: Mutex::new(config.guests.then_some(guests_taken)),
        });
        tokio::spawn(accept_all(Arc::clone(&shared)));
        Ok((Self { shared }, receiver))
    }

    /// Dials a peer once, in the background, at `host:port` addresses; only the holder of the peer's key can answer. Nothing
    /// happens when it is connected or being dialled.
    pub fn dial(&self, peer: NodeId, addresses: Vec<String>) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            if let Err(error) = dial::dial(&shared, peer, &addresses).await {
                tracing::debug!(?peer, %error, "dial failed");
            }
        });
    }

    /// [`Endpoint::dial`], waited for.
    ///
    /// # Errors
    /// When the peer is not connected at the end.
    pub async fn connect(&self, peer: NodeId, addresses: &[String]) -> Result<(), DialError> {
        dial::dial(&self.shared, peer, addresses).await
    }

    /// Queues a frame. With the queue full, a Live or Bulk frame is dropped (sync repairs it) and a Control frame closes the
    /// connection; without a connection it is dropped.
    pub fn send(&self, peer: NodeId, lane: Lane, frame: &Frame) {
        let tally = &self.shared.tally;
        let Some(link) = self.shared.peers.link(peer) else { return count(&tally.frames_dropped) };
        let queued = match Queued::new(frame, link.version) {
            Ok(queued) => queued,
            Err(error) => {
                tracing::error!(%error, "a frame of this node's own cannot be sent");
                return count(&tally.frames_dropped);
            }
        };
        let length = queued.encoded_len();
        match (link.outbox.push(lane, queued), lane) {
            (Ok(()), _) => {
                count(&tally.frames_sent);
                // What is packed is counted when it is written: only then is its length known.
                if let Some(length) = length {
                    tally.sent.add(frame.kind(), length + PREFIX_BYTES);
                }
            }
            (Err(Full), Lane::Control) => link.close(Code::Overload, "the peer does not read fast enough"),
            (Err(Full), Lane::Live | Lane::Bulk) => count(&tally.frames_dropped),
        }
    }

    /// Sends a datagram of at most [`DATAGRAM_BYTES_MAX`]; it may be lost.
    pub fn datagram(&self, peer: NodeId, bytes: Bytes) {
        let length = bytes.len();
        let sent = self.shared.peers.link(peer).is_some_and(|link| link.connection().send_datagram(bytes).is_ok());
        if sent {
            self.shared.tally.sent.add(DATAGRAMS, length);
        } else {
            count(&self.shared.tally.datagrams_dropped);
        }
    }

    /// Says who may connect and be dialled; connections to others are closed.
    pub fn set_admitted(&self, nodes: impl IntoIterator<Item = NodeId>) {
        for link in self.shared.peers.admit(nodes) {
            link.close(Code::Hangup, "the node is not admitted any more");
        }
    }

    /// Says which ticket secrets are known: only their holders are heard, each becomes an [`Event::Join`]. Keep used and expired
    /// ones in for as long as their holders are to be told so.
    pub fn set_tickets(&self, secrets: impl IntoIterator<Item = [u8; 16]>) {
        self.shared.tickets.set(secrets);
    }

    /// Room for libp2p on this socket; once, and only where the configuration says so.
    #[must_use]
    pub fn guests(&self) -> Option<Guests> {
        let mut taken = self.shared.guests_taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.take().map(|incoming| Guests::new(&self.shared, incoming))
    }

    /// Closes the connection to a peer with a reason that it is told.
    pub fn hangup(&self, peer: NodeId, reason: &str) {
        if let Some(link) = self.shared.peers.link(peer) {
            link.close(Code::Hangup, reason);
        }
    }

    /// The address of the socket.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.shared.quinn.local_addr()
    }

    /// This node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        identity::node_id(&self.shared.key)
    }

    /// The version of frames that is spoken with a peer; `None` without a connection.
    #[must_use]
    pub fn version(&self, peer: NodeId) -> Option<u16> {
        self.shared.peers.link(peer).map(|link| link.version)
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.tally.snapshot()
    }

    /// Closes all connections and the socket, and gives the peers a moment to hear of it.
    pub async fn close(&self) {
        self.shared.stop();
        // A peer that does not acknowledge learns it by silence.
        let _ = timeout(CLOSE_TIMEOUT, self.shared.quinn.wait_idle()).await;
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

fn open_socket(config: &EndpointConfig) -> Result<quinn::Endpoint, BindError> {
    let failed = |error| BindError::Socket(config.listen, error);
    let server = tls::server(&config.key, config.idle_timeout, config.guests)?;
    let runtime = Arc::new(TokioRuntime);
    let socket = std::net::UdpSocket::bind(config.listen).map_err(failed)?;
    let mut socket = runtime.wrap_udp_socket(socket).map_err(failed)?;
    if let Some(wan) = &config.wan {
        socket = wan.wrap(socket);
    }
    let endpoint = reset::endpoint(&config.key, config.boot);
    quinn::Endpoint::new_with_abstract_socket(endpoint, Some(server), socket, runtime).map_err(failed)
}

impl Shared {
    /// Runs a link that [`Peers`] has taken.
    pub(crate) fn spawn_link(self: &Arc<Self>, link: Arc<Link>) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            link.run(&shared.events, &shared.tally).await;
            // After its Down is told: the Up of the connection that replaces it comes behind.
            shared.peers.remove(&link);
        });
    }

    fn stop(&self) {
        for link in self.peers.links() {
            link.close(Code::Stopping, "the node stops");
        }
        self.quinn.close(Code::Stopping.var_int(), b"the node stops");
    }
}

async fn accept_all(shared: Arc<Shared>) {
    while let Some(incoming) = shared.quinn.accept().await {
        let slot = match shared.handshakes.enter(incoming.remote_address().ip(), incoming.remote_address_validated()) {
            Entry::Proceed(slot) => slot,
            Entry::Prove => {
                // Fails only for who has proven its address.
                let _ = incoming.retry();
                continue;
            }
            Entry::Ignore => {
                count(&shared.tally.handshakes_ignored);
                incoming.ignore();
                continue;
            }
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            accept(&shared, incoming).await;
            drop(slot);
        });
    }
}

/// From the first packet to a running link or a served ticket.
async fn accept(shared: &Arc<Shared>, incoming: Incoming) {
    let remote = incoming.remote_address();
    let Ok(Ok(connection)) = timeout(HANDSHAKE_TIMEOUT, incoming).await else {
        tracing::debug!(%remote, "handshake failed or took too long");
        return;
    };
    let (Some(peer), Some(alpn)) = (tls::peer_of(&connection), tls::alpn_of(&connection)) else {
        return refuse_stranger(shared, &connection);
    };
    if alpn == tls::ALPN_JOIN {
        if !join::serve(shared, &connection, peer).await {
            refuse_stranger(shared, &connection);
        }
    } else if !shared.peers.is_admitted(peer) {
        refuse_stranger(shared, &connection);
    } else if alpn == tls::ALPN_GUESTS {
        if let Err(full) = shared.guests.try_send(Guest { node: peer, connection }) {
            full.into_inner().connection.close(Code::Overload.var_int(), b"");
        }
    } else {
        accept_peer(shared, connection, peer).await;
    }
}

fn refuse_stranger(shared: &Shared, connection: &Connection) {
    count(&shared.tally.strangers_refused);
    tracing::debug!(remote = %connection.remote_address(), "a stranger was refused");
    connection.close(Code::Silent.var_int(), b"");
}

async fn accept_peer(shared: &Arc<Shared>, connection: Connection, peer: NodeId) {
    let Ok(Ok((mut send, mut recv))) = timeout(HANDSHAKE_TIMEOUT, connection.accept_bi()).await else { return };
    let theirs = match timeout(HANDSHAKE_TIMEOUT, Hello::read(&mut recv)).await {
        Ok(Ok(theirs)) => theirs,
        Ok(Err(error)) => return connection.close(error.code().var_int(), error.to_string().as_bytes()),
        Err(_elapsed) => return connection.close(Code::Malformed.var_int(), b"no hello in time"),
    };
    let version = match shared.hello.agree(&theirs) {
        Ok(version) => version,
        Err(error) => {
            tracing::warn!(?peer, name = theirs.name, %error, "a node was refused");
            return connection.close(error.code().var_int(), error.to_string().as_bytes());
        }
    };
    let link = Arc::new(Link::new(peer, false, theirs.boot, version, connection));
    if await_turn(shared, &link).await {
        tracing::info!(?peer, name = theirs.name, remote = %link.connection().remote_address(), "connected");
        // When this fails the connection is lost, which the link reports.
        let _ = shared.hello.write(&mut send).await;
        shared.spawn_link(link);
    }
}

/// Waits until the link is the peer's only one. `false`: it was closed instead.
async fn await_turn(shared: &Shared, link: &Arc<Link>) -> bool {
    let mut changes = shared.peers.changes();
    let turn = async {
        loop {
            match shared.peers.offer_accepted(link) {
                Admittance::Taken => return true,
                Admittance::Stranger => {
                    refuse_stranger(shared, link.connection());
                    return false;
                }
                Admittance::NotYet => {}
            }
            if changes.changed().await.is_err() {
                return false;
            }
        }
    };
    tokio::select! {
        biased;
        _ = link.connection().closed() => false,
        taken = timeout(TURN_TIMEOUT, turn) => {
            if taken.is_err() {
                link.close(Code::Duplicate, "a connection exists already");
            }
            taken.unwrap_or(false)
        }
    }
}
