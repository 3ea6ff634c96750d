//! The library without the command line: run seeds, say which broke what.
//!
//! ```sh
//! cargo run --release -p lavina-sim --example sweep -- 1..100 safety l0
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use lavina_sim::{Sizes, run_seed};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use std::collections::BTreeMap;
use std::process::ExitCode;

fn main() -> ExitCode {
    let range = std::env::args().nth(1).unwrap_or_else(|| "1..20".to_owned());
    let parse = |text: &str| text.parse::<u64>().ok();
    let Some((first, last)) = range.split_once("..").and_then(|(first, last)| Some((parse(first)?, parse(last)?)))
    else {
        println!("FIRST..LAST is expected, such as 1..100");
        return ExitCode::FAILURE;
    };
    let mut sizes = Sizes::default();
    for word in std::env::args().skip(2) {
        if let Some(class) = named(&word) {
            sizes.class = Some(class);
        } else if let Some(level) = named(&word) {
            sizes.level = level;
        } else {
            println!("{word} is neither a class of seeds nor a level");
            return ExitCode::FAILURE;
        }
    }
    let (mut broken, mut happened) = (0, BTreeMap::<&str, u64>::new());
    for seed in first..=last {
        let report = run_seed(seed, &sizes, false);
        for violation in &report.violations {
            println!("seed {seed} broke {}: {}", violation.invariant, violation.what);
        }
        broken += u64::from(!report.violations.is_empty());
        report.happened.into_iter().for_each(|(what, count)| *happened.entry(what).or_default() += count);
    }
    println!("{happened:?}");
    println!("{broken} of {} seeds broke an invariant", last - first + 1);
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The value that a word names in plans.
fn named<'a, T: Deserialize<'a>>(word: &'a str) -> Option<T> {
    let word: StrDeserializer<'a, Error> = word.into_deserializer();
    T::deserialize(word).ok()
}
