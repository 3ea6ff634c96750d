//! Takes client connections, and gives them to the workers in turn or to HTTP.

use super::limits::{Addresses, Place};
use super::metrics::Metrics;
use crate::config::{Bind, Networks};
use crate::federation::Call;
use crate::web::{Raw, Web};
use crate::worker::{self, Accepted, Arrival, Begun, Listener, Order, TlsCell};
use anyhow::{Context, Result};
use lavina_protocols::xmpp::s2s::Caller;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// How long accepting pauses when no descriptor is free: some connection will end in the meantime.
const PAUSE: Duration = Duration::from_millis(100);

/// Longest that a proxy may take for its header: it has it at hand.
const PROXY_WAIT: Duration = Duration::from_secs(5);

/// What the accepting tasks share.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// Where connections go.
    pub(crate) workers: Vec<mpsc::Sender<Order>>,
    /// Whose turn it is.
    pub(crate) turn: Arc<AtomicUsize>,
    /// Connections by address.
    pub(crate) addresses: Addresses,
    /// Whose connections begin with a PROXY header, and from nobody else does one.
    pub(crate) proxies: Networks,
    /// Who connects for others, and is not counted as one of them.
    pub(crate) relays: Networks,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
}

/// What a listening socket leads to.
#[derive(Clone, Debug)]
pub(crate) enum Entrance {
    /// One protocol.
    Client(Arc<Listener>),
    /// HTTP, and what shares a port with it.
    Web(Arc<Web>),
    /// Other servers or components: who, with which certificate where TLS comes first, and the way to who serves them.
    Link(Caller, Option<Arc<TlsCell>>, mpsc::Sender<Call>),
}

/// A socket that listens, non-blocking.
#[derive(Debug)]
pub(crate) enum Socket {
    /// On an address.
    Tcp(std::net::TcpListener),
    /// On a file.
    Unix(std::os::unix::net::UnixListener),
}

/// Binds what the configuration key `key` names.
pub(crate) fn bind(key: &str, bind: &Bind) -> Result<Socket> {
    match bind {
        Bind::Tcp(address) => bind_tcp(key, *address).map(Socket::Tcp),
        Bind::Unix(path) => {
            bind_unix(path).map(Socket::Unix).map_err(|error| anyhow::anyhow!("{}", explain_bind(key, bind, &error)))
        }
    }
}

/// Binds an address that the configuration key `key` names.
pub(crate) fn bind_tcp(key: &str, address: SocketAddr) -> Result<std::net::TcpListener> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| anyhow::anyhow!("{}", explain_bind(key, &Bind::Tcp(address), &error)))
}

/// Binds a file, in place of one that nobody listens on any more.
fn bind_unix(path: &Path) -> std::io::Result<UnixListener> {
    let left_over = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if left_over && UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// What to say when an address cannot be had.
pub(crate) fn explain_bind(key: &str, bind: &Bind, error: &std::io::Error) -> String {
    const REASONS: [(std::io::ErrorKind, &str); 4] = [
        (std::io::ErrorKind::AddrInUse, "another program (or another node) has it"),
        (std::io::ErrorKind::AddrNotAvailable, "this machine has no such address"),
        (std::io::ErrorKind::PermissionDenied, "ports below 1024 need a privilege"),
        (std::io::ErrorKind::NotFound, "there is no such directory"),
    ];
    let known = REASONS.iter().find(|(kind, _)| *kind == error.kind());
    let way_out = known.map_or("the system refuses it", |(_, reason)| reason);
    format!("cannot listen on {bind} ({error}): {way_out}; change `{key}` in the configuration")
}

/// A connection that has just been taken.
#[derive(Debug)]
enum Taken {
    Tcp(TcpStream, SocketAddr),
    Unix(tokio::net::UnixStream),
}

/// A listening socket that the runtime watches.
enum Watched {
    Tcp(TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Watched {
    fn new(socket: Socket) -> std::io::Result<Self> {
        Ok(match socket {
            Socket::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            Socket::Unix(listener) => Self::Unix(tokio::net::UnixListener::from_std(listener)?),
        })
    }

    async fn accept(&self) -> std::io::Result<Taken> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, remote)| Taken::Tcp(stream, remote)),
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Taken::Unix(stream)),
        }
    }
}

