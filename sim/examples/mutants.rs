//! Plants every bug of the table, one after the other, and says what caught it.
//!
//! ```sh
//! cargo run --release -p lavina-sim --features mutants --example mutants [NAME..]
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use lavina_sim::mutants::{Baselines, Planted, TABLE, hunt};
use std::process::ExitCode;

fn main() -> ExitCode {
    let only: Vec<String> = std::env::args().skip(1).collect();
    let rows: Vec<&Planted> =
        TABLE.iter().filter(|row| only.is_empty() || only.iter().any(|name| name == row.name)).collect();
    let mut baselines = Baselines::default();
    let mut missed = 0;
    for row in &rows {
        let hunted = hunt(row, &mut baselines, Planted::run);
        let others: Vec<&str> = hunted.broken.iter().copied().collect();
        match &hunted.caught {
            Some(caught) => println!(
                "{:<22} caught by {:<4} after {:>3} seeds ({}): {}",
                row.name,
                caught.invariant,
                caught.seeds_needed,
                others.join(" "),
                caught.what
            ),
            None => {
                missed += 1;
                println!(
                    "{:<22} MISSED in {} seeds ({}), unclean {:?}",
                    row.name,
                    hunted.seeds,
                    others.join(" "),
                    hunted.unclean
                );
            }
        }
    }
    println!("{} of {} bugs caught", rows.len() - missed, rows.len());
    if missed == 0 && !rows.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
