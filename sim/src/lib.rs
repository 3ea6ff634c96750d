//! Deterministic simulation of whole meshes: the real core and the real protocol sessions, fed real client bytes, over a virtual
//! network, virtual disks and a virtual clock.
//!
//! A seed becomes a [`Plan`] ([`generate`]), a plan becomes a [`Report`] ([`run`]) that names every broken invariant. The same plan always
//! goes the same way, in debug and release, on any machine.
//!
//! Pure like what it drives: no file, no thread, no clock. The command `lavina sim` gives it those.

mod account;
mod check;
mod client;
mod generate;
mod plan;
mod run;
#[cfg(test)]
mod tests;
mod trace;
mod wire;
mod world;

pub use check::Violation;
pub use generate::{Sizes, generate};
pub use plan::{
    Action, BetweenPlan, Class, ClientFault, ClientPlan, ClockFault, DiskFault, Fault, FaultKind, Level, LinkPlan, NetFault,
    NodeFault, NodePlan, Plan, PlanError, RoomPlan, Speaks, Step, happenings,
};
pub use run::{Report, run, run_seed};
