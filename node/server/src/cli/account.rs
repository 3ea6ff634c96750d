//! `lavina account add NAME`: registers an account at the running node.

use super::{ConfigFile, Out};
use crate::admin::{NewAccount, client};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::{BufRead, IsTerminal, Write};
use std::process::Command;

/// Work with accounts
#[derive(Subcommand)]
pub(super) enum Account {
    /// Register an account
    Add(Add),
}

/// Register an account
#[derive(Args)]
pub(super) struct Add {
    /// Its name: IRC account and XMPP localpart
    name: String,
    /// Its password; without it, asked for or read from standard input
    #[arg(long)]
    password: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
}

impl Account {
    pub(super) fn run(self, out: Out) -> Result<()> {
        match self {
            Self::Add(add) => add.run(out),
        }
    }
}

impl Add {
    fn run(self, out: Out) -> Result<()> {
        let config = self.config.load()?;
        let password = match self.password {
            Some(password) => password,
            None => read_password()?,
        };
        client::post(&config, "/accounts", &NewAccount { name: self.name.clone(), password })?;
        let jid = format!("{}@{}", self.name, config.domain);
        out.say(&json!({ "account": self.name, "jid": jid }), || {
            format!("{} is registered ({jid} in XMPP).", self.name)
        })
    }
}

/// A line of standard input, not shown while typed.
pub(super) fn read_password() -> Result<String> {
    let typed = std::io::stdin().is_terminal();
    let echo = |mode: &str| {
        // A terminal that cannot be told shows the password; that is all.
        let _ = Command::new("stty").arg(mode).status();
    };
    if typed {
        eprint!("Password: ");
        std::io::stderr().flush()?;
        echo("-echo");
    }
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    if typed {
        echo("echo");
        eprintln!();
    }
    read.context("cannot read the password")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("no password was given");
    }
    Ok(password.to_owned())
}
