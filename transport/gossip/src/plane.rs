//! What a data plane of QUIC connections keeps to, whoever moves its packets: times, windows, the bounds of what waits, and which of two
//! connections to one peer stays. The real data plane and the simulated one take all of it from here, so that what the simulator shows
//! is true of what runs.
//!
//! When two nodes dial each other at once, the node with the smaller id decides: it lets the other's connection wait until
//! its own dial has ended, and takes it only if that failed. The other node always takes the smaller one's connection. So
//! both keep the same connection and no frame is lost on one that is given up. A connection from a peer that is
//! held connected already means that the peer has lost the held one (the hello's boot number tells a restart), and replaces it.

use crate::frame::Lane;
use std::time::Duration;

/// A dead link is noticed after this much silence.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// Keep-alives in one idle timeout, sent by the side that dialled while nothing else passes. Each is sent again, sooner and sooner than the next
/// one, until it is acknowledged (RFC 9002 section 6.2), so that a few are enough over a link that loses much.
pub const KEEP_ALIVES: u32 = 3;
/// Resolving and the TLS handshake; also how long the acceptor waits for the dialler's hello.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// The hello's answer: it may wait at the peer until a dial of its own has timed out.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(7);
/// How long a connection may wait for an older one to the same peer to go: a dial's time and a bit.
pub const TURN_TIMEOUT: Duration = Duration::from_secs(6);
/// How often the round trip is looked at, and told when it is [news](is_new_round_trip).
pub const ROUND_TRIP_PERIOD: Duration = Duration::from_secs(1);

/// Whether a round trip, in microseconds, is to be told after the one that was told last: they differ by more than an eighth. What is decided by it
/// is decided alike below that.
#[must_use]
pub const fn is_new_round_trip(told_us: Option<u64>, us: u64) -> bool {
    match told_us {
        Some(told_us) => told_us.abs_diff(us) > told_us / 8,
        None => true,
    }
}

/// One stream a lane.
pub const LANES: u32 = 3;
/// A long fat link (300 ms, 400 Mbit/s) needs as much in flight in one stream.
pub const STREAM_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// Two full lanes and a rest, so that Live and Bulk together leave room for Control.
pub const CONNECTION_WINDOW_BYTES: u32 = 2 * STREAM_WINDOW_BYTES + 8 * 1024 * 1024;
/// What a peer may make this node buffer before it has said hello or shown a ticket.
pub const STRANGER_WINDOW_BYTES: u32 = 64 * 1024;
/// What a new connection sends before the first acknowledgement, spread over a round trip: what a small divergence takes, and three round trips less until a
/// long fat link is full. Both ends are known servers; a link that is too slow for it says so by loss, as with any window.
pub const INITIAL_WINDOW_BYTES: u64 = 128 * 1024;
/// SWIM packets waiting for the reader; more are dropped, as datagrams may be.
pub const DATAGRAM_BUFFER_BYTES: usize = 256 * 1024;
/// Longest datagram that every path carries (QUIC's least packet of 1,200 bytes less its headers).
pub const DATAGRAM_BYTES_MAX: usize = 1_100;
/// Bytes taken from a stream at once: some packets' worth.
pub const READ_BYTES: usize = 64 * 1024;
/// Frames written together: enough that the cost of a write is spread thin.
pub const BATCH_FRAMES_MAX: usize = 256;

/// Control frames are few and small; a peer that leaves so many unread is not working.
const CONTROL_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Some seconds of a busy mesh; what does not fit is repaired by sync.
const LIVE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Sync sends one bounded batch at a time and asks again; a few fit.
const BULK_BYTES_MAX: usize = 8 * 1024 * 1024;

impl Lane {
    /// All, most urgent first.
    pub const ALL: [Self; 3] = [Self::Control, Self::Live, Self::Bulk];

    /// Priority of its stream: among what is ready to leave, QUIC sends the highest first.
    #[must_use]
    pub const fn priority(self) -> i32 {
        match self {
            Self::Control => 2,
            Self::Live => 1,
            Self::Bulk => 0,
        }
    }

    /// Most bytes that wait in it for one peer.
    #[must_use]
    pub const fn waiting_bytes_max(self) -> usize {
        match self {
            Self::Control => CONTROL_BYTES_MAX,
            Self::Live => LIVE_BYTES_MAX,
            Self::Bulk => BULK_BYTES_MAX,
        }
    }
}

/// What to do with a connection that a peer has made and said hello on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It becomes the peer's connection.
    Take,
    /// It does once the held one is closed and gone.
    Replace,
    /// It may once something changes.
    Wait,
}

/// What is held of a peer when a connection from it comes in.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Whether this node dialled it.
    pub dialled_here: bool,
    /// Whether the peer is in the same run as then.
    pub same_boot: bool,
}

/// Judges a connection that came in. `me_smaller`: this node's id is smaller than the peer's; `dialling`: it is dialling the peer.
#[must_use]
pub const fn judge(me_smaller: bool, dialling: bool, held: Option<Held>) -> Verdict {
    match held {
        Some(Held { same_boot: false, .. }) => Verdict::Replace,
        Some(Held { dialled_here: true, same_boot: true }) if me_smaller => Verdict::Wait,
        Some(_) => Verdict::Replace,
        None if dialling && me_smaller => Verdict::Wait,
        None => Verdict::Take,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(dialled_here: bool, same_boot: bool) -> Option<Held> {
        Some(Held { dialled_here, same_boot })
    }

    #[test]
    fn of_two_simultaneous_dials_the_smaller_nodes_one_stays() {
        assert_eq!(judge(true, true, None), Verdict::Wait);
        assert_eq!(judge(true, true, held(true, true)), Verdict::Wait);
        assert_eq!(judge(false, true, None), Verdict::Take);
    }

    #[test]
    fn a_failed_dial_lets_the_waiting_connection_in() {
        assert_eq!(judge(true, false, None), Verdict::Take);
    }

    #[test]
    fn a_restarted_peer_replaces_whoever_had_dialled() {
        for smaller in [true, false] {
            for dialled_here in [true, false] {
                assert_eq!(judge(smaller, false, held(dialled_here, false)), Verdict::Replace);
            }
        }
    }

    #[test]
    fn a_peer_that_dials_again_has_lost_its_connection() {
        assert_eq!(judge(true, false, held(false, true)), Verdict::Replace);
        assert_eq!(judge(false, false, held(true, true)), Verdict::Replace);
    }
}
