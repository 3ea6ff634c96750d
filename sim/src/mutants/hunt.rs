//! Plants one bug and runs seeds until it is caught.

use super::{Caught, Hunted, Planted};
use crate::Report;
use crate::plan::{Class, Level};
use lavina_crdt::mutant::{Mutant, plant};
use std::collections::{BTreeMap, BTreeSet};

/// Which seeds are clean without any bug, by level, class and number: each is run once, however many bugs it catches.
#[derive(Debug, Default)]
pub struct Baselines(BTreeMap<(Level, Option<Class>, u64), bool>);

/// The bug is planted as long as this lives, whatever ends the run.
struct WithBug;

impl WithBug {
    fn plant(mutant: Mutant) -> Self {
        plant(Some(mutant));
        Self
    }
}

impl Drop for WithBug {
    fn drop(&mut self) {
        plant(None);
    }
}

/// Hunts one bug on this thread, over at most the row's number of seeds from 1 on. `run` runs a seed as the row says,
/// see [`Planted::run`].
pub fn hunt(row: &Planted, baselines: &mut Baselines, run: impl Fn(&Planted, u64) -> Report) -> Hunted {
    let mut hunted = Hunted {
        name: row.name,
        caught_by: row.caught_by,
        caught: None,
        seeds: 0,
        broken: BTreeSet::new(),
        unclean: Vec::new(),
    };
    for seed in 1..=row.seeds_max {
        let report = {
            let _planted = WithBug::plant(row.mutant);
            run(row, seed)
        };
        hunted.seeds += 1;
        hunted.broken.extend(report.violations.iter().map(|violation| violation.invariant));
        let expected = report.violations.into_iter().find(|violation| row.caught_by.contains(&violation.invariant));
        let Some(violation) = expected else { continue };
        let place = (row.level, row.class, seed);
        let clean = *baselines.0.entry(place).or_insert_with(|| run(row, seed).violations.is_empty());
        if clean {
            let (invariant, what) = (violation.invariant, violation.what);
            hunted.caught = Some(Caught { seeds_needed: hunted.seeds, seed, invariant, what });
            break;
        }
        hunted.unclean.push(seed);
    }
    hunted
}
