//! The determinism gate (invariant L18): a plan goes the same way every time. When it does not, the first event that differs is found and
//! shown as either run had it.

use crate::plan::Plan;
use crate::trace::{Recorded, Trace, WINDOW};
use crate::world::World;

/// How often two runs are made again, to see both sides of a difference: where they part may itself differ from time to time.
const ATTEMPTS: usize = 5;

/// Two runs of one plan that went different ways.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two runs of one plan part at event {event}: {one} / {other}")]
pub struct Divergence {
    /// Number of the first event that differs, from 0. When it was not met again, of the first of the window that holds it.
    pub event: u64,
    /// That event in one run: its time in seconds and what it was.
    pub one: String,
    /// And in the other.
    pub other: String,
}

/// Runs a plan twice and compares all events.
///
/// # Errors
/// [`Divergence`] names the first event that differs.
///
/// ```
/// use lavina_sim::{Sizes, determinism, generate};
/// let plan = generate(1, &Sizes { nodes: 3, clients: 4, rooms: 1, storm_ms: 4_000, ..Sizes::default() });
/// assert_eq!(determinism::compare(&plan), Ok(()));
/// ```
pub fn compare(plan: &Plan) -> Result<(), Divergence> {
    compare_runs(|trace| run(plan, trace))
}

/// The same over anything that makes a run and leaves its trace.
pub(crate) fn compare_runs(mut run: impl FnMut(Trace) -> Trace) -> Result<(), Divergence> {
    let (one, other) = (run(Trace::default()), run(Trace::default()));
    let Some(mut from) = parting(&one, &other) else { return Ok(()) };
    for _ in 0..ATTEMPTS {
        let recording = || Trace::recording(from..from + 2 * WINDOW);
        let (mut one, mut other) = (run(recording()), run(recording()));
        match parting(&one, &other) {
            // They part earlier this time: look there.
            Some(earlier) if earlier < from => from = earlier,
            _ => {
                if let Some(found) = first_difference(&one.take_recorded(), &other.take_recorded()) {
                    return Err(found);
                }
            }
        }
    }
    let once = "it did so once and not again".to_owned();
    Err(Divergence { event: from, one: once.clone(), other: once })
}

fn run(plan: &Plan, trace: Trace) -> Trace {
    let mut world = World::traced(plan, trace);
    world.run();
    world.trace
}

/// Number of the first event of the window in which two runs part; `None` when they don't.
fn parting(one: &Trace, other: &Trace) -> Option<u64> {
    if one.hash() == other.hash() && one.count() == other.count() {
        return None;
    }
    let alike = one.marks().zip(other.marks()).take_while(|(one, other)| one == other).count();
    Some(u64::try_from(alike).unwrap_or(u64::MAX) * WINDOW)
}

fn first_difference(one: &[Recorded], other: &[Recorded]) -> Option<Divergence> {
    let shown = |event: Option<&Recorded>| event.map_or_else(|| "nothing more".to_owned(), ToString::to_string);
    let at = (0..one.len().max(other.len())).find(|at| one.get(*at) != other.get(*at))?;
    let (one, other) = (one.get(at), other.get(at));
    Some(Divergence { event: one.or(other)?.number, one: shown(one), other: shown(other) })
}

#[cfg(test)]
mod tests {
    use super::compare_runs;
    use crate::trace::{Trace, WINDOW};

    /// A run of many events, one of which is `odd`.
    fn events(mut trace: Trace, count: u64, at: u64, odd: &str) -> Trace {
        for number in 0..count {
            let words = if number == at { odd } else { "even" };
            trace.note(number, "event", 0, words.as_bytes(), || words.to_owned());
        }
        trace
    }

    #[test]
    fn the_first_event_that_differs_is_named() {
        for at in [0, 1, WINDOW - 1, WINDOW, 3 * WINDOW + 7] {
            let mut runs = 0;
            let found = compare_runs(|trace| {
                runs += 1;
                events(trace, 4 * WINDOW, at, &format!("run {}", runs % 2))
            });
            let found = found.unwrap_err();
            assert_eq!(found.event, at);
            assert!(found.one.ends_with("run 1") && found.other.ends_with("run 0"), "{found}");
        }
    }

    #[test]
    fn a_run_that_goes_on_differs_where_the_other_ends() {
        let mut runs = 0;
        let found = compare_runs(|trace| {
            runs += 1;
            events(trace, 2 * WINDOW + runs % 2, u64::MAX, "")
        });
        let found = found.unwrap_err();
        assert_eq!((found.event, found.other.as_str()), (2 * WINDOW, "nothing more"));
    }

    #[test]
    fn what_parts_elsewhere_each_time_is_found_all_the_same() {
        let mut runs = 0;
        let found = compare_runs(|trace| {
            runs += 1;
            events(trace, 4 * WINDOW, 5 * WINDOW / runs, &format!("run {runs}"))
        });
        assert!(found.is_err());
    }

    #[test]
    fn a_difference_that_does_not_come_again_is_told() {
        let mut runs = 0;
        let found = compare_runs(|trace| {
            runs += 1;
            events(trace, 10, 5, if runs == 1 { "odd" } else { "even" })
        });
        assert!(found.unwrap_err().one.contains("not again"));
    }
}
