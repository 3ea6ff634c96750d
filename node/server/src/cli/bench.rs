//! `lavina bench`: measurements that need sockets.

use super::Out;
use crate::bench::{fanout, mesh};
use anyhow::Result;
use clap::Subcommand;

/// Measure
#[derive(Subcommand)]
pub(super) enum Bench {
    /// Messages through one room to many clients over loopback
    Fanout(fanout::Fanout),
    /// What nodes cost one another: copies, catching up, idling, delivery
    Mesh(mesh::Mesh),
}

impl Bench {
    pub(super) fn run(self, out: Out) -> Result<()> {
        match self {
            Self::Fanout(fanout) => {
                let result = fanout.measure()?;
                out.say(&result, || result.to_string())
            }
            Self::Mesh(mesh) => {
                let result = mesh.measure()?;
                out.say(&result, || result.to_string())
            }
        }
    }
}
