//! What the data plane tells the shell.

use crate::join::JoinRequest;
use bytes::Bytes;
use lavina_crdt::ids::NodeId;
use lavina_gossip::frame::Frame;
use std::net::SocketAddr;

/// What has happened. For one peer, `Up` and `Down` alternate, and frames come only between them.
#[derive(Debug)]
pub enum Event {
    /// There is a connection to an admitted node.
    Up {
        /// Who.
        peer: NodeId,
        /// Where it is reached.
        remote: SocketAddr,
    },
    /// It is gone.
    Down {
        /// Who.
        peer: NodeId,
        /// Why, for people.
        reason: String,
    },
    /// A frame from a peer.
    Frame(NodeId, Frame),
    /// A datagram from a peer.
    Datagram(NodeId, Bytes),
    /// Smoothed round-trip time to a peer, microseconds; every second.
    RoundTrip(NodeId, u64),
    /// A node shows a ticket that [`crate::Endpoint::set_tickets`] named. Answer it with its responder.
    Join(JoinRequest),
}
