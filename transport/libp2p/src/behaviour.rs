//! What the swarm speaks.

use crate::driver::Config;
use libp2p::allow_block_list::{self, AllowedPeers};
use libp2p::identity::Keypair;
use libp2p::kad::store::MemoryStore;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{PeerId, StreamProtocol, autonat, dcutr, identify, kad, mdns, relay};
use std::time::Duration;

/// What identify calls this.
const PROTOCOL: &str = "/lavina/1";
/// How often the local network is asked.
const MDNS_PERIOD: Duration = Duration::from_secs(60);

/// The protocols. Strangers are refused before any of them.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) admitted: allow_block_list::Behaviour<AllowedPeers>,
    pub(crate) identify: identify::Behaviour,
    pub(crate) kad: kad::Behaviour<MemoryStore>,
    mdns: Toggle<mdns::tokio::Behaviour>,
    asks_reach: autonat::v2::client::Behaviour,
    tells_reach: autonat::v2::server::Behaviour,
    relay: Toggle<relay::Behaviour>,
    circuits: relay::client::Behaviour,
    dcutr: dcutr::Behaviour,
}

impl Behaviour {
    /// All of them. Without multicast the local network is not asked, and the reason logged.
    pub(crate) fn new(keypair: &Keypair, circuits: relay::client::Behaviour, config: &Config) -> Self {
        let me = keypair.public().to_peer_id();
        let mdns = config.mdns.then(|| {
            let settings = mdns::Config { query_interval: MDNS_PERIOD, ..mdns::Config::default() };
            mdns::tokio::Behaviour::new(settings, me)
        });
        let mdns = mdns.transpose().unwrap_or_else(|error| {
            tracing::warn!(%error, "nodes of the local network are not looked for");
            None
        });
        Self {
            admitted: allow_block_list::Behaviour::default(),
            identify: identify::Behaviour::new(identify::Config::new(PROTOCOL.to_owned(), keypair.public())),
            kad: kademlia(me, &config.mesh_id),
            mdns: mdns.into(),
            asks_reach: autonat::v2::client::Behaviour::default(),
            tells_reach: autonat::v2::server::Behaviour::default(),
            relay: config.relay.then(|| relay::Behaviour::new(me, relay::Config::default())).into(),
            circuits,
            dcutr: dcutr::Behaviour::new(me),
        }
    }
}

/// A table of the nodes of one mesh.
fn kademlia(me: PeerId, mesh_id: &[u8; 16]) -> kad::Behaviour<MemoryStore> {
    let mesh: String = mesh_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let protocol = StreamProtocol::try_from_owned(format!("/lavina/{mesh}/kad/1"))
        .unwrap_or_else(|_| StreamProtocol::new("/lavina/kad/1"));
    kad::Behaviour::with_config(me, MemoryStore::new(me), kad::Config::new(protocol))
}
