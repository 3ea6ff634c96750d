//! What a node has, kept from one look at it to the next: only what has changed is compared again, so that looking often at a mesh in which
//! little happens costs little.

use super::sample::Lack;
use lavina_crdt::ids::Scope;
use lavina_crdt::version::VersionVector;
use std::cmp::Ordering;

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

/// What one node lacks of what another has, in the order of scopes.
pub(super) fn lacking<'a>(has: &'a Holding, lacks: &'a Holding) -> impl Iterator<Item = Lack> + 'a {
    let rows = if has.digest == lacks.digest { &[] } else { has.rows.as_slice() };
    let mut theirs = lacks.rows.iter().peekable();
    rows.iter().flat_map(move |row| {
        while theirs.next_if(|other| other.scope.cmp(&row.scope) == Ordering::Less).is_some() {}
        let other = theirs.next_if(|other| other.scope == row.scope);
        let differs = other.is_none_or(|other| other.digest != row.digest);
        let own = other.map(|other| other.vector.clone()).unwrap_or_default();
        let missing: Vec<Lack> = if differs {
            row.vector.missing_in(&own).map(|(origin, first, _)| (row.scope.clone(), origin, first)).collect()
        } else {
            Vec::new()
        };
        missing
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

    #[test]
    fn a_second_look_sees_what_changed_came_and_went() {
        let (mut one, mut other) = (Holding::default(), Holding::default());
        look(&mut one, &vectors(&[(1, 1, 4), (2, 1, 2)]));
        look(&mut other, &vectors(&[(1, 1, 4)]));
        assert_eq!(lacking(&one, &other).collect::<Vec<_>>(), [(room(2), Origin([1; 16]), 0)]);
        assert_eq!(lacking(&other, &one).count(), 0);
        look(&mut other, &vectors(&[(0, 7, 1), (1, 1, 3), (2, 1, 2)]));
        assert_eq!(lacking(&one, &other).collect::<Vec<_>>(), [(room(1), Origin([1; 16]), 3)]);
        assert_eq!(lacking(&other, &one).collect::<Vec<_>>(), [(room(0), Origin([7; 16]), 0)]);
        look(&mut other, &vectors(&[(1, 1, 4), (2, 1, 2)]));
        assert_eq!(one.digest, other.digest);
        assert_eq!(lacking(&one, &other).count(), 0);
    }
}
