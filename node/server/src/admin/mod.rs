//! What an operator sees and does over HTTP on the loopback interface: a page, the same as JSON, metrics, accounts and tickets.
//!
//! Reading is open to who is on this machine; writing needs the token that lies in the data directory. Requests that name another host
//! than this machine are refused, so that a web page elsewhere cannot have a browser ask here (DNS rebinding).

mod admission;
pub(crate) mod client;
mod invitations;
mod page;
pub(crate) mod view;

pub(crate) use admission::{DrainNode, NodeLine, Revoke, RevokeNode};
pub(crate) use invitations::{InvitationLine, MadeInvitation, NewInvitation};

use crate::config::Config;
use crate::identity::{DataDir, Identity, hex, random, write_secret};
use crate::shell::clock::wall_ms;
use crate::shell::inbox::Inbox;
use crate::shell::mesh::Reception;
use crate::shell::metrics::{Metrics, write_head, write_labelled, write_metric};
use crate::ticket::ticket_id;
use anyhow::{Context, Result};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use lavina_core::node::{AdminCommand, AdminReply, Status};
use lavina_crdt::names::AccountName;
use lavina_crdt::ticket::Ticket;
use lavina_protocols::sasl::derive_credentials;
use lavina_quic::{Counters, Endpoint};
use serde::{Deserialize, Serialize};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use view::NodeView;

/// Longest that an operator waits for an answer: a slow disk's commit.
const ANSWER_WAIT: Duration = Duration::from_secs(15);
/// Longest time a ticket may be good for, seconds: a month.
const TICKET_SECONDS_MAX: u64 = 31 * 24 * 3600;

/// The interface of one node.
#[derive(Clone)]
pub(crate) struct Admin(Arc<Inner>);

struct Inner {
    me: view::Me,
    advertise: Vec<String>,
    pages: Option<String>,
    token: blake3::Hash,
    inbox: Arc<Inbox>,
    endpoint: Arc<Endpoint>,
    reception: Arc<Reception>,
    metrics: Arc<Metrics>,
}

/// What the interface is made of besides the configuration.
pub(crate) struct Parts {
    /// The way to the core.
    pub(crate) inbox: Arc<Inbox>,
    /// Connections to peers.
    pub(crate) endpoint: Arc<Endpoint>,
    /// Tickets.
    pub(crate) reception: Arc<Reception>,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
}

/// Body of `POST /accounts`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAccount {
    /// Its name.
    pub(crate) name: String,
    /// Its password.
    pub(crate) password: String,
}

/// Body of `POST /tickets`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTicket {
    /// How long it is good.
    pub(crate) seconds: u64,
}

/// Answer to it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MadeTicket {
    /// The text to hand over.
    pub(crate) ticket: String,
    /// What it is called here.
    pub(crate) id: String,
    /// Until when it is good, milliseconds since the Unix epoch.
    pub(crate) expires_ms: u64,
}

/// Body of every refusal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    /// Why.
    pub(crate) error: String,
}

fn refuse(status: StatusCode, error: impl Into<String>) -> Response {
    (status, Json(Refused { error: error.into() })).into_response()
}

