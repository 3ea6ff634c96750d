//! Version vectors: origin -> next seq. A scope's sync state is its vector, nothing else.

use crate::ids::{Dot, Origin};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which entries of a scope are known: for each origin, all with a seq below the stored one. An absent origin counts as 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionVector(BTreeMap<Origin, u64>);

impl VersionVector {
    /// The next seq expected of `origin`.
    #[must_use]
    pub fn next(&self, origin: Origin) -> u64 {
        self.0.get(&origin).copied().unwrap_or(0)
    }

    /// Whether the entry is known.
    #[must_use]
    pub fn contains(&self, dot: Dot) -> bool {
        dot.seq < self.next(dot.origin)
    }

    /// Everything of `origin` below `next` is known from here on; never goes back.
    pub fn advance(&mut self, origin: Origin, next: u64) {
        let slot = self.0.entry(origin).or_insert(0);
        *slot = (*slot).max(next);
    }

    /// Least upper bound.
    pub fn merge(&mut self, other: &Self) {
        for (origin, next) in &other.0 {
            self.advance(*origin, *next);
        }
    }

    /// What `other` lacks of what this vector has: (origin, first missing seq, end), in origin order.
    pub fn missing_in<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (Origin, u64, u64)> + 'a {
        self.0.iter().filter_map(|(origin, next)| {
            let first = other.next(*origin);
            (first < *next).then_some((*origin, first, *next))
        })
    }

    /// All (origin, next seq), in origin order.
    pub fn iter(&self) -> impl Iterator<Item = (Origin, u64)> + '_ {
        self.0.iter().map(|(origin, next)| (*origin, *next))
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
