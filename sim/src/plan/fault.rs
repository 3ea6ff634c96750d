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
    /// Besides what is cut already, nodes of different groups do not reach one another.
    PartitionToo(Vec<Vec<usize>>),
    /// Nothing passes between two nodes, either way; others reach both.
    CutLink(usize, usize),
    /// The cuts of one link are lifted; partitions stay.
    HealLink(usize, usize),
    /// Loss in bursts on all links: mean packets between two bursts, mean packets lost in one. A length of 0 ends it.
    Bursts(u64, u64),
    /// Packets (or datagrams) come twice, per thousand.
    Duplicate(u64),
    /// Packets (or datagrams) are late and overtaken, per thousand.
    Reorder(u64),
    /// A link carries so many kilobits a second each way, and no bounds with 0: (node, node, kbps).
    Rate(usize, usize, u64),
    /// For so many milliseconds nothing gets onto a link; it waits: (node, node, ms).
    Clog(usize, usize, u64),
    /// Packets of more bytes vanish on a link; none do with 0: (node, node, bytes). Level L2.
    Mtu(usize, usize, usize),
    /// A node's address changes, as when a NAT forgets: packets to the old one reach nobody. Level L2.
    Rebind(usize),
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
    /// It is killed and started again this many times, half a second apart, and killed again a moment after each start: (node, times).
    CrashLoop(usize, u64),
    /// It is killed, started, killed again so many microseconds later, while it starts and catches up, and started: (node, microseconds).
    KillInStart(usize, u64),
    /// It stands still for so many milliseconds, as under SIGSTOP: (node, milliseconds).
    Pause(usize, u64),
    /// The gateway of another region for what this node writes in the busiest room dies, and is started three seconds later.
    GatewayDies(usize),
    /// That gateway reaches nobody until links are healed.
    GatewayIsolated(usize),
    /// The root key throws it out, once all it has written is known at the other node, which is told so; it stops: (node, other).
    Revoke(usize, usize),
    /// Who was thrown out comes back as a new node, with a new key and an empty disk, let in by the other node: (node, other).
    Rejoin(usize, usize),
    /// It is killed, and all wall clocks go on by so many days: (node, days).
    Away(usize, u64),
    /// All nodes are killed at once.
    AllDown,
    /// It is killed and started with no list of nodes but the one on its disk.
    ForgetBootstrap(usize),
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
            Self::Net(NetFault::Partition(groups) | NetFault::PartitionToo(groups)) => groups.concat(),
            Self::Net(
                NetFault::CutOneWay(one, other)
                | NetFault::CutLink(one, other)
                | NetFault::HealLink(one, other)
                | NetFault::Rate(one, other, _)
                | NetFault::Clog(one, other, _)
                | NetFault::Mtu(one, other, _),
            )
            | Self::Node(NodeFault::Revoke(one, other) | NodeFault::Rejoin(one, other)) => vec![*one, *other],
            Self::Net(NetFault::Rebind(node)) => vec![*node],
            Self::Net(
                NetFault::HealLinks
                | NetFault::Loss(_)
                | NetFault::Slow(_)
                | NetFault::Bursts(..)
                | NetFault::Duplicate(_)
                | NetFault::Reorder(_),
            )
            | Self::Node(NodeFault::AllDown) => Vec::new(),
            Self::Disk(DiskFault::Full(node) | DiskFault::Freed(node) | DiskFault::Slow(node, _))
            | Self::Node(
                NodeFault::Crash(node)
                | NodeFault::Restart(node)
                | NodeFault::CrashLoop(node, _)
                | NodeFault::KillInStart(node, _)
                | NodeFault::Pause(node, _)
                | NodeFault::GatewayDies(node)
                | NodeFault::GatewayIsolated(node)
                | NodeFault::Away(node, _)
                | NodeFault::ForgetBootstrap(node),
            )
            | Self::Clock(ClockFault::Step(node, _) | ClockFault::Drift(node, _))
            | Self::Client(ClientFault::Move(_, node)) => vec![*node],
        }
    }

    /// The clients it names.
    #[must_use]
    pub fn clients(&self) -> Vec<usize> {
        match self {
            Self::Client(ClientFault::Move(client, _)) => vec![*client],
            Self::Net(_) | Self::Disk(_) | Self::Node(_) | Self::Clock(_) => Vec::new(),
        }
    }
}

impl NetFault {
    const NAMES: &'static [&'static str] = &[
        "partition",
        "cut-one-way",
        "heal-links",
        "loss",
        "slow-links",
        "partition-too",
        "cut-link",
        "heal-link",
        "loss-bursts",
        "duplicate",
        "reorder",
        "bandwidth-cap",
        "clog",
        "mtu-drop",
        "rebind",
    ];

    const fn name(&self) -> &'static str {
        match self {
            Self::Partition(_) => "partition",
            Self::CutOneWay(..) => "cut-one-way",
            Self::HealLinks => "heal-links",
            Self::Loss(_) => "loss",
            Self::Slow(_) => "slow-links",
            Self::PartitionToo(_) => "partition-too",
            Self::CutLink(..) => "cut-link",
            Self::HealLink(..) => "heal-link",
            Self::Bursts(..) => "loss-bursts",
            Self::Duplicate(_) => "duplicate",
            Self::Reorder(_) => "reorder",
            Self::Rate(..) => "bandwidth-cap",
            Self::Clog(..) => "clog",
            Self::Mtu(..) => "mtu-drop",
            Self::Rebind(_) => "rebind",
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
    const NAMES: &'static [&'static str] = &[
        "crash",
        "restart",
        "crash-loop",
        "kill-in-start",
        "pause",
        "gateway-dies",
        "gateway-isolated",
        "revoke",
        "rejoin",
        "away",
        "all-down",
        "forget-bootstrap",
    ];

    const fn name(&self) -> &'static str {
        match self {
            Self::Crash(_) => "crash",
            Self::Restart(_) => "restart",
            Self::CrashLoop(..) => "crash-loop",
            Self::KillInStart(..) => "kill-in-start",
            Self::Pause(..) => "pause",
            Self::GatewayDies(_) => "gateway-dies",
            Self::GatewayIsolated(_) => "gateway-isolated",
            Self::Revoke(..) => "revoke",
            Self::Rejoin(..) => "rejoin",
            Self::Away(..) => "away",
            Self::AllDown => "all-down",
            Self::ForgetBootstrap(_) => "forget-bootstrap",
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
    const NAMES: &'static [&'static str] = &["move"];

    const fn name(&self) -> &'static str {
        match self {
            Self::Move(..) => "move",
        }
    }
}
