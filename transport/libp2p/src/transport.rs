//! The data plane's endpoint as a libp2p transport: see [`SharedQuic`].

use crate::address::{self, Host};
use crate::muxer::Muxer;
use crate::punch::{self, Punches};
use futures::FutureExt;
use futures::future::{BoxFuture, Either, Ready, ready, select};
use lavina_crdt::ids::NodeId;
use lavina_quic::{Guest, Guests, TlsError, identity};
use libp2p::core::Endpoint as Role;
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, Transport, TransportError, TransportEvent};
use libp2p::{Multiaddr, PeerId};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::timeout;

/// Longest that a connection may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Server name in TLS: nobody reads it, but rustls wants one.
const SERVER_NAME: &str = "lavina";

/// Why a connection came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialFailure {
    /// The address does not say whom to expect there.
    #[error("the address names no node")]
    Nobody,
    /// This side has no certificate, or the other is no node.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The name leads nowhere.
    #[error("no address: {0}")]
    NoAddress(std::io::Error),
    /// No socket to dial from.
    #[error("no socket: {0}")]
    NoSocket(std::io::Error),
    /// The address cannot be dialled.
    #[error(transparent)]
    Connect(#[from] quinn::ConnectError),
    /// The handshake failed.
    #[error(transparent)]
    Connection(#[from] quinn::ConnectionError),
    /// Nobody came or answered.
    #[error("no answer in time")]
    TimedOut,
}

type Outcome = Result<(PeerId, Muxer), DialFailure>;

/// QUIC on the socket of the data plane. What the endpoint accepts for this protocol comes in by a channel; dialling uses the same socket,
/// so that what one of them has opened in a router serves both.
pub(crate) struct SharedQuic {
    guests: Guests,
    listeners: Vec<(ListenerId, Multiaddr)>,
    punches: Punches,
    events: VecDeque<TransportEvent<Ready<Outcome>, DialFailure>>,
    waker: Option<Waker>,
}

impl SharedQuic {
    pub(crate) fn new(guests: Guests) -> Self {
        Self { guests, listeners: Vec::new(), punches: Punches::default(), events: VecDeque::new(), waker: None }
    }

    fn tell(&mut self, event: TransportEvent<Ready<Outcome>, DialFailure>) {
        self.events.push_back(event);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// A connection that was accepted, on the first address that is listened on: they are all one socket.
    fn incoming(&mut self, guest: Guest) -> Option<TransportEvent<Ready<Outcome>, DialFailure>> {
        let connection = self.punches.take(guest.connection)?;
        let (listener_id, local_addr) = self.listeners.first()?;
        let peer = identity::to_libp2p(guest.node).ok()?;
        Some(TransportEvent::Incoming {
            listener_id: *listener_id,
            local_addr: local_addr.clone(),
            send_back_addr: address::of_socket(connection.remote_address()),
            upgrade: ready(Ok((peer, Muxer::new(connection)))),
        })
    }
}

impl Transport for SharedQuic {
    type Output = (PeerId, Muxer);
    type Error = DialFailure;
    type ListenerUpgrade = Ready<Outcome>;
    type Dial = BoxFuture<'static, Outcome>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<DialFailure>> {
        let is_own = matches!(address::read(&address), Some((Host::Ip(_), _, None)));
        if !is_own {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        self.listeners.push((id, address.clone()));
        self.tell(TransportEvent::NewAddress { listener_id: id, listen_addr: address });
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let Some(index) = self.listeners.iter().position(|(listener, _)| *listener == id) else { return false };
        let (_, address) = self.listeners.remove(index);
        self.tell(TransportEvent::AddressExpired { listener_id: id, listen_addr: address });
        self.tell(TransportEvent::ListenerClosed { listener_id: id, reason: Ok(()) });
        true
    }

    fn dial(&mut self, address: Multiaddr, opts: DialOpts) -> Result<Self::Dial, TransportError<DialFailure>> {
        let Some((host, port, peer)) = address::read(&address) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let failed = TransportError::Other;
        let peer = peer.ok_or(failed(DialFailure::Nobody))?;
        let node = identity::from_libp2p(peer).map_err(|error| failed(DialFailure::Tls(error.into())))?;
        let config = self.guests.client(node).map_err(|error| failed(error.into()))?;
        let shared = self.guests.endpoint.clone();
        if opts.role == Role::Listener {
            let Host::Ip(ip) = host else { return Err(TransportError::MultiaddrNotSupported(address)) };
            let to = SocketAddr::new(ip, port);
            let coming = self.punches.expect(to);
            return Ok(timed(async move {
                let knocking = pin!(punch::knock(&shared, &config, to));
                match select(coming, knocking).await {
                    Either::Left((Ok(connection), _)) => Ok((peer, Muxer::new(connection))),
                    Either::Left((Err(_), _)) | Either::Right(((), _)) => Err(DialFailure::TimedOut),
                }
            }));
        }
        Ok(timed(async move {
            let to = resolve(host, port).await?;
            let endpoint = match opts.port_use {
                PortUse::Reuse => shared,
                // Whether strangers get through is asked so: by a socket that no router has seen before.
                PortUse::New => fresh(to).map_err(DialFailure::NoSocket)?,
            };
            let connection = endpoint.connect_with(config, to, SERVER_NAME)?.await?;
            Ok((peer, Muxer::new(connection)))
        }))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Ready<Outcome>, DialFailure>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        while let Poll::Ready(Some(guest)) = self.guests.incoming.poll_recv(cx) {
            if let Some(event) = self.incoming(guest) {
                return Poll::Ready(event);
            }
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn timed(dial: impl Future<Output = Outcome> + Send + 'static) -> BoxFuture<'static, Outcome> {
    async move { timeout(DIAL_TIMEOUT, dial).await.unwrap_or(Err(DialFailure::TimedOut)) }.boxed()
}

async fn resolve(host: Host, port: u16) -> Result<SocketAddr, DialFailure> {
    match host {
        Host::Ip(ip) => Ok(SocketAddr::new(ip, port)),
        Host::Name(name) => {
            let mut found = tokio::net::lookup_host((name, port)).await.map_err(DialFailure::NoAddress)?;
            found.next().ok_or_else(|| DialFailure::NoAddress(std::io::ErrorKind::NotFound.into()))
        }
    }
}

/// A socket of its own.
fn fresh(to: SocketAddr) -> std::io::Result<quinn::Endpoint> {
    let any = if to.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    quinn::Endpoint::client(SocketAddr::new(any, 0))
}

/// The node behind a libp2p name; `None` for keys that no node has.
pub(crate) fn node_of(peer: PeerId) -> Option<NodeId> {
    identity::from_libp2p(peer).ok()
}
