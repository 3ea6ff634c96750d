//! What the replicas tell the machine above them: what an entry did, once its causal past is here and its author had the right.

use crate::store::BatchId;
use lavina_crdt::barred::Barred;
use lavina_crdt::chain::ChainError;
use lavina_crdt::content::{Author, Content};
use lavina_crdt::entry::Run;
use lavina_crdt::equivocation::Equivocation;
use lavina_crdt::ids::{NodeId, OrderKey, Origin, Scope};
use lavina_crdt::names::{AccountName, RoomName};
use lavina_crdt::relation::Redacted;
use lavina_crdt::room::{Act, Kick, RoomState};
use lavina_crdt::version::VersionVector;
use std::sync::Arc;

/// What an entry did here. Each comes once, for own entries at once and for foreign ones when they are taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Something was said in a room or between two people.
    Said(Message, /** Whether it was said a while ago. */ bool),
    /// A room's state changed, or an act upon it had no effect (`old` and `new` are equal then).
    RoomChanged {
        /// Which room.
        room: RoomName,
        /// The entry.
        key: OrderKey,
        /// By whom.
        author: Author,
        /// What the entry asked for.
        acts: Vec<Act>,
        /// As it was.
        old: Arc<RoomState>,
        /// As it is.
        new: Arc<RoomState>,
    },
    /// Somebody was removed from a room by an author with the right.
    Kicked {
        /// Which room.
        room: RoomName,
        /// The entry.
        key: OrderKey,
        /// By whom.
        author: Author,
        /// Whom.
        kick: Kick,
    },
    /// An account came to be, or who holds its name changed by a merge.
    Account(AccountName),
    /// A register of an account has another value.
    Register {
        /// Whose.
        account: AccountName,
        /// Which.
        key: String,
        /// The entry.
        at: OrderKey,
    },
    /// Who belongs to the mesh, or where somebody stands, changed.
    Mesh,
    /// There is a new word on who is kept out of the mesh.
    Barred(Barred),
    /// An origin was shown to equivocate in a scope: what it wrote there from the fork on is void, and what rests on it was built anew.
    Quarantined(Scope),
}

/// A message of a scope's log. A copy shares what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub scope: Scope,
    /// Its position and so its id.
    pub key: OrderKey,
    /// By whom.
    pub author: Arc<Author>,
    /// What; nothing is left of it where it is redacted.
    pub content: Arc<Content>,
    /// Who took it back.
    pub redacted: Option<Arc<Redacted>>,
}

impl Message {
    pub(super) fn new(scope: Scope, key: OrderKey, author: Author, content: Content) -> Self {
        Self { scope, key, author: Arc::new(author), content: Arc::new(content), redacted: None }
    }
}

/// A local entry that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its position and so its id.
    pub key: OrderKey,
    /// The batch that makes it durable.
    pub batch: BatchId,
    /// What it did here.
    pub effects: Vec<Effect>,
}

/// Entries of a peer that were taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The runs that verified, new here or not.
    pub verified: Vec<Run>,
    /// What the new ones did.
    pub effects: Vec<Effect>,
    /// Who sent or wrote what no honest node does.
    pub faults: Vec<(NodeId, Fault)>,
    /// Whose entries those were to be: what else of them seemed to be on its way here was not.
    pub refuted: Vec<(Scope, Origin)>,
    /// Own entries that the sender is to see, because it has others under the same numbers: from where on.
    pub differ: Vec<(Scope, Origin, u64)>,
}

/// What no honest node does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It passed on a run that does not verify.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// It signed two contents of one dot.
    #[error("two contents of one entry")]
    Equivocation(Box<Equivocation>),
}

/// What became durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Persisted {
    /// Own entries: to be disseminated.
    pub own: Vec<Run>,
    /// The durable vectors that changed.
    pub vectors: Vec<(Scope, VersionVector)>,
}

/// Something done in a room, from its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// Which room.
    pub room: RoomName,
    /// Its position.
    pub key: OrderKey,
    /// By whom.
    pub author: Arc<Author>,
    /// Acts upon the room's state, or whom it removed.
    pub what: Done,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// Acts that people see the effect of.
    Acts(Vec<Act>),
    /// Somebody was removed.
    Kicked(Kick),
}

/// A page of messages, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Message>,
    /// What was done among them, where that was asked for.
    pub deeds: Vec<Deed>,
    /// Whether the range holds no more in the direction asked.
    pub complete: bool,
}

/// How much came to what; all only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Entries made here.
    pub entries_appended: u64,
    /// Foreign entries taken in.
    pub entries_received: u64,
    /// Their bytes, signatures too.
    pub entry_bytes_received: u64,
    /// Runs that were known already.
    pub runs_known: u64,
    /// Runs refused because entries before them are missing; sync brings them.
    pub runs_gap: u64,
    /// Runs refused because their stamps are too far ahead.
    pub runs_ahead: u64,
    /// Runs refused because their origin's node was never admitted.
    pub runs_unadmitted: u64,
    /// Runs refused because too much waits for the disk; sync brings them again.
    pub runs_unstored: u64,
    /// Runs refused because they do not verify, or contradict what is here.
    pub runs_faulty: u64,
    /// Runs refused because their origin equivocated before them.
    pub runs_void: u64,
    /// Origins put in quarantine in a scope, or earlier than before.
    pub quarantines: u64,
    /// Rooms let go that others hold.
    pub rooms_let_go: u64,
    /// Entries held back until their causal past came.
    pub entries_held: u64,
    /// Entries shown without their causal past.
    pub entries_forced: u64,
    /// Entries without effect because their author lacked the right.
    pub entries_denied: u64,
}
