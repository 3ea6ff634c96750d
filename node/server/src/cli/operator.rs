//! `lavina operator hash`: what the configuration keeps of an operator's password.

use super::{Out, account};
use crate::identity::random;
use anyhow::Result;
use clap::{Args, Subcommand};
use lavina_protocols::sasl::{derive_credentials, write_verifier};
use serde_json::json;

/// Work with operators
#[derive(Subcommand)]
pub(super) enum OperatorCommand {
    /// Print what `password` of an operator in the configuration is to be
    Hash(HashPassword),
}

/// Print what `password` of an operator in the configuration is to be
#[derive(Args)]
pub(super) struct HashPassword {
    /// The password; without it, asked for or read from standard input
    #[arg(long)]
    password: Option<String>,
}

impl OperatorCommand {
    pub(super) fn run(self, out: Out) -> Result<()> {
        let Self::Hash(hash) = self;
        let password = match hash.password {
            Some(password) => password,
            None => account::read_password()?,
        };
        let kept = write_verifier(&derive_credentials(&password, random())?.sha256);
        out.say(&json!({ "password": kept }), || format!("password = \"{kept}\""))
    }
}
