//! What the data plane counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters; all only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames handed to connections.
    pub frames_sent: u64,
    /// Frames received and decoded.
    pub frames_received: u64,
    /// Frames not sent because the peer's queue was full or there was no connection.
    pub frames_dropped: u64,
    /// Datagrams not sent or not taken in: too large, no connection, nobody reading.
    pub datagrams_dropped: u64,
    /// Incoming connections ignored because too many handshakes were under way.
    pub handshakes_ignored: u64,
    /// Incoming connections closed because their node is not admitted or their ticket is not known.
    pub strangers_refused: u64,
    /// Connections closed because the peer sent what is not a frame.
    pub malformed: u64,
    /// Frames skipped because only a newer version knows their kind.
    pub frames_unknown: u64,
}

/// The living counters behind [`Counters`].
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) frames_sent: AtomicU64,
    pub(crate) frames_received: AtomicU64,
    pub(crate) frames_dropped: AtomicU64,
    pub(crate) datagrams_dropped: AtomicU64,
    pub(crate) handshakes_ignored: AtomicU64,
    pub(crate) strangers_refused: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) frames_unknown: AtomicU64,
}

impl Tally {
    pub(crate) fn snapshot(&self) -> Counters {
        Counters {
            frames_sent: self.frames_sent.load(Ordering::Relaxed),
            frames_received: self.frames_received.load(Ordering::Relaxed),
            frames_dropped: self.frames_dropped.load(Ordering::Relaxed),
            datagrams_dropped: self.datagrams_dropped.load(Ordering::Relaxed),
            handshakes_ignored: self.handshakes_ignored.load(Ordering::Relaxed),
            strangers_refused: self.strangers_refused.load(Ordering::Relaxed),
            malformed: self.malformed.load(Ordering::Relaxed),
            frames_unknown: self.frames_unknown.load(Ordering::Relaxed),
        }
    }
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
