//! The nodes of the demo: on the customary ports where those are free.

use super::news::NodeListing;
use crate::config::{Listen, first_tcp, port};
use crate::local::{LocalNode, Plan, free_port};
use anyhow::Result;
use lavina_crdt::mesh::Place;
use lavina_protocols::session::Flood;
use std::net::SocketAddr;

/// The node of a region; its ports lie `step` above the customary ones.
pub(super) fn plan(step: u16, region: &str) -> Result<Plan> {
    let listen = Listen {
        irc: vec![free_port(port::IRC + step)?.into()],
        // Two steps, since the customary port for XMPP in TLS is the next one.
        xmpp: vec![free_port(port::XMPP + 10 * step)?.into()],
        admin: Some(free_port(port::ADMIN + step)?),
        ..Listen::default()
    };
    let place = Place { region: region.to_owned(), zone: "a".to_owned() };
    Ok(Plan { name: format!("{region}-1"), place, listen, flood: Flood::DEFAULT })
}

/// Where a node listens.
pub(super) fn listing(node: &LocalNode) -> NodeListing {
    let text = |address: Option<SocketAddr>| address.map(|address| address.to_string()).unwrap_or_default();
    let listen = &node.config.listen;
    NodeListing {
        name: node.name.clone(),
        region: node.region.clone(),
        irc: text(first_tcp(&listen.irc)),
        xmpp: text(first_tcp(&listen.xmpp)),
        admin: text(listen.admin),
    }
}
