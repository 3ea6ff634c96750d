//! What the data plane counts.

use lavina_gossip::frame::{KIND_NAMES, KINDS};
use std::sync::atomic::{AtomicU64, Ordering};

/// Kinds of frames, and datagrams, which come last.
const COUNTED: usize = KINDS as usize + 1;
/// The place of datagrams among them.
pub(crate) const DATAGRAMS: usize = KINDS as usize;

/// How many of one kind there were, and their bytes: as they lie on a stream, without what QUIC, UDP and IP put around them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What passed of each kind, one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds([Passed; COUNTED]);

impl Kinds {
    /// Each kind by its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Passed)> + '_ {
        KIND_NAMES.into_iter().chain(["datagram"]).zip(self.0)
    }

    /// What has been added since an earlier look.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut more = *self;
        for (now, before) in more.0.iter_mut().zip(&earlier.0) {
            now.count = now.count.saturating_sub(before.count);
            now.bytes = now.bytes.saturating_sub(before.bytes);
        }
        more
    }
}

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
    /// What was handed to connections, by kind.
    pub sent: Kinds,
    /// What was received and decoded, by kind.
    pub received: Kinds,
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
    pub(crate) sent: KindsTally,
    pub(crate) received: KindsTally,
}

/// The living counters behind [`Kinds`].
#[derive(Debug, Default)]
pub(crate) struct KindsTally([(AtomicU64, AtomicU64); COUNTED]);

impl KindsTally {
    /// One more of a kind, of so many bytes.
    pub(crate) fn add(&self, kind: usize, bytes: usize) {
        if let Some((count, sum)) = self.0.get(kind) {
            count.fetch_add(1, Ordering::Relaxed);
            sum.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    fn snapshot(&self) -> Kinds {
        let mut kinds = Kinds::default();
        for (passed, (count, bytes)) in kinds.0.iter_mut().zip(&self.0) {
            *passed = Passed { count: count.load(Ordering::Relaxed), bytes: bytes.load(Ordering::Relaxed) };
        }
        kinds
    }
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
            sent: self.sent.snapshot(),
            received: self.received.snapshot(),
        }
    }
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
