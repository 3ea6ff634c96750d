//! `lavina sim run`: one scenario or seed.

use super::source::{Source, Unreadable};
use super::words;
use crate::cli::Out;
use clap::Args;
use std::process::ExitCode;

/// Run one.
#[derive(Args)]
pub(super) struct Run {
    #[command(flatten)]
    source: Source,
}

impl Run {
    pub(super) fn run(&self, out: Out) -> Result<ExitCode, Unreadable> {
        let plan = self.source.plan()?;
        let report = lavina_sim::run(&plan);
        // A report has no maps with keys that JSON cannot hold, here and in the other commands.
        let _ = out.say(&report, || words::report(&plan, &report, &self.source.again("run")));
        Ok(words::verdict(&report))
    }
}
