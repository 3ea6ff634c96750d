//! The swarm at work: see [`Discovery`].

use crate::address;
use crate::behaviour::{Behaviour, BehaviourEvent};
use crate::contacts::{Contacts, Mesh};
use crate::interfaces::{Change, Interfaces};
use crate::transport::{SharedQuic, node_of};
use ed25519_dalek::SigningKey;
use futures::StreamExt;
use lavina_crdt::ids::NodeId;
use lavina_quic::{Guests, identity};
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, identify, kad, mdns, noise, relay, yamux};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Candidates waiting for the shell; more are dropped, since they come again.
const CANDIDATES_MAX: usize = 64;
/// Nodes that the swarm keeps a connection to, to hear of others and to be reached through.
const CONNECTIONS_KEPT: usize = 4;
/// Reservations with nodes that offer to be gone through.
const RESERVATIONS_MAX: usize = 2;
/// Time between two looks at what is to be done.
const PERIOD: Duration = Duration::from_secs(1);
/// Time between two tries to connect to the same of them.
const RETRY: Duration = Duration::from_secs(60);
/// Silence after which a connection of the swarm is closed.
const IDLE: Duration = Duration::from_secs(600);

/// What discovery is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's key.
    pub key: SigningKey,
    /// Which mesh.
    pub mesh_id: [u8; 16],
    /// Where the data plane's socket is bound.
    pub bound: SocketAddr,
    /// Where others can dial this node as its configuration says, `host:port`. Without one that is public it counts as behind a
    /// router, until others find that they get through.
    pub advertise: Vec<String>,
    /// Whether others may agree with one another through this node.
    pub relay: bool,
    /// Whether the local network is asked.
    pub mdns: bool,
}

/// Discovery could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The key is none that libp2p knows.
    #[error(transparent)]
    Key(#[from] identity::PeerIdError),
    /// The system does not tell its addresses.
    #[error("addresses of this machine: {0}")]
    Interfaces(#[from] std::io::Error),
    /// What protects circuits could not be set up.
    #[error("circuits: {0}")]
    Noise(#[from] noise::Error),
}

/// What the shell says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Who belongs to the mesh; all others are refused.
    Admitted(Vec<NodeId>),
    /// Where a node can be dialled, as its admission says; it may be said before the node belongs to the mesh.
    Addresses(NodeId, Vec<String>),
    /// The data plane is connected to a node.
    Linked(NodeId),
    /// It is not any more.
    Unlinked(NodeId),
}

/// How an address became known; the later the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Other nodes, or the node itself, have told it.
    Told,
    /// The node said it in the local network.
    Local,
    /// The swarm is connected there: the way is open.
    Open,
}

/// Addresses that the data plane may find a node at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub node: NodeId,
    /// Where, `host:port`.
    pub addresses: Vec<String>,
    /// How that is known.
    pub way: Way,
}

/// The handle of a swarm that runs; dropping it ends the swarm.
#[derive(Debug)]
pub struct Discovery {
    mesh: watch::Sender<Mesh>,
    me: NodeId,
}

impl Discovery {
    /// Starts the swarm on a data plane's socket. Call it within a tokio runtime.
    ///
    /// # Errors
    /// When the key or the system does not allow it.
    pub fn start(config: Config, guests: Guests) -> Result<(Self, mpsc::Receiver<Candidate>), StartError> {
        let (candidates, found) = mpsc::channel(CANDIDATES_MAX);
        let (sender, mesh) = watch::channel(Mesh::default());
        let me = identity::node_id(&config.key);
        let driver = Driver {
            swarm: swarm(&config, guests)?,
            interfaces: Interfaces::watch(config.bound)?,
            listeners: BTreeMap::new(),
            mesh,
            contacts: Contacts::default(),
            relays: BTreeMap::new(),
            reservations: BTreeMap::new(),
            dialled: BTreeMap::new(),
            is_reachable: config.advertise.iter().any(|address| address::is_public(address)),
            candidates,
        };
        tokio::spawn(driver.run());
        Ok((Self { mesh: sender, me }, found))
    }

    /// Takes an order; it returns at once.
    pub fn order(&self, order: Order) {
        self.mesh.send_if_modified(|mesh| {
            let before = mesh.clone();
            match order {
                Order::Admitted(nodes) => {
                    mesh.admitted = nodes.into_iter().filter(|node| *node != self.me).collect();
                    mesh.addresses.retain(|node, _| mesh.admitted.contains(node));
                }
                Order::Addresses(node, addresses) => _ = mesh.addresses.insert(node, addresses),
                Order::Linked(node) => _ = mesh.linked.insert(node),
                Order::Unlinked(node) => _ = mesh.linked.remove(&node),
            }
            *mesh != before
        });
    }
}

