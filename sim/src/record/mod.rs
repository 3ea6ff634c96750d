//! What happened in a run, as data: when entries were written, where they became durable, which way each copy took, which connections stood,
//! what was cut, who was up, what clients said and were shown, and how far each node was behind.
//!
//! Whoever draws a run, or explains a broken invariant, reads this and nothing else. It is made by [`run_recorded`](crate::run_recorded);
//! a plain [`run`](crate::run) keeps only the counts that checkers need. Every list is bounded, see [`Record::truncated`].

mod book;

pub(crate) use book::{Book, Tally};

use serde::{Deserialize, Serialize};

/// A time from the start of the run on, microseconds.
pub type Micros = u64;

/// The record of one run. Nodes and clients are named by their index in the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The nodes, in the plan's order.
    pub nodes: Vec<NodeLane>,
    /// Connections between nodes, in the order in which they were made.
    pub connections: Vec<Connection>,
    /// Directions in which packets did not pass, in the order in which they were cut.
    pub cuts: Vec<Cut>,
    /// The plan's faults as they came.
    pub faults: Vec<FaultMark>,
    /// Every entry, in the order in which they were first met.
    pub entries: Vec<EntryRecord>,
    /// What clients said, in the order of saying.
    pub lines: Vec<LineRecord>,
    /// What clients did about rights and their places in rooms, in the order of doing.
    pub acts: Vec<ActRecord>,
    /// How far nodes were behind, sampled.
    pub lags: Vec<Lag>,
    /// When the faults ended.
    pub healed_us: Micros,
    /// When all judged nodes were equal for the first time after that.
    pub converged_us: Option<Micros>,
    /// When the run ended.
    pub end_us: Micros,
    /// Whether a list was full and what came after is missing.
    pub truncated: bool,
}

/// A stretch of time; without an end it lasted to the end of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// From when.
    pub from_us: Micros,
    /// Until when.
    pub until_us: Option<Micros>,
}

/// A node and when it was up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLane {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Its zone.
    pub zone: String,
    /// When it ran.
    pub up: Vec<Span>,
    /// When it was stopped without being down (SIGSTOP).
    pub paused: Vec<Span>,
}

/// A connection between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The node with the lower index.
    pub one: usize,
    /// The other node.
    pub other: usize,
    /// While it stood.
    pub span: Span,
}

/// A direction in which packets did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// From this node.
    pub from: usize,
    /// To this node.
    pub to: usize,
    /// While they did not pass.
    pub span: Span,
}

/// A fault of the plan that came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultMark {
    /// When.
    pub at_us: Micros,
    /// Its name, as in [`FaultKind::name`](crate::FaultKind::name).
    pub name: String,
    /// All of it, in words.
    pub what: String,
    /// The nodes it names.
    pub nodes: Vec<usize>,
}

/// One entry and where it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRecord {
    /// Its message id, which [`LineRecord::id`] is too for what a client said.
    pub id: String,
    /// Its scope: `mesh`, `account NAME`, `room NAME`, `direct ONE OTHER`.
    pub scope: String,
    /// The node that wrote it.
    pub origin: usize,
    /// Its origin, in short, as violations name it.
    pub by: String,
    /// Its number among that origin's entries of the scope.
    pub seq: u64,
    /// When it was written; not durable yet.
    pub appended_us: Option<Micros>,
    /// Where it became durable and when, in order of time. A node is here twice when it lost its disk in between.
    pub durable: Vec<Durable>,
    /// Every copy that arrived, in order of time.
    pub copies: Vec<Copy>,
}

/// An entry became durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durable {
    /// At which node.
    pub node: usize,
    /// When.
    pub at_us: Micros,
}

/// One copy of an entry that arrived at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// From which node.
    pub from: usize,
    /// At which node.
    pub to: usize,
    /// When.
    pub at_us: Micros,
    /// Which way.
    pub how: How,
    /// Whether it was the first to arrive there.
    pub first: bool,
}

/// Which way a copy came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Live, from the node that wrote it.
    Push,
    /// Live, passed on by another node.
    Relay,
    /// By sync.
    Delta,
}

/// A line that a client said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineRecord {
    /// Who said it.
    pub client: usize,
    /// The node it was connected to.
    pub node: usize,
    /// The text, which no other line has.
    pub text: String,
    /// The room, by name; `None` when it was told to one client.
    pub room: Option<String>,
    /// When it was said.
    pub said_us: Micros,
    /// When the client saw that it was taken.
    pub acked_us: Option<Micros>,
    /// The message id it was acknowledged with: the one of its entry.
    pub id: Option<String>,
    /// Who was shown it and when, in order of time.
    pub shown: Vec<Shown>,
}

/// Something that a client did beside saying lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActRecord {
    /// Who did it.
    pub client: usize,
    /// The node it was connected to.
    pub node: usize,
    /// Its name, as in [`Action::name`](crate::Action::name).
    pub name: String,
    /// The room, by name.
    pub room: Option<String>,
    /// The nick of the client that it was done to.
    pub whom: Option<String>,
    /// The mask or topic, which no other act has; empty for what has none.
    pub text: String,
    /// When.
    pub at_us: Micros,
}

impl ActRecord {
    /// In words.
    #[must_use]
    pub fn what(&self) -> String {
        let words = [Some(self.name.as_str()), self.whom.as_deref(), Some(self.text.as_str()), self.room.as_deref()];
        words.into_iter().flatten().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// A client was shown a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Who.
    pub client: usize,
    /// When.
    pub at_us: Micros,
}

/// How far each node was behind at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    /// When.
    pub at_us: Micros,
    /// Per node: how many entries are durable on some node and not on this one.
    pub behind: Vec<u64>,
}
