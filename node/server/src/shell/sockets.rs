//! The addresses of a node: bound before anything else, so that one that is taken is told at once.

use super::cloak::Cloak;
use super::clock::Clock;
use super::listen::{Door, Entrance, Socket};
use super::push::Vapid;
use super::reload::Reloader;
use super::tokens::Tokens;
use super::{Stop, certificate, clock, listen};
use crate::admin::Admin;
use crate::config::{Bind, Config};
use crate::federation::{self, Call};
use crate::files::Files;
use crate::identity::{DataDir, Identity, random_u64};
use crate::web::copies::Peers;
use crate::web::{BoshSessions, FileService, Web};
use crate::worker::{Listener, Protocol, TlsCell};
use anyhow::{Context, Result};
use lavina_protocols::sasl::TokenCheck;
use lavina_protocols::session::{Flood, SessionConfig};
use lavina_protocols::slot::Upload;
use lavina_protocols::xmpp::s2s::{Caller, Federation};
use lavina_quic::wan::Wan;
use lavina_quic::{BindError, Endpoint, EndpointConfig};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// What HTTPS's port speaks (RFC 7301): HTTP, and what shares the port with it.
const WEB_ALPN: &[&str] = &["http/1.1", "xmpp-client", "irc"];

/// How often files are looked through for those whose time is over.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Sockets that clients and operators come to.
pub(super) struct Sockets {
    clients: Vec<(Socket, Entrance)>,
    tls: Vec<Arc<TlsCell>>,
    files: Option<Arc<FileService>>,
    links: Option<(Federation, Arc<TlsCell>)>,
    admin: Option<TcpListener>,
}

impl Sockets {
    /// What links to other servers need to know, where there are to be any.
    pub(super) fn take_links(&mut self) -> Option<(Federation, Arc<TlsCell>)> {
        self.links.take()
    }

    /// Where the certificate is.
    pub(super) fn tls(&self) -> Vec<Arc<TlsCell>> {
        self.tls.clone()
    }
}

/// What sockets are opened from.
struct Opening<'a> {
    config: &'a Config,
    identity: &'a Identity,
    data: &'a DataDir,
    flood: Flood,
    clock: Clock,
    tls: Vec<Arc<TlsCell>>,
    files: Option<Arc<FileService>>,
    tokens: Option<Arc<dyn TokenCheck>>,
    vapid: Option<String>,
}

/// Binds all that the configuration names.
pub(super) fn open_sockets(
    config: &Config,
    identity: &Identity,
    data: &DataDir,
    (clock, flood): (Clock, Flood),
    calls: Option<mpsc::Sender<Call>>,
) -> Result<Sockets> {
    let files = open_files(config, identity, data)?;
    let tokens = Tokens::open(&config.oauth, &config.domain)?;
    let vapid = config.web_push.then(|| Vapid::new(&identity.mesh.id)).transpose()?.map(|vapid| vapid.public);
    let mut opening = Opening { config, identity, data, flood, clock, tls: Vec::new(), files, tokens, vapid };
    let wanted = [
        ("irc", &config.listen.irc, Protocol::Irc, false),
        ("irc-tls", &config.listen.irc_tls, Protocol::Irc, true),
        ("xmpp", &config.listen.xmpp, Protocol::Xmpp, false),
        ("xmpp-tls", &config.listen.xmpp_tls, Protocol::Xmpp, true),
    ];
    let mut clients = Vec::new();
    for (key, binds, protocol, direct_tls) in wanted {
        let tls = opening.cell(protocol.alpn())?;
        for bind in binds {
            let listener = opening.listener(protocol, direct_tls, bind, &tls);
            clients.push((listen::bind(key, bind)?, Entrance::Client(listener)));
        }
    }
    for (key, binds, encrypted) in [("http", &config.listen.http, false), ("https", &config.listen.https, true)] {
        let tls = opening.cell(WEB_ALPN)?;
        for bind in binds {
            let web = opening.web(bind, &tls, encrypted);
            clients.push((listen::bind(key, bind)?, Entrance::Web(web)));
        }
    }
    let mut links = None;
    if let Some(calls) = calls {
        let tls = opening.cell(federation::ALPN)?;
        let direct = Some(Arc::clone(&tls));
        let wanted = [
            ("xmpp-server", &config.listen.xmpp_server, Caller::Server, None),
            ("xmpp-server-tls", &config.listen.xmpp_server_tls, Caller::Server, direct),
            ("xmpp-component", &config.listen.xmpp_component, Caller::Component, None),
        ];
        for (key, binds, caller, direct) in wanted {
            for bind in binds {
                let entrance = Entrance::Link(caller, direct.clone(), calls.clone());
                clients.push((listen::bind(key, bind)?, entrance));
            }
        }
        let session = opening.session_config(&Bind::Unix(data.store()));
        links = Some((opening.federation(session), tls));
    }
    let admin = config.listen.admin.map(|address| listen::bind_tcp("admin", address)).transpose()?;
    Ok(Sockets { clients, tls: opening.tls, files: opening.files, links, admin })
}

/// The files that people share, where there is HTTP to put and get them by.
fn open_files(config: &Config, identity: &Identity, data: &DataDir) -> Result<Option<Arc<FileService>>> {
    let limits = config.web.files;
    if limits.bytes_max == 0 || (config.listen.http.is_empty() && config.listen.https.is_empty()) {
        return Ok(None);
    }
    let folder = data.files();
    let files = Files::open(folder.clone(), limits)
        .with_context(|| format!("the files in {} cannot be opened", folder.display()))?;
    let upload = Upload {
        url: config.web_url(),
        // Any node of the mesh can tell what another has said.
        key: blake3::derive_key("lavina 1 places for files", &identity.mesh.id),
        bytes_max: limits.bytes_max,
    };
    let peers = Peers::new(config.web.peers.clone());
    Ok(Some(Arc::new(FileService { files, upload, peers })))
}

