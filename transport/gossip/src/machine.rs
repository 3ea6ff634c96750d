//! The seam: what goes into the machine, what comes out, and what it reads. The machine itself is [`Gossip`].

pub use crate::gossip::Gossip;

use crate::frame::{Frame, Lane};
use bytes::Bytes;
use lavina_crdt::clock::Hlc;
use lavina_crdt::entry::Run;
use lavina_crdt::ids::{NodeId, Origin, Scope, SessionId};
use lavina_crdt::mesh::Place;
use lavina_crdt::names::RoomName;
use lavina_crdt::presence::PresenceUpdate;
use lavina_crdt::version::VersionVector;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Times and bounds.
#[derive(Clone, Debug)]
pub struct GossipConfig {
    /// This node.
    pub me: NodeId,
    /// Where it stands.
    pub place: Place,
    /// This start's number; grows with every start. Part of the node's SWIM identity, and the incarnation of its presence.
    pub generation: u64,
    /// Slow timer of sync with a near peer, milliseconds.
    pub sync_period_ms: u64,
    /// SWIM probe period, milliseconds.
    pub probe_period_ms: u64,
    /// Least time before the next-ranked gateway gets a copy, milliseconds; at least two round trips are waited too.
    pub gateway_patience_ms: u64,
    /// How many home replicas a room has; `None`: every node holds every room.
    pub replicas: Option<NonZeroUsize>,
    /// How long a room is kept here that is not to be, since it was last wanted, milliseconds.
    pub linger_ms: u64,
}

/// A node that may be a peer: admitted, not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who.
    pub node: NodeId,
    /// Where it stands.
    pub place: Place,
    /// Where it can be dialled; empty: it dials.
    pub addresses: Vec<String>,
    /// Whether it is being emptied of rooms.
    pub is_draining: bool,
}

/// What the machine reads of the local replica: durable entries only.
pub trait Replica {
    /// The durable vector of a scope.
    fn vector(&self, scope: &Scope) -> VersionVector;
    /// The stamp of a scope's newest entry, as far as it is known: the least there is where it is not. What is newest is sent first.
    fn newest_in(&self, scope: &Scope) -> Hlc;
    /// Durable entries of an origin in a scope from `first` on, about `bytes_max` bytes of them (at least one), ending with a signed one.
    /// `None` when there is none.
    fn run(&self, scope: &Scope, origin: Origin, first: u64, bytes_max: usize) -> Option<Run>;
}

/// What comes in.
#[derive(Clone, Debug)]
pub enum Input {
    /// The admitted nodes, this one too, whenever they change.
    Roster(Vec<Peer>),
    /// An authenticated connection to an admitted node is there.
    PeerUp(NodeId),
    /// It is gone.
    PeerDown(NodeId),
    /// Measured round-trip time to a peer, microseconds.
    RoundTrip(NodeId, u64),
    /// A frame from a peer.
    Frame(NodeId, Frame),
    /// A datagram from a peer: a SWIM packet.
    Datagram(NodeId, Bytes),
    /// Entries of this node have become durable: disseminate them.
    Appended(Vec<Run>),
    /// Entries of a [`Output::Received`] are verified: relay them if its `relay` said so. Called before they are durable.
    Verified {
        /// From whom.
        from: NodeId,
        /// The entries that verified (all, or less), new here or not.
        runs: Vec<Run>,
        /// Of which origins entries were received that are not theirs.
        refuted: Vec<(Scope, Origin)>,
        /// As received.
        relay: bool,
    },
    /// Entries (own or foreign) have become durable: (scope, its whole durable vector).
    Durable(Vec<(Scope, VersionVector)>),
    /// Own presence has changed: send it.
    Presence(PresenceUpdate),
    /// Hand this to the node of the session.
    Signal(SessionId, Bytes),
    /// Nodes have occupants in rooms from here on, or none any more.
    Interest(Vec<(NodeId, RoomName, bool)>),
    /// Of these rooms not all that peers have is here any more, or was at the last stop.
    Partial(Vec<RoomName>),
    /// Somebody here comes into a room that this node is [not held to have](Gossip::has): get it from the nearest that has it. What that one lacks comes
    /// by sync.
    Fetch(RoomName),
    /// The same for who looks at it from outside: get all that any of those has who hold it.
    FetchAll(RoomName),
    /// What was refused before may be taken from here on: compare with all peers.
    Compare,
    /// The time that [`Output::Timeout`] named has come, or any other time.
    Timeout,
}

