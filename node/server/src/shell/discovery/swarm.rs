//! The libp2p swarm on the data plane's socket, where the configuration wants it.

use super::Found;
use crate::config::Config;
use crate::identity::Identity;
use crate::shell::mesh::PeerOrder;
use anyhow::{Context, Result};
use lavina_crdt::ids::NodeId;
use lavina_libp2p::{Candidate, Discovery, Order};
use lavina_quic::{Endpoint, Event};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// Tells the swarm what the data plane does, and takes what it finds.
#[derive(Debug)]
pub(crate) struct Finder(Option<Running>);

#[derive(Debug)]
struct Running {
    discovery: Discovery,
    found: mpsc::Receiver<Candidate>,
    /// Where each node was found last; the best way that is known.
    known: BTreeMap<NodeId, Candidate>,
}

impl Finder {
    /// Starts it within the mesh's runtime.
    ///
    /// # Errors
    /// When the system does not tell its addresses.
    pub(crate) fn start(config: &Config, identity: &Identity, endpoint: &Endpoint) -> Result<Self> {
        let Some(guests) = endpoint.guests() else { return Ok(Self(None)) };
        let settings = lavina_libp2p::Config {
            key: identity.key.clone(),
            mesh_id: identity.mesh.id,
            bound: endpoint.local_addr().context("the mesh's socket has no address")?,
            advertise: config.advertise.clone(),
            relay: config.discovery.relay,
            mdns: true,
        };
        let (discovery, found) = Discovery::start(settings, guests).context("cannot look for nodes")?;
        Ok(Self(Some(Running { discovery, found, known: BTreeMap::new() })))
    }

    fn order(&self, order: impl FnOnce() -> Order) {
        if let Some(running) = &self.0 {
            running.discovery.order(order());
        }
    }

    /// What the core wants of the data plane.
    pub(crate) fn on_order(&mut self, order: &PeerOrder) {
        match order {
            PeerOrder::Admitted(nodes) => {
                if let Some(running) = &mut self.0 {
                    running.known.retain(|node, _| nodes.contains(node));
                }
                self.order(|| Order::Admitted(nodes.clone()));
            }
            PeerOrder::Dial(peer, addresses) => self.order(|| Order::Addresses(*peer, addresses.clone())),
            PeerOrder::Send(..) | PeerOrder::Datagram(..) | PeerOrder::Hangup(..) => {}
        }
    }

    /// What happens on the data plane.
    pub(crate) fn on_event(&self, event: &Event) {
        match event {
            Event::Up { peer, .. } => self.order(|| Order::Linked(*peer)),
            Event::Down { peer, .. } => self.order(|| Order::Unlinked(*peer)),
            Event::Frame(..) | Event::Datagram(..) | Event::RoundTrip(..) | Event::Join(_) => {}
        }
    }

    /// The addresses of a node that the core dials, and before them where it was found.
    pub(crate) fn widen(&self, node: NodeId, addresses: Vec<String>) -> Vec<String> {
        let found = self.0.iter().filter_map(|running| running.known.get(&node));
        found.flat_map(|candidate| candidate.addresses.clone()).chain(addresses).collect()
    }

    /// The next addresses of a node that the data plane does not have; waits for ever when nothing is looked for.
    pub(crate) async fn next(&mut self) -> Found {
        let Some(running) = &mut self.0 else { return std::future::pending().await };
        match running.found.recv().await {
            Some(candidate) => {
                tracing::debug!(?candidate, "a way to a node");
                let Candidate { node, addresses, way } = candidate.clone();
                let is_better = running.known.get(&node).is_none_or(|known| known.way <= way);
                if is_better {
                    running.known.insert(node, candidate);
                }
                Found { node, addresses }
            }
            None => std::future::pending().await,
        }
    }
}
