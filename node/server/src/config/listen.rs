//! Where a node listens.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// What stands before the path of a Unix socket.
pub(super) const UNIX: &str = "unix:";

/// One thing to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bind {
    /// An address; `[::]` is all of this machine's, IPv4's among them.
    Tcp(SocketAddr),
    /// A Unix socket, for who may write to its file.
    Unix(PathBuf),
}

impl From<SocketAddr> for Bind {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// As it is configured.
impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// The first address among them.
pub(crate) fn first_tcp(binds: &[Bind]) -> Option<SocketAddr> {
    binds.iter().find_map(|bind| match bind {
        Bind::Tcp(address) => Some(*address),
        Bind::Unix(_) => None,
    })
}

/// What to listen on; what is empty is off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listen {
    /// IRC in clear.
    pub(crate) irc: Vec<Bind>,
    /// IRC in TLS.
    pub(crate) irc_tls: Vec<Bind>,
    /// XMPP with STARTTLS.
    pub(crate) xmpp: Vec<Bind>,
    /// XMPP in TLS (XEP-0368).
    pub(crate) xmpp_tls: Vec<Bind>,
    /// Other servers, with STARTTLS.
    pub(crate) xmpp_server: Vec<Bind>,
    /// Other servers, in TLS (XEP-0368).
    pub(crate) xmpp_server_tls: Vec<Bind>,
    /// Components (XEP-0114).
    pub(crate) xmpp_component: Vec<Bind>,
    /// HTTP in clear: for proxies and for who is on this machine.
    pub(crate) http: Vec<Bind>,
    /// HTTP in TLS, and by ALPN the other protocols.
    pub(crate) https: Vec<Bind>,
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
    /// HTTP in TLS for clients, as XMPP servers have it.
    pub(crate) const HTTPS: u16 = 5443;
    /// Other nodes.
    pub(crate) const MESH: u16 = 7667;
    /// The admin page.
    pub(crate) const ADMIN: u16 = 7680;
}

impl Listen {
    /// All by their key.
    pub(crate) fn by_key(&self) -> [(&'static str, Vec<Bind>); 11] {
        let one = |address: Option<SocketAddr>| address.map(Bind::Tcp).into_iter().collect();
        [
            ("irc", self.irc.clone()),
            ("irc-tls", self.irc_tls.clone()),
            ("xmpp", self.xmpp.clone()),
            ("xmpp-tls", self.xmpp_tls.clone()),
            ("xmpp-server", self.xmpp_server.clone()),
            ("xmpp-server-tls", self.xmpp_server_tls.clone()),
            ("xmpp-component", self.xmpp_component.clone()),
            ("http", self.http.clone()),
            ("https", self.https.clone()),
            ("mesh", one(self.mesh)),
            ("admin", one(self.admin)),
        ]
    }

    /// By key, as text; what is off is left out.
    pub(crate) fn listing(&self) -> impl Iterator<Item = (&'static str, String)> {
        let shown = |(key, binds): (&'static str, Vec<Bind>)| {
            let texts: Vec<String> = binds.iter().map(Bind::to_string).collect();
            (!texts.is_empty()).then(|| (key, texts.join(", ")))
        };
        self.by_key().into_iter().filter_map(shown)
    }

    /// The customary ports: what must be protected on loopback, the rest on `public`.
    pub(crate) fn customary(public: IpAddr) -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let on = |ip: IpAddr, port: u16| vec![Bind::Tcp(SocketAddr::new(ip, port))];
        Self {
            irc: on(loopback, port::IRC),
            irc_tls: on(public, port::IRC_TLS),
            xmpp: on(public, port::XMPP),
            xmpp_tls: on(public, port::XMPP_TLS),
            xmpp_server: Vec::new(),
            xmpp_server_tls: Vec::new(),
            xmpp_component: Vec::new(),
            http: Vec::new(),
            https: on(public, port::HTTPS),
            mesh: Some(SocketAddr::new(public, port::MESH)),
            admin: Some(SocketAddr::new(loopback, port::ADMIN)),
        }
    }
}
