//! Whether the alarm rings: every planted bug is caught in the seed that is known to show it, which without the bug is clean of what it is
//! caught by, and every invariant is seen to be broken. And whether what it rings for can be made small.
//!
//! Its own binary, over a build that holds the bugs, which nothing else is: `tests/run` says how, and shows a line a bug. `lavina sim mutants`
//! is the same by hand.
#![expect(clippy::unwrap_used, reason = "what is missing fails the test")]

use lavina_sim::mutants::{Baselines, Hunted, Planted, TABLE, Verdict, hunt, with_bug};
use lavina_sim::{Plan, run, shrink};
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{available_parallelism, scope};

/// Most runs of a shrinking: small plans are reached in fewer.
const RUNS_MAX: usize = 1_500;

#[test]
fn every_planted_bug_is_caught_and_every_invariant_rings() {
    let (next, hunts) = (AtomicUsize::new(0), Mutex::new(Vec::<Hunted>::new()));
    scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                let mut baselines = Baselines::default();
                while let Some(row) = TABLE.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let hunted = hunt(row, row.seeds(), &mut baselines);
                    println!("{}", hunted.text());
                    hunts.lock().unwrap().push(hunted);
                }
            });
        }
    });
    let hunts = hunts.into_inner().unwrap();
    let verdict = Verdict::of(&hunts);
    println!("{}", verdict.text());
    assert!(verdict.holds(), "{}", verdict.text());
}

/// The known plan of a planted bug made small, by an invariant that it must break and did not break without.
fn shrunk(name: &str) -> (&'static Planted, &'static str, Plan) {
    let row = TABLE.iter().find(|row| row.name == name).unwrap();
    let caught = hunt(row, row.seeds(), &mut Baselines::default()).caught.unwrap();
    let plan = row.plan(caught.seed).unwrap();
    let breaks = |plan: &Plan| with_bug(row.mutant, || run(plan)).broken().contains(caught.invariant);
    (row, caught.invariant, shrink(&plan, RUNS_MAX, breaks, |_| {}))
}

#[test]
fn what_a_planted_bug_breaks_is_made_small() {
    for name in ["said-to-all", "ack-before-fsync", "ban-lost-in-merge"] {
        let (row, invariant, small) = shrunk(name);
        assert!(with_bug(row.mutant, || run(&small)).broken().contains(invariant), "{name}");
        assert!(!run(&small).broken().contains(invariant), "{name} is not what breaks {invariant}");
        let lines: usize = small.clients.iter().map(|client| client.script.len()).sum();
        let sizes = (small.faults.len(), small.nodes.len(), lines);
        assert!(sizes.0 <= 3 && sizes.1 <= 5 && sizes.2 <= 10, "{name}: {sizes:?}\n{}", small.to_toml());
    }
}
