//! The configuration: a TOML file, read and checked once, into typed values.
//!
//! It knows nothing of what the values are used for. An error names the file, the line, the column, the key and what would be right. A
//! listener whose key is absent is off.

mod contacts;
mod discovery;
mod error;
mod external;
mod file;
mod frames;
mod listen;
mod networks;
mod oauth;
mod operators;
mod relays;
mod replicas;
mod servers;
#[cfg(test)]
mod tests;
mod web;
mod words;

pub(crate) use discovery::Discovery;
pub(crate) use error::ConfigError;
pub(crate) use file::{is_dialable, is_domain, is_label, render};
pub(crate) use listen::{Bind, Listen, first_tcp, port};
pub(crate) use networks::Networks;
pub(crate) use oauth::LoginService;
pub(crate) use relays::{Greeting, WebIrc};
pub(crate) use replicas::REPLICAS;
pub(crate) use servers::{Host, Servers};
pub(crate) use web::WebConfig;

use lavina_crdt::mesh::Place;
use lavina_gossip::versions::Versions;
use lavina_protocols::operator::Operator;
use lavina_protocols::session::{ContactKind, ExternalService};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

/// Name of the file that `init` writes and `serve` looks for.
pub(crate) const FILE_NAME: &str = "lavina.toml";

/// Directory that `serve` keeps its data in when there is no configuration.
pub(crate) const LOOPBACK_DATA: &str = "lavina-data";

/// Connections that one address may have where the configuration says nothing: a school or an office behind one address, with a few
/// devices each.
pub(crate) const CONNECTIONS_PER_ADDRESS: u32 = 256;

/// Everything that is configured of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The file it is from; `None` for the built-in one.
    pub(crate) file: Option<PathBuf>,
    /// The mesh's domain: accounts are `name@domain`.
    pub(crate) domain: String,
    /// The node's short name.
    pub(crate) name: String,
    /// The node's name as IRC clients see it: a host name, with the letters as written.
    pub(crate) irc_name: String,
    /// The network's name as IRC clients show it.
    pub(crate) network: String,
    /// Where the node stands.
    pub(crate) place: Place,
    /// Where keys and the store are.
    pub(crate) data: PathBuf,
    /// Whether clients may register accounts.
    pub(crate) registration: bool,
    /// Whether every account may invite people to register, and not operators only.
    pub(crate) invitations: bool,
    /// Whether accounts stay in their rooms when they are not connected, unless their owners choose otherwise.
    pub(crate) always_on: bool,
    /// Where it listens.
    pub(crate) listen: Listen,
    /// Most connections of one address, or /64 of IPv6.
    pub(crate) connections_per_address: u32,
    /// For how many days a room is kept in which nothing is said or changed; `None`: for ever.
    pub(crate) room_days: Option<NonZeroU32>,
    /// Whose connections begin with a PROXY header.
    pub(crate) proxy_from: Networks,
    /// Gateways of IRC.
    pub(crate) webirc: WebIrc,
    /// How IRC greets clients.
    pub(crate) greeting: Greeting,
    /// For how many days IRC clients are to keep to TLS; `None`: they are not told to.
    pub(crate) sts_days: Option<u32>,
    /// Whether others than this machine may speak IRC in clear.
    pub(crate) irc_without_tls: bool,
    /// Where clients of XMPP reach it, `host:port`: another node that stops sends them there.
    pub(crate) xmpp_advertise: Option<String>,
    /// Other servers and components.
    pub(crate) servers: Servers,
    /// Where those who run the mesh are reached.
    pub(crate) contacts: Vec<(ContactKind, Vec<String>)>,
    /// What clients may use beside XMPP.
    pub(crate) external_services: Vec<ExternalService>,
    /// HTTP for clients.
    pub(crate) web: WebConfig,
    /// Where other nodes can dial it, `host:port`.
    pub(crate) advertise: Vec<String>,
    /// Whether other nodes are looked for beside where they are configured.
    pub(crate) discovery: Discovery,
    /// How many home replicas a room has; `None`: every node holds every room.
    pub(crate) replicas: Option<NonZeroUsize>,
    /// The versions of frames that it speaks with other nodes.
    pub(crate) frames: Versions,
    /// Who may become an operator of the mesh here.
    pub(crate) operators: Vec<Operator>,
    /// Whether devices are told by push services of what is said to their accounts.
    pub(crate) web_push: bool,
    /// Whose tokens stand for passwords.
    pub(crate) oauth: Vec<LoginService>,
    /// Certificate chain and key for clients, when not the ones that `init` made.
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`] says what is wrong and where.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::unreadable(path, &format!("cannot be read: {error}")))?;
        Self::parse(path, &text)
    }

    /// Checks the text of a file. Relative paths in it are relative to the file.
    ///
    /// # Errors
    /// [`ConfigError`] says what is wrong and where.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        file::parse(path, text)
    }

    /// A mesh of one node that only this machine reaches.
    pub(crate) fn loopback(data: PathBuf) -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            file: None,
            domain: "localhost".to_owned(),
            name: "local".to_owned(),
            irc_name: "local.localhost".to_owned(),
            network: "Lavina".to_owned(),
            place: Place { region: "local".to_owned(), zone: "a".to_owned() },
            data,
            registration: true,
            invitations: true,
            always_on: false,
            listen: Listen::customary(loopback),
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
            advertise: vec![SocketAddr::new(loopback, port::MESH).to_string()],
            discovery: Discovery::default(),
            replicas: Some(REPLICAS),
            frames: Versions::SPOKEN,
            operators: Vec::new(),
            web_push: false,
            oauth: Vec::new(),
            certificate: None,
        }
    }

    /// The configuration to use: the named file, else `lavina.toml` here, else the built-in one.
    ///
    /// # Errors
    /// [`ConfigError`] when a file is there and wrong.
    pub(crate) fn find(path: Option<&Path>) -> Result<Self, ConfigError> {
        match path {
            Some(path) => Self::load(path),
            None if Path::new(FILE_NAME).exists() => Self::load(Path::new(FILE_NAME)),
            None => Ok(Self::loopback(PathBuf::from(LOOPBACK_DATA))),
        }
    }

    /// The domain of rooms.
    pub(crate) fn rooms_domain(&self) -> String {
        format!("rooms.{}", self.domain)
    }

    /// The node's name as a host name.
    pub(crate) fn host_name(&self) -> String {
        format!("{}.{}", self.name, self.domain)
    }
}
