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
pub mod determinism;
mod generate;
mod hash;
mod measure;
mod model;
pub mod mutants;
mod page;
mod plan;
pub mod record;
mod run;
mod scenario;
mod shrink;
#[cfg(test)]
mod tests;
mod trace;
mod world;

pub use check::Violation;
pub use generate::{Day, Sizes, day, generate};
pub use measure::{Latency, Measures};
pub use page::page;
pub use plan::{
    Action, Class, ClientFault, ClientPlan, ClockFault, DiskFault, Expect, Fault, FaultKind, Level, LinkPlan, NetFault,
    NodeFault, NodePlan, Plan, PlanError, RegionLink, RoomPlan, Speaks, Step, happenings,
};
pub use record::Record;
pub use run::{Report, run, run_recorded, run_seed};
pub use scenario::{Scenario, TextError, read_plan};
pub use shrink::{Progress, shrink};