impl Admin {
    /// The interface; makes the token when there is none.
    ///
    /// # Errors
    /// When the token can neither be read nor written.
    pub(crate) fn new(config: &Config, identity: &Identity, data: &DataDir, parts: Parts) -> Result<Self> {
        let path = data.admin_token();
        if !path.exists() {
            write_secret(&path, &format!("{}\n", hex(&random::<32>())))?;
        }
        let token = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self(Arc::new(Inner {
            me: view::Me::new(config, identity),
            advertise: config.advertise.clone(),
            pages: config.pages_url(),
            token: blake3::hash(token.trim().as_bytes()),
            inbox: parts.inbox,
            endpoint: parts.endpoint,
            reception: parts.reception,
            metrics: parts.metrics,
        })))
    }

    /// Serves for ever.
    pub(crate) async fn serve(self, socket: TcpListener) -> Result<()> {
        let socket = tokio::net::TcpListener::from_std(socket)?;
        let router = Router::new()
            .route("/", get(page))
            .route("/status", get(status))
            .route("/metrics", get(metrics))
            .route("/accounts", post(add_account))
            .route("/tickets", get(admission::tickets).post(add_ticket))
            .route("/tickets/revoke", post(admission::revoke_ticket))
            .route("/invitations", get(invitations::list).post(invitations::make))
            .route("/invitations/revoke", post(invitations::revoke))
            .route("/nodes", get(admission::nodes))
            .route("/nodes/revoke", post(admission::revoke_node))
            .route("/nodes/drain", post(admission::drain_node))
            .layer(axum::middleware::from_fn(only_this_machine))
            .with_state(self);
        axum::serve(socket, router).await?;
        Ok(())
    }

    async fn ask(&self, command: AdminCommand) -> Result<AdminReply, Refused> {
        let asked = tokio::time::timeout(ANSWER_WAIT, crate::shell::ask(&self.0.inbox, command)).await;
        let error = match asked {
            Ok(Some(Ok(reply))) => return Ok(reply),
            Ok(Some(Err(refusal))) => refusal.to_string(),
            Ok(None) => "the node is stopping".to_owned(),
            Err(_elapsed) => "the node does not answer in time".to_owned(),
        };
        Err(Refused { error })
    }

    async fn status(&self) -> Result<Status, Refused> {
        match self.ask(AdminCommand::Status).await? {
            AdminReply::Status(status) => Ok(*status),
            AdminReply::Done | AdminReply::FenceRows(_) | AdminReply::Invitations(_) => Ok(Status::default()),
        }
    }

    async fn view(&self) -> Result<NodeView, Refused> {
        let endpoint = &self.0.endpoint;
        Ok(NodeView::new(&self.0.me, &self.status().await?, |peer| endpoint.version(peer)))
    }

    fn is_operator(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or("");
        // Comparing hashes takes the same time wherever they differ.
        blake3::hash(token.as_bytes()) == self.0.token
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (StatusCode::UNPROCESSABLE_ENTITY, Json(self)).into_response()
    }
}

fn needs_token() -> Response {
    refuse(StatusCode::UNAUTHORIZED, "the token in the data directory's admin.token is needed")
}

async fn only_this_machine(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
        return next.run(request).await;
    }
    refuse(StatusCode::FORBIDDEN, "ask for this machine by the name localhost")
}

async fn page(State(admin): State<Admin>) -> Result<Html<String>, Refused> {
    Ok(Html(page::render(&admin.view().await?)))
}

