//! `lavina sim replay`: a plan from a file, run twice, since a replay that goes another way is worth nothing.

use super::source::{self, Unreadable};
use super::words;
use crate::cli::Out;
use clap::Args;
use lavina_sim::Violation;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run a file.
#[derive(Args)]
pub(super) struct Replay {
    /// A plan or scenario (TOML)
    file: PathBuf,
}

impl Replay {
    pub(super) fn run(&self, out: Out) -> Result<ExitCode, Unreadable> {
        let plan = source::read(&self.file, None)?;
        let mut report = lavina_sim::run(&plan);
        let again = lavina_sim::run(&plan);
        if again.hash != report.hash {
            let what = format!("two runs of this plan went different ways: {} and {}", report.hash, again.hash);
            report.violations.push(Violation { invariant: "L18", what });
        }
        let repeat = format!("lavina sim replay {}", self.file.display());
        let _ = out.say(&report, || words::report(&plan, &report, &repeat));
        Ok(words::verdict(&report))
    }
}
