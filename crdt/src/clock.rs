//! Time as a value: [`Now`] is what a shell tells a machine, [`Hlc`] is what entries are stamped with.
//!
//! Hybrid logical clocks after Kulkarni et al., "Logical Physical Clocks" (2014), packed into one u64: 48 bits of
//! wall-clock milliseconds since the Unix epoch and 16 bits of counter. A stamp too far ahead of local time is refused
//! and never moves the local clock, so one node with a wrong clock drags nobody along.

use crate::mutant::{self, Mutant};
use serde::{Deserialize, Serialize};

/// A point in time as the shell sees it: both clocks, so that no machine ever asks for one itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Monotonic microseconds since an arbitrary start; for timers and timeouts only.
    pub mono_us: u64,
    /// Wall clock, milliseconds since the Unix epoch; for stamps only. May step back or be wrong.
    pub wall_ms: u64,
}

impl Now {
    /// This instant `ms` milliseconds later on the monotonic clock, as a deadline.
    #[must_use]
    pub fn deadline_ms(self, ms: u64) -> u64 {
        self.mono_us.saturating_add(ms.saturating_mul(1000))
    }
}

/// A hybrid logical stamp: 48 bits of milliseconds, 16 bits of counter. Orders as a plain integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The stamp at `ms` milliseconds since the Unix epoch with counter zero.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms << 16)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0 >> 16
    }
}

/// A foreign stamp was further ahead of local time than the clock allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stamp is {ahead_ms} ms ahead of local time, at most {max_drift_ms} ms is accepted")]
pub struct DriftError {
    /// How far ahead the stamp was, in milliseconds.
    pub ahead_ms: u64,
    /// The bound it broke, in milliseconds.
    pub max_drift_ms: u64,
}

/// A node's own hybrid logical clock. Call [`Clock::tick`] for each entry minted and [`Clock::observe`] for each one taken.
#[derive(Clone, Debug)]
pub struct Clock {
    last: Hlc,
    max_drift_ms: u64,
}

impl Clock {
    /// A clock that refuses foreign stamps more than `max_drift_ms` milliseconds ahead of local time.
    #[must_use]
    pub const fn new(max_drift_ms: u64) -> Self {
        Self { last: Hlc(0), max_drift_ms }
    }

    /// The next stamp: later than every stamp given or observed before, and not before `wall_ms`.
    pub fn tick(&mut self, wall_ms: u64) -> Hlc {
        if mutant::is_planted(Mutant::ClockStepsBack) && wall_ms < self.last.ms() {
            self.last = Hlc::from_ms(wall_ms);
        }
        self.last = Hlc(self.last.0 + 1).max(Hlc::from_ms(wall_ms));
        self.last
    }

    /// Takes note of a foreign (or stored) stamp so that later ticks come after it.
    ///
    /// # Errors
    /// [`DriftError`] when the stamp is more than `max_drift_ms` ahead of `wall_ms`; the clock is then unchanged.
    pub fn observe(&mut self, stamp: Hlc, wall_ms: u64) -> Result<(), DriftError> {
        let ahead_ms = stamp.ms().saturating_sub(wall_ms);
        if ahead_ms > self.max_drift_ms && !mutant::is_planted(Mutant::ClockDragged) {
            return Err(DriftError { ahead_ms, max_drift_ms: self.max_drift_ms });
        }
        if !mutant::is_planted(Mutant::StampsNotRaised) {
            self.last = self.last.max(stamp);
        }
        Ok(())
    }

    /// Resumes after a restart from the newest stamp this store ever minted, whatever the wall clock says.
    pub fn resume(&mut self, newest_own: Hlc) {
        self.last = self.last.max(newest_own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_never_repeat_when_the_wall_clock_steps_back() {
        let mut clock = Clock::new(30_000);
        let first = clock.tick(1_000_000);
        let second = clock.tick(1);
        assert!(second > first);
        assert_eq!(second.ms(), 1_000_000);
    }

    #[test]
    fn a_stamp_beyond_the_drift_is_refused_and_moves_nothing() {
        let mut clock = Clock::new(30_000);
        clock.tick(1_000_000);
        assert!(clock.observe(Hlc::from_ms(1_030_001), 1_000_000).is_err());
        assert_eq!(clock.tick(1_000_000).ms(), 1_000_000);
        assert!(clock.observe(Hlc::from_ms(1_030_000), 1_000_000).is_ok());
        assert_eq!(clock.tick(1_000_000).ms(), 1_030_000);
    }
}
