//! How full the machine's bounded tables are: so that a simulation sees a bound that does not hold, and an operator what is under way.

use crate::gossip::Gossip;

/// One bounded table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// Its name.
    pub name: &'static str,
    /// How much is in it; of tables that each peer or session has, the fullest.
    pub now: u64,
    /// Its cap.
    pub cap: u64,
    /// Whether it is empty once nothing is under way any more.
    pub passing: bool,
}

impl Gauge {
    /// A table that is empty at rest.
    #[must_use]
    pub fn passing(name: &'static str, now: usize, cap: usize) -> Self {
        Self { passing: true, ..Self::standing(name, now, cap) }
    }

    /// A table in which something may stay.
    #[must_use]
    pub fn standing(name: &'static str, now: usize, cap: usize) -> Self {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Self { name, now: count(now), cap: count(cap), passing: false }
    }
}

impl Gossip {
    /// All bounded tables.
    #[must_use]
    pub fn gauges(&self) -> Vec<Gauge> {
        self.tables()
    }
}
