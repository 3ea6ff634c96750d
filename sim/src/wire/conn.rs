//! One connection of a station, from its first packet to its end.

use super::lanes::Lanes;
use lavina_crdt::ids::NodeId;
use quinn_proto::{Connection, StreamId};

/// How far a connection has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// QUIC's own handshake is under way.
    Handshake,
    /// Dialled: the hello is sent, the answer awaited.
    Greeting(StreamId),
    /// Accepted: the dialler's hello is awaited.
    Hello,
    /// Accepted and greeted: it waits until it may be the peer's only one.
    Turn(StreamId),
    /// It is the peer's connection.
    Linked(Lanes),
    /// Closed here; its last packets are under way.
    Over,
}

/// One connection.
pub(super) struct Conn {
    pub(super) quic: Connection,
    /// Who is at the other end: whom this node dials, or who has shown itself.
    pub(super) peer: Option<NodeId>,
    pub(super) dialled: bool,
    /// The peer's run, once it has said hello.
    pub(super) boot: u64,
    /// Which of its station's links it is, once it is one.
    pub(super) number: u64,
    pub(super) stage: Stage,
    /// Bytes of the hello so far.
    pub(super) heard: bytes::BytesMut,
    /// When the stage ends by itself, microseconds.
    pub(super) deadline_us: Option<u64>,
    /// When the round trip is looked at next, microseconds.
    pub(super) round_trip_at_us: Option<u64>,
    /// The round trip told last, microseconds.
    pub(super) round_trip_us: Option<u64>,
    /// When it wants to be driven at the latest, as last put into the station's timers.
    pub(super) wake_us: Option<u64>,
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn").field("peer", &self.peer).field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl Conn {
    pub(super) fn new(quic: Connection, peer: Option<NodeId>, dialled: bool, deadline_us: u64) -> Self {
        Self {
            quic,
            peer,
            dialled,
            boot: 0,
            number: 0,
            stage: Stage::Handshake,
            heard: bytes::BytesMut::new(),
            deadline_us: Some(deadline_us),
            round_trip_at_us: None,
            round_trip_us: None,
            wake_us: None,
        }
    }

    pub(super) const fn lanes(&mut self) -> Option<&mut Lanes> {
        match &mut self.stage {
            Stage::Linked(lanes) => Some(lanes),
            Stage::Handshake | Stage::Greeting(_) | Stage::Hello | Stage::Turn(_) | Stage::Over => None,
        }
    }
}
