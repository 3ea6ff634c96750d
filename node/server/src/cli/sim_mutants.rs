//! `lavina sim mutants`: plants one bug after the other and shows which invariant catches it, and after how many seeds.
//!
//! Only a build with the feature `mutants` holds the bugs; what people run has none, and says how to get such a build.

use super::Out;
use clap::Args;
use lavina_sim::mutants::{BUILT_IN, Hunted, Planted, TABLE};
use std::process::ExitCode;

/// How to get a build that holds the bugs.
const HOW: &str = "cargo run --release --features mutants -- sim mutants";

/// Plant bugs one after the other; fails when one is not caught
#[derive(Args)]
pub(super) struct Mutants {
    /// Only this bug; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

/// How the hunt for one bug went, with what it cost.
#[derive(serde::Serialize)]
struct Line {
    what: &'static str,
    #[serde(flatten)]
    hunted: Hunted,
    seconds: f64,
}

impl Mutants {
    pub(super) fn run(self, out: Out) -> ExitCode {
        let rows = match self.rows() {
            Ok(rows) => rows,
            Err(error) => {
                eprintln!("lavina: {error}");
                return ExitCode::FAILURE;
            }
        };
        if !BUILT_IN {
            eprintln!("lavina: this build holds no planted bugs; build one that does with: {HOW}");
            return ExitCode::FAILURE;
        }
        if hunt_all(out, &rows) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn rows(&self) -> Result<Vec<&'static Planted>, String> {
        if let Some(unknown) = self.only.iter().find(|name| TABLE.iter().all(|row| row.name != **name)) {
            let names: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
            return Err(format!("there is no planted bug {unknown}; there are: {}", names.join(", ")));
        }
        let wanted = |row: &&Planted| self.only.is_empty() || self.only.iter().any(|name| name == row.name);
        Ok(TABLE.iter().filter(wanted).collect())
    }
}

/// Hunts on all cores, each line told when its bug is done; says how many got away.
#[cfg(feature = "mutants")]
fn hunt_all(out: Out, rows: &[&'static Planted]) -> usize {
    use lavina_sim::mutants::{Baselines, hunt};
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (next, missed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut baselines = Baselines::default();
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let started = std::time::Instant::now();
                    let hunted = hunt(row, &mut baselines, Planted::run);
                    missed.fetch_add(usize::from(hunted.caught.is_none()), Ordering::Relaxed);
                    let line = Line { what: row.what(), hunted, seconds: started.elapsed().as_secs_f64() };
                    let _ = out.say(&line, || line.text());
                }
            });
        }
    });
    let missed = missed.into_inner();
    let summary = serde_json::json!({ "bugs": rows.len(), "missed": missed });
    let _ = out.say(&summary, || format!("{} of {} planted bugs caught", rows.len() - missed, rows.len()));
    missed
}

/// There is nothing to hunt.
#[cfg(not(feature = "mutants"))]
fn hunt_all(_: Out, rows: &[&'static Planted]) -> usize {
    rows.len()
}

#[cfg_attr(not(feature = "mutants"), expect(dead_code, reason = "without planted bugs there is no line to print"))]
impl Line {
    fn text(&self) -> String {
        let Hunted { name, caught_by, caught, seeds, broken, .. } = &self.hunted;
        let head = format!("{name:<22} {:<62}", self.what.trim_end_matches('.'));
        let Some(caught) = caught else {
            let broken: Vec<&str> = broken.iter().copied().collect();
            return format!(
                "{head} NOT CAUGHT in {seeds} seeds: should break {}, broke {}",
                caught_by.join(" or "),
                if broken.is_empty() { "nothing".to_owned() } else { broken.join(", ") }
            );
        };
        let seeds = if caught.seeds_needed == 1 { "seed" } else { "seeds" };
        format!("{head} {:<3} {:>3} {seeds:<5} {:>5.1} s", caught.invariant, caught.seeds_needed, self.seconds)
    }
}
