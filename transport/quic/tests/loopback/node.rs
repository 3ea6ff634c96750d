//! A node under test: an endpoint, its events, and waits with a deadline.

use ed25519_dalek::SigningKey;
use lavina_crdt::ids::NodeId;
use lavina_gossip::frame::{Frame, Lane};
use lavina_quic::wan::Wan;
use lavina_quic::{Endpoint, EndpointConfig, Event, identity};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Far longer than anything takes here, and shorter than the idle timeout of a connection.
pub(crate) const DEADLINE: Duration = Duration::from_secs(4);
pub(crate) const MESH: [u8; 16] = [9; 16];

pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) endpoint: Endpoint,
    pub(crate) address: SocketAddr,
    events: mpsc::Receiver<Event>,
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn config(seed: u8) -> EndpointConfig {
    EndpointConfig::new(key(seed), SocketAddr::from(([127, 0, 0, 1], 0)), MESH, u64::from(seed))
}

pub(crate) fn start(config: EndpointConfig) -> Node {
    let id = identity::node_id(&config.key);
    let (endpoint, events) = Endpoint::bind(config).unwrap();
    let address = endpoint.local_addr().unwrap();
    Node { id, endpoint, address, events }
}

/// A node whose ways can be cut, and that notices it soon.
pub(crate) fn start_with_wan(seed: u8) -> (Node, Wan) {
    let wan = Wan::new();
    let idle_timeout = Duration::from_millis(500);
    (start(EndpointConfig { wan: Some(wan.clone()), idle_timeout, ..config(seed) }), wan)
}

/// The two, admitted to one another; the one with the smaller id first.
pub(crate) fn acquainted(a: Node, b: Node) -> (Node, Node) {
    a.endpoint.set_admitted([a.id, b.id]);
    b.endpoint.set_admitted([a.id, b.id]);
    if a.id < b.id { (a, b) } else { (b, a) }
}

impl Node {
    pub(crate) fn addresses(&self) -> Vec<String> {
        vec![self.address.to_string()]
    }

    pub(crate) async fn dial(&self, other: &Self) {
        self.endpoint.connect(other.id, &other.addresses()).await.unwrap();
    }

    /// The next event but round trips.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            match timeout(DEADLINE, self.events.recv()).await.unwrap().unwrap() {
                Event::RoundTrip(..) => {}
                event => return event,
            }
        }
    }

    pub(crate) async fn expect_up(&mut self, peer: NodeId) {
        match self.next().await {
            Event::Up { peer: up, .. } if up == peer => {}
            other => panic!("instead of up: {other:?}"),
        }
    }

    pub(crate) async fn expect_down(&mut self, peer: NodeId) -> String {
        match self.next().await {
            Event::Down { peer: down, reason } if down == peer => reason,
            other => panic!("instead of down: {other:?}"),
        }
    }

    pub(crate) async fn expect_frame(&mut self, peer: NodeId) -> Frame {
        match self.next().await {
            Event::Frame(from, frame) if from == peer => frame,
            other => panic!("instead of a frame: {other:?}"),
        }
    }

    pub(crate) fn say(&self, to: &Self, lane: Lane, text: &str) {
        self.endpoint.send(to.id, lane, &frame(text));
    }

    /// Shows that frames pass in both directions, and that nothing else has happened.
    pub(crate) async fn converse(&mut self, other: &mut Self) {
        self.say(other, Lane::Live, "there");
        assert_eq!(other.expect_frame(self.id).await, frame("there"));
        other.say(self, Lane::Live, "back");
        assert_eq!(self.expect_frame(other.id).await, frame("back"));
    }
}

pub(crate) fn frame(text: &str) -> Frame {
    Frame::Membership(text.to_owned().into())
}
