//! One run, and many.

use crate::check::{Violation, check, expect};
use crate::determinism;
use crate::generate::{Sizes, generate};
use crate::measure::{Measures, measure};
use crate::plan::Plan;
use crate::record::Record;
use crate::trace::Trace;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// How many of the last events a failure shows.
const LAST: u64 = 200;

/// How a run went.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Report {
    /// The plan's seed.
    pub seed: u64,
    /// Broken invariants; empty when all held.
    pub violations: Vec<Violation>,
    /// Hash over all events (invariant L18).
    pub hash: String,
    /// How many events there were.
    pub events: u64,
    /// Simulated time, milliseconds.
    pub simulated_ms: u64,
    /// How long after healing all nodes were equal, milliseconds; `None` when they were not in time.
    pub converged_ms: Option<u64>,
    /// Lines that were acknowledged.
    pub acknowledged: u64,
    /// Lines that clients were shown, all together.
    pub shown: u64,
    /// How often each kind of fault and action happened, and what clients met, see [`happenings`](crate::happenings).
    pub happened: BTreeMap<&'static str, u64>,
    /// What it is measured by.
    pub measures: Measures,
    /// The last events, for a failure.
    pub last_events: Vec<String>,
}

impl Report {
    /// Which invariants were broken.
    #[must_use]
    pub fn broken(&self) -> BTreeSet<&'static str> {
        self.violations.iter().map(|violation| violation.invariant).collect()
    }
}

/// Runs a plan and checks the invariants.
///
/// ```
/// use lavina_sim::{Sizes, generate, run};
/// let plan = generate(1, &Sizes { nodes: 3, clients: 4, rooms: 1, storm_ms: 4_000, ..Sizes::default() });
/// let report = run(&plan);
/// assert!(report.violations.is_empty(), "{:?}", report.violations);
/// assert_eq!(report.hash, run(&plan).hash);
/// ```
#[must_use]
pub fn run(plan: &Plan) -> Report {
    run_world(plan, false).0
}

/// As [`run`], and keeps all that happened, for whoever shows it. The events are the same.
///
/// ```
/// use lavina_sim::{Sizes, generate, run, run_recorded};
/// let plan = generate(1, &Sizes { nodes: 3, clients: 4, rooms: 1, storm_ms: 4_000, ..Sizes::default() });
/// let (report, record) = run_recorded(&plan);
/// assert_eq!(report.hash, run(&plan).hash);
/// assert!(record.entries.iter().any(|entry| entry.scope == "room room0" && !entry.copies.is_empty()));
/// ```
#[must_use]
pub fn run_recorded(plan: &Plan) -> (Report, Record) {
    let (report, record) = run_world(plan, true);
    (report, record.unwrap_or_default())
}

fn run_world(plan: &Plan, recorded: bool) -> (Report, Option<Record>) {
    let mut world = World::new(plan, recorded);
    world.run();
    let heal_us = plan.heal_at_ms * 1000;
    world.book.close(heal_us, world.converged_us, world.now_us);
    let hash = world.trace.hash();
    let events = world.trace.count();
    for client in &world.clients {
        for (what, count) in &client.met {
            *world.happened.entry(what).or_default() += count;
        }
    }
    for (what, count) in world.placing_counts() {
        *world.happened.entry(what).or_default() += count;
    }
    let measures = measure(&world);
    let mut violations = check(&mut world);
    violations.extend(expect::check(&plan.expect, &measures));
    let acknowledged = world.clients.iter().flat_map(|client| client.sent.values()).filter(|sent| sent.acked.is_some());
    let report = Report {
        seed: plan.seed,
        hash,
        events,
        simulated_ms: world.now_us / 1000,
        converged_ms: world.converged_us.map(|at_us| at_us.saturating_sub(heal_us) / 1000),
        acknowledged: u64::try_from(acknowledged.count()).unwrap_or(u64::MAX),
        shown: world.clients.iter().map(|client| u64::try_from(client.seen.len()).unwrap_or(u64::MAX)).sum(),
        happened: world.happened.clone(),
        measures,
        last_events: if violations.is_empty() { Vec::new() } else { last_events(plan, events) },
        violations,
    };
    (report, world.book.into_record())
}

/// The last events of a run in words: it is made again for them.
fn last_events(plan: &Plan, count: u64) -> Vec<String> {
    let mut world = World::traced(plan, Trace::recording(count.saturating_sub(LAST)..count));
    world.run();
    world.trace.take_recorded().iter().map(ToString::to_string).collect()
}

/// Runs the plan of a seed; `twice` runs it two times, to see that both go the same way (invariant L18).
#[must_use]
pub fn run_seed(seed: u64, sizes: &Sizes, twice: bool) -> Report {
    let plan = generate(seed, sizes);
    if twice { run_twice(&plan) } else { run(&plan) }
}

/// Runs a plan two times and checks that both go the same way, too (invariant L18).
pub(crate) fn run_twice(plan: &Plan) -> Report {
    let mut report = run(plan);
    let again = run(plan);
    if again.hash != report.hash {
        let what = match determinism::compare(plan) {
            Err(divergence) => divergence.to_string(),
            Ok(()) => format!("two runs went different ways, once: {} and {}", report.hash, again.hash),
        };
        report.violations.push(Violation { invariant: "L18", what });
    }
    report
}
