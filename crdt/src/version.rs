//! Version vectors: origin -> next seq. A scope's sync state is its vector, nothing else.

use crate::derived::{Context, context};
use crate::entry::Hash;
use crate::ids::{Dot, Origin, Scope};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

static SCOPE_VECTOR: Context = context("lavina 1 scope vector");

/// Which entries of a scope are known: for each origin, all with a seq below the stored one. An absent origin counts as 0.
///
/// A copy is cheap: it shares what it holds until one of the two changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VersionVector(Arc<BTreeMap<Origin, u64>>);

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
        if next > self.next(origin) {
            Arc::make_mut(&mut self.0).insert(origin, next);
        }
    }

    /// What is known below these numbers, for the origins that have one.
    #[must_use]
    pub fn below(&self, cuts: &BTreeMap<Origin, u64>) -> Self {
        let capped = |(origin, next): (&Origin, &u64)| (*origin, cuts.get(origin).map_or(*next, |cut| *next.min(cut)));
        Self(Arc::new(self.0.iter().map(capped).filter(|(_, next)| *next > 0).collect()))
    }

    /// Least upper bound.
    pub fn merge(&mut self, other: &Self) {
        for (origin, next) in &*other.0 {
            self.advance(*origin, *next);
        }
    }

    /// Greatest lower bound: what both know.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let both = self.0.iter().filter_map(|(origin, next)| {
            let next = (*next).min(other.next(*origin));
            (next > 0).then_some((*origin, next))
        });
        Self(Arc::new(both.collect()))
    }

    /// Whether everything that `other` knows is known.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|(origin, next)| *next <= self.next(*origin))
    }

    /// How many entries are known.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, next| sum.saturating_add(*next))
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
        self.0.values().all(|next| *next == 0)
    }

    /// One hash over a scope and what is known of it: the leaf of the tree that two peers compare. Equal knowledge gives equal
    /// digests; an origin of which nothing is known does not count.
    #[must_use]
    pub fn digest(&self, scope: &Scope) -> Hash {
        let mut hasher = SCOPE_VECTOR.hasher();
        let scope = postcard::to_stdvec(scope).unwrap_or_default();
        hasher.update(&u64::try_from(scope.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(&scope);
        for (origin, next) in self.0.iter().filter(|(_, next)| **next > 0) {
            hasher.update(&origin.0);
            hasher.update(&next.to_be_bytes());
        }
        Hash(*hasher.finalize().as_bytes())
    }
}

impl FromIterator<(Origin, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (Origin, u64)>>(known: I) -> Self {
        let mut vector = Self::default();
        for (origin, next) in known {
            vector.advance(origin, next);
        }
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vectors() -> impl Strategy<Value = VersionVector> {
        proptest::collection::vec((0u8..4, 0u64..6), 0..6)
            .prop_map(|known| known.into_iter().map(|(origin, next)| (Origin([origin; 16]), next)).collect())
    }

    fn merged(a: &VersionVector, b: &VersionVector) -> VersionVector {
        let mut both = a.clone();
        both.merge(b);
        both
    }

    proptest! {
        #[test]
        fn merge_is_a_join(a in vectors(), b in vectors(), c in vectors()) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(merged(&a, &a), a.clone());
            prop_assert!(merged(&a, &b).covers(&a));
            prop_assert!(a.covers(&a.meet(&b)) && b.covers(&a.meet(&b)));
        }

        #[test]
        fn what_is_missing_fills_the_gap(a in vectors(), b in vectors()) {
            let mut filled = b.clone();
            for (origin, first, end) in a.missing_in(&b) {
                prop_assert!(first < end && first == b.next(origin));
                filled.advance(origin, end);
            }
            prop_assert_eq!(filled, merged(&a, &b));
        }

        #[test]
        fn digests_are_equal_exactly_for_equal_knowledge(a in vectors(), b in vectors()) {
            let equal = a.digest(&Scope::Mesh) == b.digest(&Scope::Mesh);
            prop_assert_eq!(equal, a == b);
        }
    }

    #[test]
    fn digests_of_two_scopes_differ() {
        let vector: VersionVector = [(Origin([1; 16]), 3)].into_iter().collect();
        let room = Scope::Room(crate::names::RoomName::new("rust").unwrap());
        assert_ne!(vector.digest(&Scope::Mesh), vector.digest(&room));
    }
}
