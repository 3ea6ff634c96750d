//! The planted bugs as the simulator sees them: which invariant must catch each, in which kind of run, within how many seeds.
//!
//! An alarm that has never rung is no alarm. [`TABLE`] has a row a bug and at least one bug an invariant; a hunt plants one and runs seeds
//! until an invariant of its row is broken, in a run that is clean without the bug. Only a build with the feature `mutants` holds any bugs,
//! see [`BUILT_IN`].

#[cfg(feature = "mutants")]
mod hunt;
mod table;
#[cfg(test)]
mod tests;

#[cfg(feature = "mutants")]
pub use hunt::{Baselines, hunt};
pub use table::{Planted, TABLE};

use std::collections::BTreeSet;

/// Whether this build holds the planted bugs.
pub const BUILT_IN: bool = cfg!(feature = "mutants");

/// How the hunt for one bug went.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Hunted {
    /// The bug's name in the table.
    pub name: &'static str,
    /// The invariants of which one must be broken.
    pub caught_by: &'static [&'static str],
    /// How it was caught; `None` when it was not.
    pub caught: Option<Caught>,
    /// How many seeds were run with the bug.
    pub seeds: u64,
    /// Every invariant that was broken on the way, expected or not.
    pub broken: BTreeSet<&'static str>,
    /// Seeds that were broken without the bug too, and so say nothing.
    pub unclean: Vec<u64>,
}

/// How a bug was caught.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Caught {
    /// How many seeds it took, counted from the first one.
    pub seeds_needed: u64,
    /// The seed that caught it.
    pub seed: u64,
    /// The invariant that was broken.
    pub invariant: &'static str,
    /// What was wrong.
    pub what: String,
}
