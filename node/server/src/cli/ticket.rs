//! `lavina ticket`: a one-use, expiring ticket from the running node; `list` and `revoke` for those there are.

use super::{ConfigFile, Out, duration};
use crate::admin::{MadeTicket, NewTicket, Revoke, client};
use crate::shell::clock::wall_ms;
use crate::ticket::TicketView;
use anyhow::Result;
use clap::{Args, Subcommand};
use lavina_quic::identity::peer_id;
use serde_json::json;
use std::time::Duration;

/// Make a ticket with which another machine can join, or see to those there are
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Ticket {
    #[command(subcommand)]
    command: Option<TicketCommand>,
    #[command(flatten)]
    make: MakeTicket,
}

#[derive(Subcommand)]
enum TicketCommand {
    /// Show the tickets made here
    List(ListTickets),
    /// Take a ticket back that was not used yet
    Revoke(RevokeTicket),
}

/// Make a ticket with which another machine can join
#[derive(Args)]
struct MakeTicket {
    /// How long it is good
    #[arg(long, default_value = "1h", value_parser = duration::parse)]
    expires: Duration,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Args)]
struct ListTickets {
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Args)]
struct RevokeTicket {
    /// What it is called in the list
    id: String,
    #[command(flatten)]
    config: ConfigFile,
}

impl Ticket {
    pub(super) fn run(self, out: Out) -> Result<()> {
        match self.command {
            None => self.make.run(out),
            Some(TicketCommand::List(list)) => list.run(out),
            Some(TicketCommand::Revoke(revoke)) => revoke.run(out),
        }
    }
}

impl MakeTicket {
    fn run(self, out: Out) -> Result<()> {
        let config = self.config.load()?;
        let answer = client::post(&config, "/tickets", &NewTicket { seconds: self.expires.as_secs().max(1) })?;
        let made: MadeTicket = serde_json::from_slice(&answer)?;
        out.say(&made, || made.ticket.clone())
    }
}

impl ListTickets {
    fn run(self, out: Out) -> Result<()> {
        let tickets: Vec<TicketView> = client::get(&self.config.load()?, "/tickets")?;
        let now_ms = wall_ms();
        out.say(&tickets, || {
            let lines: Vec<String> = tickets.iter().map(|ticket| line(ticket, now_ms)).collect();
            if lines.is_empty() { "no tickets".to_owned() } else { lines.join("\n") }
        })
    }
}

fn line(ticket: &TicketView, now_ms: u64) -> String {
    let state = match ticket.used_by {
        Some(node) => format!("used by {}", peer_id(node)),
        None if ticket.revoked => "taken back".to_owned(),
        None if ticket.expires_ms <= now_ms => "expired".to_owned(),
        None => format!("good for {} minutes", (ticket.expires_ms - now_ms).div_ceil(60_000)),
    };
    format!("{}  {state}", ticket.id)
}

impl RevokeTicket {
    fn run(self, out: Out) -> Result<()> {
        client::post(&self.config.load()?, "/tickets/revoke", &Revoke { what: self.id.clone() })?;
        out.say(&json!({ "revoked": self.id }), || format!("ticket {} lets nobody in any more", self.id))
    }
}
