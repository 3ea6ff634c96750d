//! The table about itself: a row for every bug, a bug for every invariant.

use super::TABLE;
use lavina_crdt::mutant::Mutant;
use std::collections::BTreeSet;

#[test]
fn every_bug_has_one_row_and_a_name_of_its_own() {
    let rows: Vec<Mutant> = TABLE.iter().map(|row| row.mutant).collect();
    for mutant in Mutant::ALL {
        assert_eq!(rows.iter().filter(|row| *row == mutant).count(), 1, "{mutant:?}");
    }
    let names: BTreeSet<&str> = TABLE.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), TABLE.len());
    let is_kebab = |name: &str| name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
    assert!(names.into_iter().all(is_kebab));
}

#[test]
fn every_invariant_has_a_bug_that_it_must_catch() {
    for number in 1..=18 {
        let invariant = format!("L{number}");
        let first = TABLE.iter().find(|row| row.caught_by.contains(&invariant.as_str()));
        assert!(first.is_some(), "{invariant}");
    }
    assert!(TABLE.iter().all(|row| !row.caught_by.is_empty()));
}

#[cfg(feature = "mutants")]
#[test]
fn a_bug_is_caught_and_gone_afterwards() {
    use super::{Baselines, hunt};
    use lavina_crdt::mutant::is_planted;
    let row = TABLE.iter().find(|row| row.mutant == Mutant::SaidToAll).unwrap();
    let hunted = hunt(row, row.seeds(), &mut Baselines::default());
    assert!(hunted.caught.is_some(), "{hunted:?}");
    assert!(!is_planted(Mutant::SaidToAll));
}
