//! `lavina sim shrink`: the smallest plan that still breaks the same invariant.

use super::source::{Source, Unreadable};
use crate::cli::Out;
use clap::Args;
use lavina_sim::{Plan, Progress};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

/// Shrink one.
#[derive(Args)]
pub(super) struct Shrink {
    #[command(flatten)]
    source: Source,
    /// Most runs
    #[arg(long, default_value_t = 2_000)]
    runs: usize,
    /// The invariant to keep broken, such as L3; without it the first that breaks
    #[arg(long)]
    invariant: Option<String>,
    /// Where the small plan goes; without it, to the output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Shrink {
    pub(super) fn run(&self, out: Out) -> Result<ExitCode, Unreadable> {
        let plan = self.source.plan()?;
        let report = lavina_sim::run(&plan);
        let wanted = |invariant: &str| self.invariant.as_ref().is_none_or(|wanted| wanted == invariant);
        let Some(broken) = report.violations.iter().find(|violation| wanted(violation.invariant)) else {
            let what = "it breaks no such invariant: there is nothing to shrink".to_owned();
            return Err(Unreadable { file: None, place: None, what });
        };
        let invariant = broken.invariant;
        let breaks = |plan: &Plan| lavina_sim::run(plan).violations.iter().any(|found| found.invariant == invariant);
        let terminal = std::io::stderr().is_terminal();
        let small = lavina_sim::shrink(&plan, self.runs, breaks, |progress| tell(terminal, progress));
        if terminal {
            eprintln!();
        }
        let report = lavina_sim::run(&small);
        let toml = small.to_toml();
        let (steps, sizes) = (steps(&small), (small.faults.len(), small.clients.len(), small.nodes.len()));
        let what = report.violations.iter().find(|found| found.invariant == invariant).map(|found| found.what.clone());
        if let Some(file) = &self.output {
            std::fs::write(file, &toml).map_err(|error| Unreadable {
                file: Some(file.clone()),
                place: None,
                what: format!("the plan cannot be written: {error}"),
            })?;
        }
        let value = serde_json::json!({
            "invariant": invariant, "what": what, "faults": sizes.0, "clients": sizes.1, "nodes": sizes.2,
            "steps": steps, "plan": toml,
        });
        let _ = out.say(&value, || {
            let plan = if self.output.is_some() { String::new() } else { format!("{toml}\n") };
            let what = what.clone().unwrap_or_default();
            format!(
                "{plan}# BROKEN {invariant}: {what}\n# {} faults, {} clients, {steps} steps, {} nodes",
                sizes.0, sizes.1, sizes.2
            )
        });
        Ok(ExitCode::SUCCESS)
    }
}

fn steps(plan: &Plan) -> usize {
    plan.clients.iter().map(|client| client.script.len()).sum()
}

fn tell(terminal: bool, progress: &Progress) {
    if terminal {
        let Progress { runs, part, faults, clients, rooms, nodes, steps } = progress;
        eprint!(
            "\r\x1b[Krun {runs}: fewer {part}: {faults} faults, {clients} clients, {rooms} rooms, {nodes} nodes, {steps} steps"
        );
    }
}
