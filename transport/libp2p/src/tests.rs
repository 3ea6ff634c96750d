//! Nodes that find one another over loopback, and routers that are opened.

use crate::transport::SharedQuic;
use crate::{Candidate, Config, Discovery, Order, address};
use ed25519_dalek::SigningKey;
use lavina_crdt::ids::NodeId;
use lavina_quic::{Endpoint, EndpointConfig, Event, identity};
use libp2p::core::Endpoint as Role;
use libp2p::core::StreamMuxer;
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, Transport, TransportEvent};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

const MESH: [u8; 16] = [9; 16];
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Socket {
    key: SigningKey,
    endpoint: Endpoint,
    events: mpsc::Receiver<Event>,
}

impl Socket {
    fn open(seed: u8) -> Self {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = EndpointConfig { guests: true, ..EndpointConfig::new(key.clone(), listen, MESH, u64::from(seed)) };
        let (endpoint, events) = Endpoint::bind(config).unwrap();
        Self { key, endpoint, events }
    }

    fn node(&self) -> NodeId {
        self.endpoint.node()
    }

    fn address(&self) -> SocketAddr {
        self.endpoint.local_addr().unwrap()
    }

    fn transport(&self) -> SharedQuic {
        SharedQuic::new(self.endpoint.guests().unwrap())
    }

    fn peer(&self) -> PeerId {
        identity::to_libp2p(self.node()).unwrap()
    }

    fn multiaddr(&self) -> Multiaddr {
        address::of_socket(self.address()).with(Protocol::P2p(self.peer()))
    }

    fn discover(&self, relay: bool) -> (Discovery, mpsc::Receiver<Candidate>) {
        let advertise = if relay { vec![self.address().to_string()] } else { Vec::new() };
        let config =
            Config { key: self.key.clone(), mesh_id: MESH, bound: self.address(), advertise, relay, mdns: false };
        Discovery::start(config, self.endpoint.guests().unwrap()).unwrap()
    }
}

fn dialling(role: Role) -> DialOpts {
    DialOpts { role, port_use: PortUse::Reuse }
}

async fn next_event(transport: &mut SharedQuic) -> Option<(PeerId, Multiaddr)> {
    loop {
        match std::future::poll_fn(|cx| Pin::new(&mut *transport).poll(cx)).await {
            TransportEvent::Incoming { upgrade, send_back_addr, .. } => {
                return upgrade.await.ok().map(|(peer, _)| (peer, send_back_addr));
            }
            TransportEvent::NewAddress { .. } => {}
            other @ (TransportEvent::AddressExpired { .. }
            | TransportEvent::ListenerClosed { .. }
            | TransportEvent::ListenerError { .. }) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_node_is_found_through_one_that_both_know_and_then_dialled_by_the_data_plane() {
    let (known, mut seeking, hidden) = (Socket::open(1), Socket::open(2), Socket::open(3));
    let all = [known.node(), seeking.node(), hidden.node()];
    let (at_known, _) = known.discover(true);
    let (at_seeking, mut found) = seeking.discover(false);
    let (at_hidden, _) = hidden.discover(false);
    for (socket, discovery) in [(&known, &at_known), (&seeking, &at_seeking), (&hidden, &at_hidden)] {
        socket.endpoint.set_admitted(all);
        // In the order in which the core says them at a start.
        discovery.order(Order::Addresses(known.node(), vec![known.address().to_string()]));
        discovery.order(Order::Admitted(all.to_vec()));
    }
    let hunt = async {
        loop {
            let candidate = found.recv().await.unwrap();
            if candidate.node == hidden.node() && candidate.addresses.contains(&hidden.address().to_string()) {
                return candidate;
            }
        }
    };
    let candidate = timeout(PATIENCE, hunt).await.expect("the hidden node is found");
    seeking.endpoint.dial(candidate.node, candidate.addresses);
    let up = async {
        loop {
            if let Event::Up { peer, .. } = seeking.events.recv().await.unwrap() {
                return peer;
            }
        }
    };
    assert_eq!(timeout(PATIENCE, up).await.expect("the data plane connects"), hidden.node());
}

#[tokio::test]
async fn who_waits_for_a_dialler_and_who_dials_get_the_same_connection() {
    let (waiting, dialling_one) = (Socket::open(1), Socket::open(2));
    for socket in [&waiting, &dialling_one] {
        socket.endpoint.set_admitted([waiting.node(), dialling_one.node()]);
    }
    let (mut at_waiting, mut at_dialling) = (waiting.transport(), dialling_one.transport());
    let wait = at_waiting.dial(dialling_one.multiaddr(), dialling(Role::Listener)).unwrap();
    let dial = at_dialling.dial(waiting.multiaddr(), dialling(Role::Dialer)).unwrap();
    let both = async { tokio::join!(wait, dial) };
    let (waited, dialled) = tokio::select! {
        outcome = timeout(PATIENCE, both) => outcome.expect("both come to an end"),
        event = next_event(&mut at_waiting) => panic!("it was not taken for the one waited for: {event:?}"),
    };
    assert_eq!(waited.unwrap().0, dialling_one.peer());
    assert_eq!(dialled.unwrap().0, waiting.peer());
}

#[tokio::test]
async fn whoever_asks_whether_strangers_get_through_comes_from_another_port() {
    let (listening, asking) = (Socket::open(1), Socket::open(2));
    listening.endpoint.set_admitted([asking.node()]);
    asking.endpoint.set_admitted([listening.node()]);
    let (mut at_listening, mut at_asking) = (listening.transport(), asking.transport());
    at_listening.listen_on(ListenerId::next(), address::of_socket(listening.address())).unwrap();
    for (port_use, is_same) in [(PortUse::Reuse, true), (PortUse::New, false)] {
        let opts = DialOpts { role: Role::Dialer, port_use };
        let dial = at_asking.dial(listening.multiaddr(), opts).unwrap();
        let (outcome, incoming) =
            timeout(PATIENCE, async { tokio::join!(dial, next_event(&mut at_listening)) }).await.unwrap();
        let (peer, from) = incoming.unwrap();
        assert_eq!((outcome.unwrap().0, peer), (listening.peer(), asking.peer()));
        assert_eq!(from == address::of_socket(asking.address()), is_same, "{from}");
    }
}

#[tokio::test]
async fn strangers_are_cut_off() {
    let (node, stranger) = (Socket::open(1), Socket::open(2));
    stranger.endpoint.set_admitted([node.node()]);
    let mut at_stranger = stranger.transport();
    let (_, mut muxer) =
        timeout(PATIENCE, at_stranger.dial(node.multiaddr(), dialling(Role::Dialer)).unwrap()).await.unwrap().unwrap();
    let inbound = std::future::poll_fn(|cx| Pin::new(&mut muxer).poll_inbound(cx));
    assert!(timeout(PATIENCE, inbound).await.expect("the connection ends").is_err());
    assert_eq!(node.endpoint.counters().strangers_refused, 1);
}

#[tokio::test]
async fn an_address_without_a_name_is_not_dialled() {
    let socket = Socket::open(1);
    let mut transport = socket.transport();
    assert!(transport.dial(address::of_socket(socket.address()), dialling(Role::Dialer)).is_err());
    assert!(transport.dial("/ip4/127.0.0.1/tcp/1".parse().unwrap(), dialling(Role::Dialer)).is_err());
}
