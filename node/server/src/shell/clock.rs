//! The two clocks, as the machines take them.

use lavina_crdt::clock::Now;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The node's clock. Copies agree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic side begins here.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The time.
    pub(crate) fn now(self) -> Now {
        Now { mono_us: micros(self.start.elapsed()), wall_ms: wall_ms() }
    }

    /// The instant of a time on the monotonic side.
    pub(crate) fn instant(self, mono_us: u64) -> Instant {
        // A machine that wants no wake-up may name a time beyond what an instant can hold.
        self.start
            .checked_add(Duration::from_micros(mono_us))
            .unwrap_or_else(|| self.start + Duration::from_secs(1 << 31))
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A duration in microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
