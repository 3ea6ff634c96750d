//! `lavina sim`: whole meshes in simulated time. A file a command; the simulator itself is `lavina_sim`.
//!
//! The exit code is the verdict: 0 when all held, 1 when something broke, 2 when what was given cannot be read, 130 after Ctrl-C.

mod compare;
mod mutants;
mod open;
mod plan;
mod replay;
mod run;
mod show;
mod shrink;
mod source;
mod sweep;
mod words;

use super::Out;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// What was given cannot be read.
const UNREADABLE: u8 = 2;
/// Stopped by Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;

/// Run the simulator
#[derive(Args)]
pub(super) struct Sim {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a scenario, or the plan of a seed, and say how it went
    Run(run::Run),
    /// Run many seeds; fails when an invariant breaks
    Sweep(sweep::Sweep),
    /// Print the plan of a seed or of a scenario, to edit and replay
    Plan(plan::MakePlan),
    /// Run a plan or scenario from a file, twice, to see that it goes the same way
    Replay(replay::Replay),
    /// Make a plan that breaks an invariant as small as can be
    Shrink(shrink::Shrink),
    /// Draw a run as one self-contained HTML page
    Show(show::Show),
    Mutants(mutants::Mutants),
    /// Run two scenarios or plans and put their measures side by side
    Compare(compare::Compare),
}

impl Sim {
    pub(super) fn run(self, out: Out) -> ExitCode {
        let done = match self.command {
            Command::Run(command) => command.run(out),
            Command::Sweep(command) => Ok(command.run(out)),
            Command::Plan(command) => command.run(out),
            Command::Replay(command) => command.run(out),
            Command::Shrink(command) => command.run(out),
            Command::Show(command) => command.run(out),
            Command::Mutants(command) => Ok(command.run(out)),
            Command::Compare(command) => command.run(out),
        };
        done.unwrap_or_else(|unreadable| unreadable.tell(out))
    }
}
