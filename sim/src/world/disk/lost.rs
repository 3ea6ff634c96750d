//! What was lost with a disk: entries that were durable there and on no other disk at that time.
//!
//! No node can bring these back, so whatever was promised of them is void: invariant L3 exempts exactly these, and what follows from
//! them alone. They are always the newest entries of an origin, and nobody else's entries rest on them, because whoever writes something has
//! committed before it, or with it, what it rests on.
//!
//! In a part that stays cut off it is the same for what only nodes outside of it have besides, unless it had come into the part in the end.

use lavina_crdt::ids::{MsgId, Origin, Scope};
use lavina_crdt::version::VersionVector;
use std::collections::BTreeMap;
use std::ops::Range;

/// Entries of an origin in a scope, by their numbers.
type Stretch = (Scope, Origin, Range<u64>);

/// What all disks that were destroyed took with them.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    gone: Vec<Stretch>,
    /// What was on a disk of the part that is healed and on no other one there.
    outside: Vec<Stretch>,
}

impl Losses {
    /// A disk held `before` and holds `after` in its stead; `others` are those of the other nodes.
    pub(crate) fn note<'a>(
        &mut self,
        before: &BTreeMap<Scope, VersionVector>,
        after: &BTreeMap<Scope, VersionVector>,
        others: impl Iterator<Item = &'a BTreeMap<Scope, VersionVector>>,
    ) {
        self.gone.extend(missing(before, after, others));
    }

    /// The same of a disk in the part that is healed, where `others` are the other ones of that part.
    pub(crate) fn note_inside<'a>(
        &mut self,
        before: &BTreeMap<Scope, VersionVector>,
        after: &BTreeMap<Scope, VersionVector>,
        others: impl Iterator<Item = &'a BTreeMap<Scope, VersionVector>>,
    ) {
        self.outside.extend(missing(before, after, others));
    }

    /// The run is over, and the nodes that are judged have this: what of the rest did not come back from outside is lost to them.
    pub(crate) fn settle(&mut self, judged: &[BTreeMap<Scope, VersionVector>]) {
        for (scope, origin, seqs) in std::mem::take(&mut self.outside) {
            let has = |held: &BTreeMap<Scope, VersionVector>| held.get(&scope).map_or(0, |vector| vector.next(origin));
            let first = judged.iter().map(has).max().unwrap_or_default().max(seqs.start);
            if first < seqs.end {
                self.gone.push((scope, origin, first..seqs.end));
            }
        }
    }

    /// Whether a message was lost.
    pub(crate) fn has(&self, id: MsgId) -> bool {
        self.gone.iter().any(|(_, origin, seqs)| origin.0.starts_with(&id.origin_prefix()) && seqs.contains(&id.seq()))
    }

    /// Whether anything of a scope was lost.
    pub(crate) fn touch(&self, scope: &Scope) -> bool {
        self.gone.iter().any(|(lost, ..)| lost == scope)
    }

    /// How many entries were lost.
    pub(crate) fn entries(&self) -> u64 {
        self.gone.iter().map(|(_, _, seqs)| seqs.end - seqs.start).sum()
    }
}

/// What a disk had that it and the others have no longer.
fn missing<'a>(
    before: &BTreeMap<Scope, VersionVector>,
    after: &BTreeMap<Scope, VersionVector>,
    others: impl Iterator<Item = &'a BTreeMap<Scope, VersionVector>>,
) -> Vec<Stretch> {
    let mut left = after.clone();
    for held in others {
        for (scope, vector) in held {
            let left = left.entry(scope.clone()).or_default();
            vector.iter().for_each(|(origin, next)| left.advance(origin, next));
        }
    }
    let mut missing = Vec::new();
    for (scope, vector) in before {
        let left = left.get(scope);
        for (origin, next) in vector.iter() {
            let kept = left.map_or(0, |left| left.next(origin));
            if kept < next {
                missing.push((scope.clone(), origin, kept..next));
            }
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(next: u64) -> BTreeMap<Scope, VersionVector> {
        BTreeMap::from([(Scope::Mesh, VersionVector::from_iter([(Origin([1; 16]), next)]))])
    }

    #[test]
    fn only_what_no_other_disk_holds_is_lost() {
        let mut losses = Losses::default();
        losses.note(&holding(9), &BTreeMap::new(), [holding(4), holding(7)].iter());
        assert_eq!(losses.gone, [(Scope::Mesh, Origin([1; 16]), 7..9)]);
        losses.note(&holding(9), &holding(9), std::iter::empty());
        assert_eq!(losses.entries(), 2);
    }

    #[test]
    fn what_only_nodes_outside_have_is_lost_unless_it_came_in_the_end() {
        let mut losses = Losses::default();
        losses.note_inside(&holding(9), &holding(2), [holding(4)].iter());
        assert!(!losses.touch(&Scope::Mesh));
        losses.settle(&[holding(3), holding(7)]);
        assert_eq!(losses.gone, [(Scope::Mesh, Origin([1; 16]), 7..9)]);
        losses.note_inside(&holding(9), &holding(2), [holding(4)].iter());
        losses.settle(&[holding(9)]);
        assert_eq!(losses.entries(), 2);
    }
}
