//! What was lost with a disk: entries that were durable there and on no other disk at that time.
//!
//! No node can bring these back, so whatever was promised of them is void: invariant L3 exempts exactly these, and what follows from
//! them alone. They are always the newest entries of an origin, and nobody else's entries rest on them, because whoever writes something has
//! committed before it, or with it, what it rests on.

use lavina_crdt::ids::{MsgId, Origin, Scope};
use lavina_crdt::version::VersionVector;
use std::collections::BTreeMap;
use std::ops::Range;

/// What all disks that were destroyed took with them.
#[derive(Debug, Default)]
pub(crate) struct Losses(Vec<(Scope, Origin, Range<u64>)>);

impl Losses {
    /// A disk held `before` and holds `after` in its stead; `others` are those of the other nodes.
    pub(crate) fn note<'a>(
        &mut self,
        before: &BTreeMap<Scope, VersionVector>,
        after: &BTreeMap<Scope, VersionVector>,
        others: impl Iterator<Item = &'a BTreeMap<Scope, VersionVector>>,
    ) {
        let mut left = after.clone();
        for held in others {
            for (scope, vector) in held {
                let left = left.entry(scope.clone()).or_default();
                vector.iter().for_each(|(origin, next)| left.advance(origin, next));
            }
        }
        for (scope, vector) in before {
            let left = left.get(scope);
            for (origin, next) in vector.iter() {
                let kept = left.map_or(0, |left| left.next(origin));
                if kept < next {
                    self.0.push((scope.clone(), origin, kept..next));
                }
            }
        }
    }

    /// Whether a message was lost.
    pub(crate) fn has(&self, id: MsgId) -> bool {
        self.0.iter().any(|(_, origin, seqs)| origin.0.starts_with(&id.origin_prefix()) && seqs.contains(&id.seq()))
    }

    /// Whether anything of a scope was lost.
    pub(crate) fn touch(&self, scope: &Scope) -> bool {
        self.0.iter().any(|(lost, ..)| lost == scope)
    }

    /// How many entries were lost.
    pub(crate) fn entries(&self) -> u64 {
        self.0.iter().map(|(_, _, seqs)| seqs.end - seqs.start).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_other_disk_holds_is_lost() {
        let holding = |next| {
            let mut vector = VersionVector::default();
            vector.advance(Origin([1; 16]), next);
            BTreeMap::from([(Scope::Mesh, vector)])
        };
        let mut losses = Losses::default();
        losses.note(&holding(9), &BTreeMap::new(), [holding(4), holding(7)].iter());
        assert_eq!(losses.0, [(Scope::Mesh, Origin([1; 16]), 7..9)]);
        losses.note(&holding(9), &holding(9), std::iter::empty());
        assert_eq!(losses.entries(), 2);
    }
}
