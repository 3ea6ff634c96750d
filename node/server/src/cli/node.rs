//! `lavina node`: who belongs to the mesh, and throwing somebody out.

use super::{ConfigFile, Out};
use crate::admin::{self, NodeLine, client};
use anyhow::Result;
use clap::{Args, Subcommand};

/// See to the nodes of the mesh
#[derive(Subcommand)]
pub(super) enum NodeCommand {
    /// Show the nodes of the mesh
    List(ListNodes),
    /// Throw a node out for good; the machine can come back with a new key, as a new node
    Revoke(RevokeNode),
}

#[derive(Args)]
pub(super) struct ListNodes {
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Args)]
pub(super) struct RevokeNode {
    /// Its name, or its id where several have that name
    node: String,
    /// Its key may be in other hands: of what it wrote, only what has reached this node counts from now on, on all nodes
    #[arg(long)]
    compromised: bool,
    #[command(flatten)]
    config: ConfigFile,
}

impl NodeCommand {
    pub(super) fn run(self, out: Out) -> Result<()> {
        match self {
            Self::List(list) => list.run(out),
            Self::Revoke(revoke) => revoke.run(out),
        }
    }
}

impl ListNodes {
    fn run(self, out: Out) -> Result<()> {
        let nodes: Vec<NodeLine> = client::get(&self.config.load()?, "/nodes")?;
        out.say(&nodes, || nodes.iter().map(line).collect::<Vec<_>>().join("\n"))
    }
}

fn line(node: &NodeLine) -> String {
    let state = match (node.me, node.connected) {
        (true, _) => "this node",
        (false, true) => "connected",
        (false, false) => "not connected",
    };
    let addresses = if node.addresses.is_empty() { "dials only".to_owned() } else { node.addresses.join(" ") };
    format!("{:12} {}/{}: {state}, {addresses}, {}", node.name, node.region, node.zone, node.id)
}

impl RevokeNode {
    fn run(self, out: Out) -> Result<()> {
        let revoke = admin::RevokeNode { what: self.node, compromised: self.compromised };
        let answer = client::post(&self.config.load()?, "/nodes/revoke", &revoke)?;
        let node: NodeLine = serde_json::from_slice(&answer)?;
        out.say(&node, || format!("{} ({}) does not belong to the mesh any more", node.name, node.id))
    }
}
