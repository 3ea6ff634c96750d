//! Nodes of one mesh in this process, for the demo and for measurements: real stores, real QUIC, emulated ways between them.

use crate::config::{Config, Discovery, Listen, first_tcp};
use crate::identity::{DataDir, Identity, id_of, make_certificate, random};
use crate::shell::{Running, Setup};
use anyhow::{Context, Result};
use ed25519_dalek::SigningKey;
use lavina_core::node::{MeshIdentity, Status};
use lavina_crdt::mesh::{Admission, Place, Verdict};
use lavina_protocols::session::Flood;
use lavina_quic::wan::Wan;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

/// Domain of such a mesh.
const DOMAIN: &str = "localhost";

/// What a node is to be; its address for peers is chosen.
pub(crate) struct Plan {
    /// Its name.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) place: Place,
    /// Where it takes clients and operators.
    pub(crate) listen: Listen,
    /// How fast one client may ask.
    pub(crate) flood: Flood,
}

/// The node.
pub(crate) struct LocalNode {
    /// Its name.
    pub(crate) name: String,
    /// Its region.
    pub(crate) region: String,
    /// Where its peers send to.
    pub(crate) mesh: SocketAddr,
    /// The ways from it.
    pub(crate) wan: Wan,
    /// Its configuration.
    pub(crate) config: Config,
    flood: Flood,
    identity: Identity,
    /// While it runs.
    pub(crate) running: Option<Running>,
}

/// A port that is free: `wanted`, or any.
pub(crate) fn free_port(wanted: u16) -> Result<SocketAddr> {
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address(wanted)).or_else(|_| TcpListener::bind(address(0)));
    listener.and_then(|listener| listener.local_addr()).context("no free port")
}

/// Makes a mesh of nodes that do not run yet. The first keeps the root key.
pub(crate) fn found(network: &str, plans: Vec<Plan>, base: &Path) -> Result<Vec<LocalNode>> {
    std::fs::create_dir_all(base).with_context(|| format!("cannot make {}", base.display()))?;
    let root = SigningKey::from_bytes(&random());
    let mesh = MeshIdentity { id: random(), root: id_of(&root) };
    let mut nodes = Vec::new();
    for plan in plans {
        let root = nodes.is_empty().then(|| root.clone());
        let key = SigningKey::from_bytes(&random());
        let identity = Identity { key, mesh: mesh.clone(), root, admissions: Vec::new() };
        nodes.push(LocalNode::new(network, plan, identity, base)?);
    }
    let admission = |node: &LocalNode| {
        let id = id_of(&node.identity.key);
        Admission {
            node: id,
            name: node.name.clone(),
            place: node.config.place.clone(),
            addresses: vec![node.mesh.to_string()],
            signature: Verdict::Admit.sign(&root, &mesh.id, id),
        }
    };
    let admissions: Vec<Admission> = nodes.iter().map(admission).collect();
    for node in &mut nodes {
        node.identity.admissions.clone_from(&admissions);
    }
    Ok(nodes)
}

impl LocalNode {
    fn new(network: &str, plan: Plan, identity: Identity, base: &Path) -> Result<Self> {
        let folder = base.join(&plan.name);
        let data = DataDir::new(&folder);
        data.create()?;
        make_certificate(&data, DOMAIN, &format!("rooms.{DOMAIN}"))?;
        let mesh = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr())?;
        let Plan { name, place, listen, flood } = plan;
        let region = place.region.clone();
        let config = Config {
            domain: DOMAIN.to_owned(),
            name: name.clone(),
            network: network.to_owned(),
            place,
            listen: Listen { mesh: Some(mesh), ..listen },
            advertise: vec![mesh.to_string()],
            discovery: Discovery::default(),
            replicas: None,
            ..Config::loopback(folder)
        };
        Ok(Self { name, region, mesh, wan: Wan::new(), config, flood, identity, running: None })
    }

    /// Starts it.
    pub(crate) fn start(&mut self) -> Result<()> {
        self.running = Some(Running::start(Setup {
            config: self.config.clone(),
            identity: self.identity.clone(),
            wan: Some(self.wan.clone()),
            flood: self.flood,
            workers: Some(1),
        })?);
        Ok(())
    }

    /// What it says of itself; `None` while it does not run.
    pub(crate) async fn status(&self) -> Option<Status> {
        self.running.as_ref()?.status().await
    }

    /// Where it takes IRC clients.
    pub(crate) fn irc(&self) -> Option<SocketAddr> {
        first_tcp(&self.config.listen.irc)
    }
}
