//! `lavina sim show`: a run as a page.

use super::source::{Source, Unreadable};
use super::words;
use crate::cli::Out;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Draw one.
#[derive(Args)]
pub(super) struct Show {
    #[command(flatten)]
    source: Source,
    /// The page
    #[arg(short, long, value_name = "FILE", default_value = "run.html")]
    output: PathBuf,
}

impl Show {
    pub(super) fn run(&self, out: Out) -> Result<ExitCode, Unreadable> {
        let plan = self.source.plan()?;
        let (report, record) = lavina_sim::run_recorded(&plan);
        let page = lavina_sim::page(&plan, &report, &record, &self.source.again("run"));
        std::fs::write(&self.output, &page).map_err(|error| Unreadable {
            file: Some(self.output.clone()),
            place: None,
            what: format!("the page cannot be written: {error}"),
        })?;
        let value = serde_json::json!({
            "page": self.output, "bytes": page.len(), "seed": report.seed, "violations": report.violations,
        });
        let _ = out.say(&value, || format!("{}\npage: {}", words::summary(&report), self.output.display()));
        Ok(words::verdict(&report))
    }
}
