//! Deterministic simulation of whole meshes: the real core and the real protocol sessions, fed real client bytes, over a virtual
//! network, virtual disks and a virtual clock.
//!
//! A seed becomes a [`Plan`] ([`generate`]), a plan becomes a [`Report`] ([`run`]) that names every broken invariant. The same plan always
//! goes the same way, in debug and release, on any machine.
//!
//! In a test of your own: build a plan, by hand or from a [`Scenario`], run it, and look at what broke and what was measured.
//!
//! ```
//! use lavina_sim::{Fault, FaultKind, NodeFault, read_plan, run};
//!
//! let mut plan = read_plan(r#"
//!     [regions]
//!     eu = { nodes = 2 }
//!     us = { nodes = 1 }
//!     [load]
//!     clients = 4
//!     lines-per-minute = 30
//!     duration = "8s"
//!     [expect]
//!     lost = 0
//! "#, None)?;
//! // Times of a plan count from the start of the run, milliseconds.
//! plan.faults.push(Fault { at_ms: 12_000, kind: FaultKind::Node(NodeFault::Crash(1)) });
//!
//! let report = run(&plan);
//! assert!(report.violations.is_empty(), "{:?}", report.violations);
//! assert_eq!(report.measures.duplicates, 0);
//! # Ok::<(), lavina_sim::TextError>(())
//! ```
//!
//! What fails is made small by [`shrink`] and drawn by [`page`].
//!
//! Pure like what it drives: no file, no thread, no clock. The command `lavina sim` gives it those.

mod account;
mod adversary;
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
mod wire;
mod world;

pub use check::Violation;
pub use generate::{Day, Placing, Sizes, day, generate};
pub use measure::{Latency, Measures};
pub use page::page;
pub use plan::{
    Action, Class, ClientFault, ClientPlan, ClockFault, DiskFault, Expect, Fault, FaultKind, Level, LinkPlan, NetFault,
    NodeFault, NodePlan, PeerFault, Plan, PlanError, RegionLink, Release, RoomPlan, Speaks, Step, happenings,
};
pub use record::Record;
pub use run::{Report, run, run_recorded, run_seed};
pub use scenario::{Scenario, TextError, read_plan};
pub use shrink::{Progress, shrink};
