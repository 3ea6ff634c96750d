//! Who may come in and who belongs: tickets and nodes, listed and taken back.

use super::view::NodeView;
use super::{Admin, Refused, needs_token};
use crate::ticket::TicketView;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use lavina_core::node::{AdminCommand, AdminReply};
use lavina_crdt::fence::Fence;
use lavina_crdt::ids::NodeId;
use lavina_crdt::mesh::Verdict;
use lavina_quic::identity::peer_id;
use serde::{Deserialize, Serialize};

/// A node of the mesh, as `GET /nodes` lists it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NodeLine {
    /// Its name.
    pub(crate) name: String,
    /// Its `PeerId`.
    pub(crate) id: String,
    /// Its region.
    pub(crate) region: String,
    /// Its zone.
    pub(crate) zone: String,
    /// Where it can be dialled; nowhere when it only dials.
    pub(crate) addresses: Vec<String>,
    /// Whether it is the one that was asked.
    pub(crate) me: bool,
    /// Whether it is connected to the one that was asked.
    pub(crate) connected: bool,
    /// Whether it is being emptied of rooms.
    #[serde(default)]
    pub(crate) draining: bool,
}

/// Body of `POST /tickets/revoke`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revoke {
    /// What the ticket is called.
    pub(crate) what: String,
}

/// Body of `POST /nodes/revoke`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeNode {
    /// The name or `PeerId` of the node.
    pub(crate) what: String,
    /// Whether its key may be in other hands: nothing of it counts that has not reached the node which is asked.
    #[serde(default)]
    pub(crate) compromised: bool,
}

/// Body of `POST /nodes/drain`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DrainNode {
    /// The name or `PeerId` of the node.
    pub(crate) what: String,
    /// Whether it is to be emptied, or to be a home of rooms again.
    pub(crate) on: bool,
}

pub(super) async fn tickets(State(admin): State<Admin>) -> Json<Vec<TicketView>> {
    Json(admin.0.reception.book.list())
}

pub(super) async fn revoke_ticket(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Json(revoke): Json<Revoke>,
) -> Response {
    if !admin.is_operator(&headers) {
        return needs_token();
    }
    match admin.0.reception.book.revoke(&revoke.what) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => Refused { error: error.to_string() }.into_response(),
    }
}

pub(super) async fn nodes(State(admin): State<Admin>) -> Result<Json<Vec<NodeLine>>, Refused> {
    let view = admin.view().await?;
    Ok(Json(admin.nodes()?.into_iter().map(|(_, line)| with_connection(line, &view)).collect()))
}

fn with_connection(mut line: NodeLine, view: &NodeView) -> NodeLine {
    line.connected = view.peers.iter().any(|peer| peer.id == line.id && peer.connected);
    line
}

pub(super) async fn revoke_node(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Json(revoke): Json<RevokeNode>,
) -> Response {
    if !admin.is_operator(&headers) {
        return needs_token();
    }
    match admin.revoke_node(&revoke).await {
        Ok(line) => Json(line).into_response(),
        Err(refused) => refused.into_response(),
    }
}

pub(super) async fn drain_node(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Json(drain): Json<DrainNode>,
) -> Response {
    if !admin.is_operator(&headers) {
        return needs_token();
    }
    match admin.drain_node(&drain).await {
        Ok(line) => Json(line).into_response(),
        Err(refused) => refused.into_response(),
    }
}

fn refused(error: impl Into<String>) -> Refused {
    Refused { error: error.into() }
}

impl Admin {
    /// The nodes of the mesh, as far as it is known here.
    fn nodes(&self) -> Result<Vec<(NodeId, NodeLine)>, Refused> {
        let roster = self.0.reception.roster().map_err(|error| refused(error.to_string()))?;
        let me = self.0.endpoint.node();
        let line = |admission: &lavina_crdt::mesh::Admission| NodeLine {
            name: admission.name.clone(),
            id: peer_id(admission.node),
            region: admission.place.region.clone(),
            zone: admission.place.zone.clone(),
            addresses: admission.addresses.clone(),
            me: admission.node == me,
            connected: false,
            draining: roster.is_draining(admission.node),
        };
        Ok(roster.admitted().map(|admission| (admission.node, line(admission))).collect())
    }

    /// The one node of that name or `PeerId`.
    fn named(&self, what: &str) -> Result<(NodeId, NodeLine), Refused> {
        let mut named = self.nodes()?;
        named.retain(|(_, line)| line.name == what || line.id == what);
        match named.as_slice() {
            [(node, line)] => Ok((*node, line.clone())),
            [] => Err(refused(format!("no node is called {what}: `lavina node list` shows those there are"))),
            [..] => Err(refused(format!("several nodes are called {what}: say which by its id"))),
        }
    }

    /// Takes a node out of service or brings it back: rooms get other homes, and it hands over to them what it has.
    async fn drain_node(&self, DrainNode { what, on }: &DrainNode) -> Result<NodeLine, Refused> {
        let (node, line) = self.named(what)?;
        self.ask(AdminCommand::SetDraining(node, *on)).await?;
        Ok(NodeLine { draining: *on, ..line })
    }

    /// Throws a node out of the mesh, for good: its key never comes in again.
    async fn revoke_node(&self, RevokeNode { what, compromised }: &RevokeNode) -> Result<NodeLine, Refused> {
        let Some(root) = &self.0.reception.root else {
            return Err(refused("this node does not keep the mesh's root key: ask the node that `init` was run on"));
        };
        let (node, line) = self.named(what)?;
        if line.me {
            return Err(refused("a node does not throw itself out: stop it, and ask another"));
        }
        let mesh = self.0.reception.mesh.id;
        self.ask(AdminCommand::Revoke(node, Verdict::Revoke.sign(root, &mesh, node))).await?;
        if *compromised && let AdminReply::FenceRows(rows) = self.ask(AdminCommand::FenceRows(node)).await? {
            for part in Fence::parts(root, &mesh, node, &rows) {
                self.ask(AdminCommand::Fence(part)).await?;
            }
        }
        Ok(line)
    }
}
