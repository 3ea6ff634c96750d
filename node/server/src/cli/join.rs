//! `lavina join TICKET --region R --zone Z`: makes this machine a node of the mesh that the ticket is from.

use super::place::NewNode;
use super::{Out, runtime};
use crate::identity::{Identity, hex, id_of};
use crate::shell::clock::wall_ms;
use crate::shell::mesh::Welcome;
use anyhow::{Context, Result, bail};
use clap::Args;
use lavina_core::node::MeshIdentity;
use lavina_crdt::mesh::Admission;
use lavina_crdt::ticket::Ticket;
use lavina_quic::identity::peer_id;
use lavina_quic::join::{Invitation, JoinInfo, redeem};
use serde_json::json;

/// Make this machine a node of the mesh that the ticket is from
#[derive(Args)]
pub(super) struct Join {
    /// What `lavina ticket` printed
    ticket: String,
    #[command(flatten)]
    node: NewNode,
}

impl Join {
    pub(super) fn run(self, out: Out) -> Result<()> {
        let ticket: Ticket = self.ticket.parse()?;
        if ticket.expires_ms <= wall_ms() {
            bail!("the ticket has expired (by this machine's clock); make a new one");
        }
        let data = self.node.data()?;
        let key = Identity::node_key(&data)?;
        let me = id_of(&key);
        let short: String = hex(&me.0).chars().take(4).collect();
        let name = self.node.name.clone().unwrap_or_else(|| format!("{}-{short}", self.node.region));
        let info = JoinInfo { name: name.clone(), place: self.node.place(), addresses: self.node.advertise() };
        let invitation = Invitation { inviter: ticket.inviter, addresses: &ticket.addresses, secret: &ticket.secret };
        let answer = runtime()?
            .block_on(redeem(&key, invitation, info))
            .with_context(|| format!("cannot join through {}", ticket.addresses.join(", ")))?;
        let welcome: Welcome = postcard::from_bytes(&answer)
            .context("the inviting node's answer is not understood; is it of another version?")?;
        // The ticket says which mesh it is; the inviting node cannot make it another.
        let admits = |admission: &Admission| admission.node == me && admission.is_valid(ticket.root, &ticket.mesh);
        if !welcome.admissions.iter().any(admits) {
            bail!("the inviting node's answer does not admit this node");
        }
        let config = self.node.write(&data, &welcome.domain, &welcome.network, &name, welcome.registration)?;
        let mesh = MeshIdentity { id: ticket.mesh, root: ticket.root };
        let nodes = welcome.admissions.len();
        Identity { key, mesh, root: None, admissions: welcome.admissions }.save_mesh(&data)?;
        let file = self.node.file();
        let value = json!({ "config": file, "data": config.data, "id": peer_id(me), "nodes": nodes });
        out.say(&value, || {
            format!(
                "{name} has joined {} ({nodes} nodes).\nNode {}.\nNext: lavina serve --config {}",
                config.domain,
                peer_id(me),
                file.display()
            )
        })
    }
}
