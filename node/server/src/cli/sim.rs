//! `lavina sim`: whole meshes in simulated time, one (`run`), many (`sweep`), or from a plan in a file (`replay`).

use super::Out;
use super::sim_mutants::Mutants;
use clap::{Args, Subcommand};
use lavina_sim::{Plan, Report, Sizes, generate, happenings, run, run_seed};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Of a sweep, the first seeds are run twice, to see that a seed always goes the same way.
const RUN_TWICE: u64 = 20;
/// In a sweep of this many seeds everything that the simulator can do must have happened.
const ALL_HAPPEN_IN: u64 = 200;

/// Shortest time with faults: some must fit in.
const STORM_MS_MIN: u64 = 2_000;

/// Run the simulator
#[derive(Args)]
pub(super) struct Sim {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one seed and say how it went
    Run {
        /// Which
        #[arg(long)]
        seed: u64,
        #[command(flatten)]
        size: Size,
    },
    /// Run many seeds; fails when an invariant breaks
    Sweep {
        /// Which, as FIRST..LAST
        #[arg(long, value_parser = seeds)]
        seeds: RangeInclusive<u64>,
        #[command(flatten)]
        size: Size,
    },
    /// Print the plan of a seed, to edit and replay
    Plan {
        /// Which
        #[arg(long)]
        seed: u64,
        #[command(flatten)]
        size: Size,
    },
    Mutants(Mutants),
    /// Run a plan from a file
    Replay {
        /// The file
        plan: PathBuf,
    },
}

#[derive(Args)]
struct Size {
    /// Number of nodes
    #[arg(long, default_value_t = Sizes::default().nodes)]
    nodes: usize,
    /// Number of clients
    #[arg(long, default_value_t = Sizes::default().clients)]
    clients: usize,
    /// Length of the time with faults, milliseconds
    #[arg(long, default_value_t = Sizes::default().storm_ms)]
    storm_ms: u64,
}

impl Size {
    fn sizes(&self) -> Sizes {
        let usual = Sizes::default();
        let nodes = self.nodes.max(1);
        Sizes { nodes, clients: self.clients.max(usual.rooms), storm_ms: self.storm_ms.max(STORM_MS_MIN), ..usual }
    }
}

fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let range = text.split_once("..").and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
    range.filter(|range| !range.is_empty()).ok_or_else(|| "FIRST..LAST is expected, such as 1..1000".to_owned())
}

impl Sim {
    pub(super) fn run(self, out: Out) -> ExitCode {
        match self.command {
            Command::Run { seed, size } => show(out, &run_seed(seed, &size.sizes(), true)),
            Command::Sweep { seeds, size } => sweep(out, &seeds, &size.sizes()),
            Command::Plan { seed, size } => {
                println!("{}", generate(seed, &size.sizes()).to_toml());
                ExitCode::SUCCESS
            }
            Command::Mutants(mutants) => mutants.run(out),
            Command::Replay { plan } => replay(out, &plan),
        }
    }
}