impl Door {
    /// Accepts for ever.
    pub(crate) async fn accept(self, socket: Socket, entrance: Entrance) -> Result<()> {
        let socket = Watched::new(socket).context("a listening socket cannot be watched")?;
        loop {
            match socket.accept().await {
                Ok(taken) => self.take(taken, &entrance).await,
                Err(error) => {
                    // A connection that broke before it was taken fails alike; it costs one pause.
                    tracing::warn!(%error, "cannot take a connection");
                    self.metrics.accept_pauses.add(1);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn take(&self, taken: Taken, entrance: &Entrance) {
        let (raw, address) = match taken {
            Taken::Tcp(stream, remote) => {
                if stream.set_nodelay(true).is_err() {
                    return;
                }
                (Raw::from(stream), Some(remote.ip().to_canonical()))
            }
            Taken::Unix(stream) => (Raw::from(stream), None),
        };
        if self.proxies.have(address) {
            // A proxy that is slow holds up nobody else.
            tokio::spawn(self.clone().proxied(raw, address, entrance.clone()));
        } else {
            self.admit(raw, address, entrance).await;
        }
    }

    /// Takes a connection from a proxy, which says whose it is.
    async fn proxied(self, mut raw: Raw, own: Option<IpAddr>, entrance: Entrance) {
        match tokio::time::timeout(PROXY_WAIT, raw.read_proxy_header()).await {
            Ok(Ok(header)) => self.admit(raw, header.source.or(own), &entrance).await,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a proxy's connection is refused");
                self.metrics.proxy_failures.add(1);
            }
            Err(_elapsed) => self.metrics.proxy_failures.add(1),
        }
    }

    async fn admit(&self, raw: Raw, address: Option<IpAddr>, entrance: &Entrance) {
        let place =
            if self.relays.have(address) { Some(self.addresses.unlimited()) } else { self.addresses.enter(address) };
        let Some(place) = place else {
            self.metrics.connections_refused.add(1);
            return;
        };
        match entrance {
            Entrance::Client(listener) => {
                let Ok((socket, read)) = raw.into_socket() else { return };
                let begun = Begun { read, ..Begun::default() };
                self.hand(socket, self.arrival(listener, address, place, begun)).await;
            }
            Entrance::Link(caller, direct, calls) => {
                self.metrics.connections_accepted.add(1);
                let call = Call { stream: raw, caller: *caller, direct: direct.clone(), place };
                // When nobody serves links any more, the process is about to end.
                let _ = calls.send(call).await;
            }
            Entrance::Web(web) => {
                tokio::spawn(Arc::clone(web).serve(self.clone(), raw, address, place));
            }
        }
    }

    /// How a connection comes to a listener.
    pub(crate) fn arrival(
        &self,
        listener: &Arc<Listener>,
        address: Option<IpAddr>,
        place: Place,
        begun: Begun,
    ) -> Arrival {
        Arrival {
            listener: Arc::clone(listener),
            // Who comes by a Unix socket is on this machine.
            host: listener.cloak.host(address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))),
            address,
            seed: crate::identity::random_u64(),
            place,
            begun,
        }
    }

    /// Gives a connection to the worker whose turn it is.
    pub(crate) async fn hand(&self, socket: worker::Socket, arrival: Arrival) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        if let Some(worker) = self.workers.get(turn % self.workers.len().max(1)) {
            self.metrics.connections_accepted.add(1);
            // A worker that is gone is about to take the whole process along.
            let _ = worker.send(Order::Accept(Accepted { socket, arrival })).await;
        }
    }
}
