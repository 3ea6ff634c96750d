//! What a node has, kept from one look at it to the next: only what has changed is compared again, so that looking often at a mesh in which
//! little happens costs little.

use super::sample::Lack;
use lavina_crdt::ids::Scope;
use lavina_crdt::version::VersionVector;

/// The vectors of a node's scopes, in order, and a digest of all.
#[derive(Debug, Default)]
pub(super) struct Holding {
    rows: Vec<Row>,
    digest: u64,
}

#[derive(Debug)]
struct Row {
    scope: Scope,
    vector: VersionVector,
    digest: u64,
}

impl Row {
    fn new(scope: Scope, vector: VersionVector) -> Self {
        let hash = vector.digest(&scope);
        let digest = hash.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Self { scope, vector, digest }
    }
}

impl Holding {
    /// Takes over what the node has now; scopes come in order.
    pub(super) fn look<'a>(&mut self, vectors: impl Iterator<Item = (&'a Scope, VersionVector)>) {
        let mut at = 0;
        for (scope, vector) in vectors {
            while self.rows.get(at).is_some_and(|row| row.scope < *scope) {
                self.rows.remove(at);
            }
            match self.rows.get_mut(at).filter(|row| row.scope == *scope) {
                Some(row) if row.vector.is_copy_of(&vector) => {}
                Some(row) => *row = Row::new(scope.clone(), vector),
                None => self.rows.insert(at, Row::new(scope.clone(), vector)),
            }
            at += 1;
        }
        self.rows.truncate(at);
        self.digest = self.rows.iter().fold(0, |sum, row| sum.wrapping_add(row.digest));
    }

    /// All scopes and their vectors, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Scope, &VersionVector)> {
        self.rows.iter().map(|row| (&row.scope, &row.vector))
    }
}

/// For each node, the places of the rows that not all of them have alike: only there can one lack what another has.
pub(super) fn unlike(held: &[&Holding]) -> Vec<Vec<usize>> {
    let mut digests: Vec<u64> = held.iter().flat_map(|holding| &holding.rows).map(|row| row.digest).collect();
    digests.sort_unstable();
    let alike = digests.chunk_by(u64::eq).filter(|same| same.len() == held.len());
    let alike: Vec<u64> = alike.filter_map(|same| same.first().copied()).collect();
    let differ = |holding: &&Holding| {
        let rows = holding.rows.iter().enumerate();
        rows.filter(|(_, row)| alike.binary_search(&row.digest).is_err()).map(|(at, _)| at).collect()
    };
    held.iter().map(differ).collect()
}

/// What one node lacks of what another has, in the order of scopes; looked for in the rows of the other that [`unlike`] names.
pub(super) fn lacking<'a>(
    has: &'a Holding,
    unlike: &'a [usize],
    lacks: &'a Holding,
) -> impl Iterator<Item = Lack> + 'a {
    let places = if has.digest == lacks.digest { &[] } else { unlike };
    places.iter().filter_map(|at| has.rows.get(*at)).flat_map(|row| {
        let own = lacks.rows.binary_search_by(|own| own.scope.cmp(&row.scope)).ok().and_then(|at| lacks.rows.get(at));
        let own = own.map(|own| own.vector.clone()).unwrap_or_default();
        let missing = row.vector.missing_in(&own).map(|(origin, first, _)| (row.scope.clone(), origin, first));
        missing.collect::<Vec<Lack>>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::ids::Origin;
    use lavina_crdt::names::RoomName;
    use std::collections::BTreeMap;

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

    fn look(holding: &mut Holding, vectors: &BTreeMap<Scope, VersionVector>) {
        holding.look(vectors.iter().map(|(scope, vector)| (scope, vector.clone())));
    }

    fn lacks(has: &Holding, lacks: &Holding) -> Vec<Lack> {
        lacking(has, &unlike(&[has, lacks])[0], lacks).collect()
    }

    #[test]
    fn a_second_look_sees_what_changed_came_and_went() {
        let (mut one, mut other) = (Holding::default(), Holding::default());
        look(&mut one, &vectors(&[(1, 1, 4), (2, 1, 2)]));
        look(&mut other, &vectors(&[(1, 1, 4)]));
        assert_eq!(lacks(&one, &other), [(room(2), Origin([1; 16]), 0)]);
        assert_eq!(lacks(&other, &one), []);
        look(&mut other, &vectors(&[(0, 7, 1), (1, 1, 3), (2, 1, 2)]));
        assert_eq!(lacks(&one, &other), [(room(1), Origin([1; 16]), 3)]);
        assert_eq!(lacks(&other, &one), [(room(0), Origin([7; 16]), 0)]);
        look(&mut other, &vectors(&[(1, 1, 4), (2, 1, 2)]));
        assert_eq!(one.digest, other.digest);
        assert_eq!(lacks(&one, &other), []);
    }
}