fn replay(out: Out, path: &PathBuf) -> ExitCode {
    let plan = match std::fs::read_to_string(path) {
        Ok(text) => Plan::from_toml(&text).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match plan {
        Ok(plan) => show(out, &run(&plan)),
        Err(error) => {
            eprintln!("lavina: {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn verdict(report: &Report) -> ExitCode {
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn show(out: Out, report: &Report) -> ExitCode {
    // A report has no maps with keys that JSON cannot hold.
    let _ = out.say(report, || text(report));
    verdict(report)
}

fn text(report: &Report) -> String {
    let mut lines: Vec<String> = report.last_events.clone();
    lines.push(format!(
        "seed {}: {} events in {:.1} simulated seconds, {} lines acknowledged, hash {}",
        report.seed,
        report.events,
        std::time::Duration::from_millis(report.simulated_ms).as_secs_f64(),
        report.acknowledged,
        report.hash
    ));
    if let Some(ms) = report.converged_ms {
        lines.push(format!("equal everywhere {ms} ms after the last fault was healed"));
    }
    lines.extend(report.happened.iter().map(|(what, count)| format!("  {what}: {count}")));
    lines.extend(
        report.violations.iter().map(|violation| format!("BROKEN {}: {}", violation.invariant, violation.what)),
    );
    lines.join("\n")
}

/// Runs seeds on all cores. While it runs, failing seeds are told as they are found, and a terminal is shown how far it is.
fn sweep(out: Out, seeds: &RangeInclusive<u64>, sizes: &Sizes) -> ExitCode {
    let started = Instant::now();
    let count = seeds.end() - seeds.start() + 1;
    let next = AtomicU64::new(*seeds.start());
    let tally = Mutex::new(Tally::new(count));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        return;
                    }
                    let report = run_seed(seed, sizes, seed - seeds.start() < RUN_TWICE);
                    let mut tally = tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    tally.take(out, report, sizes);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let absent = tally.absent();
    let summary = Summary {
        seeds: count,
        broken: tally.broken,
        slowest_convergence_ms: tally.slowest_ms,
        happened: &tally.happened,
        absent: &absent,
        seconds: started.elapsed().as_secs_f64(),
    };
    let _ = out.say(&summary, || summary.text(sizes));
    if tally.broken == 0 && absent.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the runs of a sweep came to so far.
struct Tally {
    count: u64,
    done: u64,
    broken: u64,
    slowest_ms: u64,
    happened: BTreeMap<&'static str, u64>,
    terminal: bool,
}

impl Tally {
    fn new(count: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { count, done: 0, broken: 0, slowest_ms: 0, happened: BTreeMap::new(), terminal }
    }

    fn take(&mut self, out: Out, report: Report, sizes: &Sizes) {
        self.done += 1;
        self.slowest_ms = self.slowest_ms.max(report.converged_ms.unwrap_or_default());
        for (what, count) in &report.happened {
            *self.happened.entry(what).or_default() += count;
        }
        if self.terminal {
            eprint!("\r\x1b[K");
        }
        if !report.violations.is_empty() {
            self.broken += 1;
            let _ = out.say(&report, || format!("{}\n{}", text(&report), repeat(&report, sizes)));
        }
        if self.terminal && self.done < self.count {
            eprint!("{}/{} seeds, {} broken", self.done, self.count, self.broken);
        }
    }

    /// What so many seeds should have seen and did not.
    fn absent(&self) -> Vec<&'static str> {
        if self.count < ALL_HAPPEN_IN {
            return Vec::new();
        }
        happenings().into_iter().filter(|what| !self.happened.contains_key(what)).collect()
    }
}

#[derive(serde::Serialize)]
struct Summary<'a> {
    seeds: u64,
    broken: u64,
    slowest_convergence_ms: u64,
    happened: &'a BTreeMap<&'static str, u64>,
    absent: &'a [&'static str],
    seconds: f64,
}

impl Summary<'_> {
    fn text(&self, sizes: &Sizes) -> String {
        let mut lines: Vec<String> = self.happened.iter().map(|(what, count)| format!("  {what}: {count}")).collect();
        lines.extend(self.absent.iter().map(|what| format!("NEVER HAPPENED: {what}")));
        lines.push(format!(
            "{} seeds of {} nodes: {} broke an invariant, equal everywhere {} ms after healing at the latest ({:.1} s)",
            self.seeds, sizes.nodes, self.broken, self.slowest_convergence_ms, self.seconds
        ));
        lines.join("\n")
    }
}

/// The one command that repeats a run.
fn repeat(report: &Report, sizes: &Sizes) -> String {
    format!(
        "repeat: lavina sim run --seed {} --nodes {} --clients {} --storm-ms {}",
        report.seed, sizes.nodes, sizes.clients, sizes.storm_ms
    )
}
