//! `lavina ticket`: a one-use, expiring ticket from the running node.

use super::{ConfigFile, Out, duration};
use crate::admin::{MadeTicket, NewTicket, client};
use anyhow::Result;
use clap::Args;
use std::time::Duration;

/// Make a ticket with which another machine can join
#[derive(Args)]
pub(super) struct MakeTicket {
    /// How long it is good
    #[arg(long, default_value = "1h", value_parser = duration::parse)]
    expires: Duration,
    #[command(flatten)]
    config: ConfigFile,
}

impl MakeTicket {
    pub(super) fn run(self, out: Out) -> Result<()> {
        let config = self.config.load()?;
        let answer = client::post(&config, "/tickets", &NewTicket { seconds: self.expires.as_secs().max(1) })?;
        let made: MadeTicket = serde_json::from_slice(&answer)?;
        out.say(&made, || made.ticket.clone())
    }
}
