//! What breaks, by what it befalls. A new kind is a variant of its family, a name beside it, and an arm in `world/faults/`.

use serde::{Deserialize, Serialize};

/// Names of all kinds, by family.
pub(super) const NAMES: &[&[&str]] =
    &[NetFault::NAMES, DiskFault::NAMES, NodeFault::NAMES, ClockFault::NAMES, ClientFault::NAMES];

/// Something that breaks, or works again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When, milliseconds.
    pub at_ms: u64,
    /// What.
    #[serde(rename = "do")]
    pub kind: FaultKind,
}

/// Kinds of faults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// Of links between nodes.
    Net(NetFault),
    /// Of a node's disk.
    Disk(DiskFault),
    /// Of a node itself.
    Node(NodeFault),
    /// Of a node's wall clock.
    Clock(ClockFault),
    /// Of a client or its connection.
    Client(ClientFault),
}

/// What befalls links. Nodes are named by index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetFault {
    /// From here on these nodes reach one another only within their group; nodes in no group reach nobody.
    Partition(Vec<Vec<usize>>),
    /// Packets of the first node no longer reach the second; the other way they do.
    CutOneWay(usize, usize),
    /// All links work again.
    HealLinks,
    /// Loss on all links, per thousand.
    Loss(u64),
    /// All delays are multiplied.
    Slow(u64),
}

/// What befalls a node's disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFault {
    /// It takes no writes.
    Full(usize),
    /// It takes writes again.
    Freed(usize),
    /// Each commit takes this many milliseconds.
    Slow(usize, u64),
}

/// What befalls a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeFault {
    /// It is killed: what its disk had not committed is gone.
    Crash(usize),
    /// It is started again.
    Restart(usize),
}

/// What befalls a node's wall clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockFault {
    /// It jumps by this many milliseconds.
    Step(usize, i64),
    /// From here on it gains this many millionths of the time that passes; less than nothing: it loses them.
    Drift(usize, i64),
}

/// What befalls a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientFault {
    /// Its connection breaks and it connects to another node: (client, node).
    Move(usize, usize),
    /// All clients of these nodes break off and connect to another node: (nodes, node).
    FailOver(Vec<usize>, usize),
    /// All clients of a node break off and connect to it again at once.
    ReconnectStorm(usize),
    /// It vanishes without a word and connects to another node; its old one does not learn of it: (client, node).
    HalfOpen(usize, usize),
    /// It stops reading, until it is cut or everything heals.
    Deaf(usize),
    /// It sends this many lines at once: (client, lines). Nodes limit floods in runs in which that happens.
    Flood(usize, usize),
}

impl FaultKind {
    /// Its name, for counting.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Net(fault) => fault.name(),
            Self::Disk(fault) => fault.name(),
            Self::Node(fault) => fault.name(),
            Self::Clock(fault) => fault.name(),
            Self::Client(fault) => fault.name(),
        }
    }

    /// The nodes it names.
    #[must_use]
    pub fn nodes(&self) -> Vec<usize> {
        match self {
            Self::Net(NetFault::Partition(groups)) => groups.concat(),
            Self::Net(NetFault::CutOneWay(one, other)) => vec![*one, *other],
            Self::Net(NetFault::HealLinks | NetFault::Loss(_) | NetFault::Slow(_)) => Vec::new(),
            Self::Disk(DiskFault::Full(node) | DiskFault::Freed(node) | DiskFault::Slow(node, _))
            | Self::Node(NodeFault::Crash(node) | NodeFault::Restart(node))
            | Self::Clock(ClockFault::Step(node, _) | ClockFault::Drift(node, _))
            | Self::Client(
                ClientFault::Move(_, node) | ClientFault::HalfOpen(_, node) | ClientFault::ReconnectStorm(node),
            ) => vec![*node],
            Self::Client(ClientFault::FailOver(nodes, node)) => [nodes.as_slice(), &[*node]].concat(),
            Self::Client(ClientFault::Deaf(_) | ClientFault::Flood(..)) => Vec::new(),
        }
    }

    /// The clients it names.
    #[must_use]
    pub fn clients(&self) -> Vec<usize> {
        match self {
            Self::Client(
                ClientFault::Move(client, _)
                | ClientFault::HalfOpen(client, _)
                | ClientFault::Deaf(client)
                | ClientFault::Flood(client, _),
            ) => vec![*client],
            Self::Client(ClientFault::FailOver(..) | ClientFault::ReconnectStorm(_)) => Vec::new(),
            Self::Net(_) | Self::Disk(_) | Self::Node(_) | Self::Clock(_) => Vec::new(),
        }
    }
}

impl NetFault {
    const NAMES: &'static [&'static str] = &["partition", "cut-one-way", "heal-links", "loss", "slow-links"];

    const fn name(&self) -> &'static str {
        match self {
            Self::Partition(_) => "partition",
            Self::CutOneWay(..) => "cut-one-way",
            Self::HealLinks => "heal-links",
            Self::Loss(_) => "loss",
            Self::Slow(_) => "slow-links",
        }
    }
}

impl DiskFault {
    const NAMES: &'static [&'static str] = &["disk-full", "disk-freed", "disk-slow"];

    const fn name(&self) -> &'static str {
        match self {
            Self::Full(_) => "disk-full",
            Self::Freed(_) => "disk-freed",
            Self::Slow(..) => "disk-slow",
        }
    }
}

impl NodeFault {
    const NAMES: &'static [&'static str] = &["crash", "restart"];

    const fn name(&self) -> &'static str {
        match self {
            Self::Crash(_) => "crash",
            Self::Restart(_) => "restart",
        }
    }
}

impl ClockFault {
    const NAMES: &'static [&'static str] = &["clock-step", "clock-drift"];

    const fn name(&self) -> &'static str {
        match self {
            Self::Step(..) => "clock-step",
            Self::Drift(..) => "clock-drift",
        }
    }
}

impl ClientFault {
    const NAMES: &'static [&'static str] =
        &["move", "fail-over", "reconnect-storm", "half-open", "slow-reader", "flood"];

    const fn name(&self) -> &'static str {
        match self {
            Self::Move(..) => "move",
            Self::FailOver(..) => "fail-over",
            Self::ReconnectStorm(_) => "reconnect-storm",
            Self::HalfOpen(..) => "half-open",
            Self::Deaf(_) => "slow-reader",
            Self::Flood(..) => "flood",
        }
    }
}