impl Opening<'_> {
    fn cell(&mut self, alpn: &'static [&'static str]) -> Result<Arc<TlsCell>> {
        let (certificate, key) = self.config.certificate.clone().unwrap_or_else(|| self.data.certificate());
        let cell = Arc::new(TlsCell::new(certificate::settings(&certificate, &key, alpn)?, alpn));
        self.tls.push(Arc::clone(&cell));
        Ok(cell)
    }

    fn listener(&self, protocol: Protocol, direct_tls: bool, bind: &Bind, tls: &Arc<TlsCell>) -> Arc<Listener> {
        let session = Arc::new(self.session_config(bind));
        Arc::new(Listener {
            protocol,
            direct_tls,
            tls: Arc::clone(tls),
            session,
            gateways: self.config.webirc.from.clone(),
            cloak: Cloak::new(&self.identity.mesh.id),
        })
    }

    fn web(&self, bind: &Bind, tls: &Arc<TlsCell>, encrypted: bool) -> Arc<Web> {
        Arc::new(Web {
            irc: self.listener(Protocol::Irc, false, bind, tls),
            xmpp: self.listener(Protocol::Xmpp, false, bind, tls),
            tls: encrypted.then(|| Arc::clone(tls)),
            origins: self.config.web.origins.clone(),
            domain: self.config.domain.clone(),
            url: self.config.web_url(),
            forwarded_from: self.config.web.forwarded_from.clone(),
            bosh: BoshSessions::new(self.clock),
            files: self.files.clone(),
        })
    }

    fn federation(&self, session: SessionConfig) -> Federation {
        let servers = &self.config.servers;
        Federation {
            session: Arc::new(session),
            // Any node of the mesh can tell whether a key is one of ours.
            secret: blake3::derive_key("lavina 1 dialback between servers", &self.identity.mesh.id),
            servers: self.config.listen.has_servers(),
            dialback: servers.dialback,
            allow: servers.allow.clone(),
            block: servers.block.clone(),
            components: servers.components.clone(),
        }
    }

    fn session_config(&self, bind: &Bind) -> SessionConfig {
        let config = self.config;
        SessionConfig {
            rooms_domain: config.rooms_domain(),
            node_name: config.irc_name.clone(),
            network: config.network.clone(),
            motd: config.greeting.motd.clone(),
            password: config.greeting.password.clone(),
            registration: config.registration,
            // Nobody else reads along on the loopback interface and on Unix sockets.
            plain_without_tls: match bind {
                Bind::Tcp(address) => address.ip().is_loopback(),
                Bind::Unix(_) => true,
            },
            started_ms: clock::wall_ms(),
            salt_secret: blake3::derive_key("lavina 1 salt of unknown accounts", &self.identity.mesh.id),
            flood: self.flood,
            sts: config.sts(bind),
            webirc: config.webirc.password.clone(),
            contacts: config.contacts.clone(),
            services: config.external_services.clone(),
            upload: self.files.as_ref().map(|service| service.upload.clone()),
            pages: config.pages_url(),
            abroad: config.listen.is_abroad(),
            tokens: self.tokens.clone(),
            vapid: self.vapid.clone(),
            ..SessionConfig::new(&config.domain)
        }
    }
}

pub(super) fn open_endpoint(
    config: &Config,
    identity: &Identity,
    wan: Option<Wan>,
) -> Result<(Endpoint, mpsc::Receiver<lavina_quic::Event>)> {
    // Without the key `mesh` a node still dials out.
    let listen = config.listen.mesh.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
    let endpoint = EndpointConfig {
        name: config.name.clone(),
        wan,
        guests: config.discovery.is_on,
        versions: config.frames,
        ..EndpointConfig::new(identity.key.clone(), listen, identity.mesh.id, random_u64())
    };
    Endpoint::bind(endpoint).map_err(|error| match error {
        BindError::Socket(address, error) => {
            anyhow::anyhow!("{}", listen::explain_bind("mesh", &Bind::Tcp(address), &error))
        }
        BindError::Tls(error) => error.into(),
    })
}

/// Takes away files whose time is over, for ever.
async fn sweep(service: Arc<FileService>) -> Result<()> {
    let mut look = tokio::time::interval(SWEEP_EVERY);
    loop {
        look.tick().await;
        let files = service.files.clone();
        tokio::task::spawn_blocking(move || files.sweep(clock::wall_ms())).await?;
    }
}

/// Accepts clients and operators until told to stop.
pub(super) async fn serve_front(
    sockets: Sockets,
    door: Door,
    admin: Admin,
    reloader: Reloader,
    mut stopped: watch::Receiver<Stop>,
) {
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(reloader.run());
    for (socket, entrance) in sockets.clients {
        tasks.spawn(door.clone().accept(socket, entrance));
    }
    if let Some(service) = sockets.files {
        tasks.spawn(sweep(service));
    }
    if let Some(socket) = sockets.admin {
        tasks.spawn(admin.serve(socket));
    }
    // The senders to the workers are to be gone when the tasks are.
    drop(door);
    loop {
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop != Stop::No) => return,
            Some(ended) = tasks.join_next() => {
                if let Ok(Err(error)) = ended {
                    tracing::error!(%error, "a listener has ended");
                }
            }
        }
    }
}