async fn status(State(admin): State<Admin>) -> Result<Json<NodeView>, Refused> {
    Ok(Json(admin.view().await?))
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let mut text = String::new();
    for (name, kind, help, value) in admin.0.metrics.rows() {
        write_metric(&mut text, name, kind, help, value);
    }
    write_endpoint(&mut text, &admin.0.endpoint.counters());
    if let Ok(status) = admin.status().await {
        write_status(&mut text, &status);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

fn write_endpoint(text: &mut String, counters: &Counters) {
    let rows = [
        ("frames_sent", "Frames handed to connections.", counters.frames_sent),
        ("frames_received", "Frames received and decoded.", counters.frames_received),
        ("frames_dropped", "Frames not sent; sync repairs what they held.", counters.frames_dropped),
        ("datagrams_dropped", "Datagrams not sent or not taken in.", counters.datagrams_dropped),
        ("handshakes_ignored", "Connections ignored under load.", counters.handshakes_ignored),
        ("strangers_refused", "Connections of nodes without admission or ticket.", counters.strangers_refused),
        ("malformed", "Connections closed for what was no frame.", counters.malformed),
    ];
    for (name, help, value) in rows {
        write_metric(text, &format!("mesh_{name}"), "counter", help, value);
    }
    let kinds = [("sent", counters.sent), ("received", counters.received)];
    for (name, help) in [("count", "Frames and datagrams of each kind."), ("bytes", "Their bytes before encryption.")] {
        let name = format!("mesh_passed_{name}");
        write_head(text, &name, "counter", help);
        for (way, kinds) in &kinds {
            for (kind, passed) in kinds.iter() {
                let value = if name.ends_with("bytes") { passed.bytes } else { passed.count };
                write_labelled(text, &name, &[("way", way), ("kind", kind)], value);
            }
        }
    }
}

fn write_status(text: &mut String, status: &Status) {
    let len = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    let connected = status.peers.iter().filter(|(_, peer)| peer.connected).count();
    let gauges = [
        ("rooms", "Rooms held.", len(status.rooms)),
        (
            "rooms_thin",
            "Rooms whose home this is with fewer home replicas in reach than configured.",
            len(status.rooms_thin),
        ),
        (
            "rooms_to_hand_over",
            "Rooms here that not all of their homes have yet, of those that belong elsewhere; of a node that is being emptied, also conversations and accounts, and whatever not enough others have.",
            len(status.rooms_to_hand_over),
        ),
        ("draining", "Whether the node is being emptied.", u64::from(status.draining)),
        ("sessions", "Sessions here.", len(status.sessions)),
        ("scopes", "Scopes held.", len(status.scopes)),
        ("entries", "Entries held.", status.entries),
        ("store_failing", "Whether the store takes no writes.", u64::from(status.store_error.is_some())),
        ("peers_connected", "Peers connected.", len(connected)),
    ];
    for (name, help, value) in gauges {
        write_metric(text, name, "gauge", help, value);
    }
    for (name, value) in &status.counters {
        write_metric(text, &format!("core_{name}"), "counter", "Counted by the core.", *value);
    }
}

async fn add_account(State(admin): State<Admin>, headers: HeaderMap, Json(new): Json<NewAccount>) -> Response {
    if !admin.is_operator(&headers) {
        return needs_token();
    }
    match admin.add_account(&new).await {
        Ok(()) => StatusCode::CREATED.into_response(),
        Err(refused) => refused.into_response(),
    }
}

async fn add_ticket(State(admin): State<Admin>, headers: HeaderMap, Json(new): Json<NewTicket>) -> Response {
    if !admin.is_operator(&headers) {
        return needs_token();
    }
    match admin.0.make_ticket(new.seconds) {
        Ok(made) => (StatusCode::CREATED, Json(made)).into_response(),
        Err(error) => refuse(StatusCode::UNPROCESSABLE_ENTITY, format!("{error:#}")),
    }
}

impl Admin {
    async fn add_account(&self, new: &NewAccount) -> Result<(), Refused> {
        let name = AccountName::new(&new.name).map_err(|error| Refused { error: error.to_string() })?;
        let credentials =
            derive_credentials(&new.password, random()).map_err(|error| Refused { error: error.to_string() })?;
        self.ask(AdminCommand::AccountAdd(name, credentials)).await.map(|_| ())
    }
}

impl Inner {
    fn make_ticket(&self, seconds: u64) -> Result<MadeTicket> {
        if self.reception.root.is_none() {
            anyhow::bail!("this node does not keep the mesh's root key: ask the node that `init` was run on");
        }
        if self.advertise.is_empty() {
            anyhow::bail!("this node has no address that others can dial: set `mesh-advertise` in the configuration");
        }
        let now = wall_ms();
        let expires_ms = now.saturating_add(seconds.clamp(1, TICKET_SECONDS_MAX).saturating_mul(1000));
        let secret = self.reception.book.issue(now, expires_ms)?;
        self.endpoint.set_tickets(self.reception.book.secrets());
        let mesh = &self.reception.mesh;
        let ticket = Ticket {
            mesh: mesh.id,
            root: mesh.root,
            inviter: self.endpoint.node(),
            addresses: self.advertise.clone(),
            secret,
            expires_ms,
        };
        Ok(MadeTicket { ticket: ticket.to_string(), id: ticket_id(&secret), expires_ms })
    }
}
