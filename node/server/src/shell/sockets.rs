//! The addresses of a node: bound before anything else, so that one that is taken is told at once.

use super::reload::Reloader;
use super::{Stop, certificate, clock, listen};
use crate::admin::Admin;
use crate::config::Config;
use crate::identity::{DataDir, Identity, random_u64};
use crate::worker::{Listener, Protocol, TlsCell};
use anyhow::Result;
use lavina_protocols::session::{Flood, SessionConfig};
use lavina_quic::wan::Wan;
use lavina_quic::{BindError, Endpoint, EndpointConfig};
use listen::Door;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Sockets that clients and operators come to.
pub(super) struct Sockets {
    clients: Vec<(TcpListener, Arc<Listener>)>,
    admin: Option<TcpListener>,
}

impl Sockets {
    /// What clients come to.
    pub(super) fn listeners(&self) -> Vec<Arc<Listener>> {
        self.clients.iter().map(|(_, listener)| Arc::clone(listener)).collect()
    }
}

pub(super) fn open_sockets(config: &Config, identity: &Identity, data: &DataDir, flood: Flood) -> Result<Sockets> {
    let (certificate, key) = config.certificate.clone().unwrap_or_else(|| data.certificate());
    let listen = &config.listen;
    let wanted = [
        ("irc", listen.irc, Protocol::Irc, false),
        ("irc-tls", listen.irc_tls, Protocol::Irc, true),
        ("xmpp", listen.xmpp, Protocol::Xmpp, false),
        ("xmpp-tls", listen.xmpp_tls, Protocol::Xmpp, true),
    ];
    let mut clients = Vec::new();
    for (name, address, protocol, direct_tls) in wanted {
        let Some(address) = address else { continue };
        let alpn = match protocol {
            Protocol::Irc => "irc",
            Protocol::Xmpp => "xmpp-client",
        };
        let tls = TlsCell::new(certificate::settings(&certificate, &key, alpn)?);
        let session = Arc::new(session_config(config, identity, address, flood));
        clients.push((listen::bind(name, address)?, Arc::new(Listener { protocol, direct_tls, tls, session })));
    }
    let admin = listen.admin.map(|address| listen::bind("admin", address)).transpose()?;
    Ok(Sockets { clients, admin })
}

fn session_config(config: &Config, identity: &Identity, listener: SocketAddr, flood: Flood) -> SessionConfig {
    SessionConfig {
        rooms_domain: config.rooms_domain(),
        node_name: config.host_name(),
        network: config.network.clone(),
        registration: config.registration,
        // Nobody else reads along on the loopback interface.
        plain_without_tls: listener.ip().is_loopback(),
        started_ms: clock::wall_ms(),
        salt_secret: blake3::derive_key("lavina 1 salt of unknown accounts", &identity.mesh.id),
        flood,
        ..SessionConfig::new(&config.domain)
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
        ..EndpointConfig::new(identity.key.clone(), listen, identity.mesh.id, random_u64())
    };
    Endpoint::bind(endpoint).map_err(|error| match error {
        BindError::Socket(address, error) => anyhow::anyhow!("{}", listen::explain_bind("mesh", address, &error)),
        BindError::Tls(error) => error.into(),
    })
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
    for (socket, listener) in sockets.clients {
        tasks.spawn(door.clone().accept(socket, listener));
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
