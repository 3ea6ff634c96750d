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
    /// Empty a node of rooms before it is stopped for long or thrown out: they get other homes, and it hands over what it has
    Drain(DrainNode),
    /// Throw a node out for good; the machine can come back with a new key, as a new node
    Revoke(RevokeNode),
}

#[derive(Args)]
pub(super) struct ListNodes {
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Args)]
pub(super) struct DrainNode {
    /// Its name, or its id where several have that name
    node: String,
    /// Have it be a home of rooms again
    #[arg(long)]
    undo: bool,
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
            Self::Drain(drain) => drain.run(out),
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
    let draining = if node.draining { ", draining" } else { "" };
    let addresses = if node.addresses.is_empty() { "dials only".to_owned() } else { node.addresses.join(" ") };
    format!("{:12} {}/{}: {state}{draining}, {addresses}, {}", node.name, node.region, node.zone, node.id)
}

impl DrainNode {
    fn run(self, out: Out) -> Result<()> {
        let drain = admin::DrainNode { what: self.node, on: !self.undo };
        let answer = client::post(&self.config.load()?, "/nodes/drain", &drain)?;
        let node: NodeLine = serde_json::from_slice(&answer)?;
        out.say(&node, || {
            if node.draining {
                format!(
                    "{} is no home of rooms any more; `lavina status` there says when others have all that it has",
                    node.name
                )
            } else {
                format!("{} is a home of rooms again", node.name)
            }
        })
    }
}

impl RevokeNode {
    fn run(self, out: Out) -> Result<()> {
        let revoke = admin::RevokeNode { what: self.node, compromised: self.compromised };
        let answer = client::post(&self.config.load()?, "/nodes/revoke", &revoke)?;
        let node: NodeLine = serde_json::from_slice(&answer)?;
        out.say(&node, || format!("{} ({}) does not belong to the mesh any more", node.name, node.id))
    }
}
