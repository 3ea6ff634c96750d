//! The token bucket of one client, as a generic cell rate algorithm: one stamp instead of a count and a refill.

use crate::session::Flood;
use lavina_crdt::clock::Now;

/// One client's.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// What a token is worth in time.
    token_us: u64,
    /// How far the stamp may be ahead.
    burst_us: u64,
    /// When the bucket will be full again.
    full_at_us: u64,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(flood: Flood) -> Self {
        let token_us = 1_000_000 / u64::from(flood.per_second.max(1));
        Self { token_us, burst_us: token_us.saturating_mul(u64::from(flood.burst.max(1))), full_at_us: 0 }
    }

    /// Whether more than half of it is gone: a client that is held to its pace and goes on.
    pub(crate) fn is_strained(&self, now: Now) -> bool {
        self.full_at_us.saturating_sub(now.mono_us) > self.burst_us / 2
    }

    /// Takes a token; `Err` says when there will be one.
    pub(crate) fn take(&mut self, now: Now) -> Result<(), u64> {
        let full_at = self.full_at_us.max(now.mono_us).saturating_add(self.token_us);
        let earliest = full_at.saturating_sub(self.burst_us);
        if earliest > now.mono_us {
            return Err(earliest);
        }
        self.full_at_us = full_at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_through_and_then_one_token_at_a_time() {
        let mut bucket = Bucket::new(Flood { burst: 3, per_second: 10 });
        let mut now = Now { mono_us: 5_000_000, wall_ms: 0 };
        assert!((0..3).all(|_| bucket.take(now).is_ok()));
        assert!(bucket.is_strained(now) && !bucket.is_strained(Now { mono_us: 5_200_000, wall_ms: 0 }));
        assert_eq!(bucket.take(now), Err(5_100_000));
        now.mono_us = 5_100_000;
        assert_eq!(bucket.take(now), Ok(()));
        assert_eq!(bucket.take(now), Err(5_200_000));
        now.mono_us += 1_000_000;
        assert!((0..3).all(|_| bucket.take(now).is_ok()));
        assert!(bucket.take(now).is_err());
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let mut bucket = Bucket::new(Flood::NONE);
        assert!((0..10_000).all(|_| bucket.take(Now::default()).is_ok()));
    }
}
