//! `lavina sim compare`: two runs, their measures side by side.

use super::source::{self, Unreadable};
use crate::cli::Out;
use clap::Args;
use lavina_sim::{Latency, Measures};
use std::path::PathBuf;
use std::process::ExitCode;

/// Compare two.
#[derive(Args)]
pub(super) struct Compare {
    /// A scenario or plan (TOML)
    one: PathBuf,
    /// Another
    other: PathBuf,
    /// The seed of both, in place of their own
    #[arg(long)]
    seed: Option<u64>,
}

impl Compare {
    pub(super) fn run(&self, out: Out) -> Result<ExitCode, Unreadable> {
        let plans = [source::read(&self.one, self.seed)?, source::read(&self.other, self.seed)?];
        let reports = plans.map(|plan| lavina_sim::run(&plan));
        let [one, other] = &reports;
        let name =
            |file: &PathBuf| file.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let value = serde_json::json!([
            { "file": self.one, "measures": one.measures, "violations": one.violations },
            { "file": self.other, "measures": other.measures, "violations": other.violations },
        ]);
        let _ = out.say(&value, || {
            let mut text = table([name(&self.one), name(&self.other)], [&one.measures, &other.measures]);
            for (file, report) in [&self.one, &self.other].into_iter().zip(&reports) {
                for broken in &report.violations {
                    text.push_str(&format!("\nBROKEN {} in {}: {}", broken.invariant, file.display(), broken.what));
                }
            }
            text
        });
        let clean = reports.iter().all(|report| report.violations.is_empty());
        Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

type Measure = (&'static str, fn(&Measures) -> String);

const ROWS: &[Measure] = &[
    ("equal after healing", |found| {
        found.converged_ms.map_or_else(|| "not in time".to_owned(), |ms| format!("{ms} ms"))
    }),
    ("acknowledged in time by live nodes", |found| percent(found.availability_ppm)),
    ("acknowledged of all that was to be said", |found| percent(found.served_ppm)),
    ("acknowledgement, half", |found| time(found.acknowledge, |latency| latency.p50_us)),
    ("acknowledgement, 99 of 100", |found| time(found.acknowledge, |latency| latency.p99_us)),
    ("shown in the same region, half", |found| time(found.deliver_near, |latency| latency.p50_us)),
    ("shown in the same region, 99 of 100", |found| time(found.deliver_near, |latency| latency.p99_us)),
    ("shown in other regions, half", |found| time(found.deliver_far, |latency| latency.p50_us)),
    ("shown in other regions, 99 of 100", |found| time(found.deliver_far, |latency| latency.p99_us)),
    ("entries", |found| found.entries.to_string()),
    ("copies between regions", |found| found.wan_copies.to_string()),
    ("copies of an entry into each other region", |found| milli(found.copies_per_region_milli)),
    ("bytes between regions per entry", |found| found.wan_bytes_per_entry.to_string()),
    ("lines lost", |found| found.lost.to_string()),
    ("lines doubled", |found| found.duplicates.to_string()),
    ("lines out of order", |found| found.disordered.to_string()),
];

fn table(names: [String; 2], measures: [&Measures; 2]) -> String {
    let rows = ROWS.iter().map(|(what, show)| ((*what).to_owned(), measures.map(show)));
    let rows: Vec<(String, [String; 2])> = std::iter::once((String::new(), names)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|(_, cells)| cells[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    let line = |(what, [one, other]): &(String, [String; 2])| format!("{what:42} {one:>first$}  {other:>second$}");
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn percent(ppm: u64) -> String {
    format!("{}.{:02}%", ppm / 10_000, ppm % 10_000 / 100)
}

fn milli(milli: u64) -> String {
    format!("{}.{:03}", milli / 1_000, milli % 1_000)
}

fn time(latency: Latency, of: fn(Latency) -> u64) -> String {
    if latency.count == 0 {
        return "none".to_owned();
    }
    let us = of(latency);
    format!("{}.{} ms", us / 1_000, us % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_stand_side_by_side() {
        let slow = Measures { converged_ms: None, lost: 3, ..Measures::default() };
        let fast = Measures { converged_ms: Some(250), ..Measures::default() };
        let text = table(["fast".to_owned(), "slow".to_owned()], [&fast, &slow]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("equal after healing") && lines[1].ends_with("250 ms  not in time"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()), "{text}");
    }
}
