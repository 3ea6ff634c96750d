//! What a node is told at its start, what goes into it and what comes out of it.

use crate::paces::Pace;
use crate::store::{Batch, BatchId, StoreError};
use bytes::Bytes;
use lavina_crdt::account::Credentials;
use lavina_crdt::entry::Signature;
use lavina_crdt::fence::{Fence, FenceRow};
use lavina_crdt::ids::NodeId;
use lavina_crdt::invitation::{Invitation, InvitationId};
use lavina_crdt::mesh::{Admission, Place};
use lavina_crdt::names::AccountName;
use lavina_crdt::seals::Seals;
use lavina_gossip::frame::{Frame, Lane};
use lavina_gossip::machine::PeerStatus;
use lavina_protocols::command::{Command, CommandId, Refusal, Reply};
use lavina_protocols::event::{CloseReason, Event, Said};
use lavina_protocols::operator::Operator;
use lavina_protocols::session::ROOMS_MAX;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Number of a session at this node.
pub type SessionNumber = u64;

/// What a node is.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its signing key.
    pub key: ed25519_dalek::SigningKey,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Addresses that others can dial.
    pub addresses: Vec<String>,
    /// Name and public root key of the mesh.
    pub mesh: MeshIdentity,
    /// Admissions known from joining (each signed by the root key, so trusted by themselves): who may connect before the mesh scope has been
    /// synced, this node's own too. They count as if they were entries.
    pub bootstrap: Vec<Admission>,
    /// Who may become an operator here.
    pub operators: Vec<Operator>,
    /// Limits and times.
    pub limits: Limits,
    /// What nodes of one process have verified; the default for a node on its own.
    pub seals: Seals,
}

/// Which mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshIdentity {
    /// Random id.
    pub id: [u8; 16],
    /// Whose signature admits nodes.
    pub root: NodeId,
}

/// Bounds and times; each is a named field so that it is seen.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most a foreign stamp may be ahead, milliseconds.
    pub drift_ms_max: u64,
    /// Time until occupants behind a cut are shown as gone, milliseconds.
    pub unreachable_grace_ms: u64,
    /// Longest that an entry is held back for its causal past before it is shown all the same, milliseconds.
    pub hold_ms_max: u64,
    /// How long the document of a room that nobody asks for stays in memory, milliseconds.
    pub room_idle_ms: u64,
    /// Most rooms one session may be in.
    pub rooms_per_session_max: usize,
    /// Most messages of one history page.
    pub history_page_max: usize,
    /// Most commands of one session waiting; the shell stops reading above it.
    pub commands_waiting_max: usize,
    /// Sync period, milliseconds.
    pub sync_period_ms: u64,
    /// SWIM probe period, milliseconds.
    pub probe_period_ms: u64,
    /// Most sessions of one address (IPv4) or /64 (IPv6) on this node; those from this machine itself are not counted.
    pub sessions_per_address_max: usize,
    /// Most sessions of one account on all nodes.
    pub sessions_per_account_max: usize,
    /// How fast an account, and who comes without one from an address, may say things at this node.
    pub pace: Pace,
    /// Whether accounts stay in their rooms with no session anywhere, unless their owners choose otherwise.
    pub always_on: bool,
    /// For how long nothing is said or changed in a room that is kept until it is kept for nobody any more, milliseconds; `None`: for ever.
    pub room_lapse_ms: Option<u64>,
    /// Whether every account may invite people to register, and not operators only.
    pub invitations: bool,
    /// How many home replicas a room has; `None`: every node holds every room.
    pub replicas: Option<NonZeroUsize>,
    /// How long a room that others hold is kept here after somebody here last wanted it, milliseconds.
    pub linger_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            drift_ms_max: 30_000,
            unreachable_grace_ms: 600_000,
            hold_ms_max: 2_000,
            room_idle_ms: 120_000,
            rooms_per_session_max: ROOMS_MAX,
            history_page_max: 500,
            commands_waiting_max: 256,
            sync_period_ms: 3_000,
            probe_period_ms: 1_000,
            sessions_per_address_max: 256,
            sessions_per_account_max: 64,
            pace: Pace::DEFAULT,
            room_lapse_ms: None,
            always_on: false,
            invitations: false,
            replicas: None,
            linger_ms: 600_000,
        }
    }
}

/// What comes in.
#[derive(Clone, Debug)]
pub enum Input {
    /// A connection was taken; `host` is its cloaked host.
    SessionOpened(SessionNumber, SessionMeta),
    /// The session goes on over another connection, from that address.
    SessionMoved(SessionNumber, Option<IpAddr>),
    /// Its session asks for something.
    Command(SessionNumber, CommandId, Command),
    /// The connection is gone without a `Quit`; the reason is shown to others.
    SessionClosed(SessionNumber, String),
    /// All batches up to this one are durable.
    Persisted(BatchId),
    /// This batch and those after it were not written; the machine gives them out again (when full) or refuses writes from now on.
    PersistFailed(BatchId, StoreError),
    /// There is an authenticated connection to an admitted peer.
    PeerUp(NodeId),
    /// It is gone.
    PeerDown(NodeId),
    /// A peer's measured round trip, microseconds.
    RoundTrip(NodeId, u64),
    /// A frame from a peer.
    Frame(NodeId, Frame),
    /// A datagram from a peer.
    Datagram(NodeId, Bytes),
    /// The push service of a device knows nothing of it any more.
    DeviceGone(AccountName, String),
    /// A question or act of the operator.
    Admin(u64, AdminCommand),
    /// The time that [`Output::Timeout`] named has come.
    Timeout,
}

