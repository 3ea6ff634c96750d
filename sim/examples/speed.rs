//! How fast whole meshes are simulated: simulated seconds and events per second of processor time, on one core.
//!
//! ```sh
//! cargo run --release -p lavina-sim --example speed             # all rows
//! cargo run --release -p lavina-sim --example speed -- day-9    # one
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
#![expect(clippy::disallowed_methods, reason = "what is measured is the machine's time")]

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use lavina_sim::{Day, Plan, Report, Sizes, day, generate, run};
use std::time::Duration;

/// A row: its name, what it is, its plans.
type Row = (&'static str, &'static str, fn() -> Vec<Plan>);

const ROWS: &[Row] = &[
    ("day-9", "9 nodes, 90 clients, 12 faults, ten minutes of chat, a line each in four minutes", || {
        vec![day(1, &Day { nodes: 9, clients: 90, talk_ms: 600_000, faults: 12, pause_ms: Day::ORDINARY_MS })]
    }),
    ("rush-9", "the same, a line each in 25 seconds", || {
        vec![day(1, &Day { nodes: 9, clients: 90, talk_ms: 600_000, faults: 12, pause_ms: Day::RUSH_MS })]
    }),
    ("day-50", "50 nodes, 1,000 clients, 12 faults, ten minutes of chat, a line each in four minutes", || {
        vec![day(1, &Day { nodes: 50, clients: 1_000, talk_ms: 600_000, faults: 12, pause_ms: Day::ORDINARY_MS })]
    }),
    ("seeds-5", "generated seeds 1..50: 5 nodes, 12 clients", || {
        (1..=50).map(|seed| generate(seed, &Sizes::default())).collect()
    }),
    ("seeds-9", "generated seeds 1..5: 9 nodes, 90 clients", || {
        (1..=5).map(|seed| generate(seed, &Sizes { nodes: 9, clients: 90, ..Sizes::default() })).collect()
    }),
];

fn main() {
    let asked = std::env::args().nth(1);
    for (name, what, plans) in ROWS.iter().filter(|(name, ..)| asked.as_deref().is_none_or(|asked| asked == *name)) {
        let plans = plans();
        let began = cpu_time();
        let reports: Vec<Report> = plans.iter().map(run).collect();
        print(name, what, &reports, (cpu_time() - began).as_secs_f64());
    }
}

fn print(name: &str, what: &str, reports: &[Report], cpu_s: f64) {
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    #[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
    let (simulated_s, events, lines, seen) = (
        sum(|report| report.simulated_ms) as f64 / 1e3,
        sum(|report| report.events) as f64,
        sum(|report| report.acknowledged) as f64,
        sum(|report| report.shown) as f64,
    );
    println!("{name}: {what}");
    println!("  load: {:.1} lines and {:.0} deliveries a simulated second", lines / simulated_s, seen / simulated_s);
    println!("  {simulated_s:.0} simulated seconds, {events:.0} events in {cpu_s:.2} CPU seconds");
    println!("  {:.0} simulated seconds and {:.0} events a CPU second", simulated_s / cpu_s, events / cpu_s);
    for report in reports.iter().filter(|report| !report.violations.is_empty()) {
        println!("  seed {} broke {:?}", report.seed, report.violations);
    }
}

/// Processor time of this thread so far.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    match text.split(' ').next().and_then(|nanos| nanos.parse().ok()) {
        Some(nanos) => Duration::from_nanos(nanos),
        None => {
            static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
            START.get_or_init(std::time::Instant::now).elapsed()
        }
    }
}
