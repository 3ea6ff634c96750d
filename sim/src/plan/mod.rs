//! A run as data: topology, faults, clients and what they do. A seed yields a plan; a plan is TOML that can be printed, edited and
//! run again. The run itself draws only from the plan's own seed.

mod action;
mod expect;
mod fault;
mod link;
pub(crate) mod release;

pub use action::Action;
pub use expect::Expect;
pub use fault::{ClientFault, ClockFault, DiskFault, Fault, FaultKind, NetFault, NodeFault, PeerFault};
pub use link::RegionLink;
pub use release::Release;

use crate::client::deeds;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;

/// What must have happened in many seeds together, or they say little: every kind of fault and action, and what clients must meet now
/// and then; with `placed` rooms live on some nodes only.
#[must_use]
pub fn happenings(level: Level, placed: bool) -> Vec<&'static str> {
    let met = [
        "acknowledged-irc",
        "acknowledged-xmpp",
        "hot-node",
        "kicked",
        "late-start",
        "nick-lost",
        "refused",
        "revoked",
        "faulted",
        "page",
        "slow-reader-cut",
        "ghost",
        "banned-speech-refused",
        "unknown-entry",
        "unknown-register",
        "unknown-act",
        "unknown-frame",
    ];
    let deeds: Vec<&str> = deeds::TABLES.concat().iter().map(|deed| deed.name).collect();
    let mut all = [fault::NAMES, &[action::NAMES, &met, &deeds]].concat().concat();
    if placed {
        all.extend(["room-fetched", "room-out-of-reach", "room-handed-over", "room-let-go", "emptied"]);
    } else {
        all.retain(|what| !fault::ONLY_PLACED.contains(what));
    }
    all.retain(|what| fault::ONLY_AT.iter().all(|(only, names)| *only == level || !names.contains(what)));
    all
}

/// Everything that decides a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Feeds every random choice of the run that is not spelled out here (jitter, loss, chunking, the nodes' own generators).
    pub seed: u64,
    /// How much of the world is real.
    #[serde(default)]
    pub level: Level,
    /// What kind of run it is: decides what is checked beyond safety.
    #[serde(default)]
    pub class: Class,
    /// When clients stop acting and every fault ends, milliseconds from the start.
    pub heal_at_ms: u64,
    /// How long after that all nodes must be equal, milliseconds (invariant L2).
    pub converge_within_ms: u64,
    /// In class [`Class::Core`]: the nodes that are healed then and must converge and serve. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub core: Vec<usize>,
    /// How many home replicas a room has; none: every node holds every room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<NonZeroUsize>,
    /// After how long a room that nobody asks for leaves a node's memory, milliseconds; none: as in a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_idle_ms: Option<u64>,
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
    /// Bounds on what is measured.
    #[serde(default, skip_serializing_if = "Expect::is_empty")]
    pub expect: Expect,
}

/// How much of the world around the core is real.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Whole frames over a message network, a model disk.
    #[default]
    L0,
    /// The real store over a faulty disk.
    L1,
    /// Real QUIC packets over a faulty wire.
    L2,
}

/// Seed classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// No faults: latency, copies, bytes and memory are bounded too.
    Fair,
    /// Faults of a swarm of kinds, then everything heals.
    #[default]
    Safety,
    /// One part heals, everything else stays broken: the part must converge and serve.
    Core,
    /// Some nodes are not honest.
    Byzantine,
    /// Nodes of two versions.
    Upgrade,
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
    /// When it starts for the first time, milliseconds.
    #[serde(default)]
    pub starts_at_ms: u64,
    /// Which version of the node it runs at first.
    #[serde(default, skip_serializing_if = "Release::is_current")]
    pub release: Release,
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
    /// Links that differ from the above, by the regions they join.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub between: Vec<RegionLink>,
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

