//! The library without the command line: run seeds, say which broke what.
//!
//! ```sh
//! cargo run --release -p lavina-sim --example sweep -- 1..100 l2
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use lavina_sim::{Level, Sizes, run_seed};
use std::process::ExitCode;

fn main() -> ExitCode {
    let range = std::env::args().nth(1).unwrap_or_else(|| "1..20".to_owned());
    let parse = |text: &str| text.parse::<u64>().ok();
    let Some((first, last)) = range.split_once("..").and_then(|(first, last)| Some((parse(first)?, parse(last)?)))
    else {
        println!("FIRST..LAST is expected, such as 1..100");
        return ExitCode::FAILURE;
    };
    let level = std::env::args().nth(2).unwrap_or_else(|| "l0".to_owned());
    let Ok(level) = serde_json::from_value::<Level>(level.into()) else {
        println!("a level is expected: l0, l1 or l2");
        return ExitCode::FAILURE;
    };
    let sizes = Sizes { level, ..Sizes::default() };
    let mut broken = 0;
    for seed in first..=last {
        let report = run_seed(seed, &sizes, false);
        for violation in &report.violations {
            println!("seed {seed} broke {}: {}", violation.invariant, violation.what);
        }
        broken += u64::from(!report.violations.is_empty());
    }
    println!("{broken} of {} seeds broke an invariant", last - first + 1);
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
