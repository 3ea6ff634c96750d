//! Plants one bug and runs seeds until it is caught.

use super::{Caught, Hunted, Planted, Runs};
use crate::plan::{Class, Level};
use lavina_crdt::mutant::{Mutant, plant};
use std::collections::{BTreeMap, BTreeSet};

/// What drawn seeds break without any bug, by level, class and number: each is run once, however many bugs it catches.
#[derive(Debug, Default)]
pub struct Baselines(BTreeMap<(Level, Class, u64), BTreeSet<&'static str>>);

impl Baselines {
    fn of(&mut self, row: &Planted, seed: u64, run: impl FnOnce() -> BTreeSet<&'static str>) -> BTreeSet<&'static str> {
        match row.runs {
            Runs::Drawn(level, class) => self.0.entry((level, class, seed)).or_insert_with(run).clone(),
            Runs::Of(_) => run(),
        }
    }
}

/// Does something on this thread with a bug planted, which is gone afterwards whatever ends it.
pub fn with_bug<T>(mutant: Mutant, deed: impl FnOnce() -> T) -> T {
    struct Uproot;
    impl Drop for Uproot {
        fn drop(&mut self) {
            plant(None);
        }
    }
    let _uproot = Uproot;
    plant(Some(mutant));
    deed()
}

/// Hunts one bug on this thread, in [`Planted::seeds`] or others.
pub fn hunt(row: &Planted, seeds: impl IntoIterator<Item = u64>, baselines: &mut Baselines) -> Hunted {
    let mut hunted = Hunted {
        name: row.name,
        caught_by: row.caught_by,
        caught: None,
        seeds: 0,
        broken: BTreeSet::new(),
        unclean: Vec::new(),
    };
    for seed in seeds {
        let Ok(plan) = row.plan(seed) else { break };
        let report = with_bug(row.mutant, || row.run(&plan));
        let broken = report.broken();
        hunted.seeds += 1;
        hunted.broken.extend(&broken);
        if !row.caught_by.iter().any(|invariant| broken.contains(invariant)) {
            continue;
        }
        let anyhow = baselines.of(row, seed, || row.run(&plan).broken());
        let alarms: BTreeSet<&str> = broken.difference(&anyhow).copied().collect();
        let expected = |invariant| row.caught_by.contains(&invariant) && alarms.contains(invariant);
        if let Some(violation) = report.violations.into_iter().find(|violation| expected(violation.invariant)) {
            let (invariant, what) = (violation.invariant, violation.what);
            hunted.caught = Some(Caught { seeds_needed: hunted.seeds, seed, invariant, what, alarms });
            break;
        }
        hunted.unclean.push(seed);
    }
    hunted
}
