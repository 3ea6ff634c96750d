//! How fast an account, or who comes without one from an address, may say things at this node, over all of its sessions.
//!
//! Each connection is paced by itself ([`Flood`]), which whoever has many would multiply. What is over the pace gets a turn of its own, the later the
//! more wait; nothing is refused. Knows no session and no command.

use lavina_crdt::clock::Now;
use lavina_crdt::names::AccountName;
use lavina_protocols::session::Flood;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Rows that are kept before those that mean nothing any more are looked for.
const ROWS_MIN: usize = 64;

/// The paces of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Of one account.
    pub account: Flood,
    /// Of all together who come without an account from one address (IPv4) or /64 (IPv6). This machine itself is none: a proxy is here.
    pub address: Flood,
}

impl Pace {
    /// Two devices of a person write as fast as they can, and the guests of a school or an office behind one address.
    pub const DEFAULT: Self =
        Self { account: Flood { burst: 120, per_second: 20 }, address: Flood { burst: 240, per_second: 40 } };
    /// No limit.
    pub const NONE: Self = Self { account: Flood::NONE, address: Flood::NONE };
}

/// Whose pace it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Payer {
    Account(AccountName),
    Address(IpAddr),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Paces {
    pace: Pace,
    /// When each will have its whole burst again, monotonic microseconds.
    full_at_us: BTreeMap<Payer, u64>,
    rows_max: usize,
}

impl Paces {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, full_at_us: BTreeMap::new(), rows_max: ROWS_MIN }
    }

    /// Takes a turn; when it is, where that is later than now.
    pub(crate) fn turn(&mut self, now: Now, payer: Payer) -> Option<u64> {
        let flood = if let Payer::Account(_) = payer { self.pace.account } else { self.pace.address };
        if flood == Flood::NONE {
            return None;
        }
        let token_us = 1_000_000 / u64::from(flood.per_second.max(1));
        let burst_us = token_us.saturating_mul(u64::from(flood.burst.max(1)));
        if self.full_at_us.len() >= self.rows_max {
            self.full_at_us.retain(|_, full_at| *full_at > now.mono_us);
            self.rows_max = ROWS_MIN.max(2 * self.full_at_us.len());
        }
        let full_at = self.full_at_us.entry(payer).or_default();
        *full_at = (*full_at).max(now.mono_us).saturating_add(token_us);
        let turn = full_at.saturating_sub(burst_us);
        (turn > now.mono_us).then_some(turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now { mono_us: 1_000_000 + ms * 1000, wall_ms: ms }
    }

    fn account(name: &str) -> Payer {
        Payer::Account(AccountName::new(name).unwrap())
    }

    #[test]
    fn after_a_burst_each_turn_is_later_than_the_one_before() {
        let flood = Flood { burst: 3, per_second: 10 };
        let mut paces = Paces::new(Pace { account: flood, address: Flood::NONE });
        let mut turn = |ms, name| paces.turn(at(ms), account(name));
        assert!((0..3).all(|_| turn(0, "alice").is_none()));
        assert_eq!([turn(0, "alice"), turn(0, "alice")], [Some(1_100_000), Some(1_200_000)]);
        assert_eq!(turn(0, "bob"), None);
        assert_eq!(turn(600, "alice"), None);
        let address = Payer::Address("192.0.2.1".parse().unwrap());
        assert!((0..1_000).all(|_| paces.turn(at(0), address.clone()).is_none()));
    }

    #[test]
    fn who_has_been_silent_is_forgotten() {
        let mut paces = Paces::new(Pace::DEFAULT);
        for second in 0..10_000 {
            assert_eq!(paces.turn(at(second * 1000), account(&format!("a{second}"))), None);
        }
        assert!(paces.full_at_us.len() <= 2 * ROWS_MIN);
    }
}
