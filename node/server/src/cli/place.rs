//! What `init` and `join` have in common: where the new node stands and how it is reached.

use crate::config::{
    CONNECTIONS_PER_ADDRESS, Config, Discovery, FILE_NAME, Greeting, Listen, Networks, REPLICAS, Servers, WebConfig,
    WebIrc, is_dialable, is_label, port, render,
};
use crate::identity::{DataDir, Identity, make_certificate};
use anyhow::{Context, Result, bail};
use clap::Args;
use lavina_crdt::mesh::Place;
use lavina_gossip::versions::Versions;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

/// Directory of keys and store, beside the configuration.
const DATA: &str = "data";

/// The new node.
#[derive(Args)]
pub(super) struct NewNode {
    /// Where it stands: what is near is in one region
    #[arg(long, value_parser = label)]
    pub(super) region: String,
    /// Zone within the region: what fails together
    #[arg(long, value_parser = label)]
    pub(super) zone: String,
    /// Directory for lavina.toml and the data
    #[arg(long, default_value = ".")]
    pub(super) dir: PathBuf,
    /// Its name
    #[arg(long, value_parser = label)]
    pub(super) name: Option<String>,
    /// Address to listen on for clients and nodes
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    listen: IpAddr,
    /// Address at which other nodes reach it, HOST:PORT; may be given several times
    #[arg(long, value_name = "HOST:PORT", value_parser = dialable)]
    mesh_addr: Vec<String>,
}

fn label(text: &str) -> Result<String, String> {
    let label = text.to_ascii_lowercase();
    if is_label(&label) { Ok(label) } else { Err("a short word of a-z, 0-9 and `-` is expected".to_owned()) }
}

fn dialable(text: &str) -> Result<String, String> {
    if is_dialable(text) {
        Ok(text.to_owned())
    } else {
        Err("HOST:PORT is expected, such as 203.0.113.1:7667".to_owned())
    }
}

impl NewNode {
    /// The configuration file.
    pub(super) fn file(&self) -> PathBuf {
        self.dir.join(FILE_NAME)
    }

    /// The data directory, made if need be; refuses to touch a node that is there.
    pub(super) fn data(&self) -> Result<DataDir> {
        let data = DataDir::new(&self.dir.join(DATA));
        for there in [self.file().exists(), Identity::exists(&data)] {
            if there {
                bail!("there is a node in {} already; choose another --dir", self.dir.display());
            }
        }
        data.create()?;
        Ok(data)
    }

    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        Place { region: self.region.clone(), zone: self.zone.clone() }
    }

    /// Where others reach it.
    pub(super) fn advertise(&self) -> Vec<String> {
        if !self.mesh_addr.is_empty() {
            return self.mesh_addr.clone();
        }
        let ip = if self.listen.is_unspecified() { outward() } else { Some(self.listen) };
        ip.map(|ip| SocketAddr::new(ip, port::MESH).to_string()).into_iter().collect()
    }

    /// Writes the certificate for clients and the configuration.
    pub(super) fn write(
        &self,
        data: &DataDir,
        domain: &str,
        network: &str,
        name: &str,
        registration: bool,
    ) -> Result<Config> {
        let config = Config {
            file: Some(self.file()),
            domain: domain.to_owned(),
            name: name.to_owned(),
            irc_name: format!("{name}.{domain}"),
            network: network.to_owned(),
            place: self.place(),
            data: self.dir.join(DATA),
            registration,
            invitations: registration,
            always_on: false,
            listen: Listen::customary(self.listen),
            connections_per_address: CONNECTIONS_PER_ADDRESS,
            room_days: None,
            proxy_from: Networks::default(),
            webirc: WebIrc::default(),
            greeting: Greeting::default(),
            sts_days: None,
            irc_without_tls: false,
            xmpp_advertise: None,
            servers: Servers::default(),
            contacts: Vec::new(),
            external_services: Vec::new(),
            web: WebConfig::default(),
            advertise: self.advertise(),
            discovery: Discovery::default(),
            replicas: Some(REPLICAS),
            frames: Versions::SPOKEN,
            operators: Vec::new(),
            web_push: false,
            oauth: Vec::new(),
            certificate: None,
        };
        make_certificate(data, domain, &config.rooms_domain())?;
        let text = render(&config, Path::new(DATA));
        std::fs::write(self.file(), text).with_context(|| format!("cannot write {}", self.file().display()))?;
        Ok(config)
    }
}

/// This machine's address on the way to others. Nothing is sent.
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // An address for documentation (RFC 5737): only the route to it is asked for.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), port::MESH)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}
