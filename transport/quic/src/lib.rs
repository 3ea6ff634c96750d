//! The data plane: QUIC connections between the admitted nodes of a mesh, on tokio and quinn.
//!
//! One UDP socket and one endpoint a node. Peers prove their keys to one another in TLS 1.3 with libp2p certificates, so a
//! connection is known by a [`NodeId`](lavina_crdt::ids::NodeId) from its first byte on; the TLS application protocol
//! (ALPN, RFC 7301) says what it is for: frames of admitted nodes, the redemption of a join ticket, or, where there is room for
//! guests, libp2p between admitted nodes. Nothing that is
//! not admitted and holds no ticket is answered by more than the TLS handshake itself.
//!
//! Drive it: [`Endpoint::bind`], [`Endpoint::set_admitted`], then take [`Event`]s from the receiver and say
//! [`Endpoint::send`], [`Endpoint::datagram`], [`Endpoint::dial`] as the gossip machine asks.
//!
//! **Invariant:** this crate does not know what a frame means, who ought to be admitted or when to dial again.

#![allow(clippy::disallowed_methods, reason = "the data plane is one of the shells that have sockets")]

mod close;
mod counters;
mod dial;
mod endpoint;
mod event;
mod guests;
mod handshakes;
mod hello;
pub mod identity;
pub mod join;
mod link;
mod outbox;
mod peers;
mod reset;
mod tls;
pub mod wan;
mod wire;

pub use counters::{Counters, Kinds, Passed};
pub use dial::DialError;
pub use endpoint::{BindError, DATAGRAM_BYTES_MAX, Endpoint, EndpointConfig, IDLE_TIMEOUT};
pub use event::Event;
pub use guests::{Guest, Guests};
pub use tls::TlsError;