impl ClientPlan {
    /// The rooms it enters at its beginning or does something in later.
    pub(crate) fn own_rooms(&self) -> BTreeSet<usize> {
        let named = self.script.iter().filter_map(|step| step.action.indices().0);
        self.rooms.iter().copied().chain(named).collect()
    }
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
        /// Where in the plan, as keys and indices joined by dots.
        path: String,
    },
    /// A client is to do something that is not in the table of deeds.
    #[error("{by} is to do {deed:?}, which nobody can")]
    NoDeed {
        /// Who.
        by: String,
        /// What.
        deed: String,
        /// Where in the plan, as keys and indices joined by dots.
        path: String,
    },
    /// A node is to run a version that there is not, or that does not speak with another node's.
    #[error("{by}: {why}")]
    NoRelease {
        /// Who asks for it.
        by: String,
        /// What is wrong with it.
        why: String,
        /// Where in the plan, as keys and indices joined by dots.
        path: String,
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

    /// Whether a node is not honest at some time.
    #[must_use]
    pub fn lies(&self, node: usize) -> bool {
        self.faults.iter().any(|fault| matches!(&fault.kind, FaultKind::Peer(peer) if peer.node() == node))
    }

    /// Checks that every index names something.
    ///
    /// # Errors
    /// [`PlanError`] for the first that does not.
    pub fn check(&self) -> Result<(), PlanError> {
        if self.nodes.is_empty() {
            return Err(PlanError::NoNodes);
        }
        for node in &self.core {
            within("node", *node, self.nodes.len(), || ("the core".to_owned(), "core".to_owned()))?;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            if !self.nodes.iter().all(|other| other.release.speaks_with(node.release)) {
                let (by, path) = (format!("node {}", node.name), format!("nodes.{index}.release"));
                return Err(PlanError::NoRelease {
                    by,
                    why: "its version does not speak with every other node's".to_owned(),
                    path,
                });
            }
        }
        for (index, room) in self.rooms.iter().enumerate() {
            if let Some(founder) = room.founder {
                let path = || format!("rooms.{index}.founder");
                within("client", founder, self.clients.len(), || (format!("room {}", room.name), path()))?;
            }
        }
        for (index, client) in self.clients.iter().enumerate() {
            let by = |path: String| (format!("client {}", client.nick), format!("clients.{index}.{path}"));
            within("node", client.node, self.nodes.len(), || by("node".to_owned()))?;
            for room in &client.rooms {
                within("room", *room, self.rooms.len(), || by("rooms".to_owned()))?;
            }
            for (at, step) in client.script.iter().enumerate() {
                let by = || by(format!("script.{at}.do"));
                if let Action::Deed(deed, ..) = &step.action
                    && deeds::by_name(deed).is_none()
                {
                    let (by, path) = by();
                    return Err(PlanError::NoDeed { by, deed: deed.clone(), path });
                }
                let (room, other) = step.action.indices();
                if let Some(room) = room {
                    within("room", room, self.rooms.len(), by)?;
                }
                if let Some(other) = other {
                    within("client", other, self.clients.len(), by)?;
                }
            }
        }
        for (index, fault) in self.faults.iter().enumerate() {
            let by = || (format!("fault {}", fault.kind.name()), format!("faults.{index}.do"));
            for node in fault.kind.nodes() {
                within("node", node, self.nodes.len(), by)?;
            }
            for client in fault.kind.clients() {
                within("client", client, self.clients.len(), by)?;
            }
        }
        for (index, change) in release::changes(self) {
            if let Err(why) = change {
                let (by, path) = (format!("fault {}", self.faults[index].kind.name()), format!("faults.{index}.do"));
                return Err(PlanError::NoRelease { by, why: why.to_owned(), path });
            }
        }
        Ok(())
    }
}

/// Checks an index; `by` says who names it and where.
fn within(what: &'static str, index: usize, count: usize, by: impl Fn() -> (String, String)) -> Result<(), PlanError> {
    if index < count {
        return Ok(());
    }
    let (by, path) = by();
    Err(PlanError::Missing { what, index, by, count, path })
}