/// What goes out.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a frame to a connected peer.
    Send(NodeId, Lane, Frame),
    /// Send a datagram to a connected peer; may be lost.
    Datagram(NodeId, Bytes),
    /// Try to connect to a peer (once; the machine asks again with back-off).
    Dial(NodeId, Vec<String>),
    /// Entries from a peer, unverified: verify, answer with [`Input::Verified`], then make them durable and say [`Input::Durable`].
    Received {
        /// From whom.
        from: NodeId,
        /// The entries.
        runs: Vec<Run>,
        /// Give back in [`Input::Verified`].
        relay: bool,
    },
    /// Presence of another node: merge it into the map. On a gap do nothing: it is asked for again by itself.
    Presence(Arc<PresenceUpdate>),
    /// Peers remember presence of this node that it did not say in this start: own presence goes on as this incarnation, anew
    /// ([`Input::Presence`]).
    Incarnation(u64),
    /// Something for one of this node's sessions.
    Signal(SessionId, Bytes),
    /// A node is held to be in reach (`true`) or out of reach (`false`), as SWIM sees it.
    Reach(NodeId, bool),
    /// Of so many rooms whose home this node is fewer homes are in reach than there are to be; whenever that changes.
    Thin(usize),
    /// A room is not to be here, nobody has wanted it for a while, and all its homes have all of it: it may be let go ([`Input::Partial`]).
    Spare(RoomName),
    /// The end of [`Input::Fetch`]: whether what the nearest replica has is here. If not, none could be reached.
    Fetched(RoomName, bool),
    /// Call [`Gossip::handle`] with [`Input::Timeout`] at this monotonic time (microseconds) at the latest; replaces the one before.
    Timeout(u64),
}

/// Counters; all only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Entries sent live into another region.
    pub entries_pushed_far: u64,
    /// Entries sent live within the region.
    pub entries_pushed_near: u64,
    /// Entries sent by sync.
    pub entries_synced: u64,
    /// Entries sent again because they were asked for: something before them was missing.
    pub entries_resent: u64,
    /// Entries that came from another region, those too that were here already.
    pub entries_entered: u64,
    /// Copies sent to a next-ranked gateway because the first did not acknowledge in time.
    pub gateway_retries: u64,
    /// Frames, datagrams or parts of them not taken: from a node that is not admitted, not what they claim to be, or malformed.
    pub frames_refused: u64,
    /// Live copies not sent because the peer is too far behind; sync brings them.
    pub pushes_withheld: u64,
    /// Membership packets to nodes without a connection.
    pub datagrams_dropped: u64,
    /// Signals for whose node there is no way.
    pub signals_dropped: u64,
    /// Entries of rooms that this node does not hold, and of which it lacks what comes before them.
    pub entries_unplaced: u64,
    /// Rooms fetched for somebody who looked at them.
    pub rooms_fetched: u64,
    /// Rooms that were asked for and could not be fetched.
    pub fetches_failed: u64,
    /// Rooms that all their homes were found to have, of those that this node holds beyond its own.
    pub rooms_handed_over: u64,
    /// Rows forgotten because a table was full; sync repairs what comes of it.
    pub tables_overflowed: u64,
}

/// One line of `lavina status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Who.
    pub node: NodeId,
    /// Where it stands.
    pub place: Place,
    /// Whether there is a connection.
    pub connected: bool,
    /// Whether SWIM holds it to be in reach.
    pub in_reach: bool,
    /// Without a connection to it: through whom it is most likely reached.
    pub via: Option<NodeId>,
    /// Last measured round trip, microseconds.
    pub round_trip_us: Option<u64>,
    /// Pushed entries not yet acknowledged as durable.
    pub unacknowledged: u64,
}
