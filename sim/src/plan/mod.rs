//! A run as data: topology, faults, clients and what they do. A seed yields a plan; a plan is TOML that can be printed, edited and
//! run again. The run itself draws only from the plan's own seed.

use serde::{Deserialize, Serialize};

/// Everything that decides a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Feeds every random choice of the run that is not spelled out here (jitter, loss, chunking, the nodes' own generators).
    pub seed: u64,
    /// When clients stop acting and every fault ends, milliseconds from the start.
    pub heal_at_ms: u64,
    /// How long after that all nodes must be equal, milliseconds (invariant L2).
    pub converge_within_ms: u64,
    /// The nodes.
    pub nodes: Vec<NodePlan>,
    /// What links between nodes are like.
    pub links: LinkPlan,
    /// Rooms and who founds them.
    pub rooms: Vec<RoomPlan>,
    /// The clients.
    pub clients: Vec<ClientPlan>,
    /// What breaks, in order of time.
    pub faults: Vec<Fault>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePlan {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Its zone.
    pub zone: String,
    /// How far its wall clock is off, milliseconds.
    pub clock_offset_ms: i64,
}

/// What links are like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkPlan {
    /// One-way delay within a region, microseconds.
    pub near_us: u64,
    /// One-way delay between regions, microseconds.
    pub far_us: u64,
    /// Up to this share of the delay is added at random, in percent.
    pub jitter_percent: u64,
    /// Chance that a packet is lost, per thousand: a datagram vanishes, a frame is late by a retransmission.
    pub loss_permille: u64,
}

/// One room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomPlan {
    /// Its name, without `#`.
    pub name: String,
    /// Index of the client that enters first and so founds it; `None`: whoever comes.
    pub founder: Option<usize>,
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaks {
    /// IRC.
    Irc,
    /// XMPP.
    Xmpp,
}

/// One client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientPlan {
    /// The nick it wants.
    pub nick: String,
    /// Whether it logs in to the account named like its nick; XMPP clients always do.
    pub account: bool,
    /// What it speaks.
    pub speaks: Speaks,
    /// Index of the node it connects to.
    pub node: usize,
    /// When it connects, milliseconds.
    pub connect_at_ms: u64,
    /// Indices of the rooms it enters.
    pub rooms: Vec<usize>,
    /// What it does, in order of time.
    pub script: Vec<Step>,
}

/// Something a client does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When, milliseconds.
    pub at_ms: u64,
    /// What.
    #[serde(rename = "do")]
    pub action: Action,
}

/// What a client can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Says a line of its own making in a room.
    Say(usize),
    /// Says a line to the account of another client.
    Tell(usize),
    /// Sets a room's topic.
    Topic(usize),
    /// Bans a mask that nobody ever lifts.
    BanForGood(usize),
    /// Bans a mask that may be lifted.
    Ban(usize),
    /// Lifts the ban.
    Unban(usize),
    /// Makes another client operator: (room, client).
    Op(usize, usize),
    /// Takes that away: (room, client).
    Deop(usize, usize),
    /// Removes another client: (room, client).
    Kick(usize, usize),
    /// Leaves a room.
    Part(usize),
    /// Enters a room.
    Join(usize),
    /// Takes another nick (IRC).
    Nick(String),
}

/// Something that breaks.
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
    /// From here on these nodes reach one another only within their group; nodes in no group reach nobody.
    Partition(Vec<Vec<usize>>),
    /// Packets of the first node no longer reach the second; the other way they do.
    CutOneWay(usize, usize),
    /// All links work again.
    HealLinks,
    /// The node is killed: what its disk had not committed is gone.
    Crash(usize),
    /// It is started again.
    Restart(usize),
    /// Its disk takes no writes.
    DiskFull(usize),
    /// Its disk takes writes again.
    DiskFreed(usize),
    /// Each commit of its disk takes this many milliseconds.
    DiskSlow(usize, u64),
    /// Loss on all links, per thousand.
    Loss(u64),
    /// All delays are multiplied.
    Slow(u64),
}

/// What must have happened in many seeds together, or they say little: every kind of fault and action, and what clients must meet now
/// and then.
pub const HAPPENINGS: &[&str] = &[
    "partition",
    "cut-one-way",
    "heal-links",
    "crash",
    "restart",
    "disk-full",
    "disk-freed",
    "disk-slow",
    "loss",
    "slow",
    "say",
    "tell",
    "topic",
    "ban-for-good",
    "ban",
    "unban",
    "op",
    "deop",
    "kick",
    "part",
    "join",
    "nick",
    "acknowledged-irc",
    "acknowledged-xmpp",
    "kicked",
    "nick-lost",
    "refused",
];

