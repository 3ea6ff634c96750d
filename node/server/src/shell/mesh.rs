//! Between the core and the data plane: frames and connections one way, what the core asks for the other way, and joining nodes.

use super::discovery::{Finder, Found};
use super::inbox::{Inbound, Inbox};
use super::metrics::Metrics;
use super::{Stop, roster};
use crate::config::{is_dialable, is_label};
use crate::ticket::Book;
use ed25519_dalek::SigningKey;
use lavina_core::node::{AdminCommand, Input, MeshIdentity};
use lavina_core::store::StoreError;
use lavina_core::store::redb::RedbStore;
use lavina_crdt::ids::NodeId;
use lavina_crdt::mesh::{Admission, MeshState, Verdict};
use lavina_gossip::frame::{Frame, Lane};
use lavina_quic::join::{JoinRefusal, JoinRequest};
use lavina_quic::{Endpoint, Event};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Rounds of the core waiting to be sent; the core waits above it.
const ROUNDS_MAX: usize = 64;
/// Events handed to the core at once.
const EVENTS_PER_TURN_MAX: usize = 64;
/// Most addresses taken from a joining node.
const ADDRESSES_MAX: usize = 8;

/// What the core wants of the data plane.
#[derive(Debug)]
pub(crate) enum PeerOrder {
    /// Send a frame.
    Send(NodeId, Lane, Frame),
    /// Send a datagram.
    Datagram(NodeId, bytes::Bytes),
    /// Try to connect.
    Dial(NodeId, Vec<String>),
    /// Who may connect.
    Admitted(Vec<NodeId>),
    /// Close a connection.
    Hangup(NodeId, String),
}

/// The core's end.
#[derive(Debug)]
pub(crate) struct Outlet(mpsc::Sender<Vec<PeerOrder>>);

impl Outlet {
    /// Both ends.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Vec<PeerOrder>>) {
        let (sender, receiver) = mpsc::channel(ROUNDS_MAX);
        (Self(sender), receiver)
    }

    /// Hands over what a round has brought. The data plane never waits for the core, so waiting here ends.
    pub(crate) fn hand_over(&self, orders: Vec<PeerOrder>) {
        // Without a data plane there is nobody to send to.
        let _ = self.0.blocking_send(orders);
    }
}

/// What a node that joins is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Welcome {
    /// The mesh's domain.
    pub(crate) domain: String,
    /// The network's name.
    pub(crate) network: String,
    /// Whether clients may register accounts.
    pub(crate) registration: bool,
    /// Who belongs to it, the new node too.
    pub(crate) admissions: Vec<Admission>,
}

/// The data plane's side.
pub(crate) struct Mesh {
    /// Connections.
    pub(crate) endpoint: Arc<Endpoint>,
    /// The way to the core.
    pub(crate) inbox: Arc<Inbox>,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
    /// What joining needs.
    pub(crate) reception: Arc<Reception>,
    /// Looks for nodes where they are not configured.
    pub(crate) finder: Finder,
}

/// What is needed to let a node in.
pub(crate) struct Reception {
    /// Tickets made here.
    pub(crate) book: Book,
    /// The root key, on the node that keeps it.
    pub(crate) root: Option<SigningKey>,
    /// Which mesh.
    pub(crate) mesh: MeshIdentity,
    /// What a new node is told besides.
    pub(crate) domain: String,
    /// The network's name.
    pub(crate) network: String,
    /// Whether clients may register accounts.
    pub(crate) registration: bool,
    /// Who was admitted when this node joined.
    pub(crate) bootstrap: Vec<Admission>,
    /// The mesh scope is in it.
    pub(crate) store: RedbStore,
    /// The way to the core.
    pub(crate) inbox: Arc<Inbox>,
}

impl Mesh {
    /// Runs until told to stop.
    pub(crate) async fn run(
        mut self,
        mut events: mpsc::Receiver<Event>,
        mut orders: mpsc::Receiver<Vec<PeerOrder>>,
        mut stop: watch::Receiver<Stop>,
    ) {
        self.endpoint.set_tickets(self.reception.book.secrets());
        let mut taken = Vec::new();
        let mut room = true;
        loop {
            tokio::select! {
                biased;
                how = until_stopped(&mut stop) => {
                    if how == Stop::Gently {
                        self.endpoint.close().await;
                    }
                    return;
                }
                round = orders.recv() => match round {
                    Some(round) => round.into_iter().for_each(|order| self.carry_out(order)),
                    None => return,
                },
                count = events.recv_many(&mut taken, EVENTS_PER_TURN_MAX), if room => {
                    if count == 0 {
                        return;
                    }
                    room = self.hand_in(taken.drain(..));
                }
                () = self.inbox.room(), if !room => room = true,
                Found { node, addresses } = self.finder.next() => self.endpoint.dial(node, addresses),
            }
        }
    }

