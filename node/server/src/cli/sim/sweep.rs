//! `lavina sim sweep`: many seeds on all cores. Failing seeds are told as they are found; Ctrl-C ends it with what was found so far.

use super::open::Open;
use super::source::Size;
use super::{INTERRUPTED, UNREADABLE, words};
use crate::cli::Out;
use clap::Args;
use lavina_sim::{Level, Placing, Report, happenings, run_seed};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Of a sweep, the first seeds are run twice, to see that a seed always goes the same way.
const RUN_TWICE: u64 = 20;
/// In a sweep of this many seeds everything that the simulator can do must have happened.
const ALL_HAPPEN_IN: u64 = 1_000;
/// Width of the progress bar.
const BAR: u64 = 30;

/// Run many.
#[derive(Args)]
pub(super) struct Sweep {
    /// Which, as FIRST..LAST
    #[arg(long, value_parser = seeds)]
    seeds: RangeInclusive<u64>,
    /// How many at a time; without it, one a core
    #[arg(short, long)]
    jobs: Option<usize>,
    /// Open findings: a file with a seed, its level and the invariants it is known to break in each line, as `l0 7 L17`. They are run and
    /// told, and only what is not listed fails the sweep
    #[arg(long)]
    open: Option<PathBuf>,
    /// Run every seed twice and compare, not only the first 20
    #[arg(long)]
    twice: bool,
    #[command(flatten)]
    size: Size,
}

/// A range of seeds.
pub(super) fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let range = text.split_once("..").and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
    range.filter(|range| !range.is_empty()).ok_or_else(|| "FIRST..LAST is expected, such as 1..1000".to_owned())
}

impl Sweep {
    pub(super) fn run(&self, out: Out) -> ExitCode {
        let open = match self.open.as_deref().map_or_else(|| Ok(Open::default()), Open::read) {
            Ok(open) => open,
            Err(error) => {
                eprintln!("lavina: {error}");
                return ExitCode::from(UNREADABLE);
            }
        };
        let stopped = on_interrupt();
        let started = Instant::now();
        let count = self.seeds.end() - self.seeds.start() + 1;
        let next = AtomicU64::new(*self.seeds.start());
        let tally = Mutex::new(Tally::new(count, &self.size, open));
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.unwrap_or(cores).max(1) {
                scope.spawn(|| self.work(out, &next, &stopped, &tally));
            }
        });
        let tally = tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let interrupted = tally.done < count;
        let absent = tally.absent();
        let summary = Summary {
            seeds: tally.done,
            asked: count,
            interrupted,
            broken: &tally.broken,
            known: &tally.known,
            slowest_convergence_ms: tally.slowest_ms,
            happened: &tally.happened,
            absent: &absent,
            seconds: started.elapsed().as_secs_f64(),
        };
        let _ = out.say(&summary, || summary.text());
        match (interrupted, tally.broken.is_empty() && absent.is_empty()) {
            (true, true) => ExitCode::from(INTERRUPTED),
            (false, true) => ExitCode::SUCCESS,
            (_, false) => ExitCode::FAILURE,
        }
    }

    /// One thread: seed after seed.
    fn work(&self, out: Out, next: &AtomicU64, stopped: &AtomicBool, tally: &Mutex<Tally>) {
        let sizes = self.size.sizes();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !self.seeds.contains(&seed) || stopped.load(Ordering::Relaxed) {
                return;
            }
            let report = run_seed(seed, &sizes, self.twice || seed - self.seeds.start() < RUN_TWICE);
            tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take(out, &report);
        }
    }
}

/// A flag that Ctrl-C sets. A second Ctrl-C ends the process at once.
fn on_interrupt() -> Arc<AtomicBool> {
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    std::thread::spawn(move || {
        let Ok(runtime) = crate::cli::runtime() else { return };
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_err() {
                return;
            }
            flag.store(true, Ordering::Relaxed);
            eprintln!("\nfinishing the seeds that run; Ctrl-C again ends at once");
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(i32::from(INTERRUPTED));
            }
        });
    });
    stopped
}

