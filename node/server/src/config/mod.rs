//! The configuration: a TOML file, read and checked once, into typed values.
//!
//! It knows nothing of what the values are used for. An error names the file, the line, the column, the key and what would be right. A
//! listener whose key is absent is off.

mod error;
mod file;
mod operators;
#[cfg(test)]
mod tests;

pub(crate) use error::ConfigError;
pub(crate) use file::{is_dialable, is_domain, is_label, render};

use lavina_crdt::mesh::Place;
use lavina_protocols::operator::Operator;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Name of the file that `init` writes and `serve` looks for.
pub(crate) const FILE_NAME: &str = "lavina.toml";

/// Directory that `serve` keeps its data in when there is no configuration.
pub(crate) const LOOPBACK_DATA: &str = "lavina-data";

/// Everything that is configured of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The file it is from; `None` for the built-in one.
    pub(crate) file: Option<PathBuf>,
    /// The mesh's domain: accounts are `name@domain`.
    pub(crate) domain: String,
    /// The node's short name.
    pub(crate) name: String,
    /// The network's name as IRC clients show it.
    pub(crate) network: String,
    /// Where the node stands.
    pub(crate) place: Place,
    /// Where keys and the store are.
    pub(crate) data: PathBuf,
    /// Whether clients may register accounts.
    pub(crate) registration: bool,
    /// Whether accounts stay in their rooms when they are not connected, unless their owners choose otherwise.
    pub(crate) always_on: bool,
    /// Where it listens.
    pub(crate) listen: Listen,
    /// Where other nodes can dial it, `host:port`.
    pub(crate) advertise: Vec<String>,
    /// Who may become an operator of the mesh here.
    pub(crate) operators: Vec<Operator>,
    /// Certificate chain and key for clients, when not the ones that `init` made.
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
}

/// Addresses to listen on; `None` is off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listen {
    /// IRC in clear.
    pub(crate) irc: Option<SocketAddr>,
    /// IRC in TLS.
    pub(crate) irc_tls: Option<SocketAddr>,
    /// XMPP with STARTTLS.
    pub(crate) xmpp: Option<SocketAddr>,
    /// XMPP in TLS (XEP-0368).
    pub(crate) xmpp_tls: Option<SocketAddr>,
    /// Other nodes, UDP.
    pub(crate) mesh: Option<SocketAddr>,
    /// The admin page and interface.
    pub(crate) admin: Option<SocketAddr>,
}

/// Ports as `init` writes them.
pub(crate) mod port {
    /// IRC in clear (RFC 7194 section 1 names it as the customary one).
    pub(crate) const IRC: u16 = 6667;
    /// IRC in TLS (RFC 7194).
    pub(crate) const IRC_TLS: u16 = 6697;
    /// XMPP (RFC 6120 section 14.7).
    pub(crate) const XMPP: u16 = 5222;
    /// XMPP in TLS (XEP-0368).
    pub(crate) const XMPP_TLS: u16 = 5223;
    /// Other nodes.
    pub(crate) const MESH: u16 = 7667;
    /// The admin page.
    pub(crate) const ADMIN: u16 = 7680;
}

impl Listen {
    /// All addresses by their key.
    pub(crate) fn by_key(&self) -> [(&'static str, Option<SocketAddr>); 6] {
        [
            ("irc", self.irc),
            ("irc-tls", self.irc_tls),
            ("xmpp", self.xmpp),
            ("xmpp-tls", self.xmpp_tls),
            ("mesh", self.mesh),
            ("admin", self.admin),
        ]
    }

    /// The customary ports: what must be protected on loopback, the rest on `public`.
    pub(crate) fn customary(public: IpAddr) -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            irc: Some(SocketAddr::new(loopback, port::IRC)),
            irc_tls: Some(SocketAddr::new(public, port::IRC_TLS)),
            xmpp: Some(SocketAddr::new(public, port::XMPP)),
            xmpp_tls: Some(SocketAddr::new(public, port::XMPP_TLS)),
            mesh: Some(SocketAddr::new(public, port::MESH)),
            admin: Some(SocketAddr::new(loopback, port::ADMIN)),
        }
    }
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
            network: "Lavina".to_owned(),
            place: Place { region: "local".to_owned(), zone: "a".to_owned() },
            data,
            registration: true,
            always_on: false,
            listen: Listen::customary(loopback),
            advertise: vec![SocketAddr::new(loopback, port::MESH).to_string()],
            operators: Vec::new(),
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

    /// The node's name as IRC clients see it: a host name.
    pub(crate) fn host_name(&self) -> String {
        format!("{}.{}", self.name, self.domain)
    }
}
