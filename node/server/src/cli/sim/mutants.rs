//! `lavina sim mutants`: plants one bug after the other and shows which invariant catches it, and after how many seeds.
//!
//! Only a build with the feature `mutants` holds the bugs; what people run has none, and says how to get such a build.

use super::UNREADABLE;
use super::sweep::seeds;
use crate::cli::Out;
use clap::Args;
use lavina_sim::mutants::{Hunted, Planted, TABLE, Verdict};
use std::ops::RangeInclusive;
use std::process::ExitCode;

/// How to get a build that holds the bugs.
const HOW: &str = "cargo run --release --features mutants -- sim mutants";

/// Plant bugs one after the other; fails when one is not caught or an invariant is broken by none
#[derive(Args)]
pub(super) struct Mutants {
    /// Only this bug; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// In which seeds, as FIRST..LAST; without it from the one on that is known to show the bug
    #[arg(long, value_parser = seeds)]
    seeds: Option<RangeInclusive<u64>>,
}

/// How the hunt for one bug went, with what it cost.
#[cfg(feature = "mutants")]
#[derive(serde::Serialize)]
struct Line<'a> {
    what: &'static str,
    #[serde(flatten)]
    hunted: &'a Hunted,
    seconds: f64,
}

impl Mutants {
    pub(super) fn run(self, out: Out) -> ExitCode {
        let rows = match self.rows() {
            Ok(rows) => rows,
            Err(error) => {
                eprintln!("lavina: {error}");
                return ExitCode::from(UNREADABLE);
            }
        };
        if cfg!(not(feature = "mutants")) {
            eprintln!("lavina: this build holds no planted bugs; build one that does with: {HOW}");
            return ExitCode::from(UNREADABLE);
        }
        let verdict = Verdict::of(&hunt_all(out, &rows, self.seeds.as_ref()));
        let _ = out.say(&verdict, || verdict.text());
        if verdict.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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

/// Hunts on all cores, each line told when its bug is done.
#[cfg(feature = "mutants")]
fn hunt_all(out: Out, rows: &[&'static Planted], seeds: Option<&RangeInclusive<u64>>) -> Vec<Hunted> {
    use lavina_sim::mutants::{Baselines, hunt};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (next, hunts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut baselines = Baselines::default();
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let started = std::time::Instant::now();
                    let seeds = seeds.cloned().unwrap_or_else(|| row.seeds());
                    let hunted = hunt(row, seeds, &mut baselines);
                    let line = Line { what: row.what(), hunted: &hunted, seconds: started.elapsed().as_secs_f64() };
                    let _ = out.say(&line, || format!("{}\n  {}", hunted.text(), row.what()));
                    hunts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(hunted);
                }
            });
        }
    });
    hunts.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// There is nothing to hunt.
#[cfg(not(feature = "mutants"))]
fn hunt_all(_: Out, _: &[&'static Planted], _: Option<&RangeInclusive<u64>>) -> Vec<Hunted> {
    Vec::new()
}
