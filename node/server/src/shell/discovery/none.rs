//! Nothing is looked for.

use super::Found;
use crate::config::Config;
use crate::identity::Identity;
use crate::shell::mesh::PeerOrder;
use anyhow::Result;
use lavina_crdt::ids::NodeId;
use lavina_quic::{Endpoint, Event};

/// Finds nobody.
#[derive(Debug)]
pub(crate) struct Finder;

impl Finder {
    pub(crate) fn start(_: &Config, _: &Identity, _: &Endpoint) -> Result<Self> {
        Ok(Self)
    }

    pub(crate) fn on_order(&mut self, _: &PeerOrder) {}

    pub(crate) fn on_event(&self, _: &Event) {}

    pub(crate) fn widen(&self, _: NodeId, addresses: Vec<String>) -> Vec<String> {
        addresses
    }

    pub(crate) async fn next(&mut self) -> Found {
        std::future::pending().await
    }
}