fn swarm(config: &Config, guests: Guests) -> Result<Swarm<Behaviour>, StartError> {
    let keypair = identity::keypair(&config.key)?;
    let mut swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_other_transport(|_| SharedQuic::new(guests))
        .unwrap_or_else(|never| match never {})
        .with_relay_client(noise::Config::new, yamux::Config::default)?
        .with_behaviour(|keypair, circuits| Behaviour::new(keypair, circuits, config))
        .unwrap_or_else(|never| match never {})
        .with_swarm_config(|settings| settings.with_idle_connection_timeout(IDLE))
        .build();
    // Whoever is gone through has to say where it is, be it in a private network.
    let said = config.advertise.iter().filter(|address| config.relay || address::is_public(address));
    for address in said.filter_map(|address| address::of_text(address)) {
        swarm.add_external_address(address);
    }
    Ok(swarm)
}

struct Driver {
    swarm: Swarm<Behaviour>,
    interfaces: Interfaces,
    listeners: BTreeMap<SocketAddr, ListenerId>,
    mesh: watch::Receiver<Mesh>,
    contacts: Contacts,
    /// Nodes that offer to be gone through, and where they are.
    relays: BTreeMap<PeerId, Multiaddr>,
    /// What this node has asked of them, to be reached through them.
    reservations: BTreeMap<PeerId, ListenerId>,
    /// When nodes that are to be kept connected were dialled last.
    dialled: BTreeMap<PeerId, Instant>,
    is_reachable: bool,
    candidates: mpsc::Sender<Candidate>,
}

