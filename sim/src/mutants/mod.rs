//! The planted bugs as the simulator sees them: which invariant must catch each, in which kind of run, within how many seeds.
//!
//! An alarm that has never rung is no alarm. [`TABLE`] has a row a bug and at least one bug an invariant; a hunt plants one and runs seeds,
//! from the one that is known to show it on, until an invariant of its row is broken that the same seed does not break without the bug. The
//! [`Verdict`] is that all were caught and every invariant was seen to ring. Only a build with the feature `mutants` holds any bugs.

#[cfg(feature = "mutants")]
mod hunt;
mod table;
#[cfg(test)]
mod tests;
mod verdict;

#[cfg(feature = "mutants")]
pub use hunt::{Baselines, hunt, with_bug};
pub use table::{Planted, Runs, TABLE};
pub use verdict::Verdict;

use std::collections::BTreeSet;

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
    /// Seeds that broke the same without the bug, and so say nothing.
    pub unclean: Vec<u64>,
}

/// How a bug was caught.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Caught {
    /// How many seeds it took, counted from the first that was run.
    pub seeds_needed: u64,
    /// The seed that caught it.
    pub seed: u64,
    /// The invariant that was broken.
    pub invariant: &'static str,
    /// What was wrong.
    pub what: String,
    /// Every invariant that this seed breaks with the bug and not without it.
    pub alarms: BTreeSet<&'static str>,
}
