//! What breaks, by what it befalls. A new kind is a variant of its family, a name beside it, and an arm in `world/faults/`.

use super::Level;
use serde::{Deserialize, Serialize};

/// Names of all kinds, by family.
pub(super) const NAMES: &[&[&str]] =
    &[NetFault::NAMES, DiskFault::NAMES, NodeFault::NAMES, ClockFault::NAMES, ClientFault::NAMES, PeerFault::NAMES];

/// Kinds that mean something only where rooms live on some nodes.
pub(super) const ONLY_PLACED: &[&str] = &["drain", "undrain"];

/// Kinds that need what only one level has: bytes on a disk, packets on a wire.
pub(super) const ONLY_AT: &[(Level, &[&str])] =
    &[(Level::L1, &["bit-rot", "truncate"]), (Level::L2, &["mtu-drop", "rebind"])];

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
    /// Of a node that is not honest any more.
    Peer(PeerFault),
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
    /// Packets (or datagrams and frames) come twice, per thousand.
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
    /// Reads fail from here on.
    ReadError(usize),
    /// The next sync fails, and some of what it was to write is lost.
    SyncError(usize),
    /// Bits of what was written flip: (node, how many). Needs bytes, level L1.
    BitRot(usize, u64),
    /// The file is cut, to parts of its length in 65,536: (node, parts). Needs bytes, level L1.
    Truncate(usize, u16),
    /// What made the disk fail is mended, and the node is started anew.
    Mended(usize),
    /// The node is killed and its disk is replaced by an empty one.
    Loss(usize),
    /// A copy is made of what is durable.
    Backup(usize),
    /// The node is killed and that copy is put in place of its disk.
    OldBackup(usize),
    /// The power goes: what was not synced is there or not, torn at sectors. As a kill where there are no bytes.
    PowerLoss(usize),
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
    /// An operator of the other node empties it: rooms get other homes. Who is thrown out after that goes once others have what it has: (node, other).
    Drain(usize, usize),
    /// It is to be a home again: (node, other).
    Undrain(usize, usize),
    /// It is killed, and all wall clocks go on by so many days: (node, days).
    Away(usize, u64),
    /// All nodes are killed at once.
    AllDown,
    /// It is killed and started with no list of nodes but the one on its disk.
    ForgetBootstrap(usize),
    /// It is killed and started as the next version of the node.
    Upgrade(usize),
    /// It is killed and started as the version before.
    Rollback(usize),
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

/// What a node does that is not honest, from then on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerFault {
    /// It signs two contents of one entry and gives one to some, the other to others.
    Equivocate(usize),
    /// It passes on entries of others changed, under wrong signatures and wrong origins.
    Forge(usize),
    /// It keeps back what others wrote and some of what it wrote itself.
    Withhold(usize),
    /// It sends old frames again.
    Replay(usize),
    /// It claims to have what it has not, and to lack what it has.
    FakeVectors(usize),
    /// It writes entries with bodies, stamps, references and authors that no honest node writes.
    Poison(usize),
}

impl PeerFault {
    const NAMES: &'static [&'static str] = &["equivocate", "forge", "withhold", "replay", "fake-vectors", "poison"];

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Equivocate(_) => "equivocate",
            Self::Forge(_) => "forge",
            Self::Withhold(_) => "withhold",
            Self::Replay(_) => "replay",
            Self::FakeVectors(_) => "fake-vectors",
            Self::Poison(_) => "poison",
        }
    }

    /// Which node.
    #[must_use]
    pub const fn node(&self) -> usize {
        match self {
            Self::Equivocate(node)
            | Self::Forge(node)
            | Self::Withhold(node)
            | Self::Replay(node)
            | Self::FakeVectors(node)
            | Self::Poison(node) => *node,
        }
    }
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
            Self::Peer(fault) => fault.name(),
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
            | Self::Node(
                NodeFault::Revoke(one, other)
                | NodeFault::Rejoin(one, other)
                | NodeFault::Drain(one, other)
                | NodeFault::Undrain(one, other),
            ) => vec![*one, *other],
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
            Self::Disk(fault) => vec![fault.node()],
            Self::Node(
                NodeFault::Crash(node)
                | NodeFault::Restart(node)
                | NodeFault::CrashLoop(node, _)
                | NodeFault::KillInStart(node, _)
                | NodeFault::Pause(node, _)
                | NodeFault::GatewayDies(node)
                | NodeFault::GatewayIsolated(node)
                | NodeFault::Away(node, _)
                | NodeFault::ForgetBootstrap(node)
                | NodeFault::Upgrade(node)
                | NodeFault::Rollback(node),
            )
            | Self::Clock(ClockFault::Step(node, _) | ClockFault::Drift(node, _))
            | Self::Client(
                ClientFault::Move(_, node) | ClientFault::HalfOpen(_, node) | ClientFault::ReconnectStorm(node),
            ) => vec![*node],
            Self::Client(ClientFault::FailOver(nodes, node)) => [nodes.as_slice(), &[*node]].concat(),
            Self::Client(ClientFault::Deaf(_) | ClientFault::Flood(..)) => Vec::new(),
            Self::Peer(fault) => vec![fault.node()],
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
            Self::Net(_) | Self::Disk(_) | Self::Node(_) | Self::Clock(_) | Self::Peer(_) => Vec::new(),
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
    const NAMES: &'static [&'static str] = &[
        "disk-full",
        "disk-freed",
        "disk-slow",
        "read-error",
        "sync-error",
        "bit-rot",
        "truncate",
        "disk-mended",
        "disk-loss",
        "backup",
        "old-backup",
        "power-loss",
    ];

    /// The node that it befalls.
    const fn node(&self) -> usize {
        match self {
            Self::Full(node)
            | Self::Freed(node)
            | Self::Slow(node, _)
            | Self::ReadError(node)
            | Self::SyncError(node)
            | Self::BitRot(node, _)
            | Self::Truncate(node, _)
            | Self::Mended(node)
            | Self::Loss(node)
            | Self::Backup(node)
            | Self::OldBackup(node)
            | Self::PowerLoss(node) => *node,
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Full(_) => "disk-full",
            Self::Freed(_) => "disk-freed",
            Self::Slow(..) => "disk-slow",
            Self::ReadError(_) => "read-error",
            Self::SyncError(_) => "sync-error",
            Self::BitRot(..) => "bit-rot",
            Self::Truncate(..) => "truncate",
            Self::Mended(_) => "disk-mended",
            Self::Loss(_) => "disk-loss",
            Self::Backup(_) => "backup",
            Self::OldBackup(_) => "old-backup",
            Self::PowerLoss(_) => "power-loss",
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
        "drain",
        "undrain",
        "away",
        "all-down",
        "forget-bootstrap",
        "upgrade",
        "rollback",
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
            Self::Drain(..) => "drain",
            Self::Undrain(..) => "undrain",
            Self::Away(..) => "away",
            Self::AllDown => "all-down",
            Self::ForgetBootstrap(_) => "forget-bootstrap",
            Self::Upgrade(_) => "upgrade",
            Self::Rollback(_) => "rollback",
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