impl FaultKind {
    /// Its name, for counting.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Partition(_) => "partition",
            Self::CutOneWay(..) => "cut-one-way",
            Self::HealLinks => "heal-links",
            Self::Crash(_) => "crash",
            Self::Restart(_) => "restart",
            Self::DiskFull(_) => "disk-full",
            Self::DiskFreed(_) => "disk-freed",
            Self::DiskSlow(..) => "disk-slow",
            Self::Loss(_) => "loss",
            Self::Slow(_) => "slow",
        }
    }
}

/// Why a text is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Not TOML, or with a key or value that no plan has; the message names line and column.
    #[error("{0}")]
    Syntax(String),
    /// It names something that is not there.
    #[error("{what} {index} is named by {by}, but there are only {count}")]
    Missing {
        /// What kind of thing.
        what: &'static str,
        /// The index named.
        index: usize,
        /// Who names it.
        by: String,
        /// How many there are.
        count: usize,
    },
    /// A mesh needs a node.
    #[error("a plan needs at least one node")]
    NoNodes,
}

impl Plan {
    /// The plan as TOML.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// A plan from TOML.
    ///
    /// # Errors
    /// [`PlanError`] says what is wrong and where.
    pub fn from_toml(text: &str) -> Result<Self, PlanError> {
        let plan: Self = toml::from_str(text).map_err(|error| PlanError::Syntax(error.to_string()))?;
        plan.check()?;
        Ok(plan)
    }

    /// Checks that every index names something.
    ///
    /// # Errors
    /// [`PlanError`] for the first that does not.
    pub fn check(&self) -> Result<(), PlanError> {
        if self.nodes.is_empty() {
            return Err(PlanError::NoNodes);
        }
        for room in &self.rooms {
            if let Some(founder) = room.founder {
                within("client", founder, self.clients.len(), || format!("room {}", room.name))?;
            }
        }
        for client in &self.clients {
            let by = || format!("client {}", client.nick);
            within("node", client.node, self.nodes.len(), by)?;
            for room in &client.rooms {
                within("room", *room, self.rooms.len(), by)?;
            }
            for step in &client.script {
                let (room, other) = step.action.indices();
                if let Some(room) = room {
                    within("room", room, self.rooms.len(), by)?;
                }
                if let Some(other) = other {
                    within("client", other, self.clients.len(), by)?;
                }
            }
        }
        for fault in &self.faults {
            for node in fault.kind.nodes() {
                within("node", node, self.nodes.len(), || format!("fault {}", fault.kind.name()))?;
            }
        }
        Ok(())
    }
}

fn within(what: &'static str, index: usize, count: usize, by: impl Fn() -> String) -> Result<(), PlanError> {
    if index < count { Ok(()) } else { Err(PlanError::Missing { what, index, by: by(), count }) }
}

impl Action {
    /// Its name, for counting.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Say(_) => "say",
            Self::Tell(_) => "tell",
            Self::Topic(_) => "topic",
            Self::BanForGood(_) => "ban-for-good",
            Self::Ban(_) => "ban",
            Self::Unban(_) => "unban",
            Self::Op(..) => "op",
            Self::Deop(..) => "deop",
            Self::Kick(..) => "kick",
            Self::Part(_) => "part",
            Self::Join(_) => "join",
            Self::Nick(_) => "nick",
        }
    }

    /// The room and the other client it names.
    #[must_use]
    pub const fn indices(&self) -> (Option<usize>, Option<usize>) {
        match self {
            Self::Say(room)
            | Self::Topic(room)
            | Self::BanForGood(room)
            | Self::Ban(room)
            | Self::Unban(room)
            | Self::Part(room)
            | Self::Join(room) => (Some(*room), None),
            Self::Tell(other) => (None, Some(*other)),
            Self::Op(room, other) | Self::Deop(room, other) | Self::Kick(room, other) => (Some(*room), Some(*other)),
            Self::Nick(_) => (None, None),
        }
    }
}

impl FaultKind {
    fn nodes(&self) -> Vec<usize> {
        match self {
            Self::Partition(groups) => groups.concat(),
            Self::CutOneWay(one, other) => vec![*one, *other],
            Self::Crash(node)
            | Self::Restart(node)
            | Self::DiskFull(node)
            | Self::DiskFreed(node)
            | Self::DiskSlow(node, _) => vec![*node],
            Self::HealLinks | Self::Loss(_) | Self::Slow(_) => Vec::new(),
        }
    }
}