impl Driver {
    async fn run(mut self) {
        let mut timer = tokio::time::interval(PERIOD);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                changed = self.mesh.changed() => match changed {
                    Ok(()) => self.on_mesh(),
                    Err(_) => return,
                },
                change = self.interfaces.next() => self.on_interface(change),
                event = self.swarm.select_next_some() => self.on_event(event),
                _ = timer.tick() => self.on_time(),
            }
        }
    }

    fn on_mesh(&mut self) {
        let mesh = self.mesh.borrow_and_update().clone();
        let difference = self.contacts.set(Instant::now(), &mesh);
        for peer in difference.added.iter().filter_map(|node| peer_of(*node)) {
            self.swarm.behaviour_mut().admitted.allow_peer(peer);
        }
        for peer in difference.removed.iter().filter_map(|node| peer_of(*node)) {
            self.swarm.behaviour_mut().admitted.disallow_peer(peer);
            self.swarm.behaviour_mut().kad.remove_peer(&peer);
            self.relays.remove(&peer);
            self.dialled.remove(&peer);
        }
        for (node, addresses) in mesh.addresses.iter().filter(|(node, _)| mesh.admitted.contains(node)) {
            let Some(peer) = peer_of(*node) else { continue };
            for address in addresses.iter().filter_map(|address| address::of_text(address)) {
                self.swarm.behaviour_mut().kad.add_address(&peer, address);
            }
        }
    }

    fn on_interface(&mut self, change: Change) {
        match change {
            Change::Up(address) => match self.swarm.listen_on(address::of_socket(address)) {
                Ok(listener) => _ = self.listeners.insert(address, listener),
                Err(error) => tracing::warn!(%address, %error, "cannot be listened on"),
            },
            Change::Down(address) => {
                if let Some(listener) = self.listeners.remove(&address) {
                    self.swarm.remove_listener(listener);
                }
            }
        }
    }

    fn on_time(&mut self) {
        self.keep_connections();
        self.keep_reservations();
        for node in self.contacts.due(Instant::now()) {
            self.seek(node);
        }
    }

    /// Some nodes whose addresses are known are kept connected; which, is the same for as long as they stay.
    fn keep_connections(&mut self) {
        let now = Instant::now();
        let connected = self.swarm.connected_peers().count();
        let with_addresses: Vec<PeerId> = {
            let mesh = self.mesh.borrow();
            let known = mesh.addresses.iter().filter(|(node, some)| !some.is_empty() && mesh.admitted.contains(node));
            let rested = |peer: &PeerId| self.dialled.get(peer).is_none_or(|last| now - *last >= RETRY);
            let peers = known.filter_map(|(node, _)| peer_of(*node)).filter(rested);
            peers.filter(|peer| !self.swarm.is_connected(peer)).collect()
        };
        for peer in with_addresses.into_iter().take(CONNECTIONS_KEPT.saturating_sub(connected)) {
            self.dialled.insert(peer, now);
            self.dial(peer, Vec::new(), PeerCondition::DisconnectedAndNotDialing);
        }
    }

    /// Who cannot be dialled asks nodes that offer it to be gone through.
    fn keep_reservations(&mut self) {
        if self.is_reachable {
            return;
        }
        let wanted: Vec<(PeerId, Multiaddr)> = self
            .relays
            .iter()
            .filter(|(relay, _)| !self.reservations.contains_key(relay) && self.swarm.is_connected(relay))
            .take(RESERVATIONS_MAX.saturating_sub(self.reservations.len()))
            .map(|(relay, address)| (*relay, address::circuit(address, *relay)))
            .collect();
        for (relay, circuit) in wanted {
            match self.swarm.listen_on(circuit) {
                Ok(listener) => _ = self.reservations.insert(relay, listener),
                Err(error) => tracing::debug!(%relay, %error, "no reservation"),
            }
        }
    }

    /// Looks for a node that the data plane does not have: asks others where it is, and goes to it through those that offer it.
    fn seek(&mut self, node: NodeId) {
        let Some(peer) = peer_of(node) else { return };
        self.swarm.behaviour_mut().kad.get_closest_peers(peer);
        let through = self.relays.iter().filter(|(relay, _)| **relay != peer && self.swarm.is_connected(relay));
        let circuits = through.map(|(relay, address)| address::circuit(address, *relay)).collect();
        // Also while its own address is being tried, which may take as long as that is patient.
        self.dial(peer, circuits, PeerCondition::Disconnected);
    }

    fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, condition: PeerCondition) {
        let options = DialOpts::peer_id(peer)
            .condition(condition)
            .addresses(addresses)
            .extend_addresses_through_behaviour()
            .build();
        if let Err(error) = self.swarm.dial(options) {
            tracing::trace!(%peer, %error, "not dialled");
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what else happens is of no consequence here")]
    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                tracing::debug!(peer = %peer_id, address = %endpoint.get_remote_address(), "discovery is connected");
                if !endpoint.is_relayed() {
                    self.offer(peer_id, [endpoint.get_remote_address()], Way::Open);
                }
            }
            SwarmEvent::ListenerClosed { listener_id, .. } => {
                self.reservations.retain(|_, listener| *listener != listener_id);
            }
            SwarmEvent::ExternalAddrConfirmed { address } if !address::is_circuit(&address) => {
                tracing::info!(%address, "others get through to this node");
                self.is_reachable = true;
            }
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what else the protocols report they act upon themselves")]
    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.on_identified(peer_id, info)
            }
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                for (peer, address) in found {
                    if !self.is_known(peer) {
                        continue;
                    }
                    self.swarm.behaviour_mut().kad.add_address(&peer, address.clone());
                    self.offer(peer, [&address], Way::Local);
                }
            }
            BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
                result: kad::QueryResult::GetClosestPeers(Ok(found)),
                ..
            }) => {
                for near in found.peers {
                    self.offer(near.peer_id, &near.addrs, Way::Told);
                }
            }
            BehaviourEvent::Dcutr(done) => match done.result {
                Ok(_) => tracing::info!(peer = %done.remote_peer_id, "a way through both routers is open"),
                Err(error) => tracing::debug!(peer = %done.remote_peer_id, %error, "no way through the routers"),
            },
            BehaviourEvent::Circuits(relay::client::Event::ReservationReqAccepted {
                relay_peer_id,
                renewal: false,
                ..
            }) => {
                tracing::info!(relay = %relay_peer_id, "this node is reached through another");
            }
            _ => {}
        }
    }

    fn on_identified(&mut self, peer: PeerId, info: identify::Info) {
        if !self.is_known(peer) {
            return;
        }
        let direct: BTreeSet<&Multiaddr> =
            info.listen_addrs.iter().filter(|address| !address::is_circuit(address)).collect();
        for address in &direct {
            self.swarm.behaviour_mut().kad.add_address(&peer, (*address).clone());
        }
        self.offer(peer, direct.iter().copied(), Way::Told);
        if info.protocols.contains(&relay::HOP_PROTOCOL_NAME)
            && let Some(address) = direct.first()
        {
            self.relays.insert(peer, (*address).clone().with(Protocol::P2p(peer)));
        }
    }

    fn is_known(&self, peer: PeerId) -> bool {
        node_of(peer).is_some_and(|node| self.contacts.is_known(node))
    }

    /// Hands addresses of a node to the data plane, when it has no connection to it.
    fn offer<'a>(&self, peer: PeerId, addresses: impl IntoIterator<Item = &'a Multiaddr>, way: Way) {
        let Some(node) = node_of(peer).filter(|node| self.contacts.is_wanted(*node)) else { return };
        let addresses: Vec<String> = addresses.into_iter().filter_map(address::to_text).collect();
        if !addresses.is_empty() {
            let _ = self.candidates.try_send(Candidate { node, addresses, way });
        }
    }
}

fn peer_of(node: NodeId) -> Option<PeerId> {
    identity::to_libp2p(node).ok()
}
