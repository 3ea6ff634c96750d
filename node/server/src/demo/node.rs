//! One node of the demo: what it is started from, and the node while it runs.

use super::news::NodeListing;
use crate::config::{Config, Listen, port};
use crate::identity::{DataDir, Identity, make_certificate};
use crate::shell::{Running, Setup};
use anyhow::{Context, Result};
use lavina_core::node::Status;
use lavina_crdt::mesh::Place;
use lavina_protocols::session::Flood;
use lavina_quic::wan::Wan;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

/// Domain of the demo's mesh.
const DOMAIN: &str = "localhost";

/// The node.
pub(super) struct DemoNode {
    /// Its name.
    pub(super) name: String,
    /// Its region.
    pub(super) region: String,
    /// Where its peers send to.
    pub(super) mesh: SocketAddr,
    /// The ways from it.
    pub(super) wan: Wan,
    config: Config,
    /// Who it is.
    pub(super) identity: Identity,
    /// While it runs.
    pub(super) running: Option<Running>,
}

/// The customary port plus `step`, or any free one.
fn free_port(customary: u16, step: u16) -> Result<SocketAddr> {
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address(customary + step)).or_else(|_| TcpListener::bind(address(0)));
    listener.and_then(|listener| listener.local_addr()).context("no free port")
}

impl DemoNode {
    /// A node that does not run yet; its ports are chosen.
    pub(super) fn new(step: u16, region: &str, identity: Identity, base: &Path) -> Result<Self> {
        let name = format!("{region}-1");
        let data = DataDir::new(&base.join(&name));
        data.create()?;
        make_certificate(&data, DOMAIN, &format!("rooms.{DOMAIN}"))?;
        let mesh = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr())?;
        let listen = Listen {
            irc: Some(free_port(port::IRC, step)?),
            // Two steps, since the customary port for XMPP in TLS is the next one.
            xmpp: Some(free_port(port::XMPP, 10 * step)?),
            mesh: Some(mesh),
            admin: Some(free_port(port::ADMIN, step)?),
            ..Listen::default()
        };
        let config = Config {
            domain: DOMAIN.to_owned(),
            name: name.clone(),
            network: "Demo".to_owned(),
            place: Place { region: region.to_owned(), zone: "a".to_owned() },
            listen,
            advertise: vec![mesh.to_string()],
            ..Config::loopback(base.join(&name))
        };
        Ok(Self { name, region: region.to_owned(), mesh, wan: Wan::new(), config, identity, running: None })
    }

    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        self.config.place.clone()
    }

    /// Starts it.
    pub(super) fn start(&mut self) -> Result<()> {
        self.running = Some(Running::start(Setup {
            config: self.config.clone(),
            identity: self.identity.clone(),
            wan: Some(self.wan.clone()),
            flood: Flood::DEFAULT,
            workers: Some(1),
        })?);
        Ok(())
    }

    /// What it says of itself; `None` while it does not run.
    pub(super) async fn status(&self) -> Option<Status> {
        self.running.as_ref()?.status().await
    }

    /// Where it takes IRC clients.
    pub(super) fn irc(&self) -> Option<SocketAddr> {
        self.config.listen.irc
    }

    /// Where it listens.
    pub(super) fn listing(&self) -> NodeListing {
        let text = |address: Option<SocketAddr>| address.map(|address| address.to_string()).unwrap_or_default();
        let listen = &self.config.listen;
        NodeListing {
            name: self.name.clone(),
            region: self.region.clone(),
            irc: text(listen.irc),
            xmpp: text(listen.xmpp),
            admin: text(listen.admin),
        }
    }
}
