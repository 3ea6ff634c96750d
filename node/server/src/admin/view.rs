//! How a node is, as an operator sees it: the one shape behind the page, `/status` and `lavina status`.

use crate::config::Config;
use crate::identity::{Identity, id_of};
use crate::shell::clock::wall_ms;
use lavina_core::node::Status;
use lavina_crdt::ids::NodeId;
use lavina_gossip::versions::Versions;
use lavina_quic::identity::peer_id;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What does not change while a node runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Me {
    /// Its `PeerId`.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// The mesh's domain.
    pub(crate) domain: String,
    /// Its region.
    pub(crate) region: String,
    /// Its zone.
    pub(crate) zone: String,
    /// Its version.
    pub(crate) version: String,
    /// When it started, milliseconds since the Unix epoch.
    pub(crate) started_ms: u64,
    /// Where it listens, by configuration key.
    pub(crate) listen: BTreeMap<String, String>,
}

/// Another node as seen from this one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PeerView {
    /// Its name.
    pub(crate) name: String,
    /// Its `PeerId`.
    pub(crate) id: String,
    /// Its region.
    pub(crate) region: String,
    /// Its zone.
    pub(crate) zone: String,
    /// Whether there is a connection.
    pub(crate) connected: bool,
    /// Whether the mesh holds it to be in reach.
    pub(crate) in_reach: bool,
    /// Without a connection: through which node it is most likely reached.
    #[serde(default)]
    pub(crate) via: Option<String>,
    /// Round trip, milliseconds.
    pub(crate) round_trip_ms: Option<f64>,
    /// Entries sent and not yet known to be durable there.
    pub(crate) unacknowledged: u64,
    /// With a connection: the version of frames that is spoken on it.
    #[serde(default)]
    pub(crate) frames: Option<u16>,
}

/// A node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NodeView {
    /// What does not change.
    #[serde(flatten)]
    pub(crate) me: Me,
    /// The others.
    pub(crate) peers: Vec<PeerView>,
    /// Rooms held.
    pub(crate) rooms: usize,
    /// Of them, those whose home this is and that have fewer homes in reach than they are to have.
    #[serde(default)]
    pub(crate) rooms_thin: usize,
    /// Whether the node is being emptied.
    #[serde(default)]
    pub(crate) draining: bool,
    /// Of them, those that belong elsewhere and that not all of their homes have yet; while the node is being emptied, the rooms, conversations and accounts that
    /// not as many others have as are to.
    #[serde(default)]
    pub(crate) rooms_to_hand_over: usize,
    /// Sessions here.
    pub(crate) sessions: usize,
    /// Scopes held.
    pub(crate) scopes: usize,
    /// Entries held.
    pub(crate) entries: u64,
    /// One hash over all that is durable here: equal on two nodes that hold the same.
    pub(crate) digest: String,
    /// Why the store takes no writes, when it does not.
    pub(crate) store_error: Option<String>,
    /// Counters of the core.
    pub(crate) counters: BTreeMap<String, u64>,
}

impl Me {
    /// A node that starts at this moment.
    pub(crate) fn new(config: &Config, identity: &Identity) -> Self {
        Self {
            id: peer_id(id_of(&identity.key)),
            name: config.name.clone(),
            domain: config.domain.clone(),
            region: config.place.region.clone(),
            zone: config.place.zone.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ms: wall_ms(),
            listen: config.listen.listing().map(|(key, binds)| (key.to_owned(), binds)).collect(),
        }
    }
}

impl NodeView {
    /// The view of what the core says. `frames` is the version of frames that is spoken with a node.
    pub(crate) fn new(me: &Me, status: &Status, frames: impl Fn(NodeId) -> Option<u16>) -> Self {
        let peers = status.peers.iter().map(|(name, peer)| PeerView {
            name: name.clone(),
            id: peer_id(peer.node),
            region: peer.place.region.clone(),
            zone: peer.place.zone.clone(),
            connected: peer.connected,
            in_reach: peer.in_reach,
            via: peer.via.and_then(|via| name_of(status, via)),
            round_trip_ms: peer.round_trip_us.map(milliseconds),
            unacknowledged: peer.unacknowledged,
            frames: frames(peer.node),
        });
        Self {
            me: me.clone(),
            peers: peers.collect(),
            rooms: status.rooms,
            rooms_thin: status.rooms_thin,
            draining: status.draining,
            rooms_to_hand_over: status.rooms_to_hand_over,
            sessions: status.sessions,
            scopes: status.scopes,
            entries: status.entries,
            digest: status.digest.clone(),
            store_error: status.store_error.clone(),
            counters: status.counters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        }
    }
}

fn name_of(status: &Status, node: NodeId) -> Option<String> {
    status.peers.iter().find(|(_, peer)| peer.node == node).map(|(name, _)| name.clone())
}

impl PeerView {
    /// Whether it is in reach, and how.
    pub(crate) fn state(&self) -> String {
        match (self.connected, self.in_reach, &self.via) {
            (true, true, _) => match self.frames.filter(|version| *version < Versions::SPOKEN.newest) {
                Some(version) => format!("connected, frames of version {version}"),
                None => "connected".to_owned(),
            },
            (false, true, Some(via)) => format!("in reach through {via}"),
            (false, true, None) => "in reach through others".to_owned(),
            (true, false, _) => "connected, held to be out of reach".to_owned(),
            (false, false, _) => "out of reach".to_owned(),
        }
    }
}

/// Microseconds as milliseconds with a fraction.
fn milliseconds(us: u64) -> f64 {
    std::time::Duration::from_micros(us).as_secs_f64() * 1000.0
}
