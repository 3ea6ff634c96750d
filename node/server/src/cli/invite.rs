//! `lavina invite`: a one-use, expiring link by which somebody registers an account, at whatever node; `list` and `revoke` for those there are.

use super::{ConfigFile, Out, duration};
use crate::admin::{InvitationLine, MadeInvitation, NewInvitation, Revoke, client};
use crate::shell::clock::wall_ms;
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;
use std::time::Duration;

/// Invite somebody to register an account, or see to the invitations there are
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Invite {
    #[command(subcommand)]
    command: Option<InviteCommand>,
    #[command(flatten)]
    make: Make,
}

#[derive(Subcommand)]
enum InviteCommand {
    /// Show the invitations of the whole mesh
    List(List),
    /// Take an invitation back that was not used yet
    Revoke(TakeBack),
}

/// Invite somebody to register an account
#[derive(Args)]
struct Make {
    /// The only name that can be registered with it, kept for who has it; without, they choose one
    #[arg(long, value_name = "ACCOUNT")]
    name: Option<String>,
    /// The account that becomes their first contact
    #[arg(long, value_name = "ACCOUNT")]
    by: Option<String>,
    /// How long it is good, a month at most
    #[arg(long, default_value = "7d", value_parser = duration::parse)]
    expires: Duration,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Args)]
struct TakeBack {
    /// What it is called in the list
    id: String,
    #[command(flatten)]
    config: ConfigFile,
}

impl Invite {
    pub(super) fn run(self, out: Out) -> Result<()> {
        match self.command {
            None => self.make.run(out),
            Some(InviteCommand::List(list)) => list.run(out),
            Some(InviteCommand::Revoke(revoke)) => revoke.run(out),
        }
    }
}

impl Make {
    fn run(self, out: Out) -> Result<()> {
        let config = self.config.load()?;
        let new = NewInvitation { name: self.name, by: self.by, seconds: self.expires.as_secs().max(1) };
        let made: MadeInvitation = serde_json::from_slice(&client::post(&config, "/invitations", &new)?)?;
        out.say(&made, || match &made.page {
            Some(page) => format!("{}\n{page}", made.uri),
            None => made.uri.clone(),
        })
    }
}

impl List {
    fn run(self, out: Out) -> Result<()> {
        let made: Vec<InvitationLine> = client::get(&self.config.load()?, "/invitations")?;
        let now_ms = wall_ms();
        out.say(&made, || {
            let lines: Vec<String> = made.iter().map(|made| line(made, now_ms)).collect();
            if lines.is_empty() { "no invitations".to_owned() } else { lines.join("\n") }
        })
    }
}

fn line(made: &InvitationLine, now_ms: u64) -> String {
    let by = made.by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
    let name = made.name.as_ref().map_or_else(String::new, |name| format!(" for {name}"));
    let state = match made.used_by.split_first() {
        Some((user, [])) => format!("used by {user}"),
        Some((user, others)) => format!("used by {user}, and out of reach of that by {}", others.join(", ")),
        None if made.expires_ms <= now_ms => "expired".to_owned(),
        None => format!("good for {} hours", (made.expires_ms - now_ms).div_ceil(3_600_000)),
    };
    format!("{}{by}{name}  {state}", made.id)
}

impl TakeBack {
    fn run(self, out: Out) -> Result<()> {
        client::post(&self.config.load()?, "/invitations/revoke", &Revoke { what: self.id.clone() })?;
        out.say(&json!({ "revoked": self.id }), || format!("invitation {} lets nobody in any more", self.id))
    }
}