/// A device that is told of what is said to its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Whose.
    pub account: AccountName,
    /// The key of its register.
    pub key: String,
    /// What the register holds.
    pub value: Vec<u8>,
}

/// What the core knows of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionMeta {
    /// The cloaked host.
    pub host: String,
    /// Its address, where it has one; never shown.
    pub address: Option<IpAddr>,
    /// Whether it is encrypted.
    pub secure: bool,
}

/// What an operator asks.
#[derive(Clone, Debug)]
pub enum AdminCommand {
    /// Registers an account.
    AccountAdd(AccountName, Credentials),
    /// Writes an admission (signed by the root key) into the mesh scope.
    Admit(Admission),
    /// Revokes a node.
    Revoke(NodeId, Signature),
    /// Whether a node is to be emptied of rooms: they get other homes.
    SetDraining(NodeId, bool),
    /// What of a node is here and counts, for its fence.
    FenceRows(NodeId),
    /// Writes a part of a fence (signed by the root key) into the mesh scope.
    Fence(Fence),
    /// Where clients of XMPP reach this node, `host:port`, where it says so to the mesh.
    ClientsAt(Option<String>),
    /// Makes an invitation to register, or (`None`) takes one back.
    Invite(InvitationId, Option<Invitation>),
    /// All invitations that were not taken back.
    Invitations,
    /// How the node is.
    Status,
    /// The configuration was read again: the operators it names, when it could be read, and what to tell whoever asked for it.
    Reloaded {
        /// Who may become an operator from now on; `None`: as before.
        operators: Option<Vec<Operator>>,
        /// Whom to tell.
        told: Option<SessionNumber>,
        /// What.
        words: String,
    },
    /// Ends all sessions and gets ready to stop.
    Drain,
}

/// Its answer.
#[derive(Clone, Debug)]
pub enum AdminReply {
    /// Done, and durable.
    Done,
    /// How the node is.
    Status(Box<Status>),
    /// What of a node is here and counts.
    FenceRows(Vec<FenceRow>),
    /// Invitations.
    Invitations(Vec<InvitationView>),
}

/// An invitation as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationView {
    /// Which.
    pub id: InvitationId,
    /// What it is good for.
    pub invitation: Invitation,
    /// The accounts that were registered with it, the one that counts in front.
    pub users: Vec<AccountName>,
}

/// How a node is.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Peers.
    pub peers: Vec<(String, PeerStatus)>,
    /// Rooms held.
    pub rooms: usize,
    /// Sessions here.
    pub sessions: usize,
    /// Of how many rooms whose home this node is fewer home replicas are in reach than there are to be.
    pub rooms_thin: usize,
    /// Whether this node is being emptied.
    pub draining: bool,
    /// How many rooms are here that this node is not to hold, and that not all of their homes have yet. While it is being emptied, how many rooms, conversations
    /// and accounts not as many other nodes have as are to: with none of these left it can be switched off.
    pub rooms_to_hand_over: usize,
    /// Scopes held.
    pub scopes: usize,
    /// Entries held.
    pub entries: u64,
    /// One hash over all durable vectors: equal on two nodes that hold the same.
    pub digest: String,
    /// Why the store takes no writes, when it does not.
    pub store_error: Option<String>,
    /// Counters by name.
    pub counters: Vec<(&'static str, u64)>,
}

/// What goes out.
#[derive(Clone, Debug)]
pub enum Output {
    /// Give the event to these sessions.
    Deliver(Vec<SessionNumber>, Arc<Event>),
    /// The answer to a session's command.
    Answer(SessionNumber, CommandId, Result<Reply, Refusal>),
    /// End a session: its `Event::Closed` went before.
    Disconnect(SessionNumber, CloseReason),
    /// Write this, then say [`Input::Persisted`].
    Persist(Batch),
    /// Send a frame to a peer.
    Send(NodeId, Lane, Frame),
    /// Send a datagram to a peer.
    Datagram(NodeId, Bytes),
    /// Try to connect to a peer.
    Dial(NodeId, Vec<String>),
    /// Who may connect, whenever it changes.
    Admitted(Vec<NodeId>),
    /// Close the connection to a peer: why.
    Hangup(NodeId, String),
    /// The answer to an operator.
    AdminAnswer(u64, Result<AdminReply, Refusal>),
    /// Of so many rooms whose home this node is fewer home replicas are in reach than there are to be; whenever that changes.
    Thin(usize),
    /// An operator asks for the configuration to be read again; say [`AdminCommand::Reloaded`] when it has been.
    Reload(SessionNumber),
    /// Tell these devices of what was said.
    Push(Vec<Device>, Arc<Said>),
    /// Call [`Node::handle`](super::Node::handle) with [`Input::Timeout`] at this monotonic time (microseconds) at the latest; replaces the one before.
    Timeout(u64),
}
