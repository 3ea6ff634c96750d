//! `lavina sim`: whole meshes in simulated time, one (`run`), many (`sweep`), or from a plan in a file (`replay`).

use super::Out;
use clap::{Args, Subcommand};
use lavina_sim::{Plan, Report, Sizes, generate, run, run_seed};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Of a sweep, the first seeds are run twice, to see that a seed always goes the same way.
const RUN_TWICE: u64 = 20;

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
}

impl Size {
    fn sizes(&self) -> Sizes {
        let usual = Sizes::default();
        let nodes = self.nodes.max(1);
        Sizes { nodes, clients: self.clients.max(usual.rooms), ..usual }
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

/// Runs seeds on all cores.
fn sweep(out: Out, seeds: &RangeInclusive<u64>, sizes: &Sizes) -> ExitCode {
    let started = Instant::now();
    let next = AtomicU64::new(*seeds.start());
    let failed: Mutex<Vec<Report>> = Mutex::new(Vec::new());
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
                    if !report.violations.is_empty() {
                        failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(report);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    failed.sort_by_key(|report| report.seed);
    let count = seeds.end() - seeds.start() + 1;
    let broken = failed.len();
    for report in &failed {
        let _ = out.say(report, || {
            format!(
                "{}\nrepeat: lavina sim run --seed {} --nodes {} --clients {}",
                text(report),
                report.seed,
                sizes.nodes,
                sizes.clients
            )
        });
    }
    let seconds = started.elapsed().as_secs_f64();
    let _ = out.say(&serde_json::json!({ "seeds": count, "broken": broken, "seconds": seconds }), || {
        format!("{count} seeds of {} nodes: {broken} broke an invariant ({seconds:.1} s)", sizes.nodes)
    });
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