/// What the runs of a sweep came to so far.
struct Tally {
    count: u64,
    done: u64,
    /// Failing seeds.
    broken: Vec<u64>,
    slowest_ms: u64,
    happened: BTreeMap<&'static str, u64>,
    terminal: bool,
    /// What must happen, when seeds of all classes are run.
    happenings: Vec<&'static str>,
    /// Open findings, and those that were met.
    open: Open,
    known: Vec<u64>,
    level: Level,
    /// Options of the command that repeats one seed.
    size: String,
}

impl Tally {
    fn new(count: u64, size: &Size, open: Open) -> Self {
        let sizes = size.sizes();
        let happenings = if sizes.class.is_none() {
            happenings(sizes.level, sizes.placing != Placing::Everywhere)
        } else {
            Vec::new()
        };
        Self {
            count,
            done: 0,
            broken: Vec::new(),
            slowest_ms: 0,
            happened: BTreeMap::new(),
            terminal: std::io::stderr().is_terminal(),
            happenings,
            open,
            known: Vec::new(),
            level: sizes.level,
            size: size.words(),
        }
    }

    fn take(&mut self, out: Out, report: &Report) {
        self.done += 1;
        self.slowest_ms = self.slowest_ms.max(report.converged_ms.unwrap_or_default());
        for (what, count) in &report.happened {
            *self.happened.entry(what).or_default() += count;
        }
        if self.terminal {
            eprint!("\r\x1b[K");
        }
        if self.open.explains(self.level, report) {
            self.known.push(report.seed);
        } else if !report.violations.is_empty() {
            self.broken.push(report.seed);
            let again = format!("lavina sim run --seed {}{}", report.seed, self.size);
            let _ = out.say(report, || format!("{}\n{}", words::summary(report), words::repeat(&again)));
        }
        if self.terminal && self.done < self.count {
            let full = usize::try_from(BAR * self.done / self.count).unwrap_or(0);
            let (bar, rest) = ("#".repeat(full), "-".repeat(usize::try_from(BAR).unwrap_or(0) - full));
            eprint!("[{bar}{rest}] {}/{} seeds, {} broken", self.done, self.count, self.broken.len());
        }
    }

    /// What so many seeds should have seen and did not.
    fn absent(&self) -> Vec<&'static str> {
        if self.done < ALL_HAPPEN_IN || self.done < self.count {
            return Vec::new();
        }
        self.happenings.iter().copied().filter(|what| !self.happened.contains_key(what)).collect()
    }
}

#[derive(serde::Serialize)]
struct Summary<'a> {
    seeds: u64,
    asked: u64,
    interrupted: bool,
    broken: &'a [u64],
    known: &'a [u64],
    slowest_convergence_ms: u64,
    happened: &'a BTreeMap<&'static str, u64>,
    absent: &'a [&'static str],
    seconds: f64,
}

impl Summary<'_> {
    fn text(&self) -> String {
        let mut lines: Vec<String> = self.happened.iter().map(|(what, count)| format!("  {what}: {count}")).collect();
        lines.extend(self.absent.iter().map(|what| format!("NEVER HAPPENED: {what}")));
        if self.interrupted {
            lines.push(format!("stopped after {} of {} seeds", self.seeds, self.asked));
        }
        if !self.broken.is_empty() {
            let seeds: Vec<String> = self.broken.iter().map(u64::to_string).collect();
            lines.push(format!("failing seeds: {}", seeds.join(" ")));
        }
        if !self.known.is_empty() {
            let seeds: Vec<String> = self.known.iter().map(u64::to_string).collect();
            lines.push(format!("open findings met: {} seeds: {}", seeds.len(), seeds.join(" ")));
        }
        lines.push(format!(
            "{} seeds: {} broke an invariant, equal everywhere {} ms after healing at the latest ({:.1} s)",
            self.seeds,
            self.broken.len(),
            self.slowest_convergence_ms,
            self.seconds
        ));
        lines.join("\n")
    }
}
