//! What a node has, kept from one look at it to the next: only what has changed is compared again, so that looking often at a mesh in which
//! little happens costs little.

use super::sample::Lack;
use lavina_core::node::Node;
use lavina_core::store::Store;
use lavina_crdt::entry::Hash;
use lavina_crdt::ids::Scope;
use lavina_crdt::version::VersionVector;
use std::collections::{BTreeMap, BTreeSet};

/// The vectors of a node's scopes.
#[derive(Debug, Default)]
pub(super) struct Holding {
    rows: BTreeMap<Scope, Row>,
    /// The node's start and its version of what it has, at the last look.
    seen: (u64, u64),
}

#[derive(Debug)]
pub(super) struct Row {
    vector: VersionVector,
    digest: Hash,
}

impl Holding {
    /// Takes over what a running node has now; `start` says since when it runs. Gives the scopes in which something changed.
    pub(super) fn look<S: Store>(&mut self, start: u64, core: &Node<S>) -> BTreeSet<Scope> {
        let (known_start, version) = self.seen;
        if known_start != start {
            let (version, _) = core.changed_since(u64::MAX);
            self.seen = (start, version);
            return self.look_anew(core.vectors());
        }
        let (version, changed) = core.changed_since(version);
        self.seen = (start, version);
        changed.into_iter().filter(|scope| self.take(scope, core.vector(scope))).collect()
    }

    /// Takes over what a node has now, all of it.
    pub(super) fn look_anew(&mut self, vectors: BTreeMap<Scope, VersionVector>) -> BTreeSet<Scope> {
        let gone = self.rows.keys().filter(|scope| !vectors.contains_key(*scope)).cloned();
        let now = gone.map(|scope| (scope, VersionVector::default())).collect::<Vec<_>>().into_iter().chain(vectors);
        now.filter(|(scope, vector)| self.take(scope, vector.clone())).map(|(scope, _)| scope).collect()
    }

    /// Takes over what is known of a scope; whether that is something else than before.
    fn take(&mut self, scope: &Scope, vector: VersionVector) -> bool {
        if vector.is_empty() {
            return self.rows.remove(scope).is_some();
        }
        if self.rows.get(scope).is_some_and(|row| row.vector == vector) {
            return false;
        }
        let digest = vector.digest(scope);
        self.rows.insert(scope.clone(), Row { vector, digest });
        true
    }

    /// All scopes and their vectors, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Scope, &VersionVector)> {
        self.rows.iter().map(|(scope, row)| (scope, &row.vector))
    }

    fn digest(&self, scope: &Scope) -> Option<Hash> {
        self.rows.get(scope).map(|row| row.digest)
    }
}

/// The scopes of which not all nodes that hold them have the same, and what each of these has there: only there can one lack what another has.
#[derive(Debug, Default)]
pub(super) struct Unlike<'a>(Vec<Parted<'a>>);

/// A scope, and of each node whether it is to hold it and what it has of it.
#[derive(Debug)]
struct Parted<'a> {
    scope: &'a Scope,
    holds: Vec<bool>,
    rows: Vec<Option<&'a Row>>,
}

impl Parted<'_> {
    fn is_alike(&self) -> bool {
        let held = self.rows.iter().zip(&self.holds).filter(|(_, holds)| **holds);
        let mut digests = held.map(|(row, _)| row.map(|row| row.digest));
        let first = digests.next();
        digests.all(|digest| Some(digest) == first)
    }
}

impl<'a> Unlike<'a> {
    /// Looks at these scopes of some of the nodes; `holds` says which node is to hold what.
    pub(super) fn among(
        held: &'a [Holding],
        scopes: &'a BTreeSet<Scope>,
        nodes: &BTreeSet<usize>,
        holds: impl Fn(usize, &Scope) -> bool,
    ) -> Self {
        let parted = |scope: &'a Scope| {
            let holds: Vec<bool> = (0..held.len()).map(|node| nodes.contains(&node) && holds(node, scope)).collect();
            let rows = held.iter().zip(&holds).map(|(holding, holds)| holding.rows.get(scope).filter(|_| *holds));
            Parted { scope, rows: rows.collect(), holds }
        };
        Self(scopes.iter().map(parted).filter(|parted| !parted.is_alike()).collect())
    }

    /// Which scopes they are.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &'a Scope> {
        self.0.iter().map(|parted| parted.scope)
    }

    /// What one of the nodes lacks of what another has.
    pub(super) fn lacking(&self, has: usize, lacks: usize) -> impl Iterator<Item = Lack> {
        self.0.iter().filter(move |parted| parted.holds[lacks]).flat_map(move |parted| {
            let (Some(has), lacks) = (parted.rows[has], parted.rows[lacks]) else { return Vec::new() };
            if lacks.is_some_and(|lacks| lacks.digest == has.digest) {
                return Vec::new();
            }
            let lacks = lacks.map(|lacks| lacks.vector.clone()).unwrap_or_default();
            has.vector.missing_in(&lacks).map(|(origin, first, _)| (parted.scope.clone(), origin, first)).collect()
        })
    }
}

/// Whether all nodes have the same of a scope.
pub(super) fn is_alike(held: &[Holding], scope: &Scope) -> bool {
    held.windows(2).all(|pair| pair[0].digest(scope) == pair[1].digest(scope))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::ids::Origin;
    use lavina_crdt::names::RoomName;

    fn room(number: u8) -> Scope {
        Scope::Room(RoomName::new(&format!("room{number}")).unwrap())
    }

    fn vectors(rows: &[(u8, u8, u64)]) -> BTreeMap<Scope, VersionVector> {
        let mut vectors: BTreeMap<Scope, VersionVector> = BTreeMap::new();
        for (number, origin, next) in rows {
            vectors.entry(room(*number)).or_default().advance(Origin([*origin; 16]), *next);
        }
        vectors
    }

    #[test]
    fn a_second_look_sees_what_changed_came_and_went() {
        let mut held = [Holding::default(), Holding::default()];
        let all: BTreeSet<Scope> = (0..3).map(room).collect();
        let lacks = |held: &[Holding; 2], has: usize| {
            Unlike::among(held, &all, &[0, 1].into(), |_, _| true).lacking(has, 1 - has).collect::<Vec<_>>()
        };
        assert_eq!(held[0].look_anew(vectors(&[(1, 1, 4), (2, 1, 2)])), [room(1), room(2)].into());
        assert_eq!(held[1].look_anew(vectors(&[(1, 1, 4)])), [room(1)].into());
        assert_eq!(lacks(&held, 0), [(room(2), Origin([1; 16]), 0)]);
        let unlike = Unlike::among(&held, &all, &[0, 1].into(), |node, scope| node == 0 || *scope != room(2));
        assert_eq!(unlike.lacking(0, 1).count(), 0, "who is not to hold it lacks nothing");
        assert_eq!(lacks(&held, 1), []);
        assert!(is_alike(&held, &room(1)) && !is_alike(&held, &room(2)));
        assert_eq!(held[1].look_anew(vectors(&[(0, 7, 1), (1, 1, 3), (2, 1, 2)])), all);
        assert_eq!(lacks(&held, 0), [(room(1), Origin([1; 16]), 3)]);
        assert_eq!(lacks(&held, 1), [(room(0), Origin([7; 16]), 0)]);
        assert_eq!(held[1].look_anew(vectors(&[(1, 1, 4), (2, 1, 2)])), [room(0), room(1)].into());
        assert!(all.iter().all(|scope| is_alike(&held, scope)));
        assert_eq!(lacks(&held, 0), []);
    }
}
