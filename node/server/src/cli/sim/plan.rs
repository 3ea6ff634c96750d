//! `lavina sim plan`: the exact form of a seed or scenario.

use super::source::{Source, Unreadable};
use crate::cli::Out;
use clap::Args;
use std::process::ExitCode;

/// Print a plan.
#[derive(Args)]
pub(super) struct MakePlan {
    #[command(flatten)]
    source: Source,
}

impl MakePlan {
    pub(super) fn run(&self, out: Out) -> Result<ExitCode, Unreadable> {
        let plan = self.source.plan()?;
        let _ = out.say(&plan, || plan.to_toml());
        Ok(ExitCode::SUCCESS)
    }
}
