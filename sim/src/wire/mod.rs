//! Level L2: every node has a real QUIC endpoint (`quinn-proto`), driven without IO; its packets travel over the world's faulty paths.
//!
//! Drive a [`Station`] like any machine here: tell it what to do or hand it a [`Packet`], then take packets and [`Heard`] until there are no
//! more, and call [`Station::on_time`] when [`Station::wake_us`] says. Streams, priorities, windows, timeouts and the rule which of two
//! connections stays are those of the real data plane ([`lavina_gossip::plane`], [`lavina_gossip::framing`]).
//!
//! The crypto is a deterministic stand-in that **keeps no secrets**, see [`handshake`] and [`keys`]. Nothing depends on a clock: `quinn-proto`
//! wants instants, so one is taken when a world begins, and from there on only virtual time is added to it.

mod conn;
mod handshake;
mod keys;
mod lanes;
mod settings;
mod station;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use lavina_crdt::ids::NodeId;
use lavina_gossip::frame::Frame;
use quinn_proto::EcnCodepoint;
pub(crate) use station::Station;
use std::net::SocketAddr;
use std::time::Duration;
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
use std::time::Instant;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use web_time::Instant;

/// One UDP datagram under way.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) to: SocketAddr,
    pub(crate) ecn: Option<EcnCodepoint>,
    pub(crate) bytes: Bytes,
}

/// What a station has for its node.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A connection to an admitted peer is there.
    Up(NodeId),
    /// It is gone: why.
    Down(NodeId, String),
    /// A frame.
    Frame(NodeId, Box<Frame>),
    /// A frame of a kind that this build does not know.
    UnknownFrame(NodeId),
    /// A datagram.
    Datagram(NodeId, Bytes),
    /// The measured round trip, microseconds.
    RoundTrip(NodeId, u64),
}

/// Where virtual time begins in QUIC's terms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base(Instant);

impl Base {
    #[expect(
        clippy::disallowed_methods,
        reason = "the only way to have an instant at all; only differences to it are ever used"
    )]
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    fn at(self, now_us: u64) -> Instant {
        self.0 + Duration::from_micros(now_us)
    }

    /// The microsecond at or after an instant, so that a timer set for it is due when its time comes.
    fn us(self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.0);
        u64::try_from(since.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The address at which a node is reached after so many changes of it.
pub(crate) fn address(node: usize, changes: u16) -> SocketAddr {
    let [.., high, low] = node.to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 7_667_u16.wrapping_add(changes)))
}

fn owned(bytes: &Bytes) -> BytesMut {
    BytesMut::from(bytes.as_ref())
}