    fn carry_out(&mut self, order: PeerOrder) {
        self.finder.on_order(&order);
        match order {
            PeerOrder::Send(peer, lane, frame) => self.endpoint.send(peer, lane, &frame),
            PeerOrder::Datagram(peer, bytes) => self.endpoint.datagram(peer, bytes),
            PeerOrder::Dial(peer, addresses) => self.endpoint.dial(peer, self.finder.widen(peer, addresses)),
            PeerOrder::Admitted(nodes) => self.endpoint.set_admitted(nodes),
            PeerOrder::Hangup(peer, reason) => self.endpoint.hangup(peer, &reason),
        }
    }

    /// Gives events to the core; says whether it has room for more.
    fn hand_in(&self, events: impl Iterator<Item = Event>) -> bool {
        let mut inputs = Vec::new();
        for event in events {
            self.finder.on_event(&event);
            inputs.push(match event {
                Event::Up { peer, remote } => {
                    tracing::debug!(?peer, %remote, "a peer is connected");
                    Input::PeerUp(peer)
                }
                Event::Down { peer, reason } => {
                    tracing::info!(?peer, reason, "a peer is gone");
                    Input::PeerDown(peer)
                }
                Event::Frame(peer, frame) => Input::Frame(peer, frame),
                Event::Datagram(peer, bytes) => Input::Datagram(peer, bytes),
                Event::RoundTrip(peer, us) => Input::RoundTrip(peer, us),
                Event::Join(request) => {
                    let (reception, metrics) = (Arc::clone(&self.reception), Arc::clone(&self.metrics));
                    tokio::spawn(async move {
                        if reception.receive(request).await {
                            metrics.tickets_redeemed.add(1);
                        }
                    });
                    continue;
                }
            });
        }
        inputs.is_empty() || self.inbox.push(Inbound::Inputs(inputs))
    }
}

async fn until_stopped(stop: &mut watch::Receiver<Stop>) -> Stop {
    // Whoever could have said it is gone.
    stop.wait_for(|stop| *stop != Stop::No).await.map_or(Stop::AtOnce, |stop| *stop)
}

impl Reception {
    /// Lets a node in or refuses it; says which.
    async fn receive(&self, request: JoinRequest) -> bool {
        let (node, name) = (request.node, request.info.name.clone());
        match self.admit(&request).await {
            Ok(welcome) => {
                tracing::info!(?node, name, remote = %request.remote, "a node joins");
                request.responder.accept(welcome);
                true
            }
            Err(refusal) => {
                tracing::warn!(?node, name, remote = %request.remote, %refusal, "a ticket is refused");
                request.responder.refuse(refusal);
                false
            }
        }
    }

    /// Who belongs to the mesh as far as it is durable here.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn roster(&self) -> Result<MeshState, StoreError> {
        roster::read(&self.store, &self.mesh, &self.bootstrap)
    }

    async fn admit(&self, request: &JoinRequest) -> Result<Vec<u8>, JoinRefusal> {
        let root = self.root.as_ref().ok_or(JoinRefusal::Unavailable)?;
        let info = &request.info;
        let sane = is_label(&info.name)
            && is_label(&info.place.region)
            && is_label(&info.place.zone)
            && info.addresses.len() <= ADDRESSES_MAX
            && info.addresses.iter().all(|address| is_dialable(address));
        if !sane {
            return Err(JoinRefusal::Unavailable);
        }
        let known = self.roster().map_err(|_| JoinRefusal::Unavailable)?;
        if known.was_admitted(request.node) && known.admission(request.node).is_none() {
            return Err(JoinRefusal::Revoked);
        }
        self.book.redeem(request.secret, request.node, super::clock::wall_ms())?;
        let admission = Admission {
            node: request.node,
            name: info.name.clone(),
            place: info.place.clone(),
            addresses: info.addresses.clone(),
            signature: Verdict::Admit.sign(root, &self.mesh.id, request.node),
        };
        // Durable before it is answered: the new node counts on it.
        let (answer, done) = oneshot::channel();
        self.inbox.push(Inbound::Admin(AdminCommand::Admit(admission.clone()), answer));
        if !matches!(done.await, Ok(Ok(_))) {
            return Err(JoinRefusal::Unavailable);
        }
        let others = known.admitted().filter(|other| other.node != request.node).cloned();
        let welcome = Welcome {
            domain: self.domain.clone(),
            network: self.network.clone(),
            registration: self.registration,
            admissions: others.chain([admission]).collect(),
        };
        postcard::to_stdvec(&welcome).map_err(|_| JoinRefusal::Unavailable)
    }
}
