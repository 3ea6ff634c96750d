//! The libp2p swarm on the data plane's socket, where the configuration wants it.

use super::Found;
use crate::config::Config;
use crate::identity::Identity;
use crate::shell::mesh::PeerOrder;
use anyhow::{Context, Result};
use lavina_libp2p::{Candidate, Discovery, Order};
use lavina_quic::{Endpoint, Event};
use tokio::sync::mpsc;

/// Tells the swarm what the data plane does, and takes what it finds.
#[derive(Debug)]
pub(crate) struct Finder(Option<Running>);

#[derive(Debug)]
struct Running {
    discovery: Discovery,
    found: mpsc::Receiver<Candidate>,
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
        Ok(Self(Some(Running { discovery, found })))
    }

    fn order(&self, order: impl FnOnce() -> Order) {
        if let Some(running) = &self.0 {
            running.discovery.order(order());
        }
    }

    /// What the core wants of the data plane.
    pub(crate) fn on_order(&self, order: &PeerOrder) {
        match order {
            PeerOrder::Admitted(nodes) => self.order(|| Order::Admitted(nodes.clone())),
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

    /// The next addresses of a node that the data plane does not have; waits for ever when nothing is looked for.
    pub(crate) async fn next(&mut self) -> Found {
        let Some(running) = &mut self.0 else { return std::future::pending().await };
        match running.found.recv().await {
            Some(Candidate { node, addresses, way }) => {
                tracing::debug!(?node, ?addresses, ?way, "a way to a node");
                Found { node, addresses }
            }
            None => std::future::pending().await,
        }
    }
}
